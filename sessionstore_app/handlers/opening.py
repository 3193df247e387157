"""Handlers of a session's own life: it opens or comes back, says that it lives, closes."""

from __future__ import annotations

from functools import partial

from sessionstore_app import conf
from sessionstore_app.core import clock
from sessionstore_app.core.close import CloseReason
from sessionstore_app.core.errors import AccessDenied, LimitExceeded
from sessionstore_app.core.jsontext import Json, dumps
from sessionstore_app.handlers.socket import Socket
from sessionstore_app.protocol import frames, methods
from sessionstore_app.services import endings, facts, identity, memberships, policy, record, rights, sessions, tokens
from sessionstore_app.services.identity import Login
from sessionstore_app.services.policy import ANONYMOUS, Identity
from sessionstore_app.services.roomreading import Position
from sessionstore_app.services.sessions import Opened


async def session_open(socket: Socket, params: methods.SessionOpen) -> str:
    """Open a session, or bring one back."""
    if socket.connection.session is not None:
        raise AccessDenied("The session is open already.", hint="One socket serves one session.")
    # It has asked in time; what takes long from here on is not its fault.
    socket.opened()
    try:
        return await _open(socket, params)
    finally:
        if socket.connection.session is None:
            socket.expect_open()


async def _open(socket: Socket, params: methods.SessionOpen) -> str:
    connection = socket.connection
    who, login = await _identify(socket, params.token)
    if not socket.admit_user(who.principal):
        limit = conf.current().sockets_per_user
        socket.close_soon(CloseReason.ABORTED)
        raise LimitExceeded("This user has as many sockets as it may.", limit=limit, actual=limit + 1)
    connection.wants_heartbeat = params.heartbeat
    connection.batches = params.batch
    # Nothing leaves before the answer, so that what a resumed room lacks comes after it.
    connection.cork()
    opened = await _open_or_resume(socket, who, login, params)
    try:
        rooms = await _rejoin(socket, opened, params.resume)
        rights.recheck_soon(socket.hub, socket.connection, opened.session)
    except Exception:
        socket.close_soon(CloseReason.INTERNAL_ERROR)
        if params.resume is not None:
            await sessions.give_back(opened.session, params.resume.resume_token)
        raise
    return _open_result(socket, opened, rooms)


async def _identify(socket: Socket, token: str | None) -> tuple[Identity, Login | None]:
    if token is not None:
        try:
            return tokens.read_token(token), None
        except AccessDenied:
            socket.close_soon(CloseReason.ABORTED)
            raise
    key = identity.session_key(socket.handshake.cookies)
    if key is None:
        return ANONYMOUS, None
    found = await record.ask(partial(identity.by_session_key, key))
    return found, None if found.is_anonymous else Login(key, found)


async def _properties(socket: Socket, params: methods.SessionOpen) -> dict[str, str]:
    """The fixed properties of this client, and what it proposes, as far as it is accepted."""
    client = params.client or methods.Client()
    known = facts.ClientFacts(
        client_ip=socket.handshake.client_ip,
        user_agent=socket.handshake.user_agent,
        accept_language=socket.handshake.accept_language,
        environment=params.environment,
        client_name=client.name,
        client_version=client.version,
    )
    # A hostile User-Agent takes long to read, and a project's resolver may: nothing that is recorded waits for them.
    fixed = await record.look(partial(facts.fixed_properties, known))
    return {**fixed, **facts.accepted_proposals(params.properties)}


async def _open_or_resume(socket: Socket, who: Identity, login: Login | None, params: methods.SessionOpen) -> Opened:
    resume = params.resume
    try:
        if resume is not None:
            back = await sessions.resume_session(
                socket.hub, socket.connection, who, resume.session_id, resume.resume_token, login=login
            )
            if back is not None:
                return back
        properties = await _properties(socket, params)
        return await sessions.open_session(socket.hub, socket.connection, who, properties, login=login)
    except AccessDenied:
        socket.close_soon(CloseReason.ABORTED)
        raise


async def _rejoin(socket: Socket, opened: Opened, resume: methods.Resume | None) -> list[dict[str, Json]]:
    told: list[dict[str, Json]] = []
    positions = resume.rooms if resume is not None else {}
    for room in opened.rooms:
        named = positions.get(room.room)
        position = None if named is None else Position(named.epoch, named.version)
        joined = await memberships.rejoin(socket.hub, socket.connection, room, position)
        told.append({"room": room.room, "epoch": joined.room.epoch, "version": joined.version})
    return told


def _open_result(socket: Socket, opened: Opened, rooms: list[dict[str, Json]]) -> str:
    who = opened.session.identity
    settings = conf.current()
    return dumps(
        {
            "session_id": opened.session.id,
            "resume_token": opened.resume_token,
            "resumed": opened.resumed,
            "principal": who.principal,
            "roles": sorted(who.roles),
            "permissions": sorted(policy.permissions(who)),
            "properties": opened.properties,
            "revision": opened.session.revision,
            "server_name": socket.hub.node_id,
            "server_time": frames.iso(clock.now_ms()),
            "heartbeat_seconds": settings.heartbeat_seconds,
            "reconnect_seconds": settings.reconnect_seconds,
            "limits": _limits(settings),
            "rooms": rooms,
            "protocol": 1,
        }
    )


def _limits(settings: conf.Settings) -> dict[str, float]:
    names = (
        "value_bytes", "keys", "store_bytes", "frame_bytes", "key_length", "room_length", "json_depth",
        "patterns_per_session", "listeners_per_session", "locks_per_session", "property_count", "property_bytes",
        "filter_length", "filter_depth", "sessions_per_page", "writes_per_second", "writes_burst",
        "room_writes_per_second", "room_writes_burst", "joins_per_minute", "joins_burst", "sockets_per_user",
        "sockets_per_address", "outbox_bytes", "peers_per_page",
    )  # fmt: skip
    return {name: getattr(settings, name) for name in names}


async def session_ack(socket: Socket, params: methods.SessionAck) -> str:
    """The client has received so much."""
    socket.connection.ack(params.bytes)
    return "{}"


async def session_ping(socket: Socket, params: methods.SessionPing) -> str:
    """The server's time."""
    return f'{{"server_time":"{frames.iso(clock.now_ms())}"}}'


async def session_close(socket: Socket, params: methods.SessionClose) -> str:
    """The session ends at once; the socket closes behind the answer."""
    session = socket.session
    # Who goes is not told that it went.
    for name in list(socket.connection.members):
        socket.hub.remove_member(name, socket.connection)
    socket.hub.served.remove(socket.connection)
    with sessions.in_transit(socket.hub, session.id):
        await endings.end_session(session.id, CloseReason.CLOSED_BY_CLIENT.name)
        # From here on the reason says that it is over.
        socket.close_soon(CloseReason.CLOSED_BY_CLIENT)
    return "{}"
