"""The bus where the channel layer is the pub/sub layer of channels_redis: the same servers, channels and messages, on a
connection of our own to each server. Plain users of the layer hear and are heard as ever.

The layer itself costs a lock and a round trip for each message it sends, and a queue for each that it hears.
"""

from __future__ import annotations

import asyncio
import binascii
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from channels.layers import BaseChannelLayer
from redis import exceptions

from sessionstore_app.backends.redisconnection import Connection
from sessionstore_app.services.bus import Deliver, Told


class RedisBus:
    """`layer` is the layer, `config` its CONFIG in settings."""

    def __init__(self, layer: BaseChannelLayer, config: Mapping[str, Any]) -> None:
        self._layer = layer
        self._hosts = config.get("hosts")
        self._prefix: str = config.get("prefix", "asgi")
        self._connections: list[Connection] = []
        self._deliver: Deliver | None = None
        self._end: asyncio.Future[None] | None = None

    @classmethod
    def of(cls, layer: BaseChannelLayer, config: Mapping[str, Any]) -> RedisBus | None:
        """The bus of a layer, if it is that one; one that is derived from it may do things in its own way."""
        try:
            from channels_redis.pubsub import RedisPubSubChannelLayer
        except ImportError:
            return None
        return cls(layer, config) if type(layer) is RedisPubSubChannelLayer else None

    async def open(self) -> None:
        """Connect to every server. Raises what redis-py raises."""
        from channels_redis.utils import create_pool, decode_hosts

        self.close()
        self._end = asyncio.get_running_loop().create_future()
        self._connections = [Connection(self._hear, self._lost) for _ in decode_hosts(self._hosts)]
        pools = [create_pool(host) for host in decode_hosts(self._hosts)]
        opening = (each.open(pool) for each, pool in zip(self._connections, pools, strict=True))
        try:
            # All of them to the end: one that came too late would stay open.
            opened = await asyncio.gather(*opening, return_exceptions=True)
        except BaseException:
            self.close()
            raise
        failure = next((each for each in opened if isinstance(each, BaseException)), None)
        if failure is not None:
            self.close()
            raise failure

    def close(self) -> None:
        """Let go of all connections."""
        connections, self._connections = self._connections, []
        for connection in connections:
            connection.close()

    async def listen(self, deliver: Deliver) -> None:
        """Hand on what is heard until a connection is lost. Raises what ended it."""
        if self._end is None:
            raise exceptions.ConnectionError("The bus is not open.")
        self._deliver = deliver
        try:
            await asyncio.shield(self._end)
        finally:
            self._deliver = None

    async def join(self, group: str) -> None:
        """Hear a group; when this returns, the server knows it."""
        await self._done("SUBSCRIBE", group)

    async def leave(self, group: str) -> None:
        """Hear it no longer."""
        await self._done("UNSUBSCRIBE", group)

    def publish(self, messages: Sequence[Told]) -> asyncio.Future[None]:
        """Send all of them at once, in their order; the result says that every server has its part."""
        told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        parts: defaultdict[Connection, list[tuple[Any, ...]]] = defaultdict(list)
        try:
            for group, message in messages:
                channel = self._channel(group)
                parts[self._server(channel)].append(("PUBLISH", channel, self._layer.serialize(dict(message))))
        except Exception as error:  # not open, or a message that the layer cannot spell
            told.set_exception(error)
            return told
        open_parts = len(parts)

        def count(replies: list[Any]) -> None:
            nonlocal open_parts
            open_parts -= 1
            failure = next((reply for reply in replies if isinstance(reply, Exception)), None)
            if told.done():
                return
            if failure is not None:
                told.set_exception(failure)
            elif not open_parts:
                told.set_result(None)

        for connection, commands in parts.items():
            connection.ask(commands, count)
        return told

    async def _done(self, command: str, group: str) -> None:
        channel = self._channel(group)
        done: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self._server(channel).ask([(command, channel)], partial(_settle, done))
        for reply in await done:
            if isinstance(reply, Exception):
                raise reply

    def _channel(self, group: str) -> str:
        return f"{self._prefix}__group__{group}"

    def _server(self, channel: str) -> Connection:
        """The server of a channel: the layer's own rule, so that both find each other."""
        if not self._connections:
            raise exceptions.ConnectionError("The bus is not open.")
        return self._connections[(binascii.crc32(channel.encode()) & 0xFFF) * len(self._connections) // 4096]

    def _hear(self, channel: bytes, data: bytes) -> None:
        if self._deliver is None:
            return
        try:
            message = self._layer.deserialize(data)
        except Exception:  # others may write to the channel, and a layer may have whatever form and key it likes
            message = None
        # One that is none is handed on as empty: it is dropped and counted where all are that are not ours.
        self._deliver(message if isinstance(message, dict) else {})

    def _lost(self, error: Exception) -> None:
        if self._end is not None and not self._end.done():
            self._end.set_exception(error)
            # Nobody may be listening yet.
            self._end.exception()


def _settle(done: asyncio.Future[list[Any]], replies: list[Any]) -> None:
    if not done.done():
        done.set_result(replies)
