"""Real server processes for tests: started on a free loopback port with a database of their own, killed, restarted.

Knows processes, ports and logs; knows nothing of the protocol. Every wait has a limit, and a log that holds a traceback
fails the test that owns the server.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Literal

CHECKOUT = Path(__file__).resolve().parents[2]
START_SECONDS = 40.0
STOP_SECONDS = 15.0
# What a test's own bursts would meet, where limits are not what it is about.
ROOMY: Mapping[str, Any] = {
    "WRITES_PER_SECOND": 100_000,
    "WRITES_BURST": 100_000,
    "ROOM_WRITES_PER_SECOND": 100_000,
    "ROOM_WRITES_BURST": 100_000,
    "JOINS_PER_MINUTE": 1_000_000,
    "JOINS_BURST": 1_000_000,
    "SOCKETS_PER_ADDRESS": 1_000,
}
TRACEBACK = "Traceback (most recent call last)"
# What other packages report with a traceback: uvicorn a client's bad UTF-8, channels_redis that Redis is away.
REPORTS_OF_OTHERS = re.compile(
    r"(Invalid UTF-8 sequence received from client\.|Unexpected exception in receive task)\n"
    r"(Traceback .*\n( .*\n)*\S.*\n(\n(During|The above) .*\n\n)?)+"
)

Kind = Literal["uvicorn", "daphne"]


# Below those that the kernel gives away, and a Redis cluster's bus, 10,000 above, is too. Each worker of a run has some
# of its own: a port is taken only once its server has started, and is to be free while that is down.
_PORTS = 250
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 40
_ports = cycle(10_000 + _WORKER * _PORTS + (os.getpid() + number) % _PORTS for number in range(_PORTS))


def free_port() -> int:
    """A port of the loopback address that nobody listens on, and that was not given away for a long time."""
    for port in islice(_ports, _PORTS):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("No port is free.")


def manage(*arguments: str, database_url: str) -> str:
    """What a management command prints."""
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=CHECKOUT,
        env=os.environ | {"DATABASE_URL": database_url},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# A shell's background jobs cannot be interrupted, nor can what they start.
_INTERRUPTIBLE = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); import manage; manage.main()"


def begin(*arguments: str, database_url: str, **environment: str) -> subprocess.Popen[str]:
    """A management command that runs, and can be interrupted."""
    return subprocess.Popen(
        [sys.executable, "-c", _INTERRUPTIBLE, *arguments],
        cwd=CHECKOUT,
        env=os.environ | {"DATABASE_URL": database_url} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@cache
def _migrated() -> bytes:
    """A migrated SQLite database: made once a run, because migrating takes longer than most tests."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "template.sqlite3"
        manage("migrate", "--verbosity", "0", database_url=f"sqlite:///{path}")
        return path.read_bytes()


class Server:
    """One server process at a time, on one port and one database. `kill` and `start` again is a crash and a restart."""

    def __init__(
        self,
        database_url: str,
        log_path: Path,
        *,
        kind: Kind = "uvicorn",
        settings: Mapping[str, Any] | None = None,
        environment: Mapping[str, str] | None = None,
        address: str = "127.0.0.1",
    ) -> None:
        self.kind = kind
        self._at = address
        self.port = free_port()
        self.database_url = database_url
        self._log_path = log_path
        self._environment = {
            "DATABASE_URL": database_url,
            "DEBUG": "1",
            "SESSIONSTORE_JSON": json.dumps({**ROOMY, **(settings or {})}),
            **(environment or {}),
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Where the socket is."""
        return f"ws://{self._at}:{self.port}/ws/sessionstore/"

    @property
    def host(self) -> str:
        """Host and port, as an Origin of the own host names them."""
        return f"{self._at}:{self.port}"

    def cpu_seconds(self) -> float:
        """How long the process has worked, whatever else the machine had to do."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def pid(self) -> int:
        """Id of the running process."""
        assert self._process is not None, "the server does not run"
        return self._process.pid

    @property
    def log(self) -> str:
        """All it has printed so far, over all its lives."""
        return self._log_path.read_text(errors="replace")

    def start(self) -> None:
        """Start and wait until it accepts connections."""
        assert self._process is None, "the server runs already"
        with self._log_path.open("ab") as log:
            self._process = subprocess.Popen(
                self._command(), cwd=CHECKOUT, env=os.environ | self._environment, stdout=log, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._accepts():
            assert self._process.poll() is None, f"the server ended at once:\n{self.log[-4_000:]}"
            assert time.monotonic() < deadline, f"no server after {START_SECONDS} s:\n{self.log[-4_000:]}"
            time.sleep(0.05)

    def kill(self) -> None:
        """End it as a crash would: it says goodbye to nobody."""
        self._tell(signal.SIGKILL)
        self.wait()

    def terminate(self) -> None:
        """Ask it to shut down, and wait until it has."""
        self.tell_to_stop()
        self.wait()

    def tell_to_stop(self) -> None:
        """Ask it to shut down."""
        self._tell(signal.SIGTERM)

    def wait(self) -> None:
        """Wait until it has shut down, which it was asked for."""
        assert self._process is not None, "the server does not run"
        process, self._process = self._process, None
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"the server did not end:\n{self.log[-4_000:]}") from None

    def pause(self) -> None:
        """Stop it where it stands."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)

    def close(self) -> None:
        """Leave no process behind, whatever state it is in."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self.resume()
            self.terminate()

    def assert_no_traceback(self) -> None:
        """Fail where the server met something it did not expect (I16)."""
        log = REPORTS_OF_OTHERS.sub("", self.log)
        at = log.find(TRACEBACK)
        assert at < 0, f"the server's log holds a traceback:\n{log[max(0, at - 500) : at + 4_000]}"

    def _command(self) -> list[str]:
        application, port = "project.asgi:application", str(self.port)
        if self.kind == "daphne":
            return [sys.executable, "-m", "daphne", "-v", "1", "-b", self._at, "-p", port, application]
        return [
            *(sys.executable, "-m", "uvicorn", application, "--host", self._at, "--port", port),
            *("--ws-per-message-deflate", "false", "--no-access-log", "--timeout-graceful-shutdown", "5"),
        ]

    def _accepts(self) -> bool:
        try:
            socket.create_connection((self._at, self.port), 1).close()
        except OSError:
            return False
        return True

    def _tell(self, how: signal.Signals) -> None:
        assert self._process is not None, "the server does not run"
        self._process.send_signal(how)


@contextmanager
def database() -> Iterator[str]:
    """A DATABASE_URL of a fresh, migrated SQLite file."""
    with tempfile.TemporaryDirectory(prefix="sessionstore-", ignore_cleanup_errors=True) as folder:
        path = Path(folder) / "db.sqlite3"
        path.write_bytes(_migrated())
        yield f"sqlite:///{path}"


@contextmanager
def running(
    *,
    kind: Kind = "uvicorn",
    settings: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    database_url: str | None = None,
    address: str = "127.0.0.1",
) -> Iterator[Server]:
    """A server with a database of its own (or the given, migrated one), and no traceback in its log at the end."""
    folder = Path(tempfile.mkdtemp(prefix="sessionstore-server-"))
    try:
        with database() as fresh:
            server = Server(
                database_url or fresh,
                folder / "log.txt",
                kind=kind,
                settings=settings,
                environment=environment,
                address=address,
            )
            try:
                server.start()
                yield server
            finally:
                server.close()
            server.assert_no_traceback()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
