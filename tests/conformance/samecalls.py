"""Calls of both interfaces that a seed makes up, and how their answers are compared. Used by `test_same_answers`.

A round is one call to each of some spaces, to be made at the same time: calls to one space keep their order, and none
sees another space. Calls that look at several spaces are made alone. Keys are few, so that they meet.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from sessionstore_app.backends.base import Backend
from sessionstore_app.backends.stores import StoreBackend
from sessionstore_app.core import jsontext
from sessionstore_app.core.entries import Author, Change, Fence, SessionId, Space, Write, WriteResult
from sessionstore_app.core.jsontext import MAX_INTEGER
from sessionstore_app.core.limits import StoreLimits
from sessionstore_app.core.operations import Append, Increment, Merge, Operation, Remove
from sessionstore_app.core.patterns import compiled
from sessionstore_app.testing.acts import AT_MS

FAR_MS = 2**52
# The answer of a store that cannot list its spaces.
NOT_TOLD = object()

NAMES = ["a", "A", "é", "a b", "{x}", "}{", "🙂", "*", "%s", "a:1", "''", "a/b", "\\", *map(str, range(11))]
KEYS = ["hand/1", "hand/2", "hand/3", "topic", "a", "A", "é", "🙂/vote", "%", "{a}", "x" * 40]
PATTERNS = [*KEYS, *KEYS, "*", "hand/*", "*/vote", "*a", "never", "nothing/*"]
SESSIONS = [SessionId("s-1"), SessionId("s-2"), SessionId("é")]
AUTHORS = [None, Author(None, "ops"), Author(SESSIONS[1], ""), *(Author(each, "ann") for each in SESSIONS)]
VALUES: list[Any] = [
    *(0, 1, -7, 2.5, True, False, MAX_INTEGER, 1.7e308, "", "x", "é🙂", "x" * 30, "x" * 400, [], [1, 2]),
    *([{"id": 1}], [{"id": 1}, {"id": 2}], {}, {"a": 1}, {"a": {"b": None}}, '\u2028\\"'),
]
OPERATIONS: list[Operation] = [
    *(Increment(), Increment(by=0), Increment(by=0.5), Increment(by=MAX_INTEGER), Increment(by=1.7e308)),
    *(Append(item=1), Append(item={"id": 1}, unique="id"), Append(item={"id": 2}, unique="id", cap=2)),
    *(Append(item=3, cap=1), Remove(where={"id": 1}), Remove(where={"id": 9}), Remove(where={"id": 1, "x": 1})),
    *(Merge(patch={"a": None}), Merge(patch={"a": 1}), Merge(patch={"b": {"c": 2}}), Merge(patch=None)),
    *(Merge(patch="text"), Merge(patch={})),
]
LIMITS = [
    *(StoreLimits(), StoreLimits(), StoreLimits(keys=4), StoreLimits(value_bytes=30)),
    *(StoreLimits(store_bytes=120), StoreLimits(value_bytes=40, keys=6, store_bytes=150)),
]


@dataclass(frozen=True, slots=True)
class Call:
    """One call; `space` is None where it looks at several."""

    method: str
    space: Space | None
    arguments: tuple[Any, ...] = ()
    named: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        named = [f"{name}={value!r}" for name, value in self.named.items()]
        return f"{self.method}({', '.join([*map(repr, self._given), *named])})"

    async def on(self, backend: Backend | StoreBackend) -> Any:
        """What it answers."""
        return await getattr(backend, self.method)(*self._given, **self.named)

    @property
    def _given(self) -> tuple[Any, ...]:
        return self.arguments if self.space is None else (self.space, *self.arguments)


class Source(Protocol):
    """Makes up calls."""

    def round(self) -> list[Call]:
        """The next calls, which do not meet."""

    def note(self, call: Call, answer: Any) -> None:
        """Hear what came of one, so that the next ones hit what is there."""

    def whole(self) -> list[Call]:
        """What reads all there is."""


# --- entries -------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Room:
    """One of the spaces of a round; once wiped it is called a few times more, and then another takes its place."""

    name: str
    epoch: int = 1
    calls_left: int | None = None
    version: int = 0
    versions: dict[str, int] = field(default_factory=dict)
    ops: Counter[SessionId | None] = field(default_factory=Counter)
    sequence: int = AT_MS

    @property
    def space(self) -> Space:
        return Space(f"room:{self.name}:{self.epoch}")


class EntryCalls:
    """Makes up calls of `Backend`."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)
        self._now_ms = AT_MS
        self._rooms = [Room(name) for name in NAMES]
        self._by_space = {room.space: room for room in self._rooms}

    def round(self) -> list[Call]:
        dice = self._dice
        self._now_ms += dice.choice((0, 0, 1, 20, 60))
        if dice.random() < 0.2:
            return [self._of_several()]
        return [
            self._of_one(self._present(place)) for place in dice.sample(range(len(NAMES)), dice.randint(8, len(NAMES)))
        ]

    def note(self, call: Call, answer: Any) -> None:
        if isinstance(answer, WriteResult) and call.space is not None:
            room = self._by_space[call.space]
            room.version = answer.version
            room.versions |= {entry.key: entry.version for entry in answer.entries}

    def whole(self) -> list[Call]:
        everything = compiled(frozenset({"*", *KEYS}))
        spaces = list(self._by_space)
        told = [Call("read", space, (everything, None)) for space in spaces]
        return [Call("versions", None, (spaces,)), Call("spaces", None), Call("due", None, (FAR_MS, 3)), *told]

    def _present(self, place: int) -> Room:
        room = self._rooms[place]
        if room.calls_left == 0:
            room = self._rooms[place] = Room(room.name, room.epoch + 1)
            self._by_space[room.space] = room
        elif room.calls_left is not None:
            room.calls_left -= 1
        return room

    def _of_several(self) -> Call:
        dice = self._dice
        kind = dice.choice(("versions", "versions", "due", "due", "spaces", "forget_wiped"))
        if kind == "versions":
            known = list(self._by_space)
            return Call(kind, None, ([*dice.sample(known, dice.randint(0, 9)), Space("room:never:1")],))
        if kind == "due":
            return Call(kind, None, (self._now_ms + dice.choice((-20, 0, 1, 50, 5_000)), dice.randint(0, 4)))
        return Call(kind, None) if kind == "spaces" else Call(kind, None, (dice.choice((1, 1, 1, FAR_MS)),))

    def _of_one(self, room: Room) -> Call:
        dice = self._dice
        kind = dice.choices(("write", "read", "owned", "wipe"), (70, 22, 5, 1))[0]
        if kind == "write":
            return Call(kind, room.space, (self._write(room), dice.choice(LIMITS)))
        if kind == "read":
            since = dice.choice((None, 0, room.version, room.version + 1, max(0, room.version - dice.randint(0, 12))))
            return Call(kind, room.space, (compiled(frozenset(dice.sample(PATTERNS, dice.randint(1, 4)))), since))
        if kind == "owned":
            return Call(kind, room.space, (dice.sample([*SESSIONS, SessionId("s-never")], dice.randint(0, 3)),))
        if room.calls_left is None:
            room.calls_left = dice.randint(0, 9)
        return Call(kind, room.space)

    def _write(self, room: Room) -> Write:
        dice = self._dice
        by, op, fence = dice.choice(AUTHORS), None, None
        if dice.random() < 0.4:
            session_id = by.session_id if by else None
            last = room.ops[session_id]
            op = max(0, last + dice.choice((1, 1, 1, 2, 0, -1, -3)))
            room.ops[session_id] = max(last, op)
        if dice.random() < 0.3:
            room.sequence += dice.choice((0, 0, 1))
            fence = Fence(dice.choice(("stage", "stage", "é")), room.sequence - dice.choice((0, 0, 0, 1, 2)))
        # Sometimes none at all, and sometimes so many deletions that older ones are forgotten.
        count = dice.choices((0, 1, 2, 5, 9), (1, 60, 25, 10, 4))[0]
        return Write(
            changes=tuple(self._change(room, key) for key in dice.sample(KEYS, count)),
            by=by,
            # Servers' clocks differ.
            at_ms=self._now_ms + dice.choice((0, 0, 0, 1, -30)),
            op=op,
            fence=fence,
        )

    def _change(self, room: Room, key: str) -> Change:
        dice = self._dice
        text, operation = None, None
        kind = dice.choices(("set", "compute", "delete"), (50, 25, 25))[0]
        if kind == "set":
            text = jsontext.dumps(dice.choice(VALUES))
        elif kind == "compute":
            operation = dice.choice(OPERATIONS)
        known = room.versions.get(key, 0)
        guard = dice.choices((None, known, 0, max(0, known - 1), 2**40), (70, 20, 5, 4, 1))[0]
        return Change(
            key=key,
            text=text,
            operation=operation,
            if_version=guard,
            ttl_ms=dice.choice((None, None, None, 1, 50, 5_000, 10**12)),
            owner=dice.choice((None, None, *SESSIONS)),
        )


