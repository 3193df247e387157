"""Where Redis is and how it is reached: one server, a master that sentinels watch, or a cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

from sessionstore_app.backends.redislane import OneByOne, Scripts, Together, Wire

# Beyond these Redis is out of reach, in seconds; who asked is told within two.
CONNECT_SECONDS = 1.0
ANSWER_SECONDS = 1.75


def connector(options: dict[str, Any], scripts: Scripts) -> Callable[[], Wire]:
    """What connects; nothing is connected to yet. Raises TypeError for options that do not go together."""
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
    if is_cluster:
        return lambda: OneByOne(redis.RedisCluster.from_url(url, **given), scripts)
    if sentinels is not None:
        watchers: Any = Sentinel  # not typed
        watched = [tuple(each) for each in sentinels]
        # As their master is, but with no name and password unless they are given theirs.
        asked = {name: value for name, value in given.items() if name.startswith(("socket_", "retry", "ssl"))}
        return lambda: Together(
            watchers(watched, sentinel_kwargs={**asked, **to_sentinels}, **given).master_for(service), scripts
        )
    return lambda: Together(redis.Redis.from_url(url, **given), scripts)
