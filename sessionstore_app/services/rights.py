"""What follows when the roles of a session have changed: it leaves the rooms that are not open to it any more."""

from __future__ import annotations

from functools import partial

from sessionstore_app.core.errors import AccessDenied, NotJoined
from sessionstore_app.protocol import frames
from sessionstore_app.services import jobs, policy, record, telling, watching
from sessionstore_app.services.connection import Connection
from sessionstore_app.services.hub import Hub
from sessionstore_app.services.policy import Identity

# Why somebody is no longer in a room that is not open to it.
_DENIED = AccessDenied.reason


def recheck_soon(hub: Hub, connection: Connection, since: Identity) -> None:
    """The session came into a room: where its roles have changed meanwhile, nobody asked yet whether it may stay."""
    if connection.session is not None and connection.session.identity.roles != since.roles:
        hub.spawn(hub.keeper.rights_changed(connection))


async def recheck_rooms(hub: Hub, connection: Connection) -> None:
    """The session leaves the rooms that are not open to it any more, and is told so."""
    for room in list(connection.members):
        session = connection.session
        if session is not None and not await record.ask(partial(policy.current().may_join, session.identity, room)):
            await _put_out(hub, connection, session.id, room)


async def _put_out(hub: Hub, connection: Connection, session_id: str, room: str) -> None:
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
