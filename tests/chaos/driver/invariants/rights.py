"""I13, I14: what was taken away is gone, and what has run out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from tests.chaos.driver.final import Final
from tests.chaos.driver.history import FaultRecord, History, Operation
from tests.chaos.driver.invariants.violation import Violation
from tests.chaos.driver.staff import STAFF_ROOM
from tests.chaos.driver.world import SETTINGS

_REVOKED_SECONDS = 1.0
_CRASHES = frozenset({"Kill", "Terminate", "WrongClock"})
_LINKS = frozenset({"HalfOpen", "DeafServer", "DeafClient", "Delay", "SlowReader", "ByteByByte"})
_RENEW_SECONDS = float(SETTINGS["NODE_RENEW_SECONDS"])
_LIFETIME_SECONDS = float(SETTINGS["SITE_SESSION_LIFETIME_SECONDS"])
# A call that nobody answered has been given up by the server after so long.
_LATE_SECONDS = 10.0


def i13_a_revoked_right_is_gone(history: History, final: Final) -> list[Violation]:
    """1 s after a role was taken, nothing that it opened is written or told; under a fault, once that has passed."""
    return [
        violation
        for revoked in revocations(history)
        for violation in (*_written(history, revoked), *_told(history, revoked))
    ]


@dataclass(frozen=True, slots=True)
class Revoked:
    """A role that was taken, and from when until when nobody may have it."""

    change: Operation
    begin: float
    end: float


def revocations(history: History) -> list[Revoked]:
    """Those whose effect lasted longer than it may take to come."""
    found: list[Revoked] = []
    changes = [each for each in history.operations if each.method == "session.change_roles"]
    for place, change in enumerate(changes):
        if change.do == "remove" and change.outcome == "ok":
            given = [each.start for each in changes[place + 1 :] if each.do == "add" and each.key == change.key]
            begin = _in_force_from(change, history.faults) + _slowest(history, change)
            found.append(Revoked(change, begin, min(given, default=float("inf"))))
    return [revoked for revoked in found if revoked.begin < revoked.end]


def _in_force_from(change: Operation, faults: list[FaultRecord]) -> float:
    """From when on no server may accept what the role opened: clients' links have no part in that."""
    begin = change.finished + _REVOKED_SECONDS
    for fault in sorted(faults, key=lambda each: each.start):
        end = float("inf") if fault.end is None else fault.end
        if _hinders(fault, change) and fault.start < begin and end > change.start - _RENEW_SECONDS:
            # The news of it may be lost; it is found by the next renewal.
            begin = max(begin, end + _RENEW_SECONDS + _REVOKED_SECONDS)
    return begin


def _hinders(fault: FaultRecord, change: Operation) -> bool:
    if fault.kind in _CRASHES:
        # The news dies with who brings it; who comes back is asked anew.
        return fault.start < change.finished + _REVOKED_SECONDS
    return fault.kind == "Stop" or (fault.kind.startswith(("Redis", "Postgres")) and fault.kind != "RedisScriptFlush")


def _slowest(history: History, change: Operation) -> float:
    """How long a plain write took at that time: on a busy machine all else takes as much longer."""
    begin, end = change.start - _RENEW_SECONDS, change.finished + 2 * _REVOKED_SECONDS
    took = [
        each.finished - each.start
        for each in history.operations
        if each.method == "room.set" and each.outcome == "ok" and each.start < end and each.finished > begin
    ]
    return max(took, default=0.0)


def _written(history: History, revoked: Revoked) -> Iterator[Violation]:
    for operation in history.operations:
        is_use = operation.room == STAFF_ROOM and operation.session == revoked.change.key
        is_write = operation.method == "room.set" and operation.outcome == "ok"
        if is_use and is_write and revoked.begin < operation.start and operation.finished < revoked.end:
            late = operation.start - revoked.change.finished
            yield Violation("I13", f"{operation.session} wrote {late:.2f} s later", (revoked.change, operation))


def _told(history: History, revoked: Revoked) -> Iterator[Violation]:
    # What was said before may arrive as late as the network pleases.
    links = [each.end or float("inf") for each in history.faults if each.kind in _LINKS and each.start < revoked.end]
    begin = max([revoked.begin, *(end + _REVOKED_SECONDS for end in links if end > revoked.change.start)])
    for told in history.told:
        is_use = told.room == STAFF_ROOM and told.session == revoked.change.key
        if is_use and begin < told.at < revoked.end:
            late = told.at - revoked.change.finished
            yield Violation("I13", f"{told.session} was told {late:.2f} s later", (revoked.change, told))


# --- I14


def i14_site_sessions_end_in_time(history: History, final: Final) -> list[Violation]:
    """None is readable once its lifetime has passed since its last update, none is gone before; whoever sweeps."""
    lives: defaultdict[str, list[Operation]] = defaultdict(list)
    for operation in history.operations:
        if operation.method in ("site.create", "site.update") and operation.key and operation.outcome != "refused":
            lives[operation.key].append(operation)
    found: list[Violation] = []
    for operation in history.operations:
        if operation.method == "site.load" and operation.outcome == "ok":
            is_there = bool(operation.result)
        elif operation.method == "site.update" and operation.reason == "NOT_FOUND":
            is_there = False
        else:
            continue
        text = _wrong_life(operation, is_there, lives[operation.key])
        if text:
            found.append(Violation("I14", text, (*lives[operation.key], operation)))
    return found


def _wrong_life(operation: Operation, is_there: bool, life: list[Operation]) -> str:
    latest = [
        (each.finished if each.outcome == "ok" else each.finished + _LATE_SECONDS) + _LIFETIME_SECONDS
        for each in life
        if each.start <= operation.finished and each is not operation
    ]
    if is_there and all(operation.start > end for end in latest):
        return f"it was read {operation.start - max(latest, default=0):.2f} s after its end"
    sure = [
        each.start + _LIFETIME_SECONDS
        for each in life
        if each.outcome == "ok" and each.finished <= operation.start and each is not operation
    ]
    if not is_there and any(operation.finished < end for end in sure):
        return f"it was gone {max(sure) - operation.finished:.2f} s before its end"
    return ""
