"""A real PostgreSQL server of the test's own: in a temporary folder, durable as in production, gone afterwards."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_DEBIAN = Path("/usr/lib/postgresql")
_START_SECONDS = 30
# Somebody else may take the free port in between; then another is tried.
_ATTEMPTS = 3


class PostgresFailed(Exception):
    """One of PostgreSQL's programs failed; the message is what it said."""


def find_postgres() -> Path | None:
    """The folder of initdb and pg_ctl, on the path or the newest of Debian's, or None."""
    on_path = shutil.which("pg_ctl")
    found = [Path(on_path).resolve().parent] if on_path else []
    found += sorted(_DEBIAN.glob("*/bin"), key=lambda folder: float(folder.parent.name), reverse=True)
    return next((folder for folder in found if (folder / "initdb").exists() and (folder / "pg_ctl").exists()), None)


@contextmanager
def temporary_postgres() -> Iterator[str]:
    """Start a server, give its DATABASE_URL (loopback, no password), stop it at the end.

    Skips the test where PostgreSQL is not installed.
    """
    programs = find_postgres()
    if programs is None:
        pytest.skip("PostgreSQL IS NOT TESTED: no pg_ctl and initdb on the path or in /usr/lib/postgresql/*/bin.")
    # Not pytest's tmp_path: PostgreSQL's user has to be able to enter it, and a socket's path is at most 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    try:
        server = _Server(programs, folder)
        port = server.start()
        try:
            yield f"postgresql://{server.user}@127.0.0.1:{port}/postgres"
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Server:
    def __init__(self, programs: Path, folder: Path) -> None:
        # PostgreSQL refuses to run as root.
        as_root = os.geteuid() == 0
        self.user = "postgres" if as_root else getpass.getuser()
        self._prefix = ["runuser", "-u", self.user, "--"] if as_root else []
        self._programs = programs
        self._folder = folder
        self._data = str(folder / "data")
        self._log = folder / "log"
        if as_root:
            shutil.chown(folder, self.user)
        # The one locale that every machine has.
        self._run("initdb", "-D", self._data, "-U", self.user, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")

    def start(self) -> int:
        failed: list[PostgresFailed] = []
        for _ in range(_ATTEMPTS):
            port = _free_port()
            options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self._folder} -c fsync=on"
            waiting = ["-w", "-t", str(_START_SECONDS)]
            try:
                self._run("pg_ctl", "-D", self._data, "-l", str(self._log), *waiting, "-o", options, "start")
            except PostgresFailed as error:
                failed.append(error)
                continue
            return port
        raise failed[-1]

    def stop(self) -> None:
        # Immediate: tests may have left connections, and nothing of this server is kept.
        self._run("pg_ctl", "-D", self._data, "-w", "-m", "immediate", "stop")

    def _run(self, program: str, *arguments: str) -> None:
        # The server inherits these: were they pipes, waiting for their end would wait for the server's.
        output = self._folder / "output"
        with output.open("wb") as file:
            command = [*self._prefix, str(self._programs / program), *arguments]
            code = subprocess.call(command, cwd=self._folder, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
        if code:
            raise PostgresFailed(output.read_text() + (self._log.read_text() if self._log.exists() else ""))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
