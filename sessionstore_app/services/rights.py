"""What follows when the rights of a session have changed: it leaves the rooms that are not open to it any more, what it
may not read any more is withdrawn, and what it may read now is shown.
"""

from __future__ import annotations

from functools import partial

from sessionstore_app.core.entries import Entry
from sessionstore_app.core.errors import AccessDenied, NotJoined
from sessionstore_app.core.sights import Sight
from sessionstore_app.protocol import frames
from sessionstore_app.services import endings, jobs, record, roomreading, roomrights, telling, watching
from sessionstore_app.services.connection import Connection
from sessionstore_app.services.hub import Hub
from sessionstore_app.services.localroom import LocalRoom, Member
from sessionstore_app.services.policy import Identity

# Why somebody is no longer in a room that is not open to it.
_DENIED = AccessDenied.reason


def recheck_soon(hub: Hub, connection: Connection, since: Identity) -> None:
    """The session came into a room: where its rights have changed meanwhile, nobody asked yet whether it may stay."""
    session = connection.session
    if session is not None and (session.identity.roles, session.identity.permissions) != (
        since.roles,
        since.permissions,
    ):
        hub.spawn(hub.keeper.rights_changed(connection))


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
    for room, member in list(connection.members.items()):
        session = connection.session
        if session is not None and not await roomrights.may_stay(session, member, room):
            await _put_out(hub, connection, session.id, room)
    for room, member in list(connection.members.items()):
        local = hub.rooms.get(room)
        if local is not None and member.shown != member.sight:
            await _show(hub, connection, local, member)


async def _show(hub: Hub, connection: Connection, local: LocalRoom, member: Member) -> None:
    """Tell a member what it may read now and might not before, and withdraw the opposite."""
    now = member.sight
    reading = await roomreading.read_now(hub, local, member.patterns, None)
    if connection.members.get(local.name) is not member or member.sight != now:
        # It left, or whoever changed its rights again shows it.
        return
    before, member.shown = member.shown, now
    texts = [text for entry in reading.entries if (text := _difference(member, before, entry)) is not None]
    if texts:
        connection.put(frames.room_changed(local.name, local.epoch, reading.version, texts))


def _difference(member: Member, before: Sight | None, entry: Entry) -> str | None:
    saw = before is None or before.shows_entry(entry)
    sees = member.sight is None or member.sight.shows_entry(entry)
    is_own = member.sight is not None and member.sight.shows_own(entry.key)
    (member.held.add if sees and is_own else member.held.discard)(entry.key)
    if saw == sees:
        return None
    return frames.entry(entry) if sees else frames.withdrawn(entry.key, entry.version)


async def _put_out(hub: Hub, connection: Connection, session_id: str, room: str) -> None:
    await endings.remove_named(room, session_id)
    try:
        _, happened = await record.run(jobs.Leave(session_id=session_id, room=room, grace_seconds=0, reason=_DENIED))
    except NotJoined:
        # It left by itself meanwhile, or another look has put it out.
        return
    local = hub.rooms.get(room)
    if local is not None and room in connection.members:
        gone = [frames.left_peer(session_id, _DENIED)]
        connection.put(frames.room_peers(room, max(len(local.peers) - 1, 0), [], gone, []))
    hub.remove_member(room, connection)
    watching.recheck_listeners(hub, connection)
    await telling.tell(happened)
    await endings.remove_named(room, session_id)
