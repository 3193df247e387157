"""T13, T14: many at once, who come and go or who take nothing; on both server programs."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Final, cast

import pytest

from tests.support.copies import converge
from tests.support.guests import Guests
from tests.support.http import request
from tests.support.server import Kind, Server
from tests.support.wire import eventually
from tests.threats.rawsocket import RawSocket
from tests.threats.servers import flagged, peak_memory_kib, watched_memory_kib

PLACES: Final = 40
FLOOD: Final = 1_000
AT_ONCE: Final = 100
STALLED: Final = 50
TURNS: Final = 40
# What each of them may keep waiting (OUTBOX_BYTES), beside what its socket itself takes.
EACH_KIB: Final = 256 + 64


@pytest.fixture(scope="module", params=["uvicorn", "daphne"])
def crowded(request: pytest.FixtureRequest) -> Iterator[Server]:
    """It has few places for one address, and nobody loses one while others still come."""
    kind = cast("Kind", request.param)
    with flagged(kind, settings={"SOCKETS_PER_ADDRESS": PLACES, "OPEN_SECONDS": 120}) as server:
        yield server


def _sockets(server: Server) -> int:
    """How many sockets the server thinks it serves."""
    found: int = request(server.host, "GET", "/sessionstore/health/").json["sockets"]
    return found


async def test_t14_a_flood_of_handshakes_is_refused_and_takes_nobodys_place(crowded: Server, room: str) -> None:
    """Of a thousand only as many are let in as one address may have; then all places are free again."""
    async with Guests(crowded) as guests:
        witness = await guests.join(room)
        before = watched_memory_kib(crowded)
        gate = asyncio.Semaphore(AT_ONCE)

        async def come() -> RawSocket:
            async with gate:
                return await RawSocket.shake(crowded)

        came = await asyncio.gather(*(come() for _ in range(FLOOD)))
        statuses = Counter(raw.status for raw in came)
        assert statuses[101] == PLACES - 1
        assert statuses[101] + statuses[403] + statuses[503] == FLOOD
        await witness.assert_silent()
        assert peak_memory_kib(crowded) - before < 40_000
        for raw in came:
            raw.abort()

        async def alone() -> bool:
            return await asyncio.to_thread(_sockets, crowded) == 1

        await eventually(alone, "the witness alone is left")
        async with await RawSocket.shake(crowded) as raw:
            assert raw.status == 101


async def test_t14_connections_that_say_nothing_keep_nobody_out(crowded: Server, room: str) -> None:
    """Without a handshake they are no sockets of ours."""
    silent = [await asyncio.open_connection("127.0.0.1", crowded.port) for _ in range(200)]
    async with Guests(crowded) as guests:
        witness = await guests.join(room)
        await witness.call("session.ping")
    for _, writer in silent:
        writer.transport.abort()


async def test_t13_stalled_readers_cost_no_more_than_their_outboxes(any_server: Server, room: str) -> None:
    """Fifty that take nothing, while eight times what they may keep waiting is written; others hear it all."""
    async with Guests(any_server) as guests:
        writer, well = await guests.join(room), await guests.join(room)
        stalled = [await guests.join(room, heartbeat=False) for _ in range(STALLED)]
        for each in stalled:
            each.stop_reading()
        before = watched_memory_kib(any_server)
        for turn in range(TURNS):
            ops = [{"key": f"k{n}", "value": f"{turn}:" + "x" * 980} for n in range(50)]
            await writer.call("room.write", room=room, ops=ops)
        await converge([well], room)
        assert peak_memory_kib(any_server) - before < STALLED * EACH_KIB
        stalled[0].go_on_reading()
        await converge([writer, stalled[0]], room)
