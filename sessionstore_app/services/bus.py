"""From process to process: the little that the hub asks of a bus, and the groups that it has there.

A bus may lose, repeat and reorder; the hub knows how to live with that. Each process has one channel. A message is a
plain dictionary with a fixed set of types; anything else that arrives is dropped.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, Protocol, TypeAlias

Message: TypeAlias = Mapping[str, Any]
# A group, and what it is told.
Told: TypeAlias = tuple[str, Message]


Deliver: TypeAlias = Callable[[Message], None]

# A batch that the bus does not take within so long is given up.
PUBLISH_SECONDS = 2.0


class Bus(Protocol):
    """What the hub needs: a group for each room, one for each node, and one for who listens to sessions."""

    async def open(self) -> None:
        """Take a place of our own; called once, and again after the bus failed."""

    def close(self) -> None:
        """Leave it."""

    async def listen(self, deliver: Deliver) -> None:
        """Hand on what comes, for ever. Raises whatever the bus raises when it fails."""

    async def join(self, group: str) -> None:
        """Hear what is published to the group from now on."""

    async def leave(self, group: str) -> None:
        """Hear it no longer."""

    def publish(self, messages: Sequence[Told]) -> asyncio.Future[None]:
        """Tell every process in the group of each, at most once; fails where it is not taken in time."""


# Group of the processes that listen to sessions.
SESSIONS_GROUP: Final = "sessionstore.sessions"


@lru_cache(4_096)
def room_group(room: str) -> str:
    """Group of a room; names are hashed because groups allow few characters and 100 of them."""
    return f"sessionstore.room.{hashlib.sha256(room.encode()).hexdigest()[:40]}"


def node_group(node_id: str) -> str:
    """Group of one server process."""
    return f"sessionstore.node.{node_id}"
