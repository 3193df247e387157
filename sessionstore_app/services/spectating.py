"""Watching a room from outside, live: for staff. Who watches is no peer: nobody sees it, and it keeps no room alive.

It takes `view_room` or `manage_room`. Values are shown to those who hold `view_values`; others see of each entry how
long it is, who wrote it and when.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sessionstore_app import conf
from sessionstore_app.core.entries import Entry
from sessionstore_app.core.errors import AccessDenied, InvalidParams, LimitExceeded, NotFound, NotOpen
from sessionstore_app.core.patterns import EVERYTHING, check_room_name
from sessionstore_app.protocol import frames
from sessionstore_app.services import entrylog, policy
from sessionstore_app.services.connection import Connection
from sessionstore_app.services.hub import Hub
from sessionstore_app.services.localroom import LocalRoom
from sessionstore_app.services.roommember import WATCHER, Member
from sessionstore_app.services.roomreading import Position, load, read_now

if TYPE_CHECKING:
    from sessionstore_app.services.sessions import OpenSession

# Rooms that one session may watch at once.
WATCHED_ROOMS: Final = 20


@dataclass(frozen=True, slots=True)
class Watched:
    """A room at the instant from which it is watched; deleted entries that are still known are among them."""

    room: LocalRoom
    version: int
    entries: tuple[Entry, ...]
    shows_values: bool


def may_watch(permissions: Collection[str]) -> bool:
    """Who may look at all rooms from outside?"""
    return "view_room" in permissions or "manage_room" in permissions


def may_see_values(permissions: Collection[str]) -> bool:
    """Who may see what they hold?"""
    return "view_values" in permissions


async def watch(hub: Hub, connection: Connection, room: str) -> Watched:
    """Hear all that happens in a room from now on.

    Raises AccessDenied, NotFound for a room that there is not, InvalidParams for one that the session is in,
    LimitExceeded, Unavailable.
    """
    check_room_name(room, conf.current().room_length)
    _require(connection)
    if room in connection.members:
        raise InvalidParams("The session is in the room.", hint="Observe it.")
    if len(connection.watched) >= WATCHED_ROOMS and room not in connection.watched:
        raise LimitExceeded("The session watches too many rooms.", limit=WATCHED_ROOMS)
    epoch = await entrylog.current_epoch(room)
    if not epoch:
        raise NotFound("There is no such room.")
    # Heard first, read second.
    local = await hub.hold(room)
    try:
        await load(hub, local, epoch)
        reading = await read_now(hub, local, EVERYTHING, Position(local.epoch, 0))
        # Roles may have changed while it was read, and nobody looked at a watch that was not there yet.
        session = _require(connection)
        end(connection, local)
        shows_values = may_see_values(policy.permissions(session.identity))
        if room not in connection.members:
            watcher = Member(connection, f"{WATCHER}{session.id}", (), is_masked=not shows_values)
            connection.watched[room] = watcher
            local.add(watcher)
            local.observe(watcher, EVERYTHING.patterns, reading.version)
        return Watched(local, reading.version, reading.entries, shows_values)
    finally:
        hub.release(local)


def _require(connection: Connection) -> OpenSession:
    """The session, which may watch rooms. Raises NotOpen or AccessDenied."""
    if connection.close_reason is not None or connection.session is None:
        raise NotOpen("The socket was closed meanwhile.")
    if not may_watch(policy.permissions(connection.session.identity)):
        raise AccessDenied(hint="The permission view_room or manage_room is needed.")
    return connection.session


def unwatch(hub: Hub, connection: Connection, room: str) -> None:
    """Hear it no longer; harmless where it was not heard."""
    local = hub.rooms.get(room)
    if local is not None:
        end(connection, local)
        hub.drop_unused(local)


def end(connection: Connection, local: LocalRoom) -> None:
    """A connection watches this room no longer."""
    watcher = connection.watched.pop(local.name, None)
    if watcher is not None:
        local.remove(watcher)
        connection.forget_behind(local.name)


def recheck(hub: Hub, connection: Connection) -> None:
    """The roles of the session have changed: what it may not watch any more ends, and so does what it sees otherwise
    than it may; it is told to ask again.
    """
    if connection.session is None:
        return
    held = policy.permissions(connection.session.identity)
    for room, watcher in list(connection.watched.items()):
        if not may_watch(held) or watcher.is_masked is may_see_values(held):
            unwatch(hub, connection, room)
            connection.put(frames.room_unwatched(room, AccessDenied.reason))


def text_of(watched: Watched, entry: Entry) -> str:
    """An entry as text, as its watcher may see it."""
    text = frames.entry(entry)
    return text if watched.shows_values else frames.masked(text)
