"""Reading and writing the entries of a room, whoever asks: store, then tell.

Below rights and sessions, above backends: it finds the room's space, follows it to a new epoch when the room was
cleared meanwhile, expires what is past its time, and announces each write once it is committed.
"""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from django.dispatch import Signal

from sessionstore_app import conf, signals
from sessionstore_app.backends.base import Reading
from sessionstore_app.backends.groupcommit import ON_CALLERS_CONNECTION
from sessionstore_app.core import clock
from sessionstore_app.core.entries import Author, Change, Entry, Epoch, Fence, SessionId, Space, Write, WriteResult
from sessionstore_app.core.errors import SpaceWiped, Unavailable, VersionConflict
from sessionstore_app.core.limits import StoreLimits
from sessionstore_app.core.patterns import PatternSet, compiled
from sessionstore_app.protocol import frames
from sessionstore_app.services import announcing, bridge, hub, jobs, questions, record, roomhooks
from sessionstore_app.services.events import Changed
from sessionstore_app.services.spaces import room_backend, room_of, room_space

logger = logging.getLogger("sessionstore_app")

# A room cleared again and again while one write tries: more often than this is no accident.
_ATTEMPTS = 3
# Entries that live longer are left to the reaper; shorter lives end by a timer, to the tenth of a second.
_TIMED_SECONDS = 120.0
# For how long this process believes an epoch it has read; the wiped space of an old one refuses the write.
_EPOCH_SECONDS = 5.0
_EPOCHS_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Written:
    """A write as it happened: in which epoch, with which result, and its entries as text, by key."""

    epoch: Epoch
    result: WriteResult
    texts: Mapping[str, str]


# By loop: a test's loop ends with its transaction, and what it read must not outlive it.
_epochs: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, tuple[Epoch, float]]] = (
    weakref.WeakKeyDictionary()
)


async def room_epoch(room: str, *, fresh: bool = False) -> Epoch:
    """The epoch of a room that server code uses, made if it is new."""
    if ON_CALLERS_CONNECTION.get():
        # Inside a transaction that may roll back: what it made must not be remembered.
        return await _visit(room)
    epochs = _epochs.setdefault(asyncio.get_running_loop(), {})
    known = epochs.get(room)
    now = clock.monotonic()
    if known is None or fresh or known[1] < now:
        if len(epochs) >= _EPOCHS_KEPT:
            epochs.clear()
        known = epochs[room] = (await _visit(room), now + _EPOCH_SECONDS)
    return known[0]


async def _visit(room: str) -> Epoch:
    idle_seconds = conf.current().room_idle_seconds
    kept = await record.ask(partial(questions.epoch_if_kept, room, idle_seconds / 2))
    if kept:
        # No lock is needed, and a caller's long transaction takes none.
        return kept
    job = jobs.Visit(room=room, idle_seconds=idle_seconds)
    epoch, _ = await record.run(job)
    return Epoch(epoch)


async def current_epoch(room: str) -> Epoch:
    """The epoch that the record has for a room; empty if there is no such room."""
    return await record.ask(partial(questions.epoch_of, room))


async def write(
    room: str,
    epoch: Epoch,
    changes: tuple[Change, ...],
    *,
    by: Author | None,
    op: int | None = None,
    fenced: Callable[[], Awaitable[Fence]] | None = None,
    refresh: Callable[[], object] | None = None,
    limits: StoreLimits | None = None,
) -> Written:
    """Write to a room and announce it, within `limits`, None for the settings'. `fenced` is asked before each try for
    the lock under which it happens, and `refresh` is called before a second one; both may refuse by raising.
    """
    wanted = Write(changes=changes, by=by, at_ms=clock.now_ms(), op=op)
    for _ in range(_ATTEMPTS):
        if fenced is not None:
            # Anew each time: another epoch does not know who wrote under the lock before.
            wanted = replace(wanted, fence=await fenced())
        try:
            result = await room_backend(room).write(
                room_space(room, epoch), wanted, limits or conf.current().store_limits
            )
        except SpaceWiped:
            if refresh is not None:
                refresh()
            epoch = await room_epoch(room, fresh=True)
            continue
        written = _written(epoch, result)
        if result.changed:
            if ON_CALLERS_CONNECTION.get():
                await bridge.after_commit(room_backend(room).using, partial(announce, room, written))
            else:
                await announce(room, written)
        return written
    raise Unavailable("The room is being cleared over and over.")


