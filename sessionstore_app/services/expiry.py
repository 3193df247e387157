"""Everything that is past its time, found and removed to the end: for `manage.py expire_sessions` and its timers.

Each part goes in portions, each portion is a transaction of its own, and any number may be at it at once: the row
decides who does it. What was interrupted is found by the next run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from functools import partial

from django.db.models import Q
from django.db.models.functions import Now

from sessionstore_app import conf
from sessionstore_app.core import clock
from sessionstore_app.core.entries import Epoch, Space
from sessionstore_app.core.patterns import EVERYTHING
from sessionstore_app.models import Node, Room, Session, SessionState
from sessionstore_app.services import jobs, private, questions, reaping, record
from sessionstore_app.services.site import site_sessions
from sessionstore_app.services.spaces import room_backend, room_backends, room_of, room_space, space_backend

# A wiped space refuses late writes for so long; and for so long a space that nobody seems to need is left alone.
WIPED_KEPT_MS = 3_600_000
# Entries past their time that a dry run counts.
MOST_ENTRIES_COUNTED = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired:
    """What was removed, or would be: site sessions past their life, sessions that lapsed or whose credential ended,
    rooms cleared because nobody is in them, entries past their time, sessions forgotten with their history, rooms
    forgotten, and stores of epochs that are over.
    """

    site_sessions: int = 0
    sessions: int = 0
    rooms_cleared: int = 0
    entries: int = 0
    history: int = 0
    rooms: int = 0
    old_stores: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return sum(asdict(self).values())


async def count(lifetime_seconds: float | None) -> Expired:
    """What `expire` would remove at this moment; of entries it counts `MOST_ENTRIES_COUNTED` at the most."""
    clock.follow(await record.ask(questions.clock_ahead_ns))
    found = await record.look(_count)
    due = [entry for place in room_backends() for entry in await place.due(clock.now_ms(), MOST_ENTRIES_COUNTED)]
    return Expired(
        site_sessions=await site_sessions.aexpire(lifetime_seconds, dry_run=True),
        sessions=found["sessions"],
        rooms_cleared=found["rooms_cleared"],
        entries=sum(room_of(entry.space) is not None for entry in due[:MOST_ENTRIES_COUNTED]),
        history=found["history"],
        rooms=found["rooms"],
        old_stores=sum([await _is_left_behind(space) for space in await _of_other_epochs()]),
    )


def _count() -> dict[str, int]:
    ends = Q(state=SessionState.DISCONNECTED, lapses_at__lte=Now())
    ends |= ~Q(state=SessionState.CLOSED) & Q(expires_at__lte=Now())
    if not conf.current().reconnect_seconds:
        # Those of dead processes wait to be resumed; without such a time they lapse in the same run.
        alive = Node.objects.filter(lease_until__gte=Now())
        ends |= Q(state=SessionState.ACTIVE) & ~Q(node_id__in=alive.values("id"))
    closed = Session.objects.filter(state=SessionState.CLOSED)
    kept = timedelta(seconds=reaping.history_seconds())
    return {
        "sessions": Session.objects.filter(ends).count(),
        "rooms_cleared": Room.objects.filter(clears_at__lte=Now()).count(),
        "history": closed.filter(closed_at__lte=Now() - kept).count(),
        "rooms": questions.forgettable_rooms(kept).count(),
    }


async def expire(lifetime_seconds: float | None, batch_size: int, told: Callable[[str, Expired], None]) -> Expired:
    """Remove all that is past its time. `told` hears after each portion of which part it was, and all that was done so
    far; what it raises ends this between two portions.
    """
    clock.follow(await record.ask(questions.clock_ahead_ns))
    run = _Run(told)
    await site_sessions.aexpire(lifetime_seconds, batch_size, told=run.so_far("site_sessions"))
    await _end_lapsed(run)
    await _expire_entries(run)
    await reaping.forget_history(run.so_far("history"))
    await _forget_rooms(run)
    await _wipe_old_stores(run)
    for place in room_backends():
        await place.forget_wiped(clock.now_ms() - WIPED_KEPT_MS)
    await private.sweep()
    return run.done


class _Run:
    """What one run has done so far."""

    def __init__(self, told: Callable[[str, Expired], None]) -> None:
        self.done = Expired()
        self._told = told

    def so_far(self, part: str) -> Callable[[int], None]:
        """For a part that counts by itself."""
        return lambda number: self._tell(part, {part: number})

    def add(self, **portions: int) -> None:
        """A portion of these parts is done."""
        self._tell(next(iter(portions)), {part: getattr(self.done, part) + n for part, n in portions.items()})

    def _tell(self, part: str, numbers: Mapping[str, int]) -> None:
        self.done = replace(self.done, **numbers)
        self._told(part, self.done)


async def _end_lapsed(run: _Run) -> None:
    goes_on = True
    while goes_on:
        reaped = await reaping.end_lapsed()
        run.add(sessions=reaped.sessions, rooms_cleared=reaped.rooms)
        goes_on = reaped.goes_on


async def _expire_entries(run: _Run) -> None:
    goes_on = True
    while goes_on:
        removed, goes_on = await reaping.expire_entries()
        run.add(entries=removed)


async def _forget_rooms(run: _Run) -> None:
    while removed := await forget_rooms():
        run.add(rooms=removed)


async def _wipe_old_stores(run: _Run) -> None:
    for space in await _of_other_epochs():
        # Looked at only now: another run may have wiped it since.
        if await _is_left_behind(space):
            await space_backend(space).wipe(space)
            run.add(old_stores=1)


async def forget_rooms() -> int:
    """Delete some rooms that have been empty for as long as history is kept, and that hold nothing."""
    kept = timedelta(seconds=reaping.history_seconds())
    names = await record.look(lambda: list(questions.forgettable_rooms(kept).values_list("name", flat=True)[:200]))
    removed = 0
    for name in names:
        epoch, _ = await record.run(jobs.ForgetRoom(room=name))
        if epoch is not None:
            # Who remembers the epoch for a moment must not write where nobody looks any more.
            await room_backend(name).wipe(room_space(name, epoch))
            removed += 1
    return removed


async def _of_other_epochs() -> list[Space]:
    """Spaces of rooms whose epoch is another, as far as the record shows, or that it does not know."""
    old: list[Space] = []
    portion: dict[Space, tuple[str, Epoch]] = {}
    for place in room_backends():
        async for space, _ in place.spaces():
            found = room_of(space)
            if found is not None:
                portion[space] = found
            if len(portion) >= reaping.BATCH:
                old += await record.look(partial(questions.spaces_of_old_epochs, portion))
                portion = {}
    return old + (await record.look(partial(questions.spaces_of_old_epochs, portion)) if portion else [])


async def _is_left_behind(space: Space) -> bool:
    """A process died before it wiped this space of another epoch: true once nothing in it is younger than an hour.

    Where entries are in another database than the record, they may be committed by a request that has still to commit
    their room, or its new epoch.
    """
    reading = await space_backend(space).read(space, EVERYTHING, since=0)
    newest_ms = max((entry.at_ms or 0 for entry in reading.entries), default=0)
    return reading.version > 0 and newest_ms <= clock.now_ms() - WIPED_KEPT_MS
