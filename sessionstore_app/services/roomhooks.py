"""The hooks of room types: a project's own code, sync or async, asked or told what happens in a room.

One that fails is logged and harms nobody; one that is asked and fails has said no.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Sequence
from typing import Any

from asgiref.sync import sync_to_async

from sessionstore_app.backends.groupcommit import ON_CALLERS_CONNECTION
from sessionstore_app.core.definitions import Definition
from sessionstore_app.core.entries import Entry
from sessionstore_app.core.roomtypes import RoomType
from sessionstore_app.core.rules import Standing
from sessionstore_app.services import hub, roomtypes
from sessionstore_app.services.news import RosterChange

logger = logging.getLogger("sessionstore_app")

# Whoever joins waits for the answer.
ASKED_SECONDS = 5.0


async def may_join(definition: Definition, who: Standing, room: str) -> bool:
    """What the type's own hook says; no, where it fails or takes too long."""
    if not _is_own(definition, "may_join"):
        return True
    try:
        async with asyncio.timeout(ASKED_SECONDS):
            return bool(await _call(definition.hooks.may_join, who, room))
    except Exception:  # a project's code may raise what it likes
        logger.exception("%s.may_join failed, and nobody is let in.", definition.name)
        return False


async def changed(room: str, entries: Sequence[Entry]) -> None:
    """Entries of a room were written, and peers told."""
    await _tell(room, "on_change", room, entries)


async def roster_changed(change: RosterChange) -> None:
    """Somebody came to a room or left it."""
    if change.lost_its_last:
        await _tell(change.room, "on_last_peer", change.room)
    if change.got_its_first:
        await _tell(change.room, "on_first_peer", change.room)


def _is_own(definition: Definition, name: str) -> bool:
    return getattr(type(definition.hooks), name) is not getattr(RoomType, name)


async def _tell(room: str, name: str, *told: object) -> None:
    """In a server the hook runs beside the request, not in its way."""
    definition = roomtypes.of(room)
    if definition is None or not _is_own(definition, name):
        return
    running = hub.running()
    telling = _told(definition, name, told)
    if running is not None and running.loop is asyncio.get_running_loop() and not ON_CALLERS_CONNECTION.get():
        running.spawn(telling)
    else:
        await telling


async def _told(definition: Definition, name: str, told: Sequence[object]) -> None:
    try:
        await _call(getattr(definition.hooks, name), *told)
    except Exception:  # a project's code may raise what it likes
        logger.exception("%s.%s failed.", definition.name, name)


async def _call(hook: Callable[..., Any], *given: object) -> Any:
    # Where receivers of signals run too: within a caller's transaction a sync one sees what is not committed yet.
    said = hook(*given) if inspect.iscoroutinefunction(hook) else await sync_to_async(hook)(*given)
    # A sync one may hand back what is still to be awaited, which by itself would count as a yes.
    return await said if inspect.isawaitable(said) else said
