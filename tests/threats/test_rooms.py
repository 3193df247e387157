"""T5: who may not enter a room does not learn whether there is one: by the answer, by what follows, or by the time."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from sessionstore_app import mint_token
from tests.shell.test_params import GOOD
from tests.support.guests import Guests
from tests.support.server import Server, running
from tests.support.wire import Params, Wire

THERE, NOWHERE = "staff/standup", "staff/nowhere"
PAIRS = 200


@pytest.fixture(scope="module")
def ruled_server() -> Iterator[Server]:
    """Rooms of the staff are for staff alone. None of its peers is seen to leave while the tests last."""
    with running(settings={"RECONNECT_SECONDS": 600, "POLICY": "tests.support.policies.RolePolicy"}) as server:
        yield server


@pytest.fixture
async def ruled(ruled_server: Server) -> AsyncIterator[Guests]:
    async with Guests(ruled_server) as opened:
        peer = await opened.join(THERE, token=mint_token("ann", roles=["staff"]))
        await peer.call("room.set", room=THERE, key="k", value="kept")
        await peer.forget()
        yield opened
        await peer.assert_silent()


async def _answer(wire: Wire, method: str, room: str) -> Params:
    return {**await wire.ask(method, room=room, **GOOD[method]), "id": 0}


@pytest.mark.parametrize("method", sorted(name for name in GOOD if name.startswith("room.")))
async def test_t5_a_room_that_is_shut_answers_as_one_that_is_not_there(ruled: Guests, method: str) -> None:
    stranger = await ruled.open(token=mint_token("eve"))
    there = await _answer(stranger, method, THERE)
    assert there == await _answer(stranger, method, NOWHERE)
    # Whoever does not watch may always stop watching, and whoever asks beforehand is answered.
    assert "error" in there or method == "room.unwatch" or there["result"]["allowed"] is False


async def test_t5_a_room_that_is_shut_takes_as_long_as_one_that_is_not_there(ruled: Guests) -> None:
    """Of pairs in random order, neither is the slower one more often than a coin would have it (5 sigma)."""
    stranger, chance = await ruled.open(token=mint_token("eve")), random.Random(5)
    slower = 0
    for _ in range(PAIRS):
        taken = {}
        for room in chance.sample([THERE, NOWHERE], 2):
            begun = time.perf_counter()
            await stranger.refused("room.join", "ACCESS_DENIED", room=room)
            taken[room] = time.perf_counter() - begun
        slower += taken[THERE] > taken[NOWHERE]
    assert 0.32 < slower / PAIRS < 0.68
