"""T10, T11, T12: frames that are too large, that inflate, or that never end; with the documented flags and without.

While one socket sends them, another is answered at once, and the process grows by no more than a few such frames.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Final, cast

import pytest

from sessionstore_app.core.close import CloseReason
from tests.support.guests import Guests
from tests.support.server import Kind, Server
from tests.threats.rawsocket import CONTINUATION, TEXT, RawSocket, frame
from tests.threats.servers import FlaggedServer, flagged, peak_memory_kib, watched_memory_kib

FRAME_BYTES: Final = 65_536
# Of work, before whoever is behind it is answered.
SECONDS: Final = 2
# Ours and the programs'; 1006 where the connection was reset while we still sent.
TOO_LARGE = {CloseReason.MESSAGE_TOO_LARGE.code, 1009, 1006}
DEFLATE = b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"
_SERVERS: tuple[tuple[Kind, list[str] | None], ...] = (
    ("uvicorn", None),
    ("daphne", None),
    # As each is started by who read no page: up to 16 MiB, and inflated.
    ("uvicorn", ["--ws-per-message-deflate", "true"]),
    ("daphne", []),
)


@pytest.fixture(scope="module", params=_SERVERS, ids=["uvicorn", "daphne", "bare-uvicorn", "bare-daphne"])
def server(request: pytest.FixtureRequest) -> Iterator[FlaggedServer]:
    kind, flags = cast("tuple[Kind, list[str] | None]", request.param)
    with flagged(kind, flags) as started:
        yield started


@asynccontextmanager
async def unharmed(server: Server, room: str, *, kib: int) -> AsyncIterator[None]:
    """Whatever happens inside, a witness hears nothing of it, is answered, and memory stays within."""
    async with Guests(server) as guests:
        witness = await guests.join(room)
        before, worked = watched_memory_kib(server), server.cpu_seconds()
        yield
        await witness.call("session.ping")
        assert server.cpu_seconds() - worked < SECONDS
        await witness.assert_silent()
        assert peak_memory_kib(server) - before < kib


def _ping(size: int) -> bytes:
    """A call of exactly so many bytes."""
    empty = json.dumps({"jsonrpc": "2.0", "id": "session.ping", "method": "session.ping", "params": {}}).encode()
    return empty + b" " * (size - len(empty))


async def test_t10_a_frame_just_below_the_limit_is_read(server: Server) -> None:
    async with await RawSocket.shake(server) as raw:
        await raw.call("session.open")
        raw.write(frame(_ping(int(FRAME_BYTES * 0.99))))
        assert await raw.call("session.ping")


@pytest.mark.parametrize("times", [1.01, 2, 100], ids=str)
async def test_t10_a_larger_frame_ends_its_socket_alone(server: Server, room: str, times: float) -> None:
    async with unharmed(server, room, kib=40_000), await RawSocket.shake(server) as raw:
        await raw.call("session.open")
        raw.write(frame(_ping(int(FRAME_BYTES * times))))
        await raw.drain()
        assert await raw.closed_with() in TOO_LARGE


async def test_t10_a_frame_that_only_claims_to_be_huge_takes_nothing(server: Server, room: str) -> None:
    """A head that names 2^62 bytes, and no more."""
    async with unharmed(server, room, kib=4_000), await RawSocket.shake(server) as raw:
        raw.write(bytes([0x81, 0xFF]) + (2**62).to_bytes(8, "big") + b"\0\0\0\0{")
        assert await raw.closed_with() in TOO_LARGE | {1002}


# --- T11


def _bomb(mib: int) -> bytes:
    """So many MiB, as one thousandth of that."""
    packing = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = b"".join(packing.compress(b" " * 2**20) for _ in range(mib)) + packing.flush(zlib.Z_SYNC_FLUSH)
    return packed.removesuffix(b"\0\0\xff\xff")


BOMB = _bomb(200)


def test_t11_the_bomb_is_one() -> None:
    assert len(BOMB) < 250_000
    assert len(zlib.decompressobj(-15).decompress(BOMB + b"\0\0\xff\xff")) == 200 * 2**20


async def test_t11_what_inflates_beyond_the_limit_ends_its_socket_alone(server: Server, room: str) -> None:
    """Whether compression was agreed on or not."""
    async with unharmed(server, room, kib=60_000), await RawSocket.shake(server, DEFLATE) as raw:
        raw.write(frame(BOMB, compressed=True))
        await raw.drain()
        assert await raw.closed_with() in TOO_LARGE | {1002}


async def test_t11_compression_is_agreed_on_only_where_a_flag_asks_for_it(server: FlaggedServer) -> None:
    """With the documented flags it is not."""
    async with await RawSocket.shake(server, DEFLATE) as raw:
        assert raw.status == 101
        assert (b"permessage-deflate" in raw.answer.lower()) is ("true" in server.flags)


# --- T12

FRAGMENTS = 20_000


@pytest.mark.parametrize("piece", [b" ", b""], ids=["of a byte", "empty"])
async def test_t12_fragments_without_an_end_harm_nobody(server: Server, room: str, piece: bytes) -> None:
    """A message in many pieces, each a frame; the last of them never comes."""
    flood = frame(b" ", opcode=TEXT, final=False) + frame(piece, opcode=CONTINUATION, final=False) * FRAGMENTS
    async with unharmed(server, room, kib=30_000), await RawSocket.shake(server) as raw:
        raw.write(flood)
        await raw.drain()


async def test_t12_a_message_in_many_pieces_is_one_message(server: Server) -> None:
    text = _ping(5_000)
    pieces = [frame(text[:1], final=False)]
    pieces += [frame(text[at : at + 1], opcode=CONTINUATION, final=False) for at in range(1, len(text) - 1)]
    async with await RawSocket.shake(server) as raw:
        await raw.call("session.open")
        raw.write(b"".join([*pieces, frame(text[-1:], opcode=CONTINUATION)]))
        assert await raw.call("session.ping")


async def test_t12_pieces_that_are_too_much_together_end_their_socket(server: Server, room: str) -> None:
    half = b" " * (FRAME_BYTES // 2 + 1)
    async with unharmed(server, room, kib=30_000), await RawSocket.shake(server) as raw:
        raw.write(frame(half, final=False) + frame(half, opcode=CONTINUATION))
        await raw.drain()
        assert await raw.closed_with() in TOO_LARGE
