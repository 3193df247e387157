"""A Channels layer as bus, and which bus a process is on."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Sequence

from channels import DEFAULT_CHANNEL_LAYER
from channels.layers import BaseChannelLayer, InMemoryChannelLayer, get_channel_layer
from django.conf import settings

from sessionstore_app.services.bus import PUBLISH_SECONDS, Bus, Deliver, Told
from sessionstore_app.services.redisbus import RedisBus


class LayerBus:
    """Any Channels layer as bus, by its public methods."""

    def __init__(self, layer: BaseChannelLayer) -> None:
        self._layer = layer
        self._channel = ""

    async def open(self) -> None:
        self._channel = await self._layer.new_channel("sessionstore.hub")

    def close(self) -> None:
        """A layer ends with its loop."""

    async def listen(self, deliver: Deliver) -> None:
        while True:
            deliver(await self._layer.receive(self._channel))

    async def join(self, group: str) -> None:
        await self._layer.group_add(group, self._channel)

    async def leave(self, group: str) -> None:
        await self._layer.group_discard(group, self._channel)

    def publish(self, messages: Sequence[Told]) -> asyncio.Future[None]:
        return asyncio.get_running_loop().create_task(self._publish(messages), context=contextvars.Context())

    async def _publish(self, messages: Sequence[Told]) -> None:
        sending = (self._layer.group_send(group, dict(message)) for group, message in messages)
        async with asyncio.timeout(PUBLISH_SECONDS):
            if len(messages) == 1:
                await next(sending)
            else:
                await asyncio.gather(*sending)


def hub_bus() -> Bus | None:
    """The bus of a process that serves sockets; None where it is alone."""
    layer = channel_layer()
    if layer is None:
        return None
    return RedisBus.of(layer, settings.CHANNEL_LAYERS[DEFAULT_CHANNEL_LAYER].get("CONFIG", {})) or LayerBus(layer)


def shared_bus() -> LayerBus | None:
    """The bus of any other, as a shell or a worker; whatever it does on one loop shares the layer's connections."""
    layer = channel_layer()
    return None if layer is None else LayerBus(layer)


def channel_layer() -> BaseChannelLayer | None:
    """The project's layer; None where no other process can be on it.

    The in-memory layer reaches this process alone, and the hub applies its own writes itself.
    """
    layer = get_channel_layer()
    return None if type(layer) is InMemoryChannelLayer else layer
