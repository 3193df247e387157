"""Protocol §3, rooms with more peers than a page: the first on joining, the rest by pages, comings told by interval."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.support.guests import Guests
from tests.support.server import Server, running

PAGE, CROWD = 5, 12


@pytest.fixture(scope="module")
def paging_server() -> Iterator[Server]:
    with running(settings={"PEERS_PER_PAGE": PAGE, "PEERS_INTERVAL_SECONDS": 0.3}) as server:
        yield server


@pytest.fixture
async def paging(paging_server: Server) -> AsyncIterator[Guests]:
    async with Guests(paging_server) as opened:
        yield opened


async def test_joining_brings_the_first_page_and_the_whole_count(paging: Guests, room: str) -> None:
    wires = await paging.crowd(room, CROWD)
    ids = sorted(wire.id for wire in wires)
    again = await wires[0].call("room.join", room=room)
    assert [peer["session_id"] for peer in again["peers"]] == ids[:PAGE]
    assert again["count"] == CROWD


async def test_all_peers_are_found_by_pages(paging: Guests, room: str) -> None:
    wires = await paging.crowd(room, CROWD)
    found: list[str] = []
    while True:
        after = {"after": found[-1]} if found else {}
        page = await wires[0].call("room.peers", room=room, limit=100, **after)
        assert page["count"] == CROWD
        assert len(page["peers"]) <= PAGE
        if not page["peers"]:
            break
        found += [peer["session_id"] for peer in page["peers"]]
    assert found == sorted(wire.id for wire in wires)


async def test_in_a_large_room_comings_are_told_once_an_interval(paging: Guests, room: str) -> None:
    """Twelve comings and four goings are few notifications, and after the last the roster is right."""
    watcher = (await paging.crowd(room, PAGE + 1))[0]
    stay = await asyncio.gather(*(paging.join(room) for _ in range(4)))
    go = await asyncio.gather(*(paging.join(room) for _ in range(4)))
    await asyncio.gather(*(wire.call("room.leave", room=room) for wire in go))
    staying = {wire.id for wire in stay}
    joined: set[str] = set()
    times = count = 0
    while not (staying <= joined and count == PAGE + 1 + 4):
        told = await watcher.expect("room.peers")
        count, times = told["count"], times + 1
        joined |= {peer["session_id"] for peer in told["joined"]}
        joined -= {gone["session_id"] for gone in told["left"]}
    assert times <= PAGE + 5
    assert not joined & {wire.id for wire in go}
