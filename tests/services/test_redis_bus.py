"""The bus on Redis: heard in order, by plain users of the layer too, and never dead without a word (parity S42–S46)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from channels_redis.pubsub import RedisPubSubChannelLayer
from redis import exceptions

from sessionstore_app.services.bus import Message
from sessionstore_app.services.redisbus import RedisBus
from tests.support.redis import RedisServer, temporary_redis
from tests.support.wire import eventually

pytestmark = pytest.mark.redis
LOST = (OSError, exceptions.ConnectionError)


class Place:
    """A process's place on the bus, and what it heard."""

    def __init__(self, *servers: RedisServer, **config: Any) -> None:
        config = {"hosts": [server.url for server in servers], **config}
        self.layer = RedisPubSubChannelLayer(**config)
        bus = RedisBus.of(self.layer, config)
        assert bus is not None
        self.bus = bus
        self.heard: list[Message] = []

    def begin(self) -> asyncio.Task[None]:
        """Listen; the task ends when the bus fails."""
        return asyncio.get_running_loop().create_task(self.bus.listen(self.heard.append))


@asynccontextmanager
async def place(*servers: RedisServer, **config: Any) -> AsyncIterator[Place]:
    made = Place(*servers, **config)
    await made.bus.open()
    listening = made.begin()
    try:
        yield made
    finally:
        made.bus.close()
        await asyncio.gather(listening, return_exceptions=True)
        await made.layer.flush()


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    with temporary_redis() as server:
        yield server


async def until(reached: Callable[[], bool], what: str) -> None:
    async def ask() -> bool:
        return reached()

    await eventually(ask, what)


def numbered(count: int, group: str = "g") -> list[tuple[str, Message]]:
    return [(group, {"type": "x", "n": number}) for number in range(count)]


async def test_what_is_told_is_heard_in_order_by_those_in_the_group(redis_server: RedisServer) -> None:
    async with place(redis_server) as ann, place(redis_server) as bo, place(redis_server) as cid:
        await ann.bus.join("g")
        await bo.bus.join("g")
        await cid.bus.join("other")
        for start in range(0, 300, 100):
            await ann.bus.publish(numbered(300)[start : start + 100])
        for each in (ann, bo):
            await until(lambda each=each: len(each.heard) == 300, "all is heard")  # type: ignore[misc]
            assert [message["n"] for message in each.heard] == list(range(300))
        await bo.bus.leave("g")
        await ann.bus.publish([("g", {"type": "x", "n": -1}), ("other", {"type": "x", "n": -2})])
        await until(lambda: bool(cid.heard), "the other group hears")
        assert len(bo.heard) == 300


async def test_plain_users_of_the_layer_hear_and_are_heard(redis_server: RedisServer) -> None:
    async with place(redis_server, prefix="mine") as ann:
        channel = await ann.layer.new_channel()
        await ann.layer.group_add("g", channel)
        await ann.bus.join("g")
        with redis_server.client() as client:

            async def is_known() -> bool:
                return bool(client.pubsub_numsub("mine__group__g")[0][1] == 2)

            # The layer does not wait until the server knows.
            await eventually(is_known, "both are in the group")
        await ann.bus.publish([("g", {"type": "x", "from": "bus"})])
        assert await ann.layer.receive(channel) == {"type": "x", "from": "bus"}
        await ann.layer.group_send("g", {"type": "x", "from": "layer"})
        await until(lambda: {"type": "x", "from": "layer"} in ann.heard, "the bus hears the layer")


