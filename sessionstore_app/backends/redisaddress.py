"""Where Redis is and how it is reached: one server, a master that sentinels watch, or a cluster."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.asyncio.sentinel import Sentinel as AsyncSentinel
from redis.asyncio.sentinel import SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

from sessionstore_app.backends.redisconnection import ANSWER_SECONDS, CONNECT_SECONDS
from sessionstore_app.backends.redisexchange import Scripts
from sessionstore_app.backends.rediswire import OneByOne, Together, Wire


@dataclass(frozen=True, slots=True)
class Address:
    """How a thread connects, and an event loop by redis-py's pool; None where a loop cannot. Neither connects yet."""

    scripts: Scripts
    connect: Callable[[], Wire]
    pool: Callable[[], Any] | None


def address(options: dict[str, Any], scripts: Scripts) -> Address:
    """What the options of the backend name. Raises TypeError for options that do not go together."""
    url, sentinels, service = (options.pop(name, None) for name in ("url", "sentinels", "service"))
    is_cluster, to_sentinels = options.pop("cluster", False), options.pop("sentinel_kwargs", {})
    if (url is None) == (sentinels is None) or (sentinels is None) != (service is None):
        raise TypeError("RedisBackend takes a url, or sentinels and a service.")
    given = {
        "socket_connect_timeout": CONNECT_SECONDS,
        "socket_timeout": ANSWER_SECONDS,
        # What was sent may have happened: sending it again is for whoever asked for it.
        "retry": Retry(NoBackoff(), 0),
        **options,
    }
    on_loop = {**given, "retry": AsyncRetry(NoBackoff(), 0)}
    if is_cluster:
        return Address(scripts, lambda: OneByOne(redis.RedisCluster.from_url(url, **given), scripts), None)
    if sentinels is None:
        return Address(
            scripts,
            lambda: Together(redis.Redis.from_url(url, **given), scripts),
            lambda: redis.asyncio.ConnectionPool.from_url(url, **on_loop),
        )
    # Not typed.
    watchers: Any = Sentinel
    async_watchers: Any = AsyncSentinel
    async_watched: Any = SentinelConnectionPool
    watched = [tuple(each) for each in sentinels]

    # On a loop one who does not answer must leave time to ask the next.
    soon = CONNECT_SECONDS / (len(watched) + 1)
    hasty = {**on_loop, "socket_connect_timeout": soon, "socket_timeout": soon}

    def asked(values: dict[str, Any]) -> dict[str, Any]:
        """As their master is, but with no name and password unless they are given theirs."""
        kept = {name: value for name, value in values.items() if name.startswith(("socket_", "retry", "ssl"))}
        return {**kept, **to_sentinels}

    return Address(
        scripts,
        lambda: Together(watchers(watched, sentinel_kwargs=asked(given), **given).master_for(service), scripts),
        lambda: async_watched(service, async_watchers(watched, sentinel_kwargs=asked(hasty)), **on_loop),
    )
