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
from sessionstore_app.core.close import CloseReason
from sessionstore_app.core.errors import SessionStoreError
from sessionstore_app.services import clock, entrylog, jobs, questions, record
from sessionstore_app.services.endings import remove_owned
from sessionstore_app.services.spaces import room_backend, room_of
from sessionstore_app.services.telling import record_and_tell

logger = logging.getLogger("sessionstore_app")

# How much is taken at a time.
BATCH = 200


@dataclass(frozen=True, slots=True)
class Reaped:
    """How many there were: sessions of dead processes, sessions to end, rooms to clear, entries past their time."""

    lost: int = 0
    sessions: int = 0
    rooms: int = 0
    entries: int = 0

    @property
    def is_full(self) -> bool:
        """True if there may be more of one of them."""
        return BATCH in (self.lost, self.sessions, self.rooms, self.entries)


def lost(session_id: str, generation: int, *, unless_served: bool = False) -> jobs.Disconnect:
    """Nobody serves this session: it waits to be resumed."""
    return jobs.Disconnect(
        session_id=session_id,
        generation=generation,
        reason=CloseReason.CONNECTION_LOST,
        reconnect_seconds=conf.current().reconnect_seconds,
        unless_served=unless_served,
    )


async def reap(node_id: str = "") -> Reaped:
    """End what has lapsed, at most `BATCH` of each; `node_id` is this process's, which lives."""
    gone, _ = await record.run(jobs.LapseNodes(limit=BATCH, node_id=node_id))
    await _all(record_and_tell(lost(session_id, generation, unless_served=True)) for session_id, generation in gone)
    due = await record.ask(partial(questions.overdue, BATCH))
    kept = await remove_owned(due.sessions)
    await _all(
        record_and_tell(jobs.Close(session_id=session_id, reason=reason, due=True))
        for session_id, reason in due.sessions.items()
        if session_id not in kept
    )
    await _all(record_and_tell(jobs.ClearDue(room=room)) for room in due.rooms)
    return Reaped(len(gone), len(due.sessions), len(due.rooms), await _expire_entries())


async def _expire_entries() -> int:
    due = await room_backend().due(clock.now_ms(), BATCH)
    for entry in due:
        found = room_of(entry.space)
        if found is not None:
            await entrylog.read(*found, entrylog.named(entry.key))
    return len(due)


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
        count: int
        count, _ = await record.run(jobs.Forget(history_seconds=seconds, limit=BATCH))
        forgotten += count
        told(forgotten)
        if count < BATCH:
            return forgotten


async def _all(acts: Iterable[Awaitable[None]]) -> None:
    """Do all at once: what they record shares a transaction."""
    for result in await asyncio.gather(*acts, return_exceptions=True):
        if isinstance(result, SessionStoreError):
            logger.warning("The reaper will try again: %s", result)
        elif isinstance(result, BaseException):
            raise result
