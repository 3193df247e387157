"""Servers under measurement: started on a free loopback port, awaited, and ended by their own process id."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.figures import FailedError

CHECKOUT = Path(__file__).resolve().parents[2]
START_SECONDS = 30
STOP_SECONDS = 15
LIFTED_LIMITS = {
    "WRITES_PER_SECOND": 1e9,
    "WRITES_BURST": 1_000_000_000,
    "ROOM_WRITES_PER_SECOND": 1e9,
    "ROOM_WRITES_BURST": 1_000_000_000,
    "JOINS_PER_MINUTE": 1e9,
    "JOINS_BURST": 1_000_000_000,
    "SOCKETS_PER_ADDRESS": 100_000,
}
MEMORY_BACKEND = {"default": {"BACKEND": "sessionstore_app.backends.memory.MemoryBackend"}}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def uvicorn(application: str, port: int) -> list[str]:
    return [
        *(sys.executable, "-m", "uvicorn", application, "--host", "127.0.0.1", "--port", str(port)),
        *("--ws-per-message-deflate", "false", "--no-access-log", "--log-level", "warning"),
    ]


def daphne(application: str, port: int) -> list[str]:
    return [sys.executable, "-m", "daphne", "-v", "0", "-b", "127.0.0.1", "-p", str(port), application]


class Server:
    """One server process; a context manager that leaves nothing running."""

    def __init__(self, command: list[str], port: int, environment: dict[str, str]) -> None:
        self.port = port
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - it lives as long as the process
        self._process = subprocess.Popen(
            command, cwd=CHECKOUT, env=os.environ | environment, stdout=self._log, stderr=subprocess.STDOUT
        )
        self.pid = self._process.pid

    def __enter__(self) -> Server:
        try:
            self._await_port()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if error is not None:
            print(f"The server's last words:\n{self.last_words()}", file=sys.stderr)
        self.stop()

    def _await_port(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise FailedError(f"The server ended at once:\n{self.last_words()}")
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except ConnectionRefusedError:
                time.sleep(0.1)
            else:
                return
        raise FailedError(f"No server on port {self.port} after {START_SECONDS} s:\n{self.last_words()}")

    def last_words(self) -> str:
        self._log.flush()
        self._log.seek(0)
        return "".join(self._log.readlines()[-30:])

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()
