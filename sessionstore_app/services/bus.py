"""From process to process: the little that the hub asks of a channel layer.

A bus may lose, repeat and reorder; the hub knows how to live with that. Each process has one channel. A message is a
plain dictionary with a fixed set of types; anything else that arrives is dropped.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol, TypeAlias

from channels.layers import BaseChannelLayer, InMemoryChannelLayer, get_channel_layer

Message: TypeAlias = Mapping[str, Any]
# A group, and what it is told.
Told: TypeAlias = tuple[str, Message]


class Bus(Protocol):
    """What the hub needs: a group for each room, one for each node, and one for who listens to sessions."""

    async def open(self) -> None: ...
    async def receive(self) -> Message: ...
    async def join(self, group: str) -> None: ...
    async def leave(self, group: str) -> None: ...
    async def publish(self, messages: Sequence[Told]) -> None: ...


class LayerBus:
    """A Channels layer as bus."""

    def __init__(self, layer: BaseChannelLayer) -> None:
        self._layer = layer
        self._channel = ""

    async def open(self) -> None:
        """Take a channel of our own; called once, and again after the layer failed."""
        self._channel = await self._layer.new_channel("sessionstore.hub")

    async def receive(self) -> Message:
        """Wait for the next message."""
        message: Message = await self._layer.receive(self._channel)
        return message

    async def join(self, group: str) -> None:
        """Hear what is published to the group from now on."""
        await self._layer.group_add(group, self._channel)

    async def leave(self, group: str) -> None:
        """Hear it no longer."""
        await self._layer.group_discard(group, self._channel)

    async def publish(self, messages: Sequence[Told]) -> None:
        """Tell every process in the group of each, at most once."""
        sending = (self._layer.group_send(group, dict(message)) for group, message in messages)
        if len(messages) == 1:
            await next(sending)
        else:
            await asyncio.gather(*sending)


class PubSubBus(LayerBus):
    """The pub/sub layer of channels_redis, whose own way is a round trip a message, one after the other."""

    async def publish(self, messages: Sequence[Told]) -> None:
        """All of them in one round trip, in their order; whoever uses the layer hears them as ever."""
        layer = self._layer._get_layer()
        waiting: defaultdict[Any, list[tuple[str, bytes]]] = defaultdict(list)
        for group, message in messages:
            channel = layer._get_group_channel_name(group)
            waiting[layer._get_shard(channel)].append((channel, self._layer.serialize(dict(message))))
        await asyncio.gather(*(_publish_on(shard, told) for shard, told in waiting.items()))

    @classmethod
    def fits(cls, layer: BaseChannelLayer) -> bool:
        """Is it that layer, and is all inside that is needed here?"""
        module = sys.modules.get("channels_redis.pubsub")
        known = getattr(module, "RedisPubSubChannelLayer", None)
        if known is None or type(layer) is not known:
            return False
        return all(
            callable(getattr(getattr(module, owner, None), name, None))
            for owner, name in (
                ("RedisPubSubChannelLayer", "_get_layer"),
                ("RedisPubSubChannelLayer", "serialize"),
                ("RedisPubSubLoopLayer", "_get_group_channel_name"),
                ("RedisPubSubLoopLayer", "_get_shard"),
                ("RedisSingleShardConnection", "_ensure_redis"),
            )
        )


async def _publish_on(shard: Any, told: Sequence[tuple[str, bytes]]) -> None:
    shard._ensure_redis()
    async with shard._redis.pipeline(transaction=False) as pipeline:
        for channel, data in told:
            pipeline.publish(channel, data)
        await pipeline.execute()


def layer_bus() -> LayerBus | None:
    """The project's layer as bus; None where no other process can be on it.

    The in-memory layer reaches this process alone, and the hub applies its own writes itself.
    """
    layer = get_channel_layer()
    if layer is None or type(layer) is InMemoryChannelLayer:
        return None
    return PubSubBus(layer) if PubSubBus.fits(layer) else LayerBus(layer)


# Group of the processes that listen to sessions.
SESSIONS_GROUP: Final = "sessionstore.sessions"


def room_group(room: str) -> str:
    """Group of a room; names are hashed because groups allow few characters and 100 of them."""
    return f"sessionstore.room.{hashlib.sha256(room.encode()).hexdigest()[:40]}"


def node_group(node_id: str) -> str:
    """Group of one server process."""
    return f"sessionstore.node.{node_id}"
