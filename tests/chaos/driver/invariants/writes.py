"""I1, I3, I4: what became of writes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from tests.chaos.driver.final import Final, RoomFinal
from tests.chaos.driver.history import History, Operation, Seen
from tests.chaos.driver.invariants.epochs import WRITES, Epochs, acknowledged, versions, writes
from tests.chaos.driver.invariants.violation import Violation

# Keys that the server deletes by itself, when the session that wrote them ends.
_OWNED = "mine/"


# --- I1


def i1_nothing_acknowledged_is_lost(history: History, final: Final) -> list[Violation]:
    """In each room's last epoch every key holds the last acknowledged write, or a later one that somebody asked for."""
    epochs = Epochs(history, final)
    found: list[Violation] = []
    for name, room in final.rooms.items():
        if epochs.is_flushed(name, room.joiner.epoch, float("inf")):
            # Nothing says which writes came behind that; but there must be none before.
            found += _outlived(history, epochs, name, room.joiner.epoch)
            continue
        counted = [
            operation
            for operation, epoch in acknowledged(history, epochs)
            if operation.room == name and epoch == room.joiner.epoch
        ]
        numbers = {operation.number for operation in counted}
        doubtful = [
            operation
            for operation in writes(history)
            if operation.room == name and operation.number not in numbers and operation.outcome != "refused"
        ]
        found += _plain_keys(room, counted, doubtful)
        found += _computed_keys(room, counted, doubtful)
        found += _refused_values(history, name, room)
    return found


def _outlived(history: History, epochs: Epochs, room: str, epoch: str) -> Iterator[Violation]:
    for operation in writes(history):
        if operation.room == room and operation.outcome == "ok" and epochs.judged(operation) == epoch:
            text = f"{room} goes on under an epoch whose entries Redis has lost"
            yield Violation("I1", text, (operation,))
            return


def _plain_keys(room: RoomFinal, counted: list[Operation], doubtful: list[Operation]) -> Iterator[Violation]:
    held = {entry.key: entry for entry in room.entries}
    last: dict[str, tuple[Seen, Operation]] = {}
    repeated: list[Operation] = []
    for operation in counted:
        if operation.is_repeat:
            repeated.append(operation)
            continue
        for entry in operation.entries:
            if entry.key in operation.values and (entry.key not in last or last[entry.key][0].version < entry.version):
                last[entry.key] = entry, operation
    for key, (entry, operation) in last.items():
        text = _lost(entry, held.get(key), [each for each in (*doubtful, *repeated) if key in each.values])
        if text:
            yield Violation("I1", f"{operation.room}/{key}: {text}", (operation, held.get(key)))


def _lost(acked: Seen, held: Seen | None, others: list[Operation]) -> str:
    """What is wrong with what a key holds, given its last acknowledged write; empty if nothing is."""
    if held is None:
        may_be_gone = acked.value is None or acked.key.startswith(_OWNED)
        if may_be_gone or any(each.values[acked.key] is None for each in others):
            return ""
        return f"version {acked.version} was acknowledged, and there is none"
    if held.version < acked.version:
        return f"version {acked.version} was acknowledged, and it holds {held.version}"
    if held.version == acked.version:
        return "" if held.value == acked.value else f"version {acked.version} holds another value"
    if any(each.values[acked.key] == held.value for each in others):
        return ""
    return f"it holds version {held.version}, which nobody is known to have asked for"


def _computed_keys(room: RoomFinal, counted: list[Operation], doubtful: list[Operation]) -> Iterator[Violation]:
    held = {entry.key: entry.value for entry in room.entries}
    sure = [each for each in counted if each.do == "increment"]
    most = len(sure) + sum(each.do == "increment" for each in doubtful)
    if not len(sure) <= (held.get("count") or 0) <= most:
        yield Violation("I1", f"{len(sure)} to {most} increments make {held.get('count')}", tuple(sure[-5:]))
    items = [item["id"] for item in held.get("list") or ()]
    if len(items) != len(set(items)):
        yield Violation("I1", "an item was appended twice", (items,))
    for each in counted:
        if each.do == "append" and each.item not in items:
            yield Violation("I1", f"{each.room}/list lacks {each.item}, which was acknowledged", (each,))
    merged: dict[str, Operation] = {each.client: each for each in counted if each.do == "merge"}
    for client, each in merged.items():
        if (held.get("doc") or {}).get(client, -1) < each.item:
            yield Violation("I1", f"{each.room}/doc lost what {client} merged last", (each, held.get("doc")))


def _refused_values(history: History, name: str, room: RoomFinal) -> Iterator[Violation]:
    held = {entry.value: entry for entry in room.entries if isinstance(entry.value, str)}
    for operation in writes(history):
        if operation.outcome == "refused" and operation.room == name:
            for value in operation.values.values():
                if value in held:
                    yield Violation("I1", "a refused write is there", (operation, held[value]))


# --- I3


