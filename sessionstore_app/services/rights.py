"""What follows when the rights of a session have changed: it leaves the rooms that are not open to it any more, what it
may not read any more is withdrawn, and what it may read now is shown.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from sessionstore_app.core.entries import Entry
from sessionstore_app.core.errors import AccessDenied, NotJoined, Unavailable
from sessionstore_app.core.sights import Sight
from sessionstore_app.protocol import frames
from sessionstore_app.services import endings, jobs, record, roomreading, roomrights, telling, watching
from sessionstore_app.services.connection import Connection
from sessionstore_app.services.hub import Hub
from sessionstore_app.services.localroom import LocalRoom
from sessionstore_app.services.roommember import Member

if TYPE_CHECKING:
    from sessionstore_app.services.sessions import OpenSession

# Why somebody is no longer in a room that is not open to it.
_DENIED = AccessDenied.reason


def recheck_soon(hub: Hub, connection: Connection, since: OpenSession) -> None:
    """The session came into a room: where its rights have changed meanwhile, nobody asked yet whether it may stay."""
    if connection.session is not None and _stands(connection.session) != _stands(since):
        hub.spawn(hub.keeper.rights_changed(connection))


def _stands(session: OpenSession) -> tuple[object, ...]:
    return session.identity.roles, session.identity.permissions, session.properties


def recheck_sights(hub: Hub, connection: Connection) -> None:
    """From this instant each room sees the session as it is now: nothing it may not read is told it any more."""
    for room, member in connection.members.items():
        local = hub.rooms.get(room)
        if connection.session is None or local is None:
            continue
        saw_peers = member.sees_peers
        seen = roomrights.place(member, connection.session, room)
        if seen != member.sight:
            local.see(member, seen)
            member.unshown = member.unshown or (local.epoch, local.version)
            connection.forget_behind(room, keep=partial(_is_still_told, seen))
        if saw_peers is not member.sees_peers:
            _show_peers(connection, local, member)


def _is_still_told(seen: Sight | None, key: str, text: str) -> bool:
    """Is what was noted for a slow peer told it under its new sight too? What differs, `_show` tells."""
    if seen is None or seen.shows(key):
        return not frames.is_withdrawn(text)
    exists, by = frames.writer(text)
    # That a value is gone no reading shows.
    return not exists or (seen.shows_own(key) and seen.owns(by))


def _show_peers(connection: Connection, local: LocalRoom, member: Member) -> None:
    shown, gone, count = roomreading.first_peers(local), [], len(local.peers)
    if not member.sees_peers:
        others = (session_id for session_id in local.peers if session_id != member.session_id)
        shown, gone, count = [], [frames.left_peer(session_id, _DENIED) for session_id in others], 1
    if shown or gone:
        connection.put_unstored(frames.room_peers(local.name, count, shown, gone, []))


async def recheck_rooms(hub: Hub, connection: Connection) -> None:
    """The session leaves the rooms that are not open to it any more, and is told so; in the others it is told what it
    may read now and what not. Raises Unavailable; then it is to be asked again.
    """
    session = connection.session
    if session is None:
        return
    # From here on nothing is told it of a room that is shut, however long the record, or other rooms' hooks, may take.
    for room in await roomrights.shut_rooms(session, dict(connection.members)):
        _silence(hub, connection, room)
    rooms = [*connection.members, *connection.leaving]
    looks = (_recheck_room(hub, connection, session, room) for room in rooms)
    # One room's hook or store is no other's fault: all are looked at before any failure is told.
    results = await asyncio.gather(*looks, return_exceptions=True)
    watching.recheck_listeners(hub, connection)
    for failure in results:
        if isinstance(failure, BaseException):
            raise failure


async def _recheck_room(hub: Hub, connection: Connection, session: OpenSession, room: str) -> None:
    is_sure = True
    if room not in connection.leaving:
        stays = await roomrights.hook_says(session, room)
        is_sure = stays is not None
        if stays is False:
            _silence(hub, connection, room)
    if room in connection.leaving:
        await _put_out(connection, session.id, room)
        return
    member, local = connection.members.get(room), hub.rooms.get(room)
    if member is not None and local is not None and member.unshown is not None:
        await _show(hub, connection, local, member)
    if not is_sure:
        # Nobody is put out for a hook that cannot say: it is asked again.
        raise Unavailable("A room type could not say who may stay.")


async def _show(hub: Hub, connection: Connection, local: LocalRoom, member: Member) -> None:
    """Tell a member what it may read now and might not before, and withdraw the opposite."""
    now = member.sight
    reading = await roomreading.read_now(hub, local, member.patterns, None)
    if connection.members.get(local.name) is not member or member.sight != now:
        # It left, or whoever changed its rights again shows it.
        return
    before, since = member.shown, member.unshown
    member.shown, member.unshown = now, None
    if since != (local.epoch, reading.version) or before == now:
        # Written meanwhile, or not sent when it might be: what it holds now nobody knows.
        connection.forget_behind(local.name)
        local.observe(member, member.patterns.patterns, reading.version)
        told = [text for entry in reading.entries if (text := _as_seen(member, before, entry)) is not None]
        connection.put_unstored(frames.room_snapshot(local.name, local.epoch, reading.version, told, "resync"))
        return
    texts = [text for entry in reading.entries if (text := _difference(member, before, entry)) is not None]
    if texts:
        connection.put(frames.room_changed(local.name, local.epoch, reading.version, texts))


def _as_seen(member: Member, before: Sight | None, entry: Entry) -> str | None:
    difference = _difference(member, before, entry)
    sees = member.sight is None or member.sight.shows_entry(entry)
    return frames.entry(entry) if sees else difference


def _difference(member: Member, before: Sight | None, entry: Entry) -> str | None:
    saw = before is None or before.shows_entry(entry)
    sees = member.sight is None or member.sight.shows_entry(entry)
    is_own = member.sight is not None and member.sight.shows_own(entry.key)
    (member.held.add if sees and is_own else member.held.discard)(entry.key)
    if saw == sees:
        return None
    return frames.entry(entry) if sees else frames.withdrawn(entry.key, entry.version)


def _silence(hub: Hub, connection: Connection, room: str) -> None:
    """It hears of a room no more, and is told so; that it is no longer there is still to be recorded."""
    local, session = hub.rooms.get(room), connection.session
    if session is None or room not in connection.members:
        return
    connection.leaving.add(room)
    if local is not None:
        gone = [frames.left_peer(session.id, _DENIED)]
        connection.put(frames.room_peers(room, max(len(local.peers) - 1, 0), [], gone, []))
    hub.remove_member(room, connection)


async def _put_out(connection: Connection, session_id: str, room: str) -> None:
    await endings.remove_named(room, session_id)
    if room not in connection.leaving:
        # It was let in again.
        return
    try:
        _, happened = await record.run(jobs.Leave(session_id=session_id, room=room, grace_seconds=0, reason=_DENIED))
    except NotJoined:
        # It left by itself meanwhile, or another look has put it out.
        connection.leaving.discard(room)
        return
    connection.leaving.discard(room)
    await telling.tell(happened)
    await endings.remove_named(room, session_id)
