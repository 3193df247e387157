"""How sessions end, and what becomes of them when their socket goes."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Collection
from functools import partial

from sessionstore_app import conf
from sessionstore_app.core.close import CloseReason
from sessionstore_app.core.entries import Epoch, SessionId
from sessionstore_app.core.errors import SessionStoreError, Unavailable
from sessionstore_app.services import entrylog, jobs, questions, record, roomtypes
from sessionstore_app.services.connection import Connection
from sessionstore_app.services.spaces import room_backend, room_space
from sessionstore_app.services.telling import tell

logger = logging.getLogger("sessionstore_app")


async def end_session(session_id: str, reason: str, *, generation: int | None = None) -> bool:
    """End a session: true for the caller that ended it. With a `generation`, only if no newer socket serves it."""
    if generation is not None:
        known = (await record.ask(partial(questions.states, [session_id]))).get(session_id)
        if known is None or known[1] != generation:
            return False
    if await remove_owned([session_id]):
        raise Unavailable("A room of the session is out of reach.")
    job = jobs.Close(session_id=session_id, reason=reason, generation=generation)
    ended, happened = await record.run(job)
    await tell(happened)
    if ended:
        await remove_named_late([session_id])
    return bool(ended)


async def remove_owned(session_ids: Collection[str]) -> set[str]:
    """What dies with sessions goes before them: who dies in between leaves them for the next reaper to end again.

    Returns the sessions that something could not be removed of, because a room is out of reach at this moment.
    """
    owners: defaultdict[tuple[str, Epoch], set[str]] = defaultdict(set)
    for session_id, room, epoch in await record.ask(partial(questions.rooms_of, session_ids)):
        owners[room, epoch].add(session_id)
    removals = (entrylog.remove_owned(room, epoch, sessions) for (room, epoch), sessions in owners.items())
    results = await asyncio.gather(*removals, return_exceptions=True)
    kept: set[str] = set()
    for sessions, result in zip(owners.values(), results, strict=True):
        if isinstance(result, SessionStoreError):
            kept |= sessions
        elif isinstance(result, BaseException):
            raise result
    return kept


async def remove_named(room: str, session_id: str) -> None:
    """A session leaves a room, and lives on: what names it there goes before it, and once more behind it, for it may
    have been named at the last moment.
    """
    definition = roomtypes.of(room)
    if definition is None or not any(each.names_session for each in definition.keys):
        return
    epoch = await entrylog.current_epoch(room)
    named = await room_backend(room).owned(room_space(room, epoch), frozenset({SessionId(session_id)})) if epoch else ()
    gone = [entry for entry in named if (found := definition.key(entry.key)) is not None and found.names_session]
    await entrylog.remove(room, epoch, gone)


async def remove_named_late(session_ids: Collection[str]) -> None:
    """Sessions have ended: what named them at the last moment goes too."""
    if not roomtypes.name_sessions():
        return
    for session_id, room, _ in await record.ask(partial(questions.rooms_of, session_ids)):
        try:
            await remove_named(room, session_id)
        except SessionStoreError as error:
            logger.warning("A room may still name a session that has ended: %s", error)


async def disconnect(connection: Connection, reason: CloseReason) -> None:
    """A socket is gone: its session waits to be resumed, or ends where the reason leaves nothing to wait for."""
    session = connection.session
    if session is None:
        return
    if reason.ends_session:
        # What it wrote to its last would outlive it.
        await connection.settle()
        await end_session(session.id, reason.name, generation=session.generation)
        return
    job = jobs.Disconnect(
        session_id=session.id,
        generation=session.generation,
        reason=reason,
        reconnect_seconds=conf.current().reconnect_seconds,
    )
    _, happened = await record.run(job)
    await tell(happened)
