"""Handlers of what is done to sessions: reading, changing, counting, ending and watching them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime

from sessionstore_app import conf
from sessionstore_app.core import clock
from sessionstore_app.core.close import CloseReason
from sessionstore_app.core.errors import AccessDenied, InvalidParams
from sessionstore_app.core.jsontext import dumps
from sessionstore_app.handlers.caller import Caller, own_session, take_message
from sessionstore_app.handlers.socket import Followed, Socket
from sessionstore_app.protocol import frames, methods
from sessionstore_app.services import memberships, policy, steering, watching
from sessionstore_app.services.reach import EVERYWHERE, Reach
from sessionstore_app.services.steering import Target

_VIEW = ("view_session",)
_MODIFY = ("view_session", "modify_session")
_SEND = ("send_to_session",)


def _target(reach: Reach, session_id: str | None, filter_text: str | None) -> Target:
    if (session_id is None) == (filter_text is None):
        raise InvalidParams("Name either session_id or filter.", hint='The filter "all" means every session.')
    return Target(reach.interest(filter_text), session_id)


async def session_get_properties(caller: Caller, params: methods.SessionGetProperties) -> str:
    """Properties of a session; one's own without any permission."""
    session_id = own_session(caller, params.session_id)
    is_own = session_id == caller.session_id and params.room is None
    reach = EVERYWHERE if is_own else caller.reach(*_VIEW, room=params.room)
    found = await steering.get(reach.interest(None, params.properties), session_id)
    return dumps({"properties": found.properties})


async def session_set_properties(caller: Caller, params: methods.SessionSetProperties) -> str:
    """Set properties of a session; of one's own without permission those that the project lets everybody set."""
    session_id = own_session(caller, params.session_id)
    changes: Mapping[str, str | None] = params.properties
    ignored: list[str] = []
    try:
        reach = caller.reach(*_MODIFY, room=params.room)
    except AccessDenied:
        if session_id != caller.session_id or params.room is not None:
            raise
        reach = EVERYWHERE
        own = conf.current().self_properties
        ignored = [key for key in changes if key not in own]
        changes = {key: value for key, value in changes.items() if key in own}
    # The answer tells what they were.
    reach.check(changes.keys())
    caller.take_writes(1)
    merged = (await steering.set_properties(Target(reach.interest(), session_id), changes))[session_id]
    return dumps({"changed": dict(merged.changed), "ignored": [*ignored, *merged.ignored]})


async def session_set_properties_by_filter(caller: Caller, params: methods.SessionSetPropertiesByFilter) -> str:
    """Set properties of all sessions that a filter finds."""
    reach = caller.reach(*_MODIFY, room=params.room)
    reach.check(params.properties.keys())
    caller.take_writes(1)
    merged = await steering.set_properties(Target(reach.interest(params.filter)), params.properties)
    return dumps({"count": len(merged)})


async def session_list(caller: Caller, params: methods.SessionList) -> str:
    """A page of sessions."""
    page = conf.current().sessions_per_page
    interest = caller.reach(*_VIEW, room=params.room).interest(params.filter, params.properties)
    listing = await steering.listing(interest, min(params.limit or page, page), params.after or "")
    told = [asdict(session) for session in listing.sessions]
    return dumps({"sessions": told, "total": listing.total, "more": listing.more})


async def session_count(caller: Caller, params: methods.SessionCount) -> str:
    """How many sessions and people there are."""
    reach = caller.reach(*_VIEW, room=params.room)
    reach.check(params.by)
    counting = await steering.counting(reach.interest(params.filter), params.by)
    groups = [asdict(group) for group in counting.groups]
    return dumps({"total": counting.total, "people": counting.people, "groups": groups})


async def session_terminate(caller: Caller, params: methods.SessionTerminate) -> str:
    """End sessions. Who ends its own is answered first."""
    target = _target(caller.reach(*_MODIFY, room=params.room), params.session_id, params.filter)
    caller.take_writes(1)
    with caller.sparing():
        ended = await steering.terminate(target)
    if caller.session_id in ended:
        caller.close_soon(CloseReason.CLOSED_BY_CONTROLLER)
    return dumps({"count": len(ended)})


async def session_change_roles(caller: Caller, params: methods.SessionChangeRoles) -> str:
    """Give and take session-wide roles."""
    reach = caller.reach(*_MODIFY, room=params.room)
    rooms = reach.rooms if reach.by_rule else None
    if not policy.current().may_change_roles(caller.identity, add=params.add, remove=params.remove, rooms=rooms):
        raise AccessDenied("You may not give or take these roles.", hint="Ask somebody who holds modify_session.")
    caller.take_writes(1)
    target = _target(reach, params.session_id, params.filter)
    return dumps({"count": await steering.change_roles(target, params.add, params.remove)})


async def session_send(caller: Caller, params: methods.SessionSend) -> str:
    """Send a message that is not stored to sessions that are there."""
    # To a peer of a shared room the room's rule is enough, without the room being named.
    reach = caller.reach(*_SEND, room=params.room, any_room=True)
    target = _target(reach, params.session_id, params.filter)
    data = take_message(caller, params.data)
    sender = frames.author(caller.author)
    frame = frames.session_message(params.event, data, sender, clock.now_ms())
    return dumps({"count": await steering.send(target, frame)})


async def session_observe_for(caller: Caller, params: methods.SessionObserveFor) -> str:
    """Let peers of a room observe keys."""
    target = _target(caller.reach(*_MODIFY, room=params.room), params.session_id, params.filter)
    patterns = memberships.checked_patterns(params.keys)
    caller.take_writes(1)
    return dumps({"count": await steering.observe_for(target, params.room, patterns)})


async def session_listen(socket: Socket, params: methods.SessionListen) -> Followed:
    """Listen to what happens to sessions; the first events follow the answer."""
    reach = socket.reach(*watching.NEEDED, room=params.room)
    interest = reach.interest(params.filter, params.properties, _after_ms(params.after))
    # All sessions are read for it: who listens and unlistens in turns does that again and again.
    socket.take_writes(1)
    hub, connection = socket.hub, socket.connection
    listener_id = watching.listen(connection, reach, interest, params.room)
    return Followed(
        dumps({"listener_id": listener_id}),
        then=lambda: watching.begin_soon(hub, connection, listener_id),
    )


def _after_ms(after: str | int | None) -> int | None:
    """A time of the wire, milliseconds since the epoch or ISO 8601, in milliseconds. Raises InvalidParams."""
    if after is None or isinstance(after, int):
        return after
    try:
        at = datetime.fromisoformat(after)
    except ValueError:
        raise InvalidParams("`after` is a time in ISO 8601, or milliseconds since the epoch.") from None
    return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


async def session_unlisten(socket: Socket, params: methods.SessionUnlisten) -> str:
    """Listen no longer."""
    watching.unlisten(socket.hub, socket.connection, params.listener_id)
    return "{}"