async def test_encrypted_layers_stay_encrypted(redis_server: RedisServer) -> None:
    """A forger without the key is not heard."""
    async with place(redis_server, symmetric_encryption_keys=["a secret"]) as ann, place(redis_server) as forger:
        await ann.bus.join("g")
        await forger.bus.join("g")
        await forger.bus.publish([("g", {"type": "forged"})])
        await ann.bus.publish([("g", {"type": "true"})])
        await until(lambda: {"type": "true"} in ann.heard, "it is heard")
        assert ann.heard == [{}, {"type": "true"}]
        assert {"type": "true"} not in forger.heard


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x00" * 12 + b"\x01", b"\x93\x01"])
async def test_t25_what_is_no_message_is_handed_on_as_empty_and_ends_nothing(
    redis_server: RedisServer, data: bytes
) -> None:
    async with place(redis_server) as ann:
        await ann.bus.join("g")
        with redis_server.client() as client:
            client.publish("asgi__group__g", data)
        await ann.bus.publish([("g", {"type": "x"})])
        await until(lambda: len(ann.heard) == 2, "the next is heard")
        assert ann.heard == [{}, {"type": "x"}]


async def test_groups_are_spread_over_several_servers(redis_server: RedisServer) -> None:
    with temporary_redis() as second:
        async with place(redis_server, second) as ann, place(redis_server, second) as bo:
            groups = [f"g{number}" for number in range(20)]
            for group in groups:
                await bo.bus.join(group)
            with redis_server.client() as one, second.client() as two:
                counts = [len(client.pubsub_channels("asgi__group__*")) for client in (one, two)]
            assert sum(counts) == 20
            assert min(counts) > 0
            await ann.bus.publish([(group, {"type": "x", "group": group}) for group in groups])
            await until(lambda: len(bo.heard) == 20, "all is heard")
            assert {message["group"] for message in bo.heard} == set(groups)


async def test_a_server_that_is_killed_ends_listening_and_a_new_place_is_taken(redis_server: RedisServer) -> None:
    ann = Place(redis_server)
    await ann.bus.open()
    await ann.bus.join("g")
    listening = ann.begin()
    redis_server.kill()
    with pytest.raises(LOST):
        await listening
    with pytest.raises(LOST):
        await ann.bus.publish(numbered(1))
    with pytest.raises(LOST):
        await ann.bus.join("h")
    redis_server.start()
    await ann.bus.open()
    again = ann.begin()
    await ann.bus.join("g")
    await ann.bus.publish(numbered(1))
    await until(lambda: len(ann.heard) == 1, "it is heard")
    ann.bus.close()
    await asyncio.gather(again, return_exceptions=True)


async def test_a_server_that_stands_still_is_given_up(redis_server: RedisServer) -> None:
    """The connection stays, and nobody answers: what is told fails, listening ends, and a new place is looked for."""
    async with place(redis_server) as ann:
        listening = ann.begin()
        redis_server.pause()
        try:
            with pytest.raises(exceptions.TimeoutError, match="did not answer in time"):
                await ann.bus.publish(numbered(1))
            with pytest.raises(exceptions.TimeoutError, match="did not answer in time"):
                await listening
        finally:
            redis_server.resume()


async def test_a_bus_that_is_not_open_takes_nothing(redis_server: RedisServer) -> None:
    ann = Place(redis_server)
    with pytest.raises(LOST, match="not open"):
        await ann.bus.publish(numbered(1))
    with pytest.raises(LOST, match="not open"):
        await ann.bus.listen(ann.heard.append)


async def test_a_layer_that_is_derived_from_it_is_used_in_its_own_way(redis_server: RedisServer) -> None:
    class Special(RedisPubSubChannelLayer):  # type: ignore[misc]  # channels_redis has no types
        pass

    assert RedisBus.of(Special(hosts=[redis_server.url]), {}) is None


async def test_an_open_that_fails_in_part_leaves_no_connection_behind(redis_server: RedisServer) -> None:
    """Each next try would leave one more."""
    config: dict[str, Any] = {"hosts": [redis_server.url, "redis://127.0.0.1:1/0"]}
    bus = RedisBus.of(RedisPubSubChannelLayer(**config), config)
    assert bus is not None
    for _ in range(3):
        with pytest.raises(LOST):
            await bus.open()
    with redis_server.client() as client:

        async def is_alone() -> bool:
            return len(client.client_list()) == 1

        await eventually(is_alone, "only the test's own connection is there")
