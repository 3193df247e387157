"""Two server processes that share a database and Redis: entries, layer and cache are there."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from functools import partial

import pytest

from tests.support.copies import Follower
from tests.support.guests import Guests
from tests.support.redis import RedisServer, temporary_redis
from tests.support.server import Server, running
from tests.support.wire import Wire, eventually, refusal_of, values_of

pytestmark = pytest.mark.redis
WRITERS, KEYS, ROUNDS = 20, 10, 5
SHORT = {"NODE_RENEW_SECONDS": 0.5, "NODE_LEASE_SECONDS": 5}


@pytest.fixture(scope="module")
def redis_server() -> Iterator[RedisServer]:
    with temporary_redis() as server:
        yield server


@pytest.fixture(scope="module")
def servers(redis_server: RedisServer) -> Iterator[tuple[Server, Server]]:
    environment = {"REDIS_URL": redis_server.url}
    with ExitStack() as stack:
        one = stack.enter_context(running(environment=environment, settings=SHORT))
        two = running(environment=environment, settings=SHORT, database_url=one.database_url)
        yield one, stack.enter_context(two)


@pytest.fixture
async def pair(servers: tuple[Server, Server]) -> AsyncIterator[tuple[Guests, Guests]]:
    one, two = map(Guests, servers)
    yield one, two
    await asyncio.gather(one.leave(), two.leave())


async def test_what_is_set_on_one_is_observed_on_the_other(pair: tuple[Guests, Guests], room: str) -> None:
    ann, bo = [await guests.join(room) for guests in pair]
    await ann.call("room.set", room=room, key="topic", value="Retro")
    assert (await bo.expect_change("topic", "Retro"))["by"]["session_id"] == ann.id
    await bo.call("room.update", room=room, key="votes", do="increment", by=2)
    assert (await ann.expect_change("votes", 2))["version"] == 2
    late = await pair[1].join(room)
    snapshot = await late.call("room.snapshot", room=room)
    assert values_of(snapshot["entries"]) == {"topic": "Retro", "votes": 2}


async def _hammer(wire: Wire, room: str, number: int, won: list[tuple[str, int]]) -> None:
    """Set, count and compare-and-set, over all keys."""
    for turn in range(ROUNDS):
        key = f"k{(number + turn) % KEYS}"
        await wire.call("room.set", room=room, key=f"{key}/set", value=[number, turn])
        await wire.call("room.update", room=room, key=f"{key}/count", do="increment", by=1)
        seen = (await wire.call("room.get", room=room, key=f"{key}/guarded"))["version"]
        reply = await wire.ask("room.set", room=room, key=f"{key}/guarded", value=number, if_version=seen)
        if "error" in reply:
            refusal_of(reply, "VERSION_CONFLICT")
        else:
            won.append((key, seen))


async def test_twenty_writers_on_each_hammer_the_same_keys(pair: tuple[Guests, Guests], room: str) -> None:
    """I2, I6: observers of both end equal, no version goes back, and no two guarded writes had the same predecessor."""
    writers = [await guests.join(room) for guests in pair for _ in range(WRITERS)]
    followers = [Follower(wire, room) for wire in writers]
    won: list[tuple[str, int]] = []
    await asyncio.gather(*(_hammer(wire, room, number, won) for number, wire in enumerate(writers)))
    assert max(Counter(won).values()) == 1
    snapshot = (await writers[0].call("room.snapshot", room=room))["entries"]
    final = {entry["key"]: (entry["value"], entry["version"]) for entry in snapshot}
    counts = [value for key, (value, _) in final.items() if key.endswith("/count")]
    assert sum(counts) == len(writers) * ROUNDS
    for wire, follower in zip(writers, followers, strict=True):
        await wire.until(partial(follower.holds, final), "it holds what all others hold")


async def test_redis_is_killed_and_comes_back(
    pair: tuple[Guests, Guests], room: str, redis_server: RedisServer
) -> None:
    """Sockets stay; writes are refused and may be tried again; what was acknowledged is there, and all converge."""
    ann, bo = [await guests.join(room) for guests in pair]
    await ann.call("room.set", room=room, key="before", value=1)
    await bo.expect_change("before", 1)
    redis_server.kill()
    for wire in (ann, bo):
        error = await wire.refused("room.set", "UNAVAILABLE", room=room, key="meanwhile", value=1)
        assert error["data"]["retry_after_seconds"] > 0
    redis_server.start()

    async def is_back() -> bool:
        return "result" in await ann.ask("room.set", room=room, key="after", value=1)

    await eventually(is_back, "a write is accepted again")
    await bo.expect_change("after", 1)
    snapshot = await bo.call("room.snapshot", room=room)
    assert values_of(snapshot["entries"]) == {"before": 1, "after": 1}
    assert ann.is_open
    assert bo.is_open

    async def can_join() -> bool:
        late = await pair[1].open()
        return "result" in await late.ask("room.join", room=room)

    await eventually(can_join, "rooms can be joined again")


async def test_a_redis_that_has_lost_everything_is_noticed(
    pair: tuple[Guests, Guests], room: str, redis_server: RedisServer
) -> None:
    """The room begins anew, and all go on together. Whoever finds it says why; who finds the new room before he hears
    of it knows only that it was cleared.
    """
    ann, bo = [await guests.join(room) for guests in pair]
    for number in range(3):
        await ann.call("room.set", room=room, key="before", value=number)
    await bo.expect_change("before", 2)
    with redis_server.client() as client:
        client.flushall()
    reasons = {(await wire.expect("room.cleared", room=room))["reason"] for wire in (ann, bo)}
    assert {"STORE_LOST"} <= reasons <= {"STORE_LOST", "CLEARED"}
    await ann.call("room.set", room=room, key="after", value=1)
    await bo.expect_change("after", 1)
    snapshot = await bo.call("room.snapshot", room=room)
    assert values_of(snapshot["entries"]) == {"after": 1}


async def test_a_loss_that_no_server_remembers_is_noticed_too() -> None:
    """The servers were down while Redis lost everything: versions begin anew, so the room must."""
    room = "standup"
    with temporary_redis() as redis_server, running(environment={"REDIS_URL": redis_server.url}) as server:
        guests = Guests(server)
        ann = await guests.join(room)
        for number in range(3):
            await ann.call("room.set", room=room, key="before", value=number)
        position = Follower(ann, room).position()
        server.kill()
        with redis_server.client() as client:
            client.flushall()
        server.start()
        back = await guests.connect()
        resume = {"session_id": ann.id, "resume_token": ann.session["resume_token"], "rooms": {room: position}}
        (told,) = (await back.open(resume=resume))["rooms"]
        assert (told["epoch"] != position["epoch"], told["version"]) == (True, 0)
        assert (await back.call("room.set", room=room, key="after", value=1))["version"] == 1
        late = await guests.join(room)
        assert values_of((await late.call("room.snapshot", room=room))["entries"]) == {"after": 1}
        # Once is enough: what was written since stays.
        server.kill()
        server.start()
        again = await guests.join(room)
        assert values_of((await again.call("room.snapshot", room=room))["entries"]) == {"after": 1}


async def test_redis_is_restarted_under_five_hundred_sockets(
    pair: tuple[Guests, Guests], room: str, redis_server: RedisServer
) -> None:
    """None of them is closed by it, and all converge: on what was acknowledged, while it was away too."""
    rooms = [f"{room}/{number}" for number in range(10)]
    peers = {each: [wire for guests in pair for wire in await guests.crowd(each, 25)] for each in rooms}
    for each, wires in peers.items():
        await wires[0].call("room.set", room=each, key="before", value=1)
    redis_server.kill()
    for each, wires in peers.items():
        await wires[-1].refused("room.set", "UNAVAILABLE", room=each, key="meanwhile", value=1)
    redis_server.start()

    async def is_back(each: str) -> bool:
        return "result" in await peers[each][-1].ask("room.set", room=each, key="after", value=1)

    await asyncio.gather(*(eventually(partial(is_back, each), "a write is accepted again") for each in rooms))
    for each, wires in peers.items():
        entries = (await wires[0].call("room.snapshot", room=each))["entries"]
        final = {entry["key"]: (entry["value"], entry["version"]) for entry in entries}
        assert {key: value for key, (value, _) in final.items()} == {"before": 1, "after": 1}
        for wire in wires:
            await wire.until(partial(Follower(wire, each).holds, final), "it holds what all others hold")
    assert all(wire.is_open for wires in peers.values() for wire in wires)
