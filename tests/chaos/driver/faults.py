"""Faults: each is a small class that does its harm in `inject` and makes it good in `heal`. All are bounded in time by
the schedule. Knows processes and proxies; knows no client and no check.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal

import psycopg
import redis

from tests.chaos.driver.proxy import NONE, Harm, Proxy
from tests.chaos.driver.world import NO_FAKETIME, CampaignServer, World, find_faketime

Track = Literal["servers", "stores", "links"]


@dataclass(frozen=True, slots=True)
class Planned:
    """A fault of the schedule: when, for how long, and to whom. `target` counts servers or doors, as the kind says."""

    at: float
    seconds: float
    kind: str
    target: int


class Fault:
    """One fault at a time of one kind. `note` says what was done, for who reads the report."""

    track: ClassVar[Track]
    # How long it may last.
    least_seconds: ClassVar[float] = 0.5
    most_seconds: ClassVar[float] = 3.0

    def __init__(self, world: World, target: int) -> None:
        self.world = world
        self.number = target % len(world.servers)
        self.target = target
        self.note = ""

    @property
    def where(self) -> str:
        """Whom it hits."""
        return f"server {self.number}"

    @property
    def server(self) -> CampaignServer:
        """The server that it hits."""
        return self.world.servers[self.number]

    async def inject(self) -> None:
        """Do the harm."""

    async def heal(self) -> None:
        """Make it good."""


# --- servers


class Kill(Fault):
    """kill -9, and a restart."""

    track = "servers"

    async def inject(self) -> None:
        self.server.kill()

    async def heal(self) -> None:
        await asyncio.to_thread(self.server.start)


class Terminate(Fault):
    """SIGTERM, as a deploy does, and a restart."""

    track = "servers"

    async def inject(self) -> None:
        await asyncio.to_thread(self.server.terminate)

    async def heal(self) -> None:
        await asyncio.to_thread(self.server.start)


class Stop(Fault):
    """SIGSTOP: it stands still, and its lease may run out meanwhile."""

    track = "servers"
    least_seconds, most_seconds = 1, 8

    async def inject(self) -> None:
        self.server.pause()

    async def heal(self) -> None:
        self.server.resume()


class WrongClock(Fault):
    """A restart under a clock that is an hour off; the right one comes back with a later restart."""

    track = "servers"

    async def inject(self) -> None:
        if find_faketime() is None:
            self.note = NO_FAKETIME
            return
        self.server.kill()
        self.server.set_clock(1 if self.target % 2 else -1)
        self.note = f"{self.server.clock_hours:+d} h"

    async def heal(self) -> None:
        if not self.server.is_running:
            await asyncio.to_thread(self.server.start)


# --- Redis and PostgreSQL


class _Store(Fault):
    track = "stores"
    most_seconds = 4

    @property
    def where(self) -> str:
        return "redis" if "Redis" in type(self).__name__ else "postgres"


class RedisKill(_Store):
    """kill -9 and a restart, from its append-only file."""

    async def inject(self) -> None:
        self.world.redis.kill()

    async def heal(self) -> None:
        await asyncio.to_thread(self.world.redis.start)


class RedisPause(_Store):
    """SIGSTOP: connections stay, nobody answers."""

    async def inject(self) -> None:
        self.world.redis.pause()

    async def heal(self) -> None:
        self.world.redis.resume()


class _RedisOnce(_Store):
    least_seconds, most_seconds = 0.5, 1

    def command(self, client: redis.Redis) -> Any:
        """What is done to it."""

    async def inject(self) -> None:
        def ask() -> Any:
            with self.world.redis.client() as client:
                return self.command(client)

        self.note = str(await asyncio.to_thread(ask))


class RedisFlush(_RedisOnce):
    """FLUSHALL: everything in it is gone."""

    def command(self, client: redis.Redis) -> Any:
        return client.flushall()


class RedisScriptFlush(_RedisOnce):
    """SCRIPT FLUSH: the server's scripts are forgotten."""

    def command(self, client: redis.Redis) -> Any:
        return client.script_flush()


class RedisCutClients(_RedisOnce):
    """CLIENT KILL of all ordinary connections."""

    def command(self, client: redis.Redis) -> Any:
        return client.client_kill_filter(_type="normal")


class RedisCutSubscribers(_RedisOnce):
    """CLIENT KILL of all connections that listen."""

    def command(self, client: redis.Redis) -> Any:
        return client.client_kill_filter(_type="pubsub")


