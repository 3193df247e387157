"""What is looked at all the time: the stores' sizes, directly, and whether the driver itself gets its turns."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any, Final

import msgspec
import psycopg
import redis

from tests.chaos.driver.history import History, Measured
from tests.chaos.driver.world import World

_EACH_SECONDS: Final = 0.1
_TURN_SECONDS: Final = 0.05
_unpack = msgspec.msgpack.Decoder(list[Any]).decode


class _Task:
    """Something that runs as long as a block."""

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> None:
        self._task = asyncio.create_task(self.run())

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def run(self) -> None:
        """Until cancelled."""


class Stalls(_Task):
    """How long the driver's loop stood still altogether: what it measured meanwhile came so much too late."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            await asyncio.sleep(_TURN_SECONDS)
            late = loop.time() - before - _TURN_SECONDS
            self.seconds += late if late > _TURN_SECONDS else 0


class Sampler(_Task):
    """Measures every room's store ten times a second, past the servers."""

    def __init__(self, world: World, history: History) -> None:
        super().__init__()
        self._world = world
        self._history = history

    async def run(self) -> None:
        while True:
            # While a store is away there is nothing to see.
            with suppress(redis.RedisError, psycopg.Error):
                found = await asyncio.to_thread(lambda: list(self._measure()))
                self._history.measured += found
            await asyncio.sleep(_EACH_SECONDS)

    def _measure(self) -> Iterator[Measured]:
        at = self._history.now()
        sizes = _in_redis(self._world.redis) if self._world.plan.backend == "redis" else _in_postgres(self._world)
        for space, keys, size_bytes in sizes:
            yield Measured(at=at, room=space, keys=keys, size_bytes=size_bytes)


def _in_redis(server: Any) -> Iterator[tuple[str, int, int]]:
    with redis.Redis.from_url(server.url, socket_timeout=1, socket_connect_timeout=1) as client:
        for tally in client.scan_iter("sessionstore:{*}:entries", count=1_000):
            # Whole, as of one instant.
            entries = [_unpack(packed) for packed in client.hvals(tally)]
            sizes = [len(each[0].encode()) + len(each[-1].encode()) for each in entries if each[-1] is not False]
            yield tally.decode(), len(sizes), sum(sizes)


def _in_postgres(world: World) -> Iterator[tuple[str, int, int]]:
    statement = (
        "SELECT s.name, count(*), sum(octet_length(e.key) + octet_length(e.text)) FROM sessionstore_app_entry e"
        " JOIN sessionstore_app_space s ON s.id = e.space_id WHERE e.text IS NOT NULL GROUP BY s.name"
    )
    options = "-c statement_timeout=1000"
    with psycopg.connect(world.postgres.url, connect_timeout=1, options=options) as postgres:
        yield from ((name, int(keys), int(size)) for name, keys, size in postgres.execute(statement).fetchall())
