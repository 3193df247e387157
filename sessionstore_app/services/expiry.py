"""Everything that is past its time, found and removed to the end: for `manage.py expire_sessions` and its timers.

Each part goes in portions, each portion is a transaction of its own, and any number may be at it at once: the row
decides who does it. What was interrupted is found by the next run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import partial

from django.db.models import Q
from django.db.models.functions import Now

from sessionstore_app.backends.base import Backend
from sessionstore_app.core.entries import Epoch, Space
from sessionstore_app.models import Node, Room, Session, SessionState
from sessionstore_app.services import clock, jobs, private, questions, reaping, record
from sessionstore_app.services.site import site_sessions
from sessionstore_app.services.spaces import room_backend, room_of, room_space

# A wiped space refuses late writes for so long.
WIPED_KEPT_MS = 3_600_000


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
    """What `expire` would remove at this moment."""
    found = await record.look(_count)
    return Expired(
        site_sessions=await site_sessions.aexpire(lifetime_seconds, dry_run=True),
        sessions=found["sessions"],
        rooms_cleared=found["rooms_cleared"],
        entries=len(await room_backend().due(clock.now_ms(), 100_000)),
        history=found["history"],
        rooms=found["rooms"],
        old_stores=len(await _old_stores(room_backend())),
    )


def _count() -> dict[str, int]:
    gone = Q(state=SessionState.ACTIVE) & ~Q(node_id__in=Node.objects.filter(lease_until__gte=Now()).values("id"))
    lapsed = Q(state=SessionState.DISCONNECTED, lapses_at__lte=Now())
    expired = ~Q(state=SessionState.CLOSED) & Q(expires_at__lte=Now())
    closed = Session.objects.filter(state=SessionState.CLOSED)
    kept = timedelta(seconds=reaping.history_seconds())
    return {
        "sessions": Session.objects.filter(gone | lapsed | expired).count(),
        "rooms_cleared": Room.objects.filter(clears_at__lte=Now()).count(),
        "history": closed.filter(closed_at__lte=Now() - kept).count(),
        "rooms": questions.forgettable_rooms(kept).count(),
    }


async def expire(lifetime_seconds: float | None, batch_size: int, told: Callable[[str, int], None]) -> Expired:
    """Remove all that is past its time. `told` hears of each part after each portion, its name and how many so far;
    what it raises ends this between two portions.
    """
    sites = await site_sessions.aexpire(lifetime_seconds, batch_size, told=partial(told, "site_sessions"))
    ended, cleared, entries = await _reap(told)
    history = await reaping.forget_history(partial(told, "history"))
    forgotten = await _forget_rooms(partial(told, "rooms"))
    wiped = await _wipe_old_stores(partial(told, "old_stores"))
    await room_backend().forget_wiped(clock.now_ms() - WIPED_KEPT_MS)
    await private.sweep()
    return Expired(
        site_sessions=sites,
        sessions=ended,
        rooms_cleared=cleared,
        entries=entries,
        history=history,
        rooms=forgotten,
        old_stores=wiped,
    )


async def _reap(told: Callable[[str, int], None]) -> tuple[int, int, int]:
    sessions = rooms = entries = 0
    while True:
        reaped = await reaping.reap()
        sessions, rooms, entries = sessions + reaped.sessions, rooms + reaped.rooms, entries + reaped.entries
        for part, number in (("sessions", sessions), ("rooms_cleared", rooms), ("entries", entries)):
            told(part, number)
        if not reaped.is_full:
            return sessions, rooms, entries


async def _forget_rooms(told: Callable[[int], None]) -> int:
    forgotten = 0
    while removed := await forget_rooms():
        forgotten += removed
        told(forgotten)
    return forgotten


async def _wipe_old_stores(told: Callable[[int], None]) -> int:
    old = await _old_stores(room_backend())
    for done, space in enumerate(old, start=1):
        await room_backend().wipe(space)
        told(done)
    return len(old)


async def forget_rooms() -> int:
    """Delete some rooms that have been empty for as long as history is kept, and that hold nothing."""
    kept = timedelta(seconds=reaping.history_seconds())
    names = await record.look(lambda: list(questions.forgettable_rooms(kept).values_list("name", flat=True)[:200]))
    removed = 0
    for name in names:
        epoch, _ = await record.run(jobs.ForgetRoom(room=name))
        if epoch is not None:
            # Who remembers the epoch for a moment must not write where nobody looks any more.
            await room_backend().wipe(room_space(name, epoch))
            removed += 1
    return removed


async def _old_stores(backend: Backend) -> list[Space]:
    """Spaces of rooms whose epoch is another by now, or that are forgotten: a process died before it wiped them."""
    old: list[Space] = []
    portion: dict[Space, tuple[str, Epoch]] = {}
    async for space, _ in backend.spaces():
        found = room_of(space)
        if found is not None:
            portion[space] = found
        if len(portion) >= reaping.BATCH:
            old += await record.look(partial(questions.spaces_of_old_epochs, portion))
            portion = {}
    return old + (await record.look(partial(questions.spaces_of_old_epochs, portion)) if portion else [])
