"""A real PostgreSQL server of the test's own: in a temporary folder, durable as in production, gone afterwards."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.support.server import free_port

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


class PostgresServer:
    """One server at a time, on one port and one folder. `kill` and `start` again is a crash and a restart."""

    def __init__(self, programs: Path, folder: Path) -> None:
        # PostgreSQL refuses to run as root.
        as_root = os.geteuid() == 0
        self._user = "postgres" if as_root else getpass.getuser()
        self._prefix = ["runuser", "-u", self._user, "--"] if as_root else []
        self._programs = programs
        self._folder = folder
        self._data = folder / "data"
        self._log = folder / "log"
        self._port = 0
        if as_root:
            shutil.chown(folder, self._user)
        # The one locale that every machine has.
        made = ("-U", self._user, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        self._run("initdb", "-D", str(self._data), *made)

    @property
    def url(self) -> str:
        """Its DATABASE_URL: loopback, no password."""
        return f"postgresql://{self._user}@127.0.0.1:{self._port}/postgres"

    @property
    def log(self) -> str:
        """All it has printed so far, over all its lives."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def start(self) -> None:
        """Start it, and wait until it answers; on the port it had, if it had one."""
        failed: list[PostgresFailed] = []
        for _ in range(_ATTEMPTS):
            port = self._port or free_port()
            options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self._folder} -c fsync=on"
            try:
                self._control("start", "-l", str(self._log), "-t", str(_START_SECONDS), "-o", options)
            except PostgresFailed as error:
                failed.append(error)
                continue
            self._port = port
            return
        raise failed[-1]

    def restart(self) -> None:
        """Stop it in order, as an upgrade does, and start it again; clients are cut off."""
        self._control("stop", "-m", "fast")
        self.start()

    def kill(self) -> None:
        """End it as a crash would: all its processes at once, nothing written down."""
        self._control("stop", "-m", "immediate")

    def pause(self) -> None:
        """Stop all its processes where they stand: connections stay, nobody answers, nobody new is let in."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let them go on."""
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """Leave no process behind."""
        if self._pid() is not None:
            self.resume()
            self.kill()

    def _pid(self) -> int | None:
        file = self._data / "postmaster.pid"
        return int(file.read_text().split()[0]) if file.exists() else None

    def _signal(self, how: signal.Signals) -> None:
        first = self._pid()
        assert first is not None, "PostgreSQL does not run"
        # The first makes all others: stopped, it makes no more while we look.
        os.kill(first, how)
        for child in Path(f"/proc/{first}/task/{first}/children").read_text().split():
            with suppress(ProcessLookupError):
                os.kill(int(child), how)

    def _control(self, *arguments: str) -> None:
        self._run("pg_ctl", "-D", str(self._data), "-w", *arguments)

    def _run(self, program: str, *arguments: str) -> None:
        # The server inherits these: were they pipes, waiting for their end would wait for the server's.
        output = self._folder / "output"
        with output.open("wb") as file:
            command = [*self._prefix, str(self._programs / program), *arguments]
            code = subprocess.call(command, cwd=self._folder, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
        if code:
            raise PostgresFailed(output.read_text() + self.log)


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Start a server, stop it at the end. Skips the test where PostgreSQL is not installed."""
    programs = find_postgres()
    if programs is None:
        pytest.skip("PostgreSQL IS NOT TESTED: no pg_ctl and initdb on the path or in /usr/lib/postgresql/*/bin.")
    # Not pytest's tmp_path: PostgreSQL's user has to be able to enter it, and a socket's path is at most 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    try:
        server = PostgresServer(programs, folder)
        server.start()
        try:
            yield server
        finally:
            server.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def temporary_postgres() -> Iterator[str]:
    """The DATABASE_URL of a server that is nobody else's."""
    with postgres_server() as server:
        yield server.url
