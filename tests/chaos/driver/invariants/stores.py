"""I5, I12: stores without versions. Private stores must behave as if each call happened at one instant between its
beginning and its end (Wing and Gong); counters must count.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tests.chaos.driver.final import Final
from tests.chaos.driver.history import History, Operation
from tests.chaos.driver.invariants.epochs import Epochs, acknowledged
from tests.chaos.driver.invariants.violation import Violation

# What the store of a session says that has ended.
GONE = frozenset({"STORE_DESTROYED", "NO_SUCH_SESSION"})
# A process that dies between a session's end and its store's leaves that to time: a cache cannot list what it holds.
_CRASH_SECONDS = 3.0
_CRASHES = frozenset({"Kill", "Terminate", "WrongClock", "Stop"})
# Longer histories of one key are cut: the search is exponential in what happens at once.
_MOST_CALLS = 200


@dataclass(frozen=True, slots=True)
class Call:
    """A call on one key. `must_happen`: it was answered; else it may have happened at any time after its start."""

    start: float
    end: float
    is_write: bool
    value: Any
    must_happen: bool = True


def is_linearizable(calls: Sequence[Call]) -> bool:
    """Is there an order of instants in which each read gives the value of the write before it?"""
    ordered = sorted(calls, key=lambda call: call.start)
    seen: set[tuple[frozenset[int], Any]] = set()
    pending: list[tuple[frozenset[int], Any]] = [(frozenset(), None)]
    while pending:
        done, value = pending.pop()
        if (done, value) in seen:
            continue
        seen.add((done, value))
        left = [number for number in range(len(ordered)) if number not in done]
        if not any(ordered[number].must_happen for number in left):
            return True
        # Nothing may happen after the end of what has not happened yet.
        until = min(ordered[number].end for number in left if ordered[number].must_happen)
        for number in left:
            call = ordered[number]
            if call.start <= until and (call.is_write or call.value == value):
                pending.append((done | {number}, call.value if call.is_write else value))
    return False


def i5_stores_without_versions_are_exact(history: History, final: Final) -> list[Violation]:
    """Private stores are linearizable by key; each acknowledged increment gave a number of its own, in order."""
    found: list[Violation] = []
    for (session, key), operations in _private_calls(history).items():
        calls = [_call(operation) for operation in operations]
        # Redis with all it held may have been emptied: as if somebody had deleted the key.
        calls += [
            Call(fault.start, fault.end or float("inf"), True, None, must_happen=False)
            for fault in history.faults
            if fault.kind == "RedisFlush"
        ]
        if len(calls) <= _MOST_CALLS and not is_linearizable(calls):
            found.append(Violation("I5", f"the private store of {session}, key {key}", tuple(operations)))
    return found + list(_counters(history, final))


def _private_calls(history: History) -> dict[tuple[str, str], list[Operation]]:
    found: defaultdict[tuple[str, str], list[Operation]] = defaultdict(list)
    for operation in history.operations:
        is_read = operation.method == "private.get" and operation.outcome == "ok"
        is_write = operation.method == "private.set" and operation.outcome != "refused"
        if is_read or is_write:
            found[operation.room, operation.key].append(operation)
    return found


def _call(operation: Operation) -> Call:
    if operation.method == "private.get":
        return Call(operation.start, operation.finished, False, operation.result)
    is_sure = operation.outcome == "ok"
    end = operation.finished if is_sure else float("inf")
    return Call(operation.start, end, True, operation.values[operation.key], must_happen=is_sure)


def _counters(history: History, final: Final) -> Iterator[Violation]:
    counted: defaultdict[tuple[str, str], list[Operation]] = defaultdict(list)
    for operation, epoch in acknowledged(history, Epochs(history, final)):
        if operation.do == "increment" and not operation.is_repeat:
            counted[operation.room, epoch].append(operation)
    for operations in counted.values():
        operations.sort(key=lambda each: each.entries[0].version)
        for before, after in pairwise(operations):
            if after.entries[0].value <= before.entries[0].value:
                yield Violation("I5", "an increment did not count", (before, after))


def i12_private_stores_are_private(history: History, final: Final) -> list[Violation]:
    """No store shows what belongs to another session; none is left of a session that has ended."""
    found: list[Violation] = []
    for operation in history.operations:
        if operation.method in ("private.get", "private.items") and operation.outcome == "ok":
            shown = operation.result if isinstance(operation.result, dict) else {operation.key: operation.result}
            found += _foreign(operation, shown, history)
    closed_at = {row.id: row.events[-1][4] for row in final.sessions if row.events}
    for session, outcome in final.left_stores.items():
        if outcome not in GONE and not _is_near_a_crash(closed_at.get(session, 0.0), history):
            found.append(Violation("I12", f"the store of {session}, which has ended, says {outcome}"))
    return found


def _is_near_a_crash(at: float, history: History) -> bool:
    return any(
        fault.start - _CRASH_SECONDS < at < (fault.end or at) + _CRASH_SECONDS
        for fault in history.faults
        if fault.kind in _CRASHES or "Redis" in fault.kind
    )


def _foreign(operation: Operation, shown: dict[str, Any], history: History) -> Iterator[Violation]:
    owners = {each.client for each in history.opened if each.session == operation.room}
    for key, value in shown.items():
        is_own = value is None or operation.room in value or (key == "seed" and value.rpartition("-")[2] in owners)
        if not is_own:
            yield Violation("I12", f"the store of {operation.room} shows {value}", (operation,))