def _written(epoch: Epoch, result: WriteResult) -> Written:
    return Written(epoch, result, {entry.key: frames.entry(entry) for entry in result.entries})


async def announce_orphan(space: Space, result: WriteResult) -> None:
    """Tell everybody of a write whose caller did not stay to do it."""
    found = room_of(space)
    if found is not None and result.changed:
        await announce(found[0], _written(found[1], result))


async def announce(room: str, written: Written) -> None:
    """Tell everybody of a write that is committed."""
    entries = written.result.entries
    await announcing.announce((room, Changed(written.epoch, written.result.version, written.texts)))
    for entry in entries:
        if entry.expires_at_ms is not None:
            _expire_later(room, written.epoch, entry)
    if signals.room_changed.receivers:
        told = {"room": room, "epoch": written.epoch, "version": written.result.version, "entries": entries}
        await send_signal(signals.room_changed, told)
    await roomhooks.changed(room, entries)


async def read(room: str, epoch: Epoch, patterns: PatternSet, since: int | None = None) -> Reading:
    """Read a room's entries; what is past its time is removed first, so nobody sees it."""
    space = room_space(room, epoch)
    reading = await room_backend(room).read(space, patterns, since)
    now = clock.now_ms()
    late = [entry for entry in reading.entries if entry.is_expired(now)]
    if not late:
        return reading
    await remove(room, epoch, late)
    return await room_backend(room).read(space, patterns, since)


async def version(room: str, epoch: Epoch) -> int:
    """The version of a room's store."""
    space = room_space(room, epoch)
    return (await room_backend(room).versions([space]))[space]


async def remove(room: str, epoch: Epoch, entries: Iterable[Entry]) -> int:
    """Remove entries as the server, each only if it is still the one that is meant; returns how many."""
    removed = 0
    for entry in entries:
        change = Change(key=entry.key, if_version=entry.version)
        try:
            await write(room, epoch, (change,), by=None, refresh=_stay_wiped)
        except (VersionConflict, SpaceWiped):
            # Somebody wrote or cleared it meanwhile: what was to go is gone.
            continue
        removed += 1
    return removed


def _stay_wiped() -> None:
    raise SpaceWiped


async def remove_owned(room: str, epoch: Epoch, sessions: Collection[str]) -> None:
    """Remove what dies with these sessions."""
    owners = frozenset(map(SessionId, sessions))
    await remove(room, epoch, await room_backend(room).owned(room_space(room, epoch), owners))


def _expire_later(room: str, epoch: Epoch, entry: Entry) -> None:
    running = hub.running()
    seconds = ((entry.expires_at_ms or 0) - clock.now_ms()) / 1000
    if running is not None and seconds <= _TIMED_SECONDS:
        running.later(max(seconds, 0.0), partial(_expire, room, epoch, entry))


async def _expire(room: str, epoch: Epoch, entry: Entry) -> None:
    try:
        await remove(room, epoch, [entry])
    except Unavailable:
        logger.info("An entry's time has passed, but the store is out of reach; the reaper will remove it.")


async def send_signal(signal: Signal, told: Mapping[str, object]) -> None:
    """Send a signal; in a server its receivers run beside the request, not in its way."""
    running = hub.running()
    sending = _send(signal, told)
    if running is not None and running.loop is asyncio.get_running_loop() and not ON_CALLERS_CONNECTION.get():
        running.spawn(sending)
    else:
        await sending


async def _send(signal: Signal, told: Mapping[str, object]) -> None:
    # Django logs what a receiver raises.
    await signal.asend_robust(sender=None, **told)


def named(key: str) -> PatternSet:
    """The pattern set of one key."""
    return compiled(frozenset({key}))
