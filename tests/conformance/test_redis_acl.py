"""The user of Redis that operations.md shows may do what entries, layer and cache need, and nothing else (T24)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
import redis
from channels_redis.pubsub import RedisPubSubChannelLayer
from django.core.cache.backends.redis import RedisCache
from redis.exceptions import NoPermissionError

from sessionstore_app.backends import redis as redisbackend
from sessionstore_app.backends.base import Backend
from sessionstore_app.backends.redis import RedisBackend
from sessionstore_app.core import entries
from sessionstore_app.core.entries import Fence
from sessionstore_app.core.errors import SpaceWiped, Unavailable
from sessionstore_app.core.operations import Increment
from sessionstore_app.testing.acts import ANN, AT_MS, ROOM, contents, deleting, doing, read_one, setting, tallies, write
from sessionstore_app.testing.contract import BackendContract
from tests.meta.pages import ROOT, examples
from tests.support.redis import RedisServer, temporary_redis
from tests.support.scenes import assert_shared, two_servers
from tests.support.wire import eventually

pytestmark = pytest.mark.redis
LIMIT_SECONDS = 10
FAR_MS = 2**52

# Of one server, and what a cluster needs beside.
ALONE, CLUSTER = (
    [line.split() for line in example.code.splitlines()]
    for example in examples(ROOT / "docs/operations.md", "text")
    if example.code.startswith("ACL SETUSER")
)
USER = ALONE[0][2]
PASSWORD = next(word[1:] for word in ALONE[0] if word.startswith(">"))
GRANTED = {word[1:] for line in ALONE for word in line if word.startswith("+")}


@pytest.fixture(scope="module")
def guarded_redis() -> Iterator[RedisServer]:
    """A server that knows the user; its own client is another, who may do everything."""
    with temporary_redis() as server:
        introduce(server, ALONE)
        yield server


@pytest.fixture
def guarded(guarded_redis: RedisServer) -> RedisServer:
    """The same, emptied."""
    with guarded_redis.client() as client:
        client.flushall()
    return guarded_redis


def introduce(server: RedisServer, lines: list[list[str]]) -> None:
    """Type the page's lines."""
    with server.client() as client:
        for line in lines:
            client.execute_command(*line)


def as_user(server: RedisServer) -> str:
    """The URL by which a project comes."""
    return server.url.replace("://", f"://{USER}:{PASSWORD}@")


def refusals(client: redis.Redis) -> list[str]:
    """What the server did not let the user do since the log was emptied."""
    # Newer servers know CLIENT SETINFO: by it redis-py says who it is, and goes on where that is refused.
    return [name for name in (str(entry["object"]) for entry in client.acl_log()) if name != "client|setinfo"]


@pytest.mark.usefixtures("patient")
class TestAsThatUser(BackendContract):
    @pytest.fixture
    def backend(self, guarded: RedisServer) -> Iterator[Backend]:
        made = RedisBackend({"url": as_user(guarded)})
        yield made
        made.close()


async def use_entries(url: str) -> None:
    """All that a backend asks for."""
    with closing(RedisBackend({"url": url})) as backend:
        for number in range(1, 4):
            await write(backend, setting("short", number, ttl_ms=10), by=ANN, op=number, fence=Fence("stage", number))
            await write(backend, *(deleting(f"{key}/{number}") for key in "abc"))
        await write(backend, doing("count", Increment()))
        assert await contents(backend) == {"short": 3, "count": 1}
        assert (await read_one(backend, "a/1")).version == 0, "older deletions are forgotten"
        assert await backend.versions([ROOM]) == {ROOM: 7}
        assert [due.key for due in await backend.due(AT_MS + 10, 10)] == ["short"]
        assert list(await tallies(backend)) == [ROOM]
        await backend.wipe(ROOM)
        with pytest.raises(SpaceWiped):
            await write(backend, setting("late", 1))
        await backend.forget_wiped(FAR_MS)


async def use_layer(url: str, heard_by: Callable[[], dict[bytes, int]]) -> None:
    """All that a channel layer does."""
    layer = RedisPubSubChannelLayer(hosts=[url])
    channel = await layer.new_channel()
    await layer.group_add("everybody", channel)
    await eventually(lambda: _is(sum(heard_by().values()) == 2), "the group is listened to")
    await layer.group_send("everybody", {"type": "said"})
    assert await asyncio.wait_for(layer.receive(channel), LIMIT_SECONDS) == {"type": "said"}
    await layer.group_discard("everybody", channel)
    await eventually(lambda: _is(sum(heard_by().values()) == 1), "the group is listened to no longer")
    await layer.flush()


