"""Sessions of this process: opening them, and bringing them back.

A session is the record's row; a connection is its present socket. Generation numbers fence an older socket of the
same session.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from sessionstore_app.core.entries import Author, SessionId
from sessionstore_app.core.errors import NotOpen, Unavailable
from sessionstore_app.services import (
    endings,
    jobs,
    private,
    record,
    roomtypes,
    telling,
)
from sessionstore_app.services.connection import Connection
from sessionstore_app.services.events import TakenOver
from sessionstore_app.services.hub import Hub
from sessionstore_app.services.identity import Login
from sessionstore_app.services.jobs import Resumed, ResumedRoom
from sessionstore_app.services.policy import Identity

logger = logging.getLogger("sessionstore_app")


@dataclass(frozen=True, slots=True)
class OpenSession:
    """What a connection knows of its session: `generation` is the one this socket serves, `revision` how far it is
    told of what others did to it, `login` by which Django session its client is known, if by one, `properties` those
    that the rules of some room type look at.
    """

    id: str
    identity: Identity
    generation: int
    revision: int
    author: Author
    login: Login | None = None
    properties: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Opened:
    """An open session: its properties, its secret for the next resume, and the rooms that came back with it."""

    session: OpenSession
    resume_token: str
    resumed: bool
    properties: Mapping[str, str]
    rooms: tuple[ResumedRoom, ...] = ()


async def open_session(
    hub: Hub,
    connection: Connection,
    identity: Identity,
    properties: Mapping[str, str] | None = None,
    *,
    login: Login | None = None,
) -> Opened:
    """Open a new session on a connection. Raises AccessDenied where the policy refuses it, ValueError for seeds of its
    private store that cannot be kept.
    """
    session_id, token = secrets.token_urlsafe(16), secrets.token_urlsafe(32)
    job = jobs.Open(
        session_id=session_id, identity=identity, node_id=hub.node_id, token=token, properties=properties or {}
    )
    seeds = await private.seeds(identity)
    with in_transit(hub, session_id):
        async with private.seeded(session_id, seeds):
            own, happened = await record.run(job)
        session = _session_of(session_id, identity, own, generation=1, revision=1, login=login)
        is_there = _serve(hub, connection, session)
        await telling.tell(happened)
        if not is_there:
            await _lose(connection)
    return Opened(session, token, resumed=False, properties=own)


def _session_of(
    session_id: str,
    identity: Identity,
    properties: Mapping[str, str],
    *,
    generation: int,
    revision: int,
    login: Login | None,
) -> OpenSession:
    author = Author(SessionId(session_id), identity.principal)
    if identity.store:
        # Where seeds go they are by now: they are not kept with every socket.
        identity = replace(identity, store={})
    return OpenSession(session_id, identity, generation, revision, author, login, roomtypes.kept(properties))


async def resume_session(
    hub: Hub, connection: Connection, identity: Identity, session_id: str, token: str, *, login: Login | None = None
) -> Opened | None:
    """Bring a session back on this connection; None if it cannot be. An older socket that still serves it is closed."""
    new_token = secrets.token_urlsafe(32)
    job = jobs.Resume(session_id=session_id, identity=identity, node_id=hub.node_id, token=token, new_token=new_token)
    with in_transit(hub, session_id):
        resumed: Resumed | None
        resumed, happened = await record.run(job)
        if resumed is None:
            return None
        session = _session_of(
            session_id,
            replace(identity, roles=resumed.roles),
            resumed.properties,
            generation=resumed.generation,
            revision=resumed.revision,
            login=login,
        )
        is_there = _serve(hub, connection, session)
        if resumed.was_active_on is not None:
            await hub.tell_nodes([(resumed.was_active_on, TakenOver(session_id, resumed.generation))])
        await telling.tell(happened)
        for room in resumed.shut:
            await endings.remove_named(room, session_id)
        if not is_there:
            # Nobody will be told the new token.
            await give_back(session, token)
            await _lose(connection)
    return Opened(session, new_token, resumed=True, properties=resumed.properties, rooms=resumed.rooms)


@contextmanager
def in_transit(hub: Hub, session_id: str) -> Iterator[None]:
    """While the record and this process may differ about a session, upkeep leaves it alone."""
    hub.in_transit.add(session_id)
    try:
        yield
    finally:
        hub.in_transit.discard(session_id)


async def give_back(session: OpenSession, token: str) -> None:
    """A resume that could not be finished burns nothing: its token is good once more, if that can be recorded."""
    try:
        await record.run(jobs.GiveBack(session_id=session.id, generation=session.generation, token=token))
    except Unavailable:
        logger.warning("A resume failed half way and its token could not be given back.")


def _serve(hub: Hub, connection: Connection, session: OpenSession) -> bool:
    """The connection serves the session from here on; false where the socket went while that was recorded."""
    connection.session = session
    if connection.close_reason is not None:
        return False
    hub.served.add(connection)
    hub.expire(connection)
    if session.login is not None:
        # What changed between the first look and the record was told to nobody.
        hub.keeper.look_again([connection])
    return True


async def _lose(connection: Connection) -> None:
    """The session is open, as was told, and its socket went before: it waits for another. Raises NotOpen."""
    if connection.close_reason is not None:
        await endings.disconnect(connection, connection.close_reason)
    raise NotOpen("The socket was closed meanwhile.")
