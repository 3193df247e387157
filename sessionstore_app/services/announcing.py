"""Telling all processes what this one did: by its hub, from whatever thread or loop, or straight to the bus where no
server runs in it, as in a shell or a worker.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from sessionstore_app.core.sessions import SessionChange
from sessionstore_app.services import events, hub
from sessionstore_app.services.bus import Told
from sessionstore_app.services.events import NodeEvent, RoomEvent
from sessionstore_app.services.hub import Hub
from sessionstore_app.services.layerbus import shared_bus

logger = logging.getLogger("sessionstore_app")


async def announce(*happened: tuple[str, RoomEvent]) -> None:
    """Tell all processes what this one did, as pairs of room and event; from any thread or loop."""
    await _tell(lambda found: found.announce(happened), lambda: events.room_messages(happened, ""))


async def announce_sessions(changes: Sequence[SessionChange]) -> None:
    """Tell all processes what this one did to sessions; from any thread or loop."""
    if changes:
        await _tell(lambda found: found.announce_sessions(changes), lambda: events.session_messages(changes, ""))


async def tell_nodes(told: Sequence[tuple[str, NodeEvent]]) -> None:
    """Tell nodes, as pairs of node and event, what concerns sessions they serve; from any thread or loop."""
    if told:
        await _tell(
            lambda found: found.tell_nodes(told),
            lambda: events.node_messages(told, ""),
        )


async def _tell(act: Callable[[Hub], Coroutine[Any, Any, None]], from_outside: Callable[[], Sequence[Told]]) -> None:
    found = hub.running()
    if found is None:
        await _publish_from_outside(from_outside)
    elif found.loop is asyncio.get_running_loop():
        await act(found)
    else:
        await asyncio.wrap_future(found.call(act(found)))


async def _publish_from_outside(messages: Callable[[], Sequence[Told]]) -> None:
    """From a process without a hub: a shell, a worker."""
    bus = shared_bus()
    if bus is None:
        return
    try:
        await bus.publish(messages())
    except Exception as error:  # it is stored; servers find it when they compare versions
        logger.warning("The channel layer did not take a message: %r", error)
