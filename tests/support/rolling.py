"""A rolling restart: two servers behind the documented nginx, a crowd of clients on both, one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager

from sessionstore_app.client import Room, Session, connect
from tests.support.http import request
from tests.support.nginx import Nginx, documented_nginx
from tests.support.postgres import postgres_server
from tests.support.redis import temporary_redis
from tests.support.server import Server, manage, running
from tests.support.wire import eventually

PEERS = 20
# Addresses of the loopback network that the clients share: each has as many sockets as an address may have.
_ADDRESSES = 20
_AT_ONCE = 50
# Of each writer; in a room of twenty, two of whom write, that is eighty deliveries a second.
_PAUSE_SECONDS = 0.5


class Guest:
    """A client in a room, that remembers what it was told of its peers."""

    def __init__(self, session: Session, room: Room) -> None:
        self.session, self.room = session, room
        self.id = session.id
        self.acknowledged = 0
        self.gone: list[str] = []
        self._watching = asyncio.create_task(self._watch())

    @property
    def server(self) -> str:
        """The process that serves it."""
        return self.session.properties["$ServerName"]

    async def _watch(self) -> None:
        async for change in self.room.peer_changes(limit=100_000):
            self.gone += [peer.session_id for peer in change.left]

    async def write(self, stop: asyncio.Event) -> None:
        """Count, one after the other, until told to stop."""
        while not stop.is_set():
            await self.room.update(f"count/{self.id}", do="increment", by=1)
            self.acknowledged += 1
            await asyncio.sleep(_PAUSE_SECONDS)

    async def end(self) -> None:
        """Watch no longer."""
        self._watching.cancel()
        await asyncio.wait([self._watching])


@contextmanager
def deployed() -> Iterator[tuple[Nginx, tuple[Server, Server]]]:
    """nginx, two servers, PostgreSQL and Redis, as they would be deployed."""
    with ExitStack() as stack:
        postgres = stack.enter_context(postgres_server())
        manage("migrate", "--verbosity", "0", database_url=postgres.url)
        redis_server = stack.enter_context(temporary_redis())
        environment = {
            "REDIS_URL": redis_server.url,
            "DEBUG": "0",
            "SECRET_KEY": "a-key-of-this-test-alone-" * 3,
            "ALLOWED_HOSTS": "127.0.0.1",
        }
        settings = {"TRUSTED_PROXIES": ["127.0.0.1"], "SOCKETS_PER_ADDRESS": 100}
        one, two = (
            stack.enter_context(running(database_url=postgres.url, environment=environment, settings=settings))
            for _ in range(2)
        )
        yield stack.enter_context(documented_nginx((one, two))), (one, two)


@asynccontextmanager
async def crowd(nginx: Nginx, number: int) -> AsyncIterator[list[Guest]]:
    """So many clients, in rooms of twenty."""
    async with AsyncExitStack() as stack:

        async def enter(place: int) -> Guest:
            options = {"local_addr": (f"127.0.0.{20 + place % _ADDRESSES}", 0)}
            session = await stack.enter_async_context(connect(nginx.address, websocket_options=options))
            guest = Guest(session, await session.join(f"hall/{place // PEERS}", observe=["*"]))
            stack.push_async_callback(guest.end)
            return guest

        guests: list[Guest] = []
        for start in range(0, number, _AT_ONCE):
            guests += await asyncio.gather(*map(enter, range(start, min(start + _AT_ONCE, number))))
        yield guests


async def restart(server: Server, guests: list[Guest], patience_seconds: float) -> tuple[int, float]:
    """As a service manager does it: told to stop, started once it has.

    Returns how many had been on it, and the seconds until the last of them was back, as who it was or not.
    """
    node = (await asyncio.to_thread(request, server.host, "GET", "/sessionstore/health/")).json["node"]
    moved = [guest for guest in guests if guest.server == node]
    clock = asyncio.get_running_loop().time
    told_at = clock()
    server.tell_to_stop()
    again = asyncio.create_task(asyncio.to_thread(_start_again, server))

    async def are_back() -> bool:
        return all(guest.session.state == "open" and guest.server != node for guest in moved)

    await eventually(are_back, f"all {len(moved)} are back", patience_seconds)
    seconds = clock() - told_at
    await again
    return len(moved), seconds


def _start_again(server: Server) -> None:
    server.wait()
    server.start()