def i3_order_is_that_of_time(history: History, final: Final) -> list[Violation]:
    """What began after something had ended has a later version; a read, at least that one."""
    epochs = Epochs(history, final)
    by_room: defaultdict[tuple[str, ...], list[tuple[int, bool, Operation]]] = defaultdict(list)
    for operation in history.operations:
        epoch = _read_or_written_in(operation, epochs)
        if not epoch:
            continue
        is_write = operation.method in WRITES
        # An update that changes nothing is no write.
        is_strict = is_write and operation.do not in ("append", "merge")
        for entry in operation.entries:
            by_room[operation.room, epoch, entry.key].append((entry.version, is_strict, operation))
        if is_write and operation.entries:
            by_room[operation.room, epoch].append((operation.entries[0].version, is_strict, operation))
    # Of a room as a whole, writes alone are in order.
    return [violation for steps in by_room.values() for violation in _out_of_order(steps)]


def _read_or_written_in(operation: Operation, epochs: Epochs) -> str:
    if operation.outcome != "ok" or operation.is_repeat or operation.end is None:
        return ""
    return epochs.judged(operation) if operation.method in (*WRITES, "room.get", "room.snapshot") else ""


def _out_of_order(steps: list[tuple[int, bool, Operation]]) -> Iterator[Violation]:
    """One sweep over time: the highest version that had ended before each began."""
    ended = sorted(steps, key=lambda step: step[2].finished)
    highest: tuple[int, Operation] | None = None
    place = 0
    for version, is_strict, operation in sorted(steps, key=lambda step: step[2].start):
        while place < len(ended) and ended[place][2].finished < operation.start:
            if highest is None or ended[place][0] > highest[0]:
                highest = ended[place][0], ended[place][2]
            place += 1
        if highest is not None and (version < highest[0] or (is_strict and version == highest[0])):
            text = f"{operation.room}: version {version} came after version {highest[0]} had been answered"
            yield Violation("I3", text, (highest[1], operation))


# --- I4


def i4_guards_and_fences_are_exact(history: History, final: Final) -> list[Violation]:
    """Each guarded write succeeded the very version it named, and no two the same; fences and locks only grow."""
    epochs = Epochs(history, final)
    known = versions(history, epochs)
    won: dict[tuple[Any, ...], Operation] = {}
    found: list[Violation] = []
    for operation, epoch in acknowledged(history, epochs):
        if operation.if_version is None or operation.is_repeat:
            continue
        place = (operation.room, epoch, operation.key)
        if (
            operation.if_version
            and (rival := won.setdefault((*place, operation.if_version), operation)) is not operation
        ):
            found.append(Violation("I4", "two guarded writes succeeded one version", (rival, operation)))
        found += _overtaken(operation, known[place], _may_be_deleted(history, operation))
    return found + list(_locks(history)) + list(_fenced(history, epochs))


def _overtaken(operation: Operation, known: dict[int, Seen], may_be_deleted: bool) -> Iterator[Violation]:
    assert operation.if_version is not None
    own = operation.entries[0].version
    between = [version for version in known if operation.if_version < version < own]
    if operation.if_version:
        if between:
            text = f"it named version {operation.if_version}, and version {max(between)} lay between"
            yield Violation("I4", text, (operation, known[max(between)]))
    elif between and known[max(between)].value is not None and not may_be_deleted:
        yield Violation("I4", "it said that there is no value, and there was one", (operation, known[max(between)]))


def _may_be_deleted(history: History, operation: Operation) -> bool:
    """May somebody have deleted the key without anybody seeing it?"""
    return any(
        each.room == operation.room
        and operation.key in each.values
        and each.values[operation.key] is None
        and (each.outcome in ("unknown", "pending") or each.is_repeat)
        for each in writes(history)
    )


def _locks(history: History) -> Iterator[Violation]:
    granted: defaultdict[str, list[Operation]] = defaultdict(list)
    for operation in history.operations:
        if operation.method == "lock.acquire" and operation.outcome == "ok" and operation.fence is not None:
            granted[operation.key].append(operation)
    for acquired in granted.values():
        sequences: dict[int, Operation] = {}
        for operation in acquired:
            other = sequences.setdefault(operation.fence or 0, operation)
            if other.session != operation.session:
                yield Violation("I4", "two sessions were granted a lock under one sequence", (other, operation))
        steps = [(each.fence or 0, False, each) for each in acquired]
        for violation in _out_of_order(steps):
            yield Violation("I4", f"lock: {violation.text}", violation.evidence)


def _fenced(history: History, epochs: Epochs) -> Iterator[Violation]:
    under: defaultdict[tuple[str, str], list[tuple[int, Operation]]] = defaultdict(list)
    for operation, epoch in acknowledged(history, epochs):
        if operation.fence is not None and not operation.is_repeat:
            under[operation.room, epoch].append((operation.entries[0].version, operation))
    for steps in under.values():
        last: Operation | None = None
        for _, operation in sorted(steps, key=lambda step: step[0]):
            if last is not None and (operation.fence or 0) < (last.fence or 0):
                yield Violation("I4", "a write under an earlier lock came after one under a later", (last, operation))
            last = operation
