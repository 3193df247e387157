"""A real Redis server of the test's own: on a free loopback port, durable as in production, gone afterwards."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import redis

from sessionstore_app.backends.redis import RedisBackend
from tests.support.server import free_port

_START_SECONDS = 20
# With `everysec` a kill may take what an fsync under way holds back, up to two seconds.
_DURABLE = ("--appendonly", "yes", "--appendfsync", "always", "--save", "", "--maxmemory-policy", "noeviction")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """What a server that speaks TLS has: its certificate with key, whoever signed it, and the host it is for.

    `client` is a certificate with key that clients have to bring; None: they need none.
    """

    ca: Path
    certificate: Path
    host: str = "127.0.0.1"
    client: Path | None = None

    def arguments(self, port: int) -> list[str]:
        """Of a server that speaks nothing else."""
        files = {"tls-ca-cert-file": self.ca, "tls-cert-file": self.certificate, "tls-key-file": self.certificate}
        named = [part for name, file in files.items() for part in (f"--{name}", str(file))]
        return [*named, "--tls-port", str(port), "--port", "0", "--tls-auth-clients", "yes" if self.client else "no"]

    def options(self) -> dict[str, str]:
        """Of a client."""
        own = {"ssl_certfile": str(self.client), "ssl_keyfile": str(self.client)} if self.client else {}
        return {"ssl_ca_certs": str(self.ca), **own}


class RedisServer:
    """One server at a time, on one port and one folder. `kill` and `start` again is a crash and a restart."""

    def __init__(self, program: str, folder: Path, *arguments: str, tls: Tls | None = None) -> None:
        self._program = program
        self.port = free_port()
        self._arguments = arguments
        self._tls = tls
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it is, and what it takes to get there."""
        if self._tls is None:
            return f"redis://127.0.0.1:{self.port}/0"
        return f"rediss://{self._tls.host}:{self.port}/0?{urlencode(self._tls.options())}"

    def client(self) -> redis.Redis:
        """A connection for the test itself."""
        return redis.Redis.from_url(self.url)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        port = ["--port", str(self.port)] if self._tls is None else self._tls.arguments(self.port)
        where = [*port, "--bind", "127.0.0.1", "--dir", str(self._folder)]
        with (self._folder / "log.txt").open("ab") as log:
            command = [self._program, *self._arguments, *where]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            assert time.monotonic() < deadline, f"no Redis after {_START_SECONDS} s"
            assert self._process.poll() is None, "Redis ended at once"
            time.sleep(0.02)

    def kill(self) -> None:
        """End it as a crash would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    def pause(self) -> None:
        """Stop it where it stands: connections stay, nobody answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """Leave no process behind."""
        if self._process is not None:
            self.kill()

    def _answers(self) -> bool:
        with suppress(redis.RedisError), self.client() as client:
            return bool(client.ping())
        return False


WAYS = ("thread", "loop")


@asynccontextmanager
async def backend_of(options: dict[str, Any], way: str) -> AsyncIterator[RedisBackend]:
    """A backend as a command has it, asked through its thread, or as a server has it that lives on the running loop."""
    made = RedisBackend(options)
    if way == "loop":
        made.live_on_this_loop()
    try:
        yield made
    finally:
        made.close()


@contextmanager
def temporary_redis(*arguments: str, as_sentinel: bool = False, tls: Tls | None = None) -> Iterator[RedisServer]:
    """Start a server, stop it at the end; a sentinel has its configuration file as its first argument.

    Skips the test where Redis is not installed.
    """
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("REDIS IS NOT TESTED: no redis-server on the path.")
    folder = Path(tempfile.mkdtemp(prefix="redis-"))
    server = RedisServer(program, folder, *arguments, *(["--sentinel"] if as_sentinel else _DURABLE), tls=tls)
    try:
        server.start()
        yield server
    finally:
        server.close()
        shutil.rmtree(folder, ignore_errors=True)
