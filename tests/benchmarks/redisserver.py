"""A Redis server of the benchmark's own: on a loopback port, as durable as the pages on operation ask for."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from tests.support.redis import RedisServer

# The moments at which a whole copy is written would fall into some measurements and not into others.
DURABLE = ("--appendonly", "yes", "--appendfsync", "everysec", "--maxmemory-policy", "noeviction", "--save", "")
SHOWN = ("appendonly", "appendfsync", "maxmemory-policy")
PACKAGES = ("channels_redis", "redis", "hiredis")
NO_REDIS = "**Nothing was measured: no redis-server on PATH.**"


@dataclass(frozen=True, slots=True, kw_only=True)
class Redis:
    """A running server. `about` says what it is, how durable, and who speaks to it."""

    url: str
    pid: int
    about: str


def program() -> str | None:
    """redis-server, or None where there is none."""
    return shutil.which("redis-server")


@contextmanager
def redis(binary: str, folder: Path) -> Iterator[Redis]:
    """A running server on a new folder."""
    folder.mkdir()
    server = RedisServer(binary, folder, *DURABLE)
    try:
        server.start()
        with server.client() as client:
            known = client.info("server")
            settings = ", ".join(f"{name}={client.config_get(name)[name]}" for name in SHOWN)
        packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
        about = f"Redis {known['redis_version']} with {settings}; {packages}."
        yield Redis(url=server.url, pid=known["process_id"], about=about)
    finally:
        server.close()
