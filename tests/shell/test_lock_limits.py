"""How many locks a session may hold and await, what waiting costs its socket, and many that want one lock (D70)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import psycopg
import pytest

from tests.support.guests import Guests
from tests.support.locking import granted, line_of, lock, release, wait_in_line
from tests.support.postgres import temporary_postgres
from tests.support.rows import rows
from tests.support.server import Kind, Server, manage, running
from tests.support.wire import Wire, eventually, refusal_of, result_of, within

FEW = 4


@pytest.fixture
def name(room: str) -> str:
    """A lock that no other test uses."""
    return f"lock of {room}"


@pytest.fixture(scope="module")
def strict_server() -> Iterator[Server]:
    with running(settings={"LOCKS_PER_SESSION": FEW}) as server:
        yield server


@pytest.fixture
async def strict(strict_server: Server) -> AsyncIterator[Guests]:
    """Clients of a server that lets a session have few locks."""
    async with Guests(strict_server) as opened:
        yield opened


async def test_d70_a_session_holds_and_awaits_so_many_locks_and_not_one_more(strict: Guests, name: str) -> None:
    first, second = await strict.staff(), await strict.staff()
    for number in range(FEW):
        await lock(first, f"{name} {number}")
    asked = [await wait_in_line(strict, second, f"{name} {number}") for number in range(FEW - 2)]
    held = [await lock(second, f"{name} own {number}") for number in range(2)]
    for wire in (first, second):
        error = await wire.refused("lock.acquire", "LIMIT_EXCEEDED", name=f"{name} beyond")
        assert (error["data"]["limit"], error["data"]["actual"]) == (FEW, FEW + 1)
    # What it has already, or waits for already, is no further one.
    assert await lock(second, f"{name} own 0") == held[0]
    asked.append(second.start("lock.acquire", name=f"{name} 0"))
    await first.call("session.close")
    for place, each in enumerate(asked):
        await granted(each, f"{name} {place % 2}")
    assert await release(second, f"{name} own 0") is True
    await lock(second, f"{name} beyond")


async def test_d70_asking_for_many_at_once_gets_no_more(strict: Guests, name: str) -> None:
    wire = await strict.staff()
    await lock(wire, f"{name} held")
    for _ in range(2):
        asked = [wire.start("lock.acquire", name=f"{name} {number}") for number in range(FEW)]
        replies = [await within(each, "a reply") for each in asked]
        for reply in [reply for reply in replies if "error" in reply]:
            refusal_of(reply, "LIMIT_EXCEEDED")
        held = [each for each in (await wire.call("lock.list"))["locks"] if each["session_id"] == wire.id]
        assert len(held) == FEW


async def test_d70_sixty_four_waiting_requests_do_not_keep_a_socket_from_being_read(
    any_guests: Guests, room: str, name: str
) -> None:
    first, second = await any_guests.staff(), await any_guests.staff()
    await second.call("room.join", room=room, observe=["*"])
    names = [f"{name} {number}" for number in range(64)]
    await asyncio.gather(*(lock(first, each) for each in names))
    asked = [second.start("lock.acquire", name=each) for each in names]
    await second.refused("lock.acquire", "LIMIT_EXCEEDED", name=f"{name} beyond")
    await asyncio.gather(*(line_of(any_guests.server, each, 1) for each in names))
    await second.call("room.set", room=room, key="k", value=1)
    await second.expect_change("k", 1)
    await first.call("session.close")
    for each, wanted in zip(asked, names, strict=True):
        await granted(each, wanted)


async def test_d70_a_batch_that_waits_does_not_keep_a_socket_from_being_read(any_guests: Guests, name: str) -> None:
    first, second = await any_guests.staff(), await any_guests.staff()
    await lock(first, name)
    call = {"jsonrpc": "2.0", "method": "lock.acquire", "params": {"name": name}}
    ids = [f"b{number}" for number in range(50)]
    second.write(json.dumps([{**call, "id": each} for each in ids]))
    await line_of(any_guests.server, name, 1)
    await second.call("session.ping")
    await release(first, name)

    def answered() -> list[Any]:
        return [frame for frame in second.frames if isinstance(frame, list)]

    (replies,) = await second.until(answered, "the batch is answered")
    assert {reply["id"] for reply in replies} == set(ids)
    assert len({reply["result"]["sequence"] for reply in replies}) == 1


# --- many that want one

CROWD, ROUNDS = 20, 3


async def _work(wire: Wire, room: str, name: str, entered: list[int]) -> None:
    """Enter a section that is one's own as often as asked, and count there as nobody could who was not alone."""
    for _ in range(ROUNDS):
        # All others may be before it: how long that takes is bounded for all of them together.
        entered.append(result_of(await wire.start("lock.acquire", name=name))["sequence"])
        assert (await wire.call("room.get", room=room, key="inside"))["value"] is None
        await wire.call("room.set", room=room, key="inside", value=wire.id, lock=name)
        count = (await wire.call("room.get", room=room, key="count"))["value"] or 0
        await wire.call("room.set", room=room, key="count", value=count + 1, lock=name)
        assert (await wire.call("room.get", room=room, key="inside"))["value"] == wire.id
        await wire.call("room.set", room=room, key="inside", value=None, lock=name)
        assert await release(wire, name) is True


