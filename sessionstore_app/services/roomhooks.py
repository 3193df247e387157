"""The hooks of room types: a project's own code, sync or async, asked or told what happens in a room.

One that fails is logged and harms nobody; whoever asks one that fails is told nothing.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from asgiref.sync import sync_to_async
from channels.db import database_sync_to_async

from sessionstore_app.backends.groupcommit import ON_CALLERS_CONNECTION
from sessionstore_app.core.definitions import Definition
from sessionstore_app.core.entries import Entry
from sessionstore_app.core.roomtypes import RoomType
from sessionstore_app.core.rules import Standing
from sessionstore_app.services import hub, roomtypes
from sessionstore_app.services.hub import Hub
from sessionstore_app.services.news import RosterChange

logger = logging.getLogger("sessionstore_app")

# Whoever joins waits for the answer.
ASKED_SECONDS = 5.0


async def may_join(definition: Definition, who: Standing, room: str) -> bool | None:
    """What the type's own hook says; None, where it fails or takes too long."""
    if not _is_own(definition, "may_join"):
        return True
    try:
        async with asyncio.timeout(ASKED_SECONDS):
            return bool(await _call(definition.hooks.may_join, who, room))
    except Exception:  # a project's code may raise what it likes
        logger.exception("%s.may_join failed.", definition.name)
        return None


# What was written to a room while its hook was at work: the newest entry of each key. It ends with the server.
_waiting: WeakKeyDictionary[Hub, dict[str, dict[str, Entry]]] = WeakKeyDictionary()


async def changed(room: str, entries: Sequence[Entry]) -> None:
    """Entries of a room were written, and peers told. A hook that is slow is told of several writes at once."""
    definition = roomtypes.of(room)
    if definition is None or not _is_own(definition, "on_change"):
        return
    server = _server()
    if server is None:
        await _told(definition, "on_change", (room, entries))
        return
    rooms = _waiting.setdefault(server, {})
    if room in rooms:
        rooms[room].update({entry.key: entry for entry in entries})
    else:
        rooms[room] = {}
        server.spawn(_tell_changes(rooms, room, definition, entries))


async def _tell_changes(
    rooms: dict[str, dict[str, Entry]], room: str, definition: Definition, entries: Sequence[Entry]
) -> None:
    while entries:
        await _told(definition, "on_change", (room, entries))
        entries, rooms[room] = tuple(rooms[room].values()), {}
    del rooms[room]


# When a hook may be told, its type and its name.
_Lined = tuple[asyncio.Event, Definition, str]
# Rooms whose hooks are being told that they filled or emptied, with what is told next. It ends with the server.
_present: WeakKeyDictionary[Hub, dict[str, deque[_Lined]]] = WeakKeyDictionary()


def line_up(changes: Sequence[RosterChange], ready: asyncio.Event) -> bool:
    """Have the server that runs here tell the hooks that rooms filled and emptied, once that is `ready`: each room in
    the order of the calls. False where no server runs: then the caller has to `tell` them.
    """
    server = _server()
    if server is None:
        return False
    rooms = _present.setdefault(server, {})
    for room, definition, name in _presence(changes):
        if room not in rooms:
            rooms[room] = deque()
            server.spawn(_tell_presence(rooms, room))
        rooms[room].append((ready, definition, name))
    return True


async def _tell_presence(rooms: dict[str, deque[_Lined]], room: str) -> None:
    while rooms[room]:
        ready, definition, name = rooms[room].popleft()
        await ready.wait()
        await _told(definition, name, (room,))
    del rooms[room]


async def tell(changes: Sequence[RosterChange]) -> None:
    """Tell the hooks that rooms filled and emptied, and wait for them."""
    for room, definition, name in _presence(changes):
        await _told(definition, name, (room,))


def _presence(changes: Sequence[RosterChange]) -> Iterator[tuple[str, Definition, str]]:
    """Rooms that filled or emptied, where their type has a hook for it."""
    for change in changes:
        definition = roomtypes.of(change.room)
        if definition is None:
            continue
        if change.lost_its_last and _is_own(definition, "on_last_peer"):
            yield change.room, definition, "on_last_peer"
        if change.got_its_first and _is_own(definition, "on_first_peer"):
            yield change.room, definition, "on_first_peer"


def _is_own(definition: Definition, name: str) -> bool:
    return getattr(type(definition.hooks), name) is not getattr(RoomType, name)


def _server() -> Hub | None:
    """The server that runs here: in it a hook runs beside the request, not in its way."""
    running = hub.running()
    is_here = running is not None and running.loop is asyncio.get_running_loop() and not ON_CALLERS_CONNECTION.get()
    return running if is_here else None


async def _told(definition: Definition, name: str, told: Sequence[object]) -> None:
    try:
        await _call(getattr(definition.hooks, name), *told)
    except Exception:  # a project's code may raise what it likes
        logger.exception("%s.%s failed.", definition.name, name)


async def _call(hook: Callable[..., Any], *given: object) -> Any:
    if inspect.iscoroutinefunction(hook):
        said = hook(*given)
    else:
        # In a server a slow one must not hold up others; within a caller's transaction it sees what is not committed.
        aside = sync_to_async(hook) if _server() is None else database_sync_to_async(hook, thread_sensitive=False)
        said = await aside(*given)
    # A sync one may hand back what is still to be awaited, which by itself would count as a yes.
    return await said if inspect.isawaitable(said) else said
