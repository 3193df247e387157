"""A TCP port before another one, on which the network can be made bad. Knows bytes and nothing of what they mean."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

_CHUNK: Final = 65_536
_SLICE_SECONDS: Final = 0.02
# Of a chunk that goes byte by byte, so many go alone: a frame's head, its middle, and the next one's head.
_ALONE: Final = 48
_CONNECT_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Harm:
    """What is wrong with the network. `up` is from the client to the server."""

    holds_up: bool = False
    holds_down: bool = False
    delay_seconds: float = 0
    jitter_seconds: float = 0
    bytes_per_second: float = 0
    is_byte_by_byte: bool = False

    def holds(self, up: bool) -> bool:
        """Does nothing get through this way?"""
        return self.holds_up if up else self.holds_down


NONE: Final = Harm()


class Proxy:
    """Connections to it go on to the first of `targets` that takes them. `harm` holds for all of them, from now on."""

    def __init__(self, name: str, targets: Callable[[], Sequence[int]], chance: random.Random) -> None:
        self.name = name
        self.port = 0
        self._harm = NONE
        self._changed = asyncio.Event()
        self._targets = targets
        self._chance = chance
        self._server: asyncio.Server | None = None
        self._links: dict[asyncio.Task[None], list[asyncio.StreamWriter]] = {}
        # Where each open connection went.
        self.goes_to: dict[asyncio.Task[None], int] = {}

    @property
    def harm(self) -> Harm:
        """What is wrong with the network at the moment."""
        return self._harm

    @harm.setter
    def harm(self, harm: Harm) -> None:
        self._harm = harm
        self._changed.set()
        self._changed = asyncio.Event()

    async def start(self) -> None:
        """Listen on a free port of the loopback address."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=_CHUNK)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Cut what there is and listen no more."""
        if self._server is not None:
            self._server.close()
        links = list(self._links)
        self.cut()
        for link in links:
            link.cancel()
        if links:
            await asyncio.wait(links)

    def cut(self, target: int | None = None) -> int:
        """Reset every connection, or those to one target; returns how many."""
        meant = [link for link in self._links if target in (None, self.goes_to.get(link))]
        for link in meant:
            for writer in self._links[link]:
                _reset(writer)
        return len(meant)

    @property
    def count(self) -> int:
        """How many connections there are."""
        return len(self._links)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = asyncio.current_task()
        assert link is not None
        self._links[link] = [writer]
        try:
            await self._until_free(up=True)
            await self._until_free(up=False)
            onward = await self._connect(link)
            if onward is not None:
                self._links[link].append(onward[1])
                await self._pump_both(reader, writer, *onward)
        except (OSError, asyncio.CancelledError):
            # A connection's end, or the proxy's: nobody waits for this task, and none is left to tell.
            pass
        finally:
            for each in self._links.pop(link):
                _reset(each)
            self.goes_to.pop(link, None)

    async def _connect(self, link: asyncio.Task[None]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        for port in self._targets():
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(_CONNECT_SECONDS):
                    found = await asyncio.open_connection("127.0.0.1", port, limit=_CHUNK)
                self.goes_to[link] = port
                return found
        return None

    async def _pump_both(
        self,
        near_reader: asyncio.StreamReader,
        near_writer: asyncio.StreamWriter,
        far_reader: asyncio.StreamReader,
        far_writer: asyncio.StreamWriter,
    ) -> None:
        up = asyncio.create_task(self._pump(near_reader, far_writer, up=True))
        down = asyncio.create_task(self._pump(far_reader, near_writer, up=False))
        try:
            await asyncio.wait([up, down], return_when=asyncio.FIRST_COMPLETED)
            # What was said before the end still arrives.
            await asyncio.wait([up, down], timeout=0.2)
        finally:
            for pump in (up, down):
                pump.cancel()
            await asyncio.wait([up, down])

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, up: bool) -> None:
        with suppress(OSError):
            while data := await reader.read(_CHUNK):
                await self._until_free(up=up)
                await self._pass(writer, data)
            with suppress(RuntimeError):
                writer.write_eof()

    async def _until_free(self, *, up: bool) -> None:
        while self._harm.holds(up):
            await self._changed.wait()

    async def _pass(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        harm = self.harm
        if harm.delay_seconds or harm.jitter_seconds:
            await asyncio.sleep(harm.delay_seconds + self._chance.random() * harm.jitter_seconds)
        if harm.is_byte_by_byte:
            for place in range(min(_ALONE, len(data))):
                writer.write(data[place : place + 1])
                await writer.drain()
                await asyncio.sleep(0)
            data = data[_ALONE:]
        while data and (rate := self.harm.bytes_per_second):
            part = max(1, int(rate * _SLICE_SECONDS))
            writer.write(data[:part])
            await writer.drain()
            data = data[part:]
            await asyncio.sleep(_SLICE_SECONDS)
        writer.write(data)
        await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection as a router does that has forgotten it: RST, and no goodbye."""
    own = writer.get_extra_info("socket")
    with suppress(OSError, AttributeError):
        own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
