"""One table: what each role may do in a room of the type `tests.support.typed.Stage`. Every way in is held to it.

`manager` holds manage_room: no rule of a type binds it, types and declared keys do. Roles change from one to another,
and from then on the other's row counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import permutations
from typing import Any, Final

ROLES: Final = ("host", "speaker", "guest")
MANAGER: Final = "manager"
# From which role to which.
CHANGES: Final = tuple(permutations(ROLES, 2))

# What is there before: a host's notes, somebody's hand and question, a count.
PRESENT: Final[Mapping[str, Any]] = {"notes": "secret", "hand/other": 1.0, "question/other": "why?", "count": 1}
SECRETS: Final = ("secret", "why?")


@dataclass(frozen=True)
class Operation:
    """A call, who of the roles may make it, and what the others are told."""

    name: str
    method: str
    params: Mapping[str, Any]
    who: frozenset[str]
    otherwise: str = "ACCESS_DENIED"
    manager: str | None = None

    def reason(self, role: str) -> str | None:
        """What somebody of this role is refused with; None: it may."""
        if role == MANAGER:
            return self.manager
        return None if role in self.who else self.otherwise


def _row(
    name: str, method: str, who: str, *, manager: str | None = None, otherwise: str = "", **params: Any
) -> Operation:
    roles = frozenset(ROLES if who == "all" else who.split())
    return Operation(name, method, params, roles, otherwise or "ACCESS_DENIED", manager)


PIN: Final = [{"id": "a"}]

OPERATIONS: Final = (
    _row("set spotlight on nobody", "room.delete", "host", key="spotlight"),
    _row("set pinned", "room.set", "host speaker", key="pinned", value=PIN),
    _row("delete pinned", "room.delete", "host speaker", key="pinned"),
    _row("append to pinned", "room.update", "host speaker", key="pinned", do="append", item={"id": "b"}),
    _row("set count", "room.set", "all", key="count", value=2),
    _row(
        "write count and pinned",
        "room.write",
        "host speaker",
        ops=[{"key": "count", "value": 3}, {"key": "pinned", "value": PIN}],
    ),
    _row("set notes", "room.set", "host", key="notes", value="secret"),
    _row("raise a hand", "room.set", "all", key="hand/own", value=1.0),
    _row("lower another's hand", "room.delete", "host", key="hand/other"),
    _row("answer another's question", "room.set", "", key="question/other", value="why?"),
    _row("vote", "room.set", "all", key="ballot/own", value=True),
    _row("set the motto", "room.set", "", key="motto", value="vite"),
    _row("write what only the server does", "room.set", "", key="audit", value={"a": 1}),
    _row(
        "set what is not declared", "room.set", "", otherwise="INVALID_KEY", manager="INVALID_KEY", key="other", value=1
    ),
    _row(
        "set what is no count",
        "room.set",
        "",
        otherwise="INVALID_VALUE",
        manager="INVALID_VALUE",
        key="count",
        value="x",
    ),
    _row("read notes", "room.get", "host", key="notes"),
    _row("read another's question", "room.get", "host", key="question/other"),
    _row("read a ballot", "room.get", "host", key="ballot/own"),
    _row("read what needs a permission", "room.get", "", key="audit"),
    _row("read the count", "room.get", "all", key="count"),
    _row("name notes in a snapshot", "room.snapshot", "host", keys=["count", "notes"]),
    _row("take a snapshot", "room.snapshot", "all"),
    _row("see the peers", "room.peers", "all"),
    _row("speak to all", "room.broadcast", "host speaker", event="cheer"),
    _row("empty the room", "room.clear", "host"),
)
# Last, for nothing is left to be read after it.
assert OPERATIONS[-1].method == "room.clear"


def expected(role: str) -> dict[str, str | None]:
    """What somebody of this role is refused with, by operation."""
    return {operation.name: operation.reason(role) for operation in OPERATIONS}
