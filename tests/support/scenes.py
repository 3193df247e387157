"""Two server processes that share a Redis for all three of its uses, and what shows that they do."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tests.support.guests import Guests
from tests.support.redis import RedisServer
from tests.support.server import Server, running
from tests.support.wire import values_of

# Without the layer they would find each other's changes in the database, but not within any test's patience.
_RARELY = {"NODE_RENEW_SECONDS": 60, "NODE_LEASE_SECONDS": 180}
_SITE = ("view_sitesession", "change_sitesession")


@contextmanager
def two_servers(redis_url: str) -> Iterator[tuple[Server, Server]]:
    """Entries, channel layer and cache of both are at this URL."""
    environment = {"REDIS_URL": redis_url}
    with ExitStack() as stack:
        one = stack.enter_context(running(environment=environment, settings=_RARELY))
        two = running(environment=environment, settings=_RARELY, database_url=one.database_url)
        yield one, stack.enter_context(two)


async def assert_shared(servers: tuple[Server, Server], redis_server: RedisServer, room: str) -> None:
    """What is set on one is observed on the other; entries, channels and cache are in this Redis."""
    async with Guests(servers[0]) as here, Guests(servers[1]) as there:
        ann, bo = await asyncio.gather(here.join(room), there.join(room))
        await ann.call("room.set", room=room, key="topic", value="Retro")
        assert (await bo.expect_change("topic", "Retro"))["by"]["session_id"] == ann.id
        await bo.call("room.update", room=room, key="votes", do="increment", by=2)
        assert (await ann.expect_change("votes", 2))["version"] == 2
        late = await there.join(room)
        assert values_of((await late.call("room.snapshot", room=room))["entries"]) == {"topic": "Retro", "votes": 2}
        writer, reader = [await guests.staff(permissions=_SITE) for guests in (here, there)]
        created = await writer.call("site.create", data={"step": 1})
        (loaded,) = (await reader.call("site.load", session_keys=list(created))).values()
        assert loaded["data"] == {"step": 1}
        with redis_server.client() as client:
            heard_by = dict(client.pubsub_numsub(*client.pubsub_channels("asgi__group__*")))
            assert 2 in heard_by.values()
            assert client.keys("sessionstore:*")
            assert client.keys(":1:sessionstore:site:*")
