"""Handlers of the wire's methods: typed parameters in, JSON text of the result out.

Each checks what the caller may do, calls one operation of the services and puts its result into words. They run in
the order the requests came, up to their first wait; the methods in `IN_TURN` are finished before the next request of
the socket begins.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final, Protocol

from sessionstore_app import conf
from sessionstore_app.core.close import CloseReason
from sessionstore_app.core.entries import Change, Entry, Epoch, SessionId
from sessionstore_app.core.errors import (
    AccessDenied,
    InvalidParams,
    LimitExceeded,
    NotJoined,
    ValueTooLarge,
)
from sessionstore_app.core.jsontext import Json, dumps, size_bytes
from sessionstore_app.core.patterns import PatternSet, check_key, check_room_name, compiled
from sessionstore_app.handshake import Handshake
from sessionstore_app.protocol import frames, methods
from sessionstore_app.services import (
    clock,
    entrylog,
    hub,
    identity,
    jobs,
    policy,
    presence,
    questions,
    record,
    sessions,
    tokens,
)
from sessionstore_app.services.connection import Connection
from sessionstore_app.services.entrylog import Written
from sessionstore_app.services.events import Said
from sessionstore_app.services.hub import Hub
from sessionstore_app.services.policy import ANONYMOUS, Identity
from sessionstore_app.services.rooms import check_distinct
from sessionstore_app.services.sessions import JoinedRoom, Opened, OpenSession, Position

# Rooms a session may be in at once.
ROOMS_PER_SESSION: Final = 100


# What one message to the peers may be.
MESSAGE_BYTES: Final = 8_192


class Socket(Protocol):
    """What a handler may ask of the socket it answers."""

    @property
    def hub(self) -> Hub: ...
    @property
    def connection(self) -> Connection: ...
    @property
    def handshake(self) -> Handshake: ...
    @property
    def session(self) -> OpenSession: ...
    def opened(self) -> None: ...
    def expect_open(self) -> None: ...
    def admit_user(self, principal: str) -> bool: ...
    def take_writes(self, number: int) -> None: ...
    def close_soon(self, reason: CloseReason) -> None: ...


# --- sessions


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
    who = await _identify(socket, params.token)
    if not socket.admit_user(who.principal):
        limit = conf.current().sockets_per_user
        socket.close_soon(CloseReason.ABORTED)
        raise LimitExceeded("This user has as many sockets as it may.", limit=limit, actual=limit + 1)
    connection.wants_heartbeat = params.heartbeat
    connection.batches = params.batch
    # Nothing leaves before the answer, so that what a resumed room lacks comes after it.
    connection.cork()
    opened = await _open_or_resume(socket, who, params.resume)
    try:
        rooms = await _rejoin(socket, opened, params.resume)
    except Exception:
        socket.close_soon(CloseReason.INTERNAL_ERROR)
        if params.resume is not None:
            await sessions.give_back(opened.session, params.resume.resume_token)
        raise
    return _open_result(socket, opened, who, rooms)


async def _identify(socket: Socket, token: str | None) -> Identity:
    if token is not None:
        try:
            return tokens.read_token(token)
        except AccessDenied:
            socket.close_soon(CloseReason.ABORTED)
            raise
    key = identity.session_key(socket.handshake.cookies)
    if key is None:
        return ANONYMOUS
    return await record.ask(partial(identity.by_session_key, key))


async def _open_or_resume(socket: Socket, who: Identity, resume: methods.Resume | None) -> Opened:
    try:
        if resume is not None:
            back = await sessions.resume_session(
                socket.hub, socket.connection, who, resume.session_id, resume.resume_token
            )
            if back is not None:
                return back
        return await sessions.open_session(socket.hub, socket.connection, who)
    except AccessDenied:
        socket.close_soon(CloseReason.ABORTED)
        raise


async def _rejoin(socket: Socket, opened: Opened, resume: methods.Resume | None) -> list[dict[str, Json]]:
    told: list[dict[str, Json]] = []
    positions = resume.rooms if resume is not None else {}
    for room in opened.rooms:
        named = positions.get(room.room)
        position = None if named is None else Position(named.epoch, named.version)
        joined = await sessions.rejoin(socket.hub, socket.connection, room, position)
        told.append({"room": room.room, "epoch": joined.room.epoch, "version": joined.version})
    return told


def _open_result(socket: Socket, opened: Opened, who: Identity, rooms: list[dict[str, Json]]) -> str:
    settings = conf.current()
    return dumps(
        {
            "session_id": opened.session.id,
            "resume_token": opened.resume_token,
            "resumed": opened.resumed,
            "principal": who.principal,
            "roles": sorted(who.roles),
            "permissions": sorted(who.permissions),
            "properties": {},
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
        "patterns_per_session", "writes_per_second", "writes_burst", "outbox_bytes", "peers_per_page",
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
    with sessions.in_transit(socket.hub, session.id):
        await presence.end_session(session.id, CloseReason.CLOSED_BY_CLIENT.name)
        # From here on the reason says that it is over.
        socket.close_soon(CloseReason.CLOSED_BY_CLIENT)
    return "{}"


# --- rooms


async def room_join(socket: Socket, params: methods.RoomJoin) -> str:
    """Join, with a snapshot of what is observed."""
    connection = socket.connection
    if params.room not in connection.members and len(connection.members) >= ROOMS_PER_SESSION:
        actual = len(connection.members) + 1
        raise LimitExceeded("The session is in too many rooms.", limit=ROOMS_PER_SESSION, actual=actual)
    since = None if params.since is None else Position(params.since.epoch, params.since.version)
    joined = await sessions.join(socket.hub, connection, params.room, params.observe, since)
    local = joined.room
    complete = ',"complete":true' if since is not None and joined.complete else ""
    return (
        f'{{"room":{dumps(local.name)},"epoch":"{local.epoch}","version":{joined.version},'
        f'"roles":{dumps(joined.member.roles)},"peers":[{",".join(sessions.first_peers(local))}],'
        f'"count":{len(local.peers)},"entries":{frames.entries(joined.entries)}{complete}}}'
    )


async def room_leave(socket: Socket, params: methods.RoomLeave) -> str:
    """Leave a room."""
    cleared = await sessions.leave(socket.hub, socket.connection, params.room)
    return dumps({"cleared": cleared})


async def room_set(socket: Socket, params: methods.RoomSet) -> str:
    """Write a value."""
    change = _change(socket, params.room, params.key, params)
    return await _write_one(socket, params.room, change, params.op)


async def room_delete(socket: Socket, params: methods.RoomDelete) -> str:
    """Delete a key."""
    change = Change(key=_key(params.key), if_version=params.if_version)
    return await _write_one(socket, params.room, change, params.op)


async def room_update(socket: Socket, params: methods.RoomUpdate) -> str:
    """Change a value by a rule."""
    change = Change(key=_key(params.key), operation=methods.operation(params))
    return await _write_one(socket, params.room, change, params.op)


async def room_write(socket: Socket, params: methods.RoomWrite) -> str:
    """Write several keys together."""
    changes = tuple(_change(socket, params.room, item.key, item) for item in params.ops)
    check_distinct(changes)
    written = await _write(socket, params.room, changes, params.op)
    result = written.result
    return frames.writes_result(result.version, written.texts.values(), duplicate=result.duplicate)


async def _write_one(socket: Socket, room: str, change: Change, op: int | None) -> str:
    written = await _write(socket, room, (change,), op)
    return frames.write_result(written.texts[change.key], duplicate=written.result.duplicate)


async def _write(socket: Socket, room: str, changes: tuple[Change, ...], op: int | None) -> Written:
    epoch = _writable_epoch(socket, room)
    socket.take_writes(len(changes))
    return await entrylog.write(
        room,
        epoch if epoch is not None else await entrylog.room_epoch(room),
        changes,
        by=socket.session.author,
        op=op,
        # The room was cleared meanwhile: whoever left it must not write into the next one.
        refresh=lambda: _writable_epoch(socket, room),
    )


def _writable_epoch(socket: Socket, room: str) -> Epoch | None:
    """The epoch of a room the caller is in; None for one it manages from outside. Raises NotJoined."""
    if room in socket.connection.members:
        local = socket.hub.rooms.get(room)
        if local is not None:
            return local.epoch
    _require_managed(socket, room)
    return None


def _require_managed(socket: Socket, room: str) -> None:
    check_room_name(room, conf.current().room_length)
    if "manage_room" not in socket.session.identity.permissions:
        raise NotJoined


def _key(key: str) -> str:
    return check_key(key, conf.current().key_length)


def _change(socket: Socket, room: str, key: str, params: methods.RoomSet | methods.WriteItem) -> Change:
    if params.lifetime == "session" and room not in socket.connection.members:
        raise InvalidParams("An entry dies with a session of the room.", hint="Join the room, or leave lifetime out.")
    return Change(
        key=_key(key),
        text=None if params.value is None else dumps(params.value),
        if_version=params.if_version,
        ttl_ms=None if params.ttl_seconds is None else max(1, round(params.ttl_seconds * 1000)),
        owner=SessionId(socket.session.id) if params.lifetime == "session" else None,
    )


async def room_get(socket: Socket, params: methods.RoomGet) -> str:
    """Read one entry."""
    key = _key(params.key)
    reading = await _read(socket, params.room, compiled(frozenset({key})))
    entries = reading.entries
    return frames.entry(entries[0] if entries else Entry(key=key))


async def room_snapshot(socket: Socket, params: methods.RoomSnapshot) -> str:
    """Read many entries at one instant."""
    wanted = compiled(sessions.checked_patterns(params.keys))
    reading = await _read(socket, params.room, wanted)
    entries = sessions.with_absent(reading.entries, wanted.exact)
    return f'{{"epoch":"{reading.epoch}","version":{reading.version},"entries":{frames.entries(entries)}}}'


class _Read:
    """A reading with the epoch it belongs to."""

    __slots__ = ("entries", "epoch", "version")

    def __init__(self, epoch: Epoch, version: int, entries: tuple[Entry, ...]) -> None:
        self.epoch = epoch
        self.version = version
        self.entries = entries


async def _read(socket: Socket, room: str, patterns: PatternSet) -> _Read:
    epoch = _writable_epoch(socket, room)
    if epoch is None:
        epoch = await entrylog.current_epoch(room)
    reading = await entrylog.read(room, epoch, patterns)
    return _Read(epoch, reading.version, reading.entries)


async def room_observe(socket: Socket, params: methods.RoomObserve) -> str:
    """Observe more, with the present values."""
    observed = await sessions.observe(socket.hub, socket.connection, params.room, params.keys)
    return (
        f'{{"observing":{_observing(observed)},"epoch":"{observed.room.epoch}",'
        f'"version":{observed.version},"entries":{frames.entries(observed.entries)}}}'
    )


def _observing(joined: JoinedRoom) -> str:
    return dumps(sorted(joined.member.patterns.patterns))


async def room_unobserve(socket: Socket, params: methods.RoomUnobserve) -> str:
    """Observe less."""
    member = await sessions.unobserve(socket.hub, socket.connection, params.room, params.keys)
    return dumps({"observing": sorted(member.patterns.patterns)})


async def room_peers(socket: Socket, params: methods.RoomPeers) -> str:
    """A page of the peers."""
    page = conf.current().peers_per_page
    limit = min(params.limit or page, page)
    after = params.after or ""
    if params.room in socket.connection.members:
        peers = socket.hub.rooms[params.room].peers
        ids = sorted(session_id for session_id in peers if session_id > after)[:limit]
        texts, count = [peers[session_id] for session_id in ids], len(peers)
    else:
        _require_managed(socket, params.room)
        found, count = await record.ask(partial(questions.peers_page, params.room, limit, after))
        texts = [presence.peer_text(peer) for peer in found]
    return f'{{"peers":[{",".join(texts)}],"count":{count}}}'


async def room_broadcast(socket: Socket, params: methods.RoomBroadcast) -> str:
    """Send the peers a message that is not stored."""
    if params.room not in socket.connection.members:
        _require_managed(socket, params.room)
    data = dumps(params.data)
    size = size_bytes(data)
    if size > MESSAGE_BYTES:
        raise ValueTooLarge("The message is too large.", limit=MESSAGE_BYTES, actual=size)
    # Everybody is sent it, so it costs by its size.
    socket.take_writes(1 + size // conf.current().value_bytes)
    local = socket.hub.rooms.get(params.room)
    sender = frames.author(socket.session.author)
    frame = frames.room_message(params.room, params.event, data, sender, clock.now_ms())
    await hub.announce((params.room, Said(frame)))
    return dumps({"count": 0 if local is None else len(local.peers)})


async def room_clear(socket: Socket, params: methods.RoomClear) -> str:
    """Empty a room."""
    check_room_name(params.room, conf.current().room_length)
    policy.require(socket.session.identity, "manage_room")
    epoch, happened = await record.run(jobs.Clear(room=params.room, reason="CLEARED"))
    await presence.tell(happened)
    return dumps({"epoch": str(epoch)})


Handler = Callable[..., Awaitable[str]]

HANDLERS: Final[Mapping[str, Handler]] = {
    "session.open": session_open,
    "session.ack": session_ack,
    "session.ping": session_ping,
    "session.close": session_close,
    "room.join": room_join,
    "room.leave": room_leave,
    "room.set": room_set,
    "room.get": room_get,
    "room.delete": room_delete,
    "room.update": room_update,
    "room.write": room_write,
    "room.snapshot": room_snapshot,
    "room.observe": room_observe,
    "room.unobserve": room_unobserve,
    "room.peers": room_peers,
    "room.broadcast": room_broadcast,
    "room.clear": room_clear,
}

# What later requests of the same socket build on.
IN_TURN: Final = frozenset(
    {"session.open", "session.close", "room.join", "room.leave", "room.observe", "room.unobserve"}
)