async def answer_of_backend(backend: Backend, call: Call) -> Any:
    """What a backend answers; sorted where it may choose the order."""
    match call.method:
        case "spaces":
            return sorted([held async for held in backend.spaces()], key=lambda held: held[0])
        case "due":
            now_ms, limit = call.arguments
            found, some = await backend.due(now_ms, 1_000_000), await backend.due(now_ms, limit)
            return sorted(found, key=lambda due: (due.space, due.key)), len(set(some)), set(some) <= set(found)
        case "versions":
            return sorted((await backend.versions(*call.arguments)).items())
        case "owned":
            return sorted(await call.on(backend), key=lambda entry: entry.key)
    return await call.on(backend)


# --- private stores ------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Kept:
    """A private store. Its limits stay: a cache is told how many keys there may be when it makes one."""

    name: str
    number: int
    limits: StoreLimits
    calls_left: int | None = None
    was_made: bool = False
    # False once it was destroyed and nobody is to ask for its name again: some keep it closed, and some do not.
    may_be_made: bool = True

    @property
    def space(self) -> Space:
        return Space(f"session:{self.name}:{self.number}")


class StoreCalls:
    """Makes up calls of `StoreBackend`. Only backends of entries count a store's bytes, so it may hold any number."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)
        self._stores = [self._new(name, 1) for name in NAMES]
        self._spaces = [kept.space for kept in self._stores]

    def round(self) -> list[Call]:
        dice = self._dice
        if dice.random() < 0.1:
            return [self._of_several()]
        return [
            self._of_one(self._present(place)) for place in dice.sample(range(len(NAMES)), dice.randint(8, len(NAMES)))
        ]

    def note(self, call: Call, answer: Any) -> None:
        pass

    def whole(self) -> list[Call]:
        return [Call("spaces", None), *(Call("items", space) for space in self._spaces)]

    def _new(self, name: str, number: int) -> Kept:
        keys = self._dice.choice((1, 3, 5, 60))
        return Kept(name, number, StoreLimits(value_bytes=40, keys=keys, store_bytes=10**9))

    def _present(self, place: int) -> Kept:
        kept = self._stores[place]
        if kept.calls_left == 0:
            kept = self._stores[place] = self._new(kept.name, kept.number + 1)
            self._spaces.append(kept.space)
        elif kept.calls_left is not None:
            kept.calls_left -= 1
        return kept

    def _of_several(self) -> Call:
        if self._dice.random() < 0.7:
            return Call("spaces", None)
        before_ms = self._dice.choice((1, 1, FAR_MS))
        if before_ms == FAR_MS:
            # A cache keeps marks as long as it keeps anything.
            for kept in self._stores:
                kept.may_be_made = kept.may_be_made and kept.calls_left is None
        return Call("forget_destroyed", None, (before_ms,))

    def _of_one(self, kept: Kept) -> Call:
        dice = self._dice
        kinds = ("create", "set", "get", "has", "delete", "items", "made_at_ms", "destroy")
        kind = dice.choices(kinds, (12, 42, 15, 8, 12, 8, 3, 2))[0]
        if kind == "create":
            if not kept.may_be_made:
                return Call("items", kept.space)
            kept.was_made = True
            return Call(kind, kept.space, (kept.limits,))
        if kind == "destroy":
            return self._destroy(kept)
        if kind == "set":
            return Call(kind, kept.space, (dice.choice(KEYS), jsontext.dumps(dice.choice(VALUES)), kept.limits))
        return Call(kind, kept.space, () if kind in ("items", "made_at_ms") else (dice.choice([*KEYS, "never"]),))

    def _destroy(self, kept: Kept) -> Call:
        mark = self._dice.random() < 0.6
        is_first = kept.calls_left is None
        if not mark and (kept.was_made or not is_first):
            kept.may_be_made = False
        if is_first and (kept.was_made or mark):
            kept.calls_left = self._dice.randint(0, 9)
        return Call("destroy", kept.space, named={"mark": mark})


async def answer_of_store(store: StoreBackend, call: Call) -> Any:
    """What a store answers; sorted where it may choose the order."""
    if call.method in ("spaces", "made_at_ms") and not store.can_list:
        return NOT_TOLD
    match call.method:
        case "spaces":
            return sorted([space async for space in store.spaces()])
        case "items":
            return sorted((await call.on(store)).items())
        case "made_at_ms":
            return await call.on(store) > 0
    return await call.on(store)
