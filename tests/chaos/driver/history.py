"""What happened in a campaign: every operation, everything each observer was told, every fault. Times are seconds of
the driver's monotonic clock since its start. Knows no process and no check; kept as JSON lines.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

Outcome = Literal["pending", "ok", "refused", "unknown"]
Kind = Literal["changed", "snapshot", "joined", "observed", "cleared", "read"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An entry as somebody was told it; `value` None: it has none. `by` is the session that wrote it."""

    key: str
    value: Any
    version: int
    by: str = ""


@dataclass(slots=True, kw_only=True)
class Operation:
    """One call of one client. A write names in `values` what it would make of its keys, where that can be said."""

    number: int = 0
    client: str
    method: str
    start: float
    end: float | None = None
    outcome: Outcome = "pending"
    reason: str = ""
    session: str = ""
    room: str = ""
    key: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    if_version: int | None = None
    # Of an update: what it does, and with what.
    do: str = ""
    item: Any = None
    # The sequence of the lock under which it was asked for.
    fence: int | None = None
    # What the answer named; a repeat is answered with the present entry, whoever wrote that.
    entries: tuple[Seen, ...] = ()
    is_repeat: bool = False
    epoch: str = ""
    version: int | None = None
    result: Any = None

    @property
    def finished(self) -> float:
        """When it had ended; one that never did ends after everything."""
        return float("inf") if self.end is None else self.end


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What one observer was told of one room, in the order told. `whole`: it replaces all that was held."""

    at: float
    client: str
    socket: int
    session: str
    room: str
    kind: Kind
    epoch: str
    version: int = 0
    entries: tuple[Seen, ...] = ()
    whole: bool = False
    reason: str = ""
    # For an answer: when it was asked for.
    asked: float | None = None
    observes_all: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """An event of a session, as a listener was told it by one socket."""

    at: float
    listener: str
    socket: int
    session: str
    type: str
    state: str
    revision: int
    close_reason: str | None = None


@dataclass(slots=True, kw_only=True)
class FaultRecord:
    """A fault, from its beginning to its healing."""

    kind: str
    target: str
    start: float
    end: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A client's session was opened or resumed on a socket."""

    at: float
    client: str
    socket: int
    session: str
    is_resumed: bool
    server: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A room's store, looked at directly."""

    at: float
    room: str
    keys: int
    size_bytes: int


class History:
    """Written by everybody, in the order of happening; read by the checks."""

    def __init__(self) -> None:
        self._zero = time.monotonic()
        self.started_at = time.time()
        self.operations: list[Operation] = []
        self.told: list[Told] = []
        self.heard: list[Heard] = []
        self.faults: list[FaultRecord] = []
        self.opened: list[Opened] = []
        self.measured: list[Measured] = []
        # Named instants of the campaign: "healed", "connected", "converged" …
        self.marks: dict[str, float] = {}

    def now(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._zero

    def begin(self, client: str, method: str, **what: Any) -> Operation:
        """An operation begins now."""
        operation = Operation(number=len(self.operations) + 1, client=client, method=method, start=self.now(), **what)
        self.operations.append(operation)
        return operation

    def finish(self, operation: Operation, outcome: Outcome, reason: str = "") -> None:
        """It has ended now."""
        operation.end, operation.outcome, operation.reason = self.now(), outcome, reason

    def mark(self, name: str) -> float:
        """Name this instant."""
        self.marks[name] = self.now()
        return self.marks[name]

    def write(self, path: Path, **rows: Iterable[Any]) -> None:
        """Keep it all, and these rows, one JSON object a line."""
        parts: Mapping[str, Iterable[Any]] = {
            "fault": self.faults,
            "operation": self.operations,
            "told": self.told,
            "heard": self.heard,
            "opened": self.opened,
            **rows,
        }
        with path.open("w") as file:
            file.write(json.dumps({"kind_of": "marks", "started_at": self.started_at, **self.marks}) + "\n")
            for name, records in parts.items():
                for record in records:
                    file.write(json.dumps({"kind_of": name, **asdict(record)}, default=str) + "\n")


def seen(entry: Mapping[str, Any]) -> Seen:
    """An entry of the wire."""
    by = entry.get("by") or {}
    return Seen(key=entry["key"], value=entry["value"], version=entry["version"], by=by.get("session_id") or "")
