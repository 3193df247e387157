"""I9, I10, I11: sessions and rooms begin and end as they should."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.chaos.driver.final import Final, SessionRow, Stay
from tests.chaos.driver.history import Heard, History, Operation, Told
from tests.chaos.driver.invariants.epochs import Epochs, writes
from tests.chaos.driver.invariants.violation import Violation

# An event is told by the bus at once, or found by comparing, once a renewal, when all is well.
_TOLD_SECONDS = 3.0
# Leaving and joining of one moment: whoever was first, both are right.
_SAME_MOMENT = 0.001


def i9_each_session_opens_and_closes_once(history: History, final: Final) -> list[Violation]:
    """The log has one opening, first, and one end, last, with its reason, and no revision is missing."""
    found: list[Violation] = []
    rows = {row.id: row for row in final.sessions}
    for row in final.sessions:
        text = _misrecorded(row)
        if text:
            found.append(Violation("I9", f"session {row.id}: {text}", (row,)))
    found += [
        Violation("I9", f"session {opened.session} was opened, and is not recorded", (opened,))
        for opened in history.opened
        if opened.session not in rows
    ]
    return found + list(_misheard(history, rows))


def _misrecorded(row: SessionRow) -> str:
    states = [(type_, state) for _, type_, state, _, _ in row.events]
    revisions = [revision for revision, *_ in row.events]
    if states[:1] != [("STATE", "ACTIVE")] or states.count(("STATE", "ACTIVE")) != 1:
        return "it did not open once, at first"
    if states[-1:] != [("STATE", "CLOSED")] or states.count(("STATE", "CLOSED")) != 1 or row.state != "CLOSED":
        return f"it did not close once, at last: {states[-3:]}, {row.state}"
    if not row.close_reason or row.events[-1][3] != row.close_reason:
        return "it closed without a reason, or with two"
    if revisions != list(range(revisions[0], revisions[0] + len(revisions))) or revisions[-1] != row.revision:
        return f"its revisions are {revisions}"
    return ""


def _misheard(history: History, rows: dict[str, SessionRow]) -> Iterator[Violation]:
    by_listener: defaultdict[str, list[Heard]] = defaultdict(list)
    for heard in history.heard:
        by_listener[heard.listener].append(heard)
    for heard_by_one in by_listener.values():
        by_session: defaultdict[str, list[Heard]] = defaultdict(list)
        for heard in heard_by_one:
            by_session[heard.session].append(heard)
        for session, events in by_session.items():
            yield from _misheard_of(session, events, rows.get(session), heard_by_one[-1].at)


def _misheard_of(session: str, events: list[Heard], row: SessionRow | None, last_at: float) -> Iterator[Violation]:
    revisions = [event.revision for event in events]
    if revisions != sorted(set(revisions)):
        yield Violation("I9", f"a listener was told of {session} in this order: {revisions}", tuple(events))
    if row is None:
        yield Violation("I9", f"a listener was told of {session}, which is not recorded", tuple(events))
        return
    recorded = {revision: state for revision, type_, state, _, _ in row.events if type_ == "STATE"}
    for event in events:
        if event.state == "CLOSED" and recorded.get(event.revision) != "CLOSED":
            yield Violation("I9", f"a listener was told an end of {session} that is not recorded", (event, row))
    for revision, type_, state, _, at in row.events:
        is_due = revisions[0] < revision and at < last_at - _TOLD_SECONDS
        if type_ == "STATE" and is_due and revision not in revisions:
            yield Violation("I9", f"a listener was not told that {session} was {state} ({revision})", (row, *events))


# --- I10


@dataclass(slots=True)
class _Island:
    """Time in which somebody was in a room without a break. `touches`: so often one left as another came."""

    stays: list[Stay] = field(default_factory=list)
    until: float = 0
    touches: int = 0


def i10_rooms_are_cleared_once(history: History, final: Final) -> list[Violation]:
    """An epoch lasts as long as somebody is there, and ends when nobody is; a write is in one epoch only."""
    epochs = Epochs(history, final)
    found: list[Violation] = []
    for room in {stay.room for stay in final.stays}:
        islands = _islands([stay for stay in final.stays if stay.room == room])
        found += _misfits(room, islands, history, epochs)
    for room, (before, after, took) in final.emptied.items():
        if before == after:
            found.append(Violation("I10", f"{room} was not cleared {took:.1f} s after everybody had left"))
    return found + ([] if epochs.has_flush else list(_in_two_epochs(history, final.stays)))


def _islands(stays: list[Stay]) -> list[_Island]:
    found: list[_Island] = []
    for stay in sorted(stays, key=lambda each: each.joined_at):
        if not found or stay.joined_at > found[-1].until + _SAME_MOMENT:
            found.append(_Island())
        elif stay.joined_at >= found[-1].until - _SAME_MOMENT:
            found[-1].touches += 1
        found[-1].stays.append(stay)
        found[-1].until = max(found[-1].until, float("inf") if stay.left_at is None else stay.left_at)
    return found


def _misfits(room: str, islands: list[_Island], history: History, epochs: Epochs) -> Iterator[Violation]:
    seen: dict[str, _Island] = {}
    joined = [told for told in history.told if told.room == room and told.kind == "joined"]
    where = [(told.epoch, island) for told in joined if (island := _island_of(told, islands)) is not None]
    for island in islands:
        here = {epoch for epoch, other in where if other is island}
        if len(here) > 1 + island.touches and not epochs.has_flush:
            yield Violation("I10", f"{room} was cleared while somebody was there: {sorted(here)}", tuple(island.stays))
        for epoch in here:
            other = seen.setdefault(epoch, island)
            if other is not island:
                evidence = (*other.stays[-2:], *island.stays[:2])
                yield Violation("I10", f"{room} was left by everybody and not cleared ({epoch})", evidence)


def _island_of(told: Told, islands: list[_Island]) -> _Island | None:
    """Where the session was that was told this: in the last stay that had begun by then."""
    found = None
    for island in islands:
        if any(stay.session == told.session and stay.joined_at <= told.at + _SAME_MOMENT for stay in island.stays):
            found = island
    return found


def _in_two_epochs(history: History, stays: list[Stay]) -> Iterator[Violation]:
    """A value that nobody writes twice must not be seen in two epochs."""
    where: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for told in history.told:
        for entry in told.entries:
            if isinstance(entry.value, str):
                where[told.room, entry.value].add(told.epoch)
    for operation in writes(history):
        for value in operation.values.values():
            is_in_two = value is not None and len(where.get((operation.room, value), ())) > 1
            if is_in_two and not _was_asked_twice(operation, history, stays):
                yield Violation("I10", f"{value} was in two epochs of {operation.room}", (operation,))


def _was_asked_twice(operation: Operation, history: History, stays: list[Stay]) -> bool:
    """Who got no answer asks again: as somebody else, or in a room that it has come back to."""
    anew = [each.at for each in history.opened if each.client == operation.client and not each.is_resumed]
    back = [stay.joined_at for stay in stays if (stay.room, stay.session) == (operation.room, operation.session)]
    return any(operation.start < at < operation.finished for at in (*anew, *back))


# --- I11


def i11_no_ghosts(history: History, final: Final) -> list[Violation]:
    """20 s after the last crash those that a room shows as there are those that are connected."""
    found: list[Violation] = []
    for name, room in final.rooms.items():
        shown = {session for session, state in room.roster.items() if state == "ACTIVE"}
        if ghosts := shown - room.live:
            found.append(Violation("I11", f"{name} shows {sorted(ghosts)}, who are not connected"))
        if hidden := room.live - shown:
            found.append(Violation("I11", f"{name} does not show {sorted(hidden)}, who are connected"))
    if not found and "rosters" not in history.marks:
        found.append(Violation("I11", f"not all stayed: {', '.join(final.waited_for)}"))
    return found
