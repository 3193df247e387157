"""Handlers of rooms: joining, the shared store, peers, messages.

They run in the order the requests came, up to their first wait. Those that write return what is to be awaited: a
coroutine around it would live, with all others that are under way, for nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable
from functools import partial
from typing import Final

from sessionstore_app import conf
from sessionstore_app.core import clock
from sessionstore_app.core.entries import Change, Entry, Epoch, SessionId
from sessionstore_app.core.errors import AccessDenied, InvalidKey, LimitExceeded, NotJoined
from sessionstore_app.core.jsontext import dumps
from sessionstore_app.core.patterns import PatternSet, check_key, check_room_name, compiled
from sessionstore_app.handlers.caller import Caller, take_message
from sessionstore_app.handlers.socket import Socket
from sessionstore_app.protocol import frames, methods
from sessionstore_app.services import (
    announcing,
    entrylog,
    locks,
    memberships,
    policy,
    questions,
    record,
    roomasking,
    roomreading,
    roomrights,
    roomtypes,
    roomwrites,
    spectating,
    telling,
)
from sessionstore_app.services.entrylog import Written
from sessionstore_app.services.events import Said
from sessionstore_app.services.memberships import JoinedRoom
from sessionstore_app.services.roomreading import Position
from sessionstore_app.services.rooms import change_of, check_distinct, rooms
from sessionstore_app.services.roomwrites import Writer

# Rooms a session may be in at once.
ROOMS_PER_SESSION: Final = 100


async def room_join(socket: Socket, params: methods.RoomJoin) -> str:
    """Join, with a snapshot of what is observed."""
    connection = socket.connection
    socket.take_join(params.room)
    if params.room not in connection.members and len(connection.members) >= ROOMS_PER_SESSION:
        actual = len(connection.members) + 1
        raise LimitExceeded("The session is in too many rooms.", limit=ROOMS_PER_SESSION, actual=actual)
    since = None if params.since is None else Position(params.since.epoch, params.since.version)
    joined = await memberships.join(socket.hub, connection, params.room, params.observe, since)
    local, member = joined.room, joined.member
    complete = ',"complete":true' if since is not None and joined.complete else ""
    definition = roomtypes.of(local.name)
    kind = "" if definition is None else f',"type":{dumps(definition.name)}'
    peers, count = roomreading.first_peers(local), len(local.peers)
    if not member.sees_peers:
        peers, count = [local.peers[member.session_id]] if member.session_id in local.peers else [], 1
    texts = ",".join(memberships.text_of(member, entry) for entry in joined.entries)
    return (
        f'{{"room":{dumps(local.name)},"epoch":"{local.epoch}","version":{joined.version},'
        f'"roles":{dumps(member.roles)},"peers":[{",".join(peers)}],'
        f'"count":{count},"entries":[{texts}]{complete}{kind}}}'
    )


async def room_leave(socket: Socket, params: methods.RoomLeave) -> str:
    """Leave a room."""
    cleared = await memberships.leave(socket.hub, socket.connection, params.room)
    return dumps({"cleared": cleared})


def room_set(caller: Caller, params: methods.RoomSet) -> Awaitable[str]:
    """Write a value."""
    change = _change(caller, params.room, params)
    return _write_one(caller, params.room, change, params.op, params.lock)


def room_delete(caller: Caller, params: methods.RoomDelete) -> Awaitable[str]:
    """Delete a key."""
    change = Change(key=_key(params.key), if_version=params.if_version)
    return _write_one(caller, params.room, change, params.op)


def room_update(caller: Caller, params: methods.RoomUpdate) -> Awaitable[str]:
    """Change a value by a rule."""
    change = Change(key=_key(params.key), operation=methods.operation(params))
    return _write_one(caller, params.room, change, params.op)


async def room_write(caller: Caller, params: methods.RoomWrite) -> str:
    """Write several keys together."""
    changes = tuple(_change(caller, params.room, item) for item in params.ops)
    check_distinct(changes)
    written = await _write(caller, params.room, changes, params.op)
    result = written.result
    return frames.writes_result(result.version, written.texts.values(), duplicate=result.duplicate)


async def _write_one(caller: Caller, room: str, change: Change, op: int | None, lock: str | None = None) -> str:
    written = await _write(caller, room, (change,), op, lock)
    return frames.write_result(written.texts[change.key], duplicate=written.result.duplicate)


def _write(
    caller: Caller, room: str, changes: tuple[Change, ...], op: int | None, lock: str | None = None
) -> Awaitable[Written]:
    epoch = _writable_epoch(caller, room)
    _take_writes(caller, room, changes)
    fenced = None if lock is None else partial(locks.fence, caller.session_id or "", locks.check_name(lock))
    writer = Writer(
        who=caller.standing(room),
        by=caller.author,
        is_inside=epoch is not None,
        op=op,
        fenced=fenced,
        # The room was cleared meanwhile: whoever left it must not write into the next one.
        refresh=partial(_writable_epoch, caller, room),
    )
    if epoch is None:
        return roomwrites.write_from_outside(room, changes, writer)
    return roomwrites.write(room, epoch, changes, writer)


def _take_writes(caller: Caller, room: str, changes: tuple[Change, ...]) -> None:
    """A write that the room's type refuses is the caller's own to pay for: it must not use up what its peers may."""
    try:
        roomwrites.check(room, changes, caller.standing(room))
    except (AccessDenied, InvalidKey):
        caller.take_writes(len(changes))
        raise
    caller.take_writes(len(changes), room)


def _writable_epoch(caller: Caller, room: str) -> Epoch | None:
    """The epoch of a room the caller is in; None for one it may use from outside. Raises NotJoined, AccessDenied."""
    local = caller.local_room(room)
    return None if local is None else local.epoch


def _key(key: str) -> str:
    return check_key(key, conf.current().key_length)


def _change(caller: Caller, room: str, item: methods.RoomSet | methods.WriteItem) -> Change:
    dies = item.lifetime == "session" and caller.local_room(room) is not None
    return change_of(item, SessionId(caller.session_id) if dies and caller.session_id else None)


async def room_get(caller: Caller, params: methods.RoomGet) -> str:
    """Read one entry."""
    key = _key(params.key)
    reading = await _read(caller, params.room, compiled(frozenset({key})))
    entries = reading.entries
    return frames.entry(entries[0] if entries else Entry(key=key))


async def room_snapshot(caller: Caller, params: methods.RoomSnapshot) -> str:
    """Read many entries at one instant."""
    wanted = compiled(memberships.checked_patterns(params.keys))
    reading = await _read(caller, params.room, wanted)
    entries = memberships.with_absent(reading.entries, wanted.exact)
    return f'{{"epoch":"{reading.epoch}","version":{reading.version},"entries":{frames.entries(entries)}}}'


async def room_can(caller: Caller, params: methods.RoomCan) -> str:
    """Whether the caller may do something there, and if not, why."""
    try:
        caller.local_room(params.room)
        await roomasking.ask(
            params.room, params.action, params.key, who=caller.standing(params.room), seen=caller.sight(params.room)
        )
    except (AccessDenied, InvalidKey, NotJoined) as error:
        return dumps({"allowed": False, **error.data})  # type: ignore[dict-item]  # texts and lists of texts
    return dumps({"allowed": True})


class _Read:
    """A reading with the epoch it belongs to."""

    __slots__ = ("entries", "epoch", "version")

    def __init__(self, epoch: Epoch, version: int, entries: tuple[Entry, ...]) -> None:
        self.epoch = epoch
        self.version = version
        self.entries = entries


async def _read(caller: Caller, room: str, patterns: PatternSet) -> _Read:
    epoch = _writable_epoch(caller, room)
    seen = caller.sight(room)
    roomrights.require_read(seen, patterns, caller.standing(room))
    if epoch is None:
        epoch = await entrylog.current_epoch(room)
    reading = await entrylog.read(room, epoch, patterns)
    entries = roomrights.readable(caller.sight(room), reading.entries, patterns, caller.standing(room))
    return _Read(epoch, reading.version, entries)


async def room_observe(socket: Socket, params: methods.RoomObserve) -> str:
    """Observe more, with the present values."""
    observed = await memberships.observe(socket.hub, socket.connection, params.room, params.keys)
    return (
        f'{{"observing":{_observing(observed)},"epoch":"{observed.room.epoch}",'
        f'"version":{observed.version},"entries":{frames.entries(observed.entries)}}}'
    )


def _observing(joined: JoinedRoom) -> str:
    return dumps(sorted(joined.member.patterns.patterns))


async def room_unobserve(socket: Socket, params: methods.RoomUnobserve) -> str:
    """Observe less."""
    member = await memberships.unobserve(socket.hub, socket.connection, params.room, params.keys)
    return dumps({"observing": sorted(member.patterns.patterns)})


async def room_watch(socket: Socket, params: methods.RoomWatch) -> str:
    """Hear a room from outside."""
    watched = await spectating.watch(socket.hub, socket.connection, params.room)
    local = watched.room
    texts = ",".join(spectating.text_of(watched, entry) for entry in watched.entries)
    return (
        f'{{"room":{dumps(local.name)},"epoch":"{local.epoch}","version":{watched.version},'
        f'"peers":[{",".join(roomreading.first_peers(local))}],"count":{len(local.peers)},"entries":[{texts}],'
        f'"values":{dumps(watched.shows_values)}}}'
    )


async def room_unwatch(socket: Socket, params: methods.RoomUnwatch) -> str:
    """Hear it no longer."""
    spectating.unwatch(socket.hub, socket.connection, params.room)
    return "{}"


async def room_peers(caller: Caller, params: methods.RoomPeers) -> str:
    """A page of the peers."""
    page = conf.current().peers_per_page
    limit = min(params.limit or page, page)
    after = params.after or ""
    local = caller.local_room(params.room)
    roomrights.require(params.room, "see_peers", caller.standing(params.room))
    if local is not None:
        ids = sorted(session_id for session_id in local.peers if session_id > after)[:limit]
        texts, count = [local.peers[session_id] for session_id in ids], len(local.peers)
    else:
        found, count = await record.ask(partial(questions.peers_page, params.room, limit, after))
        texts = [telling.peer_text(peer) for peer in found]
    return f'{{"peers":[{",".join(texts)}],"count":{count}}}'


async def room_broadcast(caller: Caller, params: methods.RoomBroadcast) -> str:
    """Send the peers a message that is not stored."""
    local, who = caller.local_room(params.room), caller.standing(params.room)
    roomrights.require(params.room, "broadcast", who)
    data = take_message(caller, params.data, params.room)
    frame = frames.room_message(params.room, params.event, data, frames.author(caller.author), clock.now_ms())
    await announcing.announce((params.room, Said(frame)))
    if not roomrights.may(params.room, "see_peers", who):
        # How many there are is not told to those who may not see them: of its peers it knows itself.
        return dumps({"count": int(local is not None)})
    if local is not None:
        return dumps({"count": len(local.peers)})
    _, count = await record.ask(partial(questions.peers_page, params.room, 1, ""))
    return dumps({"count": count})


async def room_clear(caller: Caller, params: methods.RoomClear) -> str:
    """Empty a room."""
    check_room_name(params.room, conf.current().room_length)
    if roomtypes.of(params.room) is None:
        policy.require(caller.identity, "manage_room")
    caller.local_room(params.room)
    roomrights.require_clear(params.room, caller.standing(params.room))
    caller.take_writes(1, params.room)
    return dumps({"epoch": await rooms.aclear(params.room)})