async def _hammer(guests: list[Guests], room: str, name: str) -> None:
    wires = [await guests[each % len(guests)].staff(principal=f"p{each}") for each in range(CROWD)]
    for wire in wires:
        await wire.call("room.join", room=room)
    entered: list[int] = []
    async with asyncio.timeout(120):
        await asyncio.gather(*(_work(wire, room, name, entered) for wire in wires))
    assert (await wires[0].call("room.get", room=room, key="count"))["value"] == CROWD * ROUNDS
    # D73: two of them inside at once would have come with sequences out of order, or the same.
    assert len(entered) == CROWD * ROUNDS
    assert entered == sorted(set(entered))
    assert await wires[0].call("lock.get", name=name) is None
    assert rows(guests[0].server, "SELECT id FROM sessionstore_app_lockrequest") == []
    for each in guests:
        await each.leave()


@pytest.mark.parametrize("kind", ["uvicorn", "daphne"])
async def test_p48_never_two_hold_a_lock_and_everybody_is_served(kind: Kind, room: str, name: str) -> None:
    with running(kind=kind) as server:
        await _hammer([Guests(server)], room, name)


@pytest.mark.postgres
async def test_p48_never_two_of_two_processes_hold_a_lock_and_everybody_is_served(room: str, name: str) -> None:
    """They share a PostgreSQL and no channel layer: who waits hears of its grant by looking."""
    settings = {"NODE_RENEW_SECONDS": 0.2}
    with temporary_postgres() as url:
        manage("migrate", "--verbosity", "0", database_url=url)
        with running(database_url=url, settings=settings) as one, running(database_url=url, settings=settings) as two:
            await _hammer([Guests(one), Guests(two)], room, name)


# --- and nobody does


def _add(url: str, name: str) -> None:
    """A lock that nobody has wanted for two hours."""
    columns, values = "(name, scope, sequence, changed_at)", "(%s, 'session', 1, now() - interval '2 hours')"
    with psycopg.connect(url) as postgres:
        postgres.execute(f"INSERT INTO sessionstore_app_lock {columns} VALUES {values}", [name])


async def _forgotten(server: Server, name: str) -> None:
    async def gone() -> bool:
        return rows(server, "SELECT id FROM sessionstore_app_lock WHERE name = ?", name) == []

    await eventually(gone, f"{name} is forgotten")


@pytest.mark.postgres
async def test_d73_a_lock_that_is_acquired_when_it_is_to_be_forgotten_stays() -> None:
    """Its row is in another transaction's hands: others are forgotten meanwhile, and then it is in use again."""
    with temporary_postgres() as url:
        manage("migrate", "--verbosity", "0", database_url=url)
        _add(url, "acquired")
        with psycopg.connect(url) as acquiring:
            acquiring.execute("SELECT id FROM sessionstore_app_lock FOR UPDATE")
            with running(database_url=url, settings={"FORGET_SECONDS": 0.2}) as server:
                guests = Guests(server)
                await guests.open()
                _add(url, "free")
                await _forgotten(server, "free")
                acquiring.execute("UPDATE sessionstore_app_lock SET changed_at = now() WHERE name = 'acquired'")
                acquiring.commit()
                _add(url, "free too")
                await _forgotten(server, "free too")
                assert rows(server, "SELECT name FROM sessionstore_app_lock") == [("acquired",)]
                await guests.leave()
