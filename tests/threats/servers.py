"""Servers with the flags that docs/operations.md recommends, or with others; and what they take of the machine."""

from __future__ import annotations

import re
import shlex
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.meta.pages import ROOT, examples
from tests.support.server import Kind, Server, database

OPERATIONS = ROOT / "docs/operations.md"


def documented_flags(kind: Kind) -> list[str]:
    """What the page's command sets of WebSockets, taken from the page."""
    (command,) = [shlex.split(each.code) for each in examples(OPERATIONS, "sh") if each.code.startswith(f"{kind} ")]
    found = [word for flag, value in pairwise(command) if re.match("--(ws|websocket)-", flag) for word in (flag, value)]
    assert found, f"{OPERATIONS.name} shows no flags for {kind}"
    return found


class FlaggedServer(Server):
    """A server whose command ends in these flags."""

    flags: Sequence[str] = ()

    def _command(self) -> list[str]:
        # Of a flag that is there twice the last counts.
        return [*super()._command(), *self.flags]


@contextmanager
def flagged(
    kind: Kind,
    flags: Sequence[str] | None = None,
    *,
    settings: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[FlaggedServer]:
    """A server with a database of its own and the documented flags, or these; no traceback in its log at the end."""
    with database() as url, tempfile.TemporaryDirectory(prefix="sessionstore-server-") as folder:
        server = FlaggedServer(url, Path(folder) / "log.txt", kind=kind, settings=settings, environment=environment)
        server.flags = documented_flags(kind) if flags is None else flags
        try:
            server.start()
            yield server
        finally:
            server.close()
        server.assert_no_traceback()


def watched_memory_kib(server: Server) -> int:
    """What the process holds in memory; its peak is counted anew from here."""
    Path(f"/proc/{server.pid}/clear_refs").write_text("5")
    return _figure(server, "VmRSS")


def peak_memory_kib(server: Server) -> int:
    """The most that the process held in memory since it was watched."""
    return _figure(server, "VmHWM")


def _figure(server: Server, name: str) -> int:
    status = Path(f"/proc/{server.pid}/status").read_text()
    return int(status.partition(f"{name}:")[2].split()[0])
