"""Telling what the record says of sessions, rooms and locks: to peers, listeners and sockets, and by signals.

Once for each batch, after it is committed, by whoever comes first.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial

from sessionstore_app import signals
from sessionstore_app.backends.groupcommit import ON_CALLERS_CONNECTION
from sessionstore_app.core.entries import Space
from sessionstore_app.core.errors import SessionStoreError
from sessionstore_app.core.jsontext import Json
from sessionstore_app.core.sessions import Kind, SessionChange, State
from sessionstore_app.protocol import frames
from sessionstore_app.services import announcing, bridge, hub, private, record, roomhooks
from sessionstore_app.services.entrylog import send_signal
from sessionstore_app.services.events import LockTold, RoomCleared, RosterDelta
from sessionstore_app.services.news import Cleared, Events, LockNews, Peer, RosterChange
from sessionstore_app.services.record import Job
from sessionstore_app.services.spaces import room_space, space_backend

logger = logging.getLogger("sessionstore_app")


def peer_text(peer: Peer) -> str:
    """A peer as clients see it."""
    joined_at_ms = round(peer.joined_at.timestamp() * 1000)
    return frames.peer(peer.session_id, peer.principal, peer.roles, peer.state, joined_at_ms, peer.properties)


async def tell(happened: Events) -> None:
    """Tell what a batch of the record did, once it is committed; only the first of its jobs to come here does."""
    if not happened.take():
        return
    if ON_CALLERS_CONNECTION.get():
        await bridge.after_commit(record.USING, partial(_tell, happened))
    else:
        await _tell(happened)


async def _tell(happened: Events) -> None:
    changes = list(happened.rosters.values())
    await announcing.announce(*((change.room, _delta(change)) for change in changes))
    are_cleared = asyncio.Event()
    # Before anything is waited for: what happens next must not be told first.
    are_hooks_told = roomhooks.line_up(changes, are_cleared)
    try:
        for cleared in happened.cleared:
            await _tell_cleared(cleared)
    finally:
        are_cleared.set()
    await announcing.announce_sessions(happened.sessions)
    await announcing.tell_nodes([_lock_told(news) for news in happened.locks])
    for change in changes:
        await _signal_roster(change)
    if not are_hooks_told:
        await roomhooks.tell(changes)
    for session_change in happened.sessions:
        await _signal_session(session_change)


def _lock_told(news: LockNews) -> tuple[str, LockTold]:
    return news.node_id, LockTold(news.session_id, news.name, news.sequence, news.is_lost)


def _delta(change: RosterChange) -> RosterDelta:
    joined = {sid: peer_text(peer) for sid, peer in change.joined.items()}
    updated = {sid: peer_text(peer) for sid, peer in change.updated.items()}
    return RosterDelta(change.roster, joined, dict(change.left), updated)


async def _tell_cleared(cleared: Cleared) -> None:
    # First wipe: from here on no late write can land in the old epoch.
    await _wipe(room_space(cleared.room, cleared.old))
    await announcing.announce((cleared.room, RoomCleared(cleared.old, cleared.new, cleared.reason)))
    if signals.room_cleared.receivers:
        told = {"room": cleared.room, "epoch": cleared.new, "reason": cleared.reason}
        await send_signal(signals.room_cleared, told)


# Spaces of epochs that are over, which the backend could not take leave of yet.
_unwiped: set[Space] = set()


async def _wipe(space: Space) -> None:
    """Wipe a space, or remember it for the next round: the room goes on under its new epoch either way."""
    try:
        await space_backend(space).wipe(space)
        _unwiped.discard(space)
    except SessionStoreError as error:
        _unwiped.add(space)
        logger.warning("A cleared store could not be wiped yet: %s", error)


async def _signal_roster(change: RosterChange) -> None:
    if signals.peer_joined.receivers:
        for session_id in change.joined:
            await send_signal(signals.peer_joined, {"room": change.room, "session_id": session_id})
    if signals.peer_left.receivers:
        for session_id, reason in change.left.items():
            await send_signal(signals.peer_left, {"room": change.room, "session_id": session_id, "reason": reason})


async def _signal_session(change: SessionChange) -> None:
    match change.kind, change.state:
        case Kind.ROOMS, _:
            return
        case Kind.PROPERTIES, _:
            signal = signals.session_changed
        case _, State.ACTIVE:
            signal = signals.session_opened
        case _, State.CLOSED:
            await _signal_closed(change)
            return
        case _, State.DISCONNECTED:
            signal = signals.session_disconnected
        case _:
            signal = signals.session_returned
    if signal.receivers:
        await send_signal(signal, _told(change))


def _told(change: SessionChange) -> dict[str, object]:
    told = {"session_id": change.session_id, "state": change.state.value, "properties": dict(change.properties)}
    return {**told, "changed_properties": dict(change.previous), "reason": change.close_reason}


async def _signal_closed(change: SessionChange) -> None:
    """What ends with the session ends after its receivers; in a server all of that runs beside the request."""
    is_heard = bool(signals.session_closed.receivers)
    ending = private.end(change.session_id, partial(_send_closed, change) if is_heard else None)
    running = hub.running()
    if running is not None and running.loop is asyncio.get_running_loop() and not ON_CALLERS_CONNECTION.get():
        running.spawn(ending)
    else:
        await ending


async def _send_closed(change: SessionChange, store: dict[str, Json]) -> None:
    await signals.session_closed.asend_robust(sender=None, **_told(change), store=store)


async def wipe_again() -> None:
    """Try again to wipe what could not be wiped."""
    for space in list(_unwiped):
        await _wipe(space)


async def record_and_tell(job: Job) -> None:
    """Record one job and tell what its batch did."""
    _, happened = await record.run(job)
    await tell(happened)
