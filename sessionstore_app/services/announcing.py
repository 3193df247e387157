"""Telling all processes what this one did: by its hub, from whatever thread or loop, or straight to the bus where no
server runs in it, as in a shell or a worker.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from sessionstore_app.core.sessions import SessionChange
from sessionstore_app.services import events, hub
from sessionstore_app.services.bus import Told
from sessionstore_app.services.events import NodeEvent, RoomEvent
from sessionstore_app.services.hub import Hub
from sessionstore_app.services.layerbus import shared_bus

T = TypeVar("T")

logger = logging.getLogger("sessionstore_app")


async def announce(*happened: tuple[str, RoomEvent]) -> None:
    """Tell all processes what this one did, as pairs of room and event; from any thread or loop."""
    await _tell(Hub.announce, events.room_messages, happened)


async def announce_sessions(changes: Sequence[SessionChange]) -> None:
    """Tell all processes what this one did to sessions; from any thread or loop."""
    if changes:
        await _tell(Hub.announce_sessions, events.session_messages, changes)


async def tell_nodes(told: Sequence[tuple[str, NodeEvent]]) -> None:
    """Tell nodes, as pairs of node and event, what concerns sessions they serve; from any thread or loop."""
    if told:
        await _tell(Hub.tell_nodes, events.node_messages, told)


async def _tell(
    act: Callable[[Hub, Sequence[T]], Coroutine[Any, Any, None]],
    messages: Callable[[Sequence[T], str], Sequence[Told]],
    told: Sequence[T],
) -> None:
    found = hub.running()
    if found is None:
        await _publish_from_outside(messages, told)
    elif found.loop is asyncio.get_running_loop():
        await act(found, told)
    else:
        await asyncio.wrap_future(found.call(act(found, told)))


async def _publish_from_outside(messages: Callable[[Sequence[T], str], Sequence[Told]], told: Sequence[T]) -> None:
    """From a process without a hub: a shell, a worker."""
    bus = shared_bus()
    if bus is None:
        return
    try:
        await bus.publish(messages(told, ""))
    except Exception as error:  # it is stored; servers find it when they compare versions
        logger.warning("The channel layer did not take a message: %r", error)