async def _is(fact: bool) -> bool:
    return fact


def use_cache(url: str) -> None:
    """All that a cache does, but one."""
    cache = RedisCache(url, {})
    cache.set_many({"a": 1, "b": 2}, 60)
    assert cache.add("c", 3)
    assert cache.incr("a") == 2
    assert cache.touch("a", 60)
    assert cache.touch("b", None)
    assert cache.get_many(["a", "b", "c"]) == {"a": 2, "b": 2, "c": 3}
    assert cache.has_key("a")
    assert cache.get("a") == 2
    cache.delete("a")
    cache.delete_many(["b", "c"])
    with pytest.raises(NoPermissionError):
        cache.clear()


async def test_t24_the_user_is_granted_what_is_asked_for_and_no_command_more(
    guarded: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # That few are remembered lets the script forget some.
    for module in (entries, redisbackend):
        monkeypatch.setattr(module, "TOMBSTONES_KEPT", 2)
    with guarded.client() as client:
        client.script_flush()
        client.config_resetstat()
        client.acl_log_reset()
        await use_entries(as_user(guarded))
        await use_layer(as_user(guarded), lambda: dict(client.pubsub_numsub(*client.pubsub_channels("asgi*"))))
        await asyncio.to_thread(use_cache, as_user(guarded))
        refused = refusals(client)
        called = {name.removeprefix("cmdstat_") for name, told in client.info("commandstats").items() if told["calls"]}
    assert called >= GRANTED
    assert refused == ["flushdb"]


@pytest.mark.parametrize(
    "command",
    [
        ("FLUSHALL",),
        ("FLUSHDB",),
        ("CONFIG", "GET", "*"),
        ("KEYS", "*"),
        ("SCAN", 0),
        ("ACL", "WHOAMI"),
        ("SCRIPT", "FLUSH"),
        ("SHUTDOWN",),
        ("GET", "other"),
        ("SET", "sessionstore", 1),
        ("DEL", "sessionstore:spaces", "other"),
        ("PUBLISH", "other", 1),
        ("SUBSCRIBE", "other"),
        ("PSUBSCRIBE", "asgi*"),
        ("EVAL", "return redis.call('GET', KEYS[1])", 1, "other"),
        ("EVAL", "return redis.call('GET', 'other')", 0),
        ("EVAL", "return redis.call('FLUSHALL')", 0),
    ],
    ids=lambda command: " ".join(map(str, command[:2])),
)
def test_t24_the_user_is_refused_all_else(guarded: RedisServer, command: tuple[Any, ...]) -> None:
    with guarded.client() as client, redis.Redis.from_url(as_user(guarded)) as user:
        client.set("other", "theirs")
        client.acl_log_reset()
        with pytest.raises(redis.ResponseError):
            user.execute_command(*command)
        assert [entry["username"] for entry in client.acl_log()] == [USER]
        assert client.get("other") == b"theirs"
        assert client.dbsize() == 1


async def test_t24_without_the_password_nobody_is_the_user(guarded: RedisServer) -> None:
    with closing(RedisBackend({"url": guarded.url, "username": USER, "password": "guessed"})) as backend:
        with pytest.raises(Unavailable):
            await write(backend, setting("a", 1))
        with pytest.raises(Unavailable):
            await contents(backend)


async def test_t24_a_cluster_needs_the_second_example_beside() -> None:
    with temporary_redis("--cluster-enabled", "yes") as server, server.client() as client:
        client.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)
        await eventually(lambda: _is(client.execute_command("CLUSTER INFO")["cluster_state"] == "ok"), "it is up")
        introduce(server, ALONE)
        with closing(RedisBackend({"url": as_user(server), "cluster": True})) as backend:
            with pytest.raises(Unavailable):
                await write(backend, setting("a", 1))
            introduce(server, CLUSTER)
            assert (await write(backend, setting("a", 1))).version == 1
            assert await contents(backend) == {"a": 1}


async def test_t24_two_servers_share_entries_layer_and_cache_as_that_user(guarded: RedisServer, room: str) -> None:
    with two_servers(as_user(guarded)) as servers, guarded.client() as client:
        client.acl_log_reset()
        await assert_shared(servers, guarded, room)
        assert refusals(client) == []
