"""Reaping: ending what has lapsed, and forgetting what ended long ago. Any number may do it at once; the row decides.

Every server process does it, a little each time; `manage.py expire_sessions` does it to the end.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial

from sessionstore_app import conf
from sessionstore_app.backends.base import Due
from sessionstore_app.core import clock
from sessionstore_app.core.close import CloseReason
from sessionstore_app.core.entries import Entry
from sessionstore_app.core.errors import SessionStoreError
from sessionstore_app.services import entrylog, jobs, private, questions, record
from sessionstore_app.services.endings import remove_named_late, remove_owned
from sessionstore_app.services.record import Job
from sessionstore_app.services.spaces import room_backends, room_of
from sessionstore_app.services.telling import tell

logger = logging.getLogger("sessionstore_app")

# How much is taken at a time.
BATCH = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaped:
    """How many this call took for lost, ended and cleared: what another was faster to do is not among them.

    `goes_on` is true if there may be more, and it did something: what fails each time is no reason to go on.
    """

    lost: int
    sessions: int
    rooms: int
    goes_on: bool


def lost(session_id: str, generation: int, *, unless_served: bool = False) -> jobs.Disconnect:
    """Nobody serves this session: it waits to be resumed."""
    return jobs.Disconnect(
        session_id=session_id,
        generation=generation,
        reason=CloseReason.CONNECTION_LOST,
        reconnect_seconds=conf.current().reconnect_seconds,
        unless_served=unless_served,
    )


async def reap(node_id: str) -> None:
    """End what has lapsed, and entries past their time, at most `BATCH` of each; `node_id` is our own, which lives."""
    await end_lapsed(node_id)
    await expire_entries()


async def end_lapsed(node_id: str = "") -> Reaped:
    """End sessions that have lapsed and clear rooms whose time has come, at most `BATCH` of each."""
    gone, _ = await record.run(jobs.LapseNodes(limit=BATCH, node_id=node_id))
    away = await _all(_do(lost(session_id, generation, unless_served=True)) for session_id, generation in gone)
    due = await record.ask(partial(questions.overdue, BATCH))
    kept = await remove_owned(due.sessions)
    ended = await _all(
        _do(jobs.Close(session_id=session_id, reason=reason, due=True))
        for session_id, reason in due.sessions.items()
        if session_id not in kept
    )
    await remove_named_late(due.sessions.keys() - kept)
    cleared = await _all(_do(jobs.ClearDue(room=room)) for room in due.rooms)
    is_full = any(len(found) >= BATCH for found in (gone, due.sessions, due.rooms))
    return Reaped(lost=away, sessions=ended, rooms=cleared, goes_on=is_full and away + ended + cleared > 0)


async def _do(job: Job) -> bool:
    """Record one job and tell what its batch did; true if it was this one that did it."""
    done, happened = await record.run(job)
    await tell(happened)
    return bool(done)


async def expire_entries() -> tuple[int, bool]:
    """Remove entries past their time, at most `BATCH`: how many, and whether there may be more that can go."""
    found = [await place.due(clock.now_ms(), BATCH) for place in room_backends()]
    removed = sum([await _expire(entry) for due in found for entry in due])
    return removed, any(len(due) >= BATCH for due in found) and removed > 0


async def _expire(due: Due) -> bool:
    found = room_of(due.space)
    return found is not None and bool(await entrylog.remove(*found, [Entry(key=due.key, version=due.version)]))


def history_seconds() -> float:
    """For how long what ended is kept; what listeners may still have to be told of is, in any case."""
    settings = conf.current()
    return max(settings.history_days * 86_400, 4 * settings.node_renew_seconds)


async def forget_history(told: Callable[[int], None] = lambda _: None) -> int:
    """Delete sessions that closed longer ago than HISTORY_DAYS, and what hangs on them; returns how many. `told` hears
    after each portion how many so far.
    """
    seconds = history_seconds()
    forgotten = 0
    while True:
        ids: list[str]
        ids, _ = await record.run(jobs.Forget(history_seconds=seconds, limit=BATCH))
        # Who ended them may have died before it destroyed their stores.
        await private.forget(ids)
        forgotten += len(ids)
        told(forgotten)
        if len(ids) < BATCH:
            return forgotten


async def _all(acts: Iterable[Awaitable[bool]]) -> int:
    """Do all at once: what they record shares a transaction. Returns how many did what they were for."""
    done = 0
    for result in await asyncio.gather(*acts, return_exceptions=True):
        if isinstance(result, SessionStoreError):
            logger.warning("The reaper will try again: %s", result)
        elif isinstance(result, BaseException):
            raise result
        else:
            done += result
    return done
