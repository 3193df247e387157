"""Listeners of sockets: what a session listens to, until its socket goes or its rights do."""

from __future__ import annotations

import asyncio
import logging
import secrets
from dataclasses import dataclass, replace

from sessionstore_app import conf
from sessionstore_app.core.errors import (
    AccessDenied,
    InternalError,
    LimitExceeded,
    NotFound,
    NotOpen,
    SessionStoreError,
)
from sessionstore_app.core.observer import Event, Interest
from sessionstore_app.protocol import frames
from sessionstore_app.services.connection import Connection
from sessionstore_app.services.feed import Listener
from sessionstore_app.services.hub import Hub
from sessionstore_app.services.reach import Reach, reach_of

logger = logging.getLogger("sessionstore_app")

# What it takes to listen.
NEEDED = ("view_session", "register_handler")


class SocketSink:
    """Where the events of a socket's listener go."""

    def __init__(self, connection: Connection, listener_id: str) -> None:
        self._connection = connection
        self._id = listener_id
        # Characters put since the socket was last seen to keep up.
        self._put = 0

    def put(self, event: Event) -> None:
        """See `feed.Sink`."""
        text = frames.session_event(self._id, event)
        self._put += len(text)
        self._connection.put_unstored(text)

    async def ready(self) -> None:
        """See `feed.Sink`."""
        connection = self._connection
        if self._put <= connection.limit_bytes // 4:
            return
        # What was put leaves at the end of the tick; only then is it seen how far behind the socket is.
        await asyncio.sleep(0)
        while connection.close_reason is None and (connection.is_behind or connection.is_crowded):
            await connection.wait()
        self._put = 0

    def listening(self, count: int) -> None:
        """See `feed.Sink`."""
        self._connection.put_unstored(frames.session_listening(self._id, count))

    def failed(self, reason: str = InternalError.reason) -> None:
        """See `feed.Sink`."""
        if self._connection.listeners.pop(self._id, None) is not None:
            self._connection.put_unstored(frames.listener_closed(self._id, reason))


@dataclass(frozen=True, slots=True)
class Watch:
    """One listener of a socket, and the reach it was registered with."""

    listener: Listener
    room: str | None
    reach: Reach


def socket_reach(connection: Connection, *needed: str, room: str | None = None, any_room: bool = False) -> Reach:
    """What a socket's session reaches. Raises AccessDenied."""
    assert connection.session is not None  # noqa: S101  # callers serve open sessions only
    joined = {name: member.roles for name, member in connection.members.items()}
    return reach_of(connection.session.identity, joined, *needed, room=room, any_room=any_room)


def listen(connection: Connection, reach: Reach, interest: Interest, room: str | None) -> str:
    """Register a listener whose interest is within the reach; returns its id. It is told nothing before `begin_soon`.

    Raises LimitExceeded, or NotOpen where the socket has ended.
    """
    if connection.close_reason is not None:
        # Nobody would ever end it.
        raise NotOpen("The socket was closed.")
    limit = conf.current().listeners_per_session
    if len(connection.listeners) >= limit:
        raise LimitExceeded("The session has as many listeners as it may.", limit=limit, actual=limit + 1)
    listener_id = secrets.token_urlsafe(12)
    listener = Listener(interest, SocketSink(connection, listener_id), connection.filter_allowance)
    connection.listeners[listener_id] = Watch(listener, room, reach)
    return listener_id


def begin_soon(hub: Hub, connection: Connection, listener_id: str) -> None:
    """Tell the listener what there is, then what happens."""
    hub.spawn(_begin(hub, connection, listener_id))


async def _begin(hub: Hub, connection: Connection, listener_id: str) -> None:
    watch = connection.listeners.get(listener_id)
    if watch is None:
        return
    try:
        await hub.feed.begin(watch.listener)
    except SessionStoreError as error:
        logger.warning("A listener could not be told of what is there: %s", error)
        _close(hub, connection, listener_id, error.reason)
    except Exception:  # a project's policy is asked what it sees
        logger.exception("A listener failed before it was told of what is there.")
        watch.listener.sink.failed()


def unlisten(hub: Hub, connection: Connection, listener_id: str) -> None:
    """Tell the listener nothing more. Raises NotFound."""
    watch = connection.listeners.pop(listener_id, None)
    if watch is None:
        raise NotFound("There is no such listener.", hint="It may have been closed.")
    hub.feed.end(watch.listener)


def recheck_listeners(hub: Hub, connection: Connection) -> None:
    """The session has other roles, or is in other rooms: listeners that may not go on as they are end."""
    for listener_id, watch in list(connection.listeners.items()):
        try:
            reach = socket_reach(connection, *NEEDED, room=watch.room)
            interest = reach.narrowed(watch.listener.interest)
        except AccessDenied:
            _close(hub, connection, listener_id, AccessDenied.reason)
            continue
        if reach.by_rule and not watch.reach.by_rule:
            # It would go on with less than it told so far: let the client begin anew.
            _close(hub, connection, listener_id, AccessDenied.reason)
            continue
        watch.listener.interest = interest
        connection.listeners[listener_id] = replace(watch, reach=reach)


def _close(hub: Hub, connection: Connection, listener_id: str, reason: str) -> None:
    watch = connection.listeners.pop(listener_id, None)
    if watch is not None:
        hub.feed.end(watch.listener)
        connection.put_unstored(frames.listener_closed(listener_id, reason))
