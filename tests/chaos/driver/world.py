"""The processes of one campaign and the network between them: PostgreSQL, Redis, servers, and a proxy before each.

Each client comes in by a door of its own, which leads to its home server or, where that is down, to the next; each
server reaches Redis and PostgreSQL by a proxy of its own. Knows neither clients nor faults.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from tests.chaos.driver.proxy import Proxy
from tests.support.postgres import PostgresServer, postgres_server
from tests.support.redis import RedisServer, temporary_redis
from tests.support.server import Kind, Server, manage

# Short, so that a campaign sees leases run out and sessions lapse; long enough for a client's jitter, and for a busy
# machine to renew a lease in time.
SETTINGS: Final[dict[str, Any]] = {
    "NODE_LEASE_SECONDS": 4,
    "NODE_RENEW_SECONDS": 1,
    "REAP_SECONDS": 0.5,
    "RECONNECT_SECONDS": 10,
    "HEARTBEAT_SECONDS": 2,
    "STALLED_SECONDS": 5,
    "FORGET_SECONDS": 5,
    "KEYS": 40,
    "VALUE_BYTES": 16_384,
    "STORE_BYTES": 65_536,
    "SITE_SESSION_LIFETIME_SECONDS": 3,
    "SELF_PROPERTIES": ["mood"],
    "PUBLIC_PROPERTIES": ["mood"],
    "SOCKETS_PER_USER": 1_000,
    "POLICY": "tests.support.policies.RolePolicy",
}
DURABLE: Final = {"default": {"BACKEND": "sessionstore_app.backends.database.DatabaseBackend"}}
_FAKETIME: Final = "/usr/lib/*/faketime/libfaketimeMT.so.1"
NO_FAKETIME: Final = "WRONG CLOCKS ARE NOT TESTED: no libfaketime in /usr/lib"
_STARTS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a campaign is made of. `backend`: where entries are, `redis` (class standard) or `database` (durable)."""

    seed: int
    seconds: float = 20
    servers: int = 2
    clients: int = 14
    backend: str = "redis"
    has_daphne: bool = False
    # Only these kinds of faults; empty: all.
    kinds: tuple[str, ...] = ()


def find_faketime() -> str | None:
    """The library that gives a process another clock; None where it is not installed."""
    found = sorted(str(path) for path in Path("/").glob(_FAKETIME.lstrip("/")))
    return found[0] if found else None


class CampaignServer(Server):
    """A server process whose clock may be wrong."""

    clock_hours = 0

    def set_clock(self, hours: int) -> None:
        """From its next start on its clock is so many hours ahead."""
        self.clock_hours = hours
        for name in ("LD_PRELOAD", "FAKETIME", "FAKETIME_DONT_FAKE_MONOTONIC", "FAKETIME_DISABLE_SHM"):
            self._environment.pop(name, None)
        if hours:
            library = find_faketime()
            assert library is not None, "libfaketime is not installed"
            self._environment |= {
                "LD_PRELOAD": library,
                "FAKETIME": f"{hours:+d}h",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                # Else each look at the clock takes a semaphore.
                "FAKETIME_DISABLE_SHM": "1",
            }

    @property
    def is_running(self) -> bool:
        """False while it was ended and not started again."""
        return self._process is not None

    def start(self) -> None:
        """See `Server`. While it was down, somebody's connection may have been given its port for a moment."""
        for left in reversed(range(_STARTS)):
            try:
                super().start()
            except AssertionError:
                self._process = None
                if not left:
                    raise
            else:
                return


class World:
    """All that runs. `servers`, `redis` and `postgres` are there for faults to harm."""

    def __init__(self, plan: Plan, folder: Path, postgres: PostgresServer, redis: RedisServer) -> None:
        self.plan = plan
        self.folder = folder
        self.postgres = postgres
        self.redis = redis
        self.chance = random.Random(f"{plan.seed}/network")
        self.servers: list[CampaignServer] = []
        self.to_redis: list[Proxy] = []
        self.to_postgres: list[Proxy] = []
        self.doors: dict[str, Proxy] = {}
        # Where what is not a server finds Redis and PostgreSQL.
        self.settings = {**SETTINGS, **({"BACKENDS": DURABLE} if plan.backend == "database" else {})}
        self.environment = {
            "DATABASE_URL": postgres.url,
            "REDIS_URL": redis.url,
            "SESSIONSTORE_JSON": json.dumps(self.settings),
            # As in production: with DEBUG on Django would keep every statement.
            "DEBUG": "0",
        }

    async def start(self) -> None:
        """Start the servers, all at once."""
        redis_port, postgres_port = (urlsplit(url).port or 0 for url in (self.redis.url, self.postgres.url))
        for number in range(self.plan.servers):
            self.to_redis.append(await self._proxy(f"redis of {number}", redis_port))
            self.to_postgres.append(await self._proxy(f"postgres of {number}", postgres_port))
            self.servers.append(self._server(number))
        await asyncio.gather(*(asyncio.to_thread(server.start) for server in self.servers))

    def _server(self, number: int) -> CampaignServer:
        kind: Kind = "daphne" if self.plan.has_daphne and number == self.plan.servers - 1 else "uvicorn"
        redis, postgres = urlsplit(self.redis.url), urlsplit(self.postgres.url)
        return CampaignServer(
            postgres._replace(netloc=f"{postgres.username}@127.0.0.1:{self.to_postgres[number].port}").geturl(),
            self.folder / f"server{number}.log",
            kind=kind,
            settings=self.settings,
            environment={
                "REDIS_URL": redis._replace(netloc=f"127.0.0.1:{self.to_redis[number].port}").geturl(),
                "DEBUG": "0",
            },
        )

    async def _proxy(self, name: str, *ports: int) -> Proxy:
        proxy = Proxy(name, lambda: ports, self.chance)
        await proxy.start()
        return proxy

    async def door(self, name: str, home: int) -> str:
        """A client's own way in; returns host and port. It leads home, else to the next server that is up."""

        def targets() -> Sequence[int]:
            turned = self.servers[home:] + self.servers[:home]
            return [server.port for server in turned]

        self.doors[name] = proxy = Proxy(name, targets, self.chance)
        await proxy.start()
        return f"127.0.0.1:{proxy.port}"

    def doors_to(self, number: int) -> list[Proxy]:
        """The doors by which somebody is at this server now."""
        port = self.servers[number].port
        return [door for door in self.doors.values() if port in door.goes_to.values()]

    async def close(self) -> None:
        """End every server and proxy."""
        for server in self.servers:
            await asyncio.to_thread(server.close)
        for proxy in (*self.doors.values(), *self.to_redis, *self.to_postgres):
            await proxy.close()


@asynccontextmanager
async def running_world(plan: Plan, folder: Path) -> AsyncIterator[World]:
    """Everything started; nothing is left of it afterwards but the logs in `folder`."""
    with ExitStack() as stack:
        # Started here, in this thread: each says loudly if it is not installed.
        postgres = stack.enter_context(postgres_server())
        redis = stack.enter_context(temporary_redis())
        await asyncio.to_thread(manage, "migrate", "--verbosity", "0", database_url=postgres.url)
        world = World(plan, folder, postgres, redis)
        try:
            await world.start()
            yield world
        finally:
            await world.close()
            (folder / "postgres.log").write_text(postgres.log)
