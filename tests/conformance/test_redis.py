"""Entries in Redis keep the contract."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sessionstore_app.backends.base import Backend
from sessionstore_app.backends.redis import RedisBackend
from sessionstore_app.core.entries import Space
from sessionstore_app.core.errors import Unavailable
from sessionstore_app.core.operations import Increment
from sessionstore_app.testing.acts import contents, doing, setting, write
from sessionstore_app.testing.contract import BackendContract, Outage, OutageContract
from tests.support.redis import WAYS, RedisServer, backend_of, temporary_redis

pytestmark = pytest.mark.redis


@pytest.mark.usefixtures("patient")
class TestRedis(BackendContract):
    @pytest.fixture(params=WAYS)
    async def backend(self, redis_server: RedisServer, request: pytest.FixtureRequest) -> AsyncIterator[Backend]:
        async with backend_of({"url": redis_server.url}, request.param) as made:
            yield made


@pytest.mark.usefixtures("patient")
class TestRedisCluster(BackendContract):
    """Each space is on one node, by the braces in its keys; what lists them may be on others."""

    @pytest.fixture
    def backend(self, cluster: RedisServer) -> Iterator[Backend]:
        with cluster.client() as client:
            client.flushall()
        made = RedisBackend({"url": cluster.url, "cluster": True})
        yield made
        made.close()


class TestRedisOutage(OutageContract):
    """The server is killed, and started again with what it had written."""

    @pytest.fixture(params=WAYS)
    async def backend(self, redis_server: RedisServer, request: pytest.FixtureRequest) -> AsyncIterator[Backend]:
        async with backend_of({"url": redis_server.url}, request.param) as made:
            yield made

    @pytest.fixture
    def outage(self, redis_server: RedisServer) -> Outage:
        @contextmanager
        def killed() -> Iterator[None]:
            redis_server.kill()
            yield
            redis_server.start()

        return killed


@pytest.fixture(params=WAYS)
async def backend(redis_server: RedisServer, request: pytest.FixtureRequest) -> AsyncIterator[RedisBackend]:
    async with backend_of({"url": redis_server.url}, request.param) as made:
        yield made


async def test_scripts_that_redis_has_forgotten_are_loaded_again(
    backend: RedisBackend, redis_server: RedisServer
) -> None:
    """In the order asked for, though the whole burst finds them missing."""
    await write(backend, setting("a", 0))
    with redis_server.client() as client:
        client.script_flush()
    writing = [asyncio.create_task(write(backend, setting("a", n))) for n in range(20)]
    assert [(await each).version for each in writing] == list(range(2, 22))
    assert await contents(backend) == {"a": 19}


@pytest.mark.usefixtures("patient")
async def test_many_processes_count_without_losing_one(backend: RedisBackend, redis_server: RedisServer) -> None:
    """Each computes what it writes, and writes it if what it was computed from is still there."""
    others = [RedisBackend({"url": redis_server.url}) for _ in range(3)]
    counting = [
        asyncio.create_task(write(each, doing("count", Increment()))) for each in (backend, *others) for _ in range(25)
    ]
    versions = [(await each).version for each in counting]
    assert sorted(versions) == list(range(1, 101))
    assert await contents(backend) == {"count": 100}
    for each in others:
        each.close()


async def test_names_never_meet_the_syntax_of_redis(backend: RedisBackend, redis_server: RedisServer) -> None:
    """T24: whatever a room, key or value is called, it is an argument, and keys of ours begin with the prefix."""
    hostile = ["*", "a b", "{x}", "}{", "'; return redis.call('FLUSHALL') --", "\r\nFLUSHALL\r\n", "é🙂", "%s"]
    for name in hostile:
        space = Space(f"room:{name}:1")
        await write(backend, setting(name, name), space=space)
        assert await contents(backend, space=space) == {name: name}
    assert {space async for space, _ in backend.spaces()} == {Space(f"room:{name}:1") for name in hostile}
    with redis_server.client() as client:
        assert all(key.startswith(b"sessionstore:") for key in client.keys("*"))


async def test_two_projects_share_a_redis_by_their_prefixes(redis_server: RedisServer) -> None:
    one, two = (RedisBackend({"url": redis_server.url, "prefix": prefix}) for prefix in ("one", "two"))
    await write(one, setting("a", 1))
    assert await contents(two) == {}
    assert [space async for space, _ in two.spaces()] == []
    one.close()
    two.close()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"url": "redis://127.0.0.1:1", "sentinels": [["127.0.0.1", 1]], "service": "m"},
        {"sentinels": [["127.0.0.1", 1]]},
    ],
)
def test_options_that_do_not_go_together_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(TypeError, match="url, or sentinels"):
        RedisBackend(options)


async def test_a_full_redis_refuses_and_keeps_what_it_has(backend: RedisBackend, redis_server: RedisServer) -> None:
    await write(backend, setting("a", 1))
    with redis_server.client() as client:
        client.config_set("maxmemory", 1)
        try:
            with pytest.raises(Unavailable):
                await write(backend, setting("a", 2))
            assert await contents(backend) == {"a": 1}
        finally:
            client.config_set("maxmemory", 0)
    assert (await write(backend, setting("a", 3))).version == 2


@pytest.mark.parametrize("way", WAYS)
async def test_sentinels_say_where_the_master_is(redis_server: RedisServer, tmp_path: Path, way: str) -> None:
    configuration = tmp_path / "sentinel.conf"
    configuration.write_text(f"sentinel monitor main 127.0.0.1 {redis_server.port} 1\n")
    with temporary_redis(str(configuration), as_sentinel=True) as sentinel:
        options = {"sentinels": [["127.0.0.1", sentinel.port]], "service": "main"}
        async with backend_of(options, way) as backend:
            await write(backend, setting("a", 1))
            assert await contents(backend) == {"a": 1}
    with redis_server.client() as client:
        assert client.scard("sessionstore:spaces") == 1


async def test_a_master_that_became_a_replica_is_left_for_the_new_one(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    """A connection that serves a loop stays open for long: it is the one that would never notice."""
    with temporary_redis() as successor:
        configuration = tmp_path / "sentinel.conf"
        configuration.write_text(f"sentinel monitor main 127.0.0.1 {redis_server.port} 1\n")
        with temporary_redis(str(configuration), as_sentinel=True) as sentinel:
            options = {"sentinels": [["127.0.0.1", sentinel.port]], "service": "main"}
            async with backend_of(options, "loop") as backend:
                await write(backend, setting("a", 1))
                with redis_server.client() as old, sentinel.client() as watcher:
                    old.execute_command("REPLICAOF", "127.0.0.1", successor.port)
                    try:
                        watcher.execute_command("SENTINEL", "REMOVE", "main")
                        watcher.execute_command("SENTINEL", "MONITOR", "main", "127.0.0.1", successor.port, 1)
                        with pytest.raises(Unavailable):
                            await write(backend, setting("a", 2))
                        await write(backend, setting("a", 3))
                    finally:
                        old.execute_command("REPLICAOF", "NO", "ONE")
                assert await contents(backend) == {"a": 3}
        with successor.client() as client:
            assert client.scard("sessionstore:spaces") == 1
