"""A room as the Channels tutorial teaches it: one consumer a peer, one group a room, a JSON message for each set."""

from __future__ import annotations

import os
from collections import defaultdict
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.benchmarks.reference.settings")
django.setup()

from channels.generic.websocket import AsyncJsonWebsocketConsumer  # noqa: E402 - Django has to be set up first
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.urls import path  # noqa: E402

stored: defaultdict[str, dict[str, Any]] = defaultdict(dict)


class RoomConsumer(AsyncJsonWebsocketConsumer):
    """Stores what a peer sets and tells everybody in the room, the setter too."""

    async def connect(self) -> None:
        self.room = self.scope["url_route"]["kwargs"]["room"]
        await self.channel_layer.group_add(self.room, self.channel_name)
        await self.accept()

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard(self.room, self.channel_name)

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        key, value = content["key"], content["value"]
        stored[self.room][key] = value
        await self.channel_layer.group_send(self.room, {"type": "entry.set", "key": key, "value": value})

    async def entry_set(self, event: dict[str, Any]) -> None:
        await self.send_json({"key": event["key"], "value": event["value"]})


application = ProtocolTypeRouter({"websocket": URLRouter([path("ws/<room>/", RoomConsumer.as_asgi())])})
