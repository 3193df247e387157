"""T16 on the socket: clearing a room costs a write, and makes none."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.support.guests import Guests
from tests.support.server import Server, running


@pytest.fixture(scope="module")
def strict_server() -> Iterator[Server]:
    with running(settings={"WRITES_PER_SECOND": 0.01, "WRITES_BURST": 3}) as server:
        yield server


@pytest.fixture
async def strict(strict_server: Server) -> AsyncIterator[Guests]:
    async with Guests(strict_server) as opened:
        yield opened


async def test_t16_clearing_costs_a_write(strict: Guests, room: str) -> None:
    """Who may not clear is told so, and spends nothing."""
    peer = await strict.join(room)
    await peer.call("room.set", room=room, key="k", value="kept")
    for _ in range(4):
        await peer.refused("room.clear", "ACCESS_DENIED", room=room)
    await peer.call("room.set", room=room, key="k", value="kept")
    ops = await strict.staff(permissions=["manage_room"])
    for number in range(3):
        await ops.call("room.clear", room=f"{room}/{number}")
    await ops.refused("room.clear", "RATE_LIMITED", room=room)
    await peer.assert_silent("room.cleared")


async def test_a_room_that_is_not_there_is_not_made(guests: Guests, room: str) -> None:
    """It has no epoch, before and after, as a snapshot says too."""
    ops = await guests.staff(permissions=["manage_room"])
    assert await ops.call("room.clear", room=room) == {"epoch": ""}
    assert (await ops.call("room.snapshot", room=room))["epoch"] == ""