class PostgresRestart(_Store):
    """A fast shutdown and a start."""

    least_seconds, most_seconds = 0.5, 1

    async def inject(self) -> None:
        await asyncio.to_thread(self.world.postgres.restart)


class PostgresKill(_Store):
    """An immediate shutdown, and a start that recovers."""

    async def inject(self) -> None:
        await asyncio.to_thread(self.world.postgres.kill)

    async def heal(self) -> None:
        await asyncio.to_thread(self.world.postgres.start)


class PostgresCutClients(_Store):
    """pg_terminate_backend of all connections."""

    least_seconds, most_seconds = 0.5, 1

    async def inject(self) -> None:
        def terminate() -> int:
            with psycopg.connect(self.world.postgres.url, autocommit=True, connect_timeout=5) as own:
                others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                return len(own.execute(others + " AND backend_type = 'client backend'").fetchall())

        self.note = f"{await asyncio.to_thread(terminate)} cut"


class PostgresPause(_Store):
    """SIGSTOP of all its processes."""

    async def inject(self) -> None:
        self.world.postgres.pause()

    async def heal(self) -> None:
        self.world.postgres.resume()


class _Partition(Fault):
    track = "stores"
    most_seconds = 4

    @property
    def proxy(self) -> Proxy:
        """The way that is blocked."""
        raise NotImplementedError

    async def inject(self) -> None:
        self.proxy.harm = Harm(holds_up=True, holds_down=True)

    async def heal(self) -> None:
        self.proxy.harm = NONE


class RedisPartition(_Partition):
    """One server does not reach Redis, and is not told so."""

    @property
    def proxy(self) -> Proxy:
        return self.world.to_redis[self.number]


class PostgresPartition(_Partition):
    """One server does not reach PostgreSQL, and is not told so."""

    @property
    def proxy(self) -> Proxy:
        return self.world.to_postgres[self.number]


# --- links of clients


class _Links(Fault):
    """Harm to the doors of some clients: those whose number leaves the same rest as the target."""

    track = "links"
    most_seconds = 4.0
    share = 3
    harm: Harm = NONE

    @property
    def where(self) -> str:
        return f"each {self.share}rd door"

    @property
    def doors(self) -> list[Proxy]:
        """Whose links are harmed."""
        doors = list(self.world.doors.values())
        return [door for number, door in enumerate(doors) if number % self.share == self.target % self.share]

    async def inject(self) -> None:
        for door in self.doors:
            door.harm = self.harm
        self.note = f"{len(self.doors)} doors"

    async def heal(self) -> None:
        for door in self.doors:
            door.harm = NONE


class Cut(_Links):
    """Connections are reset."""

    least_seconds, most_seconds = 0.2, 0.5

    async def inject(self) -> None:
        self.note = f"{sum(door.cut() for door in self.doors)} cut"


class HalfOpen(_Links):
    """Nothing gets through either way, and nobody is told; afterwards the connections are found to be gone."""

    harm = Harm(holds_up=True, holds_down=True)
    most_seconds = 8

    async def heal(self) -> None:
        for door in self.doors:
            door.cut()
            door.harm = NONE


class DeafServer(_Links):
    """What clients say does not arrive; what servers say does. Afterwards what was held arrives late."""

    harm = Harm(holds_up=True)


class DeafClient(_Links):
    """What servers say does not arrive; what clients say does."""

    harm = Harm(holds_down=True)


class Delay(_Links):
    """Each piece takes 20 to 200 ms."""

    harm = Harm(delay_seconds=0.02, jitter_seconds=0.18)


class SlowReader(_Links):
    """Few bytes a second arrive: the server has to merge what it tells."""

    harm = Harm(bytes_per_second=2_000)
    most_seconds = 6


class ByteByByte(_Links):
    """Frames arrive one byte at a time."""

    harm = Harm(is_byte_by_byte=True)


KINDS: Final[dict[str, type[Fault]]] = {
    fault.__name__: fault
    for fault in (
        *(Kill, Terminate, Stop, WrongClock),
        *(RedisKill, RedisPause, RedisFlush, RedisScriptFlush, RedisCutClients, RedisCutSubscribers),
        *(PostgresRestart, PostgresKill, PostgresCutClients, PostgresPause, RedisPartition, PostgresPartition),
        *(Cut, HalfOpen, DeafServer, DeafClient, Delay, SlowReader, ByteByByte),
    )
}
