"""The network of the campaigns does to bytes what it says."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from tests.chaos.driver.proxy import NONE, Harm, Proxy

_LIMIT_SECONDS = 10
# Long enough to see that something does not come.
_SILENCE_SECONDS = 0.2

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(1_000):
            writer.write(data)
            await writer.drain()
    writer.close()


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    """Before a server that gives back what it gets."""
    server = await asyncio.start_server(_echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    found = Proxy("echo", lambda: (port,), random.Random(1))
    await found.start()
    yield found
    await found.close()
    server.close()
    await server.wait_closed()


@pytest.fixture
async def streams(proxy: Proxy) -> AsyncIterator[Streams]:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    yield reader, writer
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def _told(streams: Streams, data: bytes) -> bytes:
    reader, writer = streams
    writer.write(data)
    async with asyncio.timeout(_LIMIT_SECONDS):
        return await reader.readexactly(len(data))


@pytest.mark.parametrize(
    "harm", [NONE, Harm(delay_seconds=0.01), Harm(bytes_per_second=5_000), Harm(is_byte_by_byte=True)]
)
async def test_what_is_slow_arrives_whole(proxy: Proxy, streams: Streams, harm: Harm) -> None:
    proxy.harm = harm
    data = bytes(range(250))
    assert await _told(streams, data) == data


@pytest.mark.parametrize("harm", [Harm(holds_up=True), Harm(holds_down=True), Harm(holds_up=True, holds_down=True)])
async def test_what_is_held_arrives_when_it_is_held_no_more(proxy: Proxy, streams: Streams, harm: Harm) -> None:
    assert await _told(streams, b"before") == b"before"
    proxy.harm = harm
    reader, writer = streams
    writer.write(b"later")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(_SILENCE_SECONDS):
            await reader.read(1)
    proxy.harm = NONE
    async with asyncio.timeout(_LIMIT_SECONDS):
        assert await reader.readexactly(5) == b"later"


async def test_a_connection_that_is_cut_is_reset(proxy: Proxy, streams: Streams) -> None:
    assert await _told(streams, b"before") == b"before"
    assert proxy.cut() == 1
    with pytest.raises(ConnectionResetError):
        async with asyncio.timeout(_LIMIT_SECONDS):
            await streams[0].read(1)


async def test_the_next_target_is_taken_where_the_first_is_down(proxy: Proxy) -> None:
    (up,) = proxy._targets()
    other = Proxy("other", lambda: (1, up), random.Random(1))
    await other.start()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", other.port)
        assert await _told((reader, writer), b"hello") == b"hello"
        writer.close()
    finally:
        await other.close()
