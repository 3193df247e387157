"""Another host on a cable that can be pulled: a network namespace of the test's own, joined to this one by a pair of
virtual interfaces. Nothing beyond this machine is touched.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from tests.support.network import network_to_oneself
from tests.support.server import CHECKOUT

LIMIT_SECONDS = 20.0
_PREFIX = "10.213.77"


class FarClient:
    """A client process on the other host: it opens a session, joins a room, and answers every heartbeat."""

    def __init__(self, process: asyncio.subprocess.Process, session_id: str) -> None:
        self._process = process
        self.session_id = session_id

    async def end(self) -> None:
        """End the process."""
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()


class Host:
    """The other host. `near_address` is this one as seen from there."""

    near_address = f"{_PREFIX}.1"

    def __init__(self, name: str) -> None:
        self.name = name
        self._near = f"near{os.getpid()}"[:15]
        self._far = f"far{os.getpid()}"[:15]

    def build(self) -> None:
        """Make the host and lay the cable."""
        _ip("netns", "add", self.name)
        _ip("link", "add", self._near, "type", "veth", "peer", "name", self._far)
        _ip("link", "set", self._far, "netns", self.name)
        _ip("address", "add", f"{self.near_address}/30", "dev", self._near)
        _ip("link", "set", self._near, "up")
        _ip("-n", self.name, "address", "add", f"{_PREFIX}.2/30", "dev", self._far)
        _ip("-n", self.name, "link", "set", self._far, "up")

    def pull_the_cable(self) -> None:
        """From here on nothing gets through, and nobody is told."""
        _ip("-n", self.name, "link", "set", self._far, "down")

    def plug_it_in(self) -> None:
        """It gets through again."""
        _ip("-n", self.name, "link", "set", self._far, "up")

    def remove(self) -> None:
        """The host goes, and its end of the cable with it."""
        _ip("netns", "delete", self.name)

    async def client(self, address: str, room: str) -> FarClient:
        """Start a client there, and wait until it is in the room."""
        process = await asyncio.create_subprocess_exec(
            *("ip", "netns", "exec", self.name, sys.executable, "-m", "tests.support.farclient", address, room),
            cwd=CHECKOUT,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        async with asyncio.timeout(LIMIT_SECONDS):
            session_id = (await process.stdout.readline()).decode().strip()
        assert session_id, "the client on the other host did not get in"
        return FarClient(process, session_id)


@contextmanager
def far_host() -> Iterator[Host]:
    """Another host. Skips the test where none can be made."""
    if shutil.which("ip") is None:
        pytest.skip("PULLED CABLES ARE NOT TESTED: `ip` (iproute2) is not installed.")
    if os.geteuid() != 0:
        pytest.skip("PULLED CABLES ARE NOT TESTED: only root may make a network namespace.")
    with network_to_oneself():
        yield from _built(Host(f"far{os.getpid()}"))


def _built(host: Host) -> Iterator[Host]:
    try:
        host.build()
    except subprocess.CalledProcessError as error:
        with suppress(subprocess.CalledProcessError):
            host.remove()
        pytest.skip(f"PULLED CABLES ARE NOT TESTED: no network namespace can be made here: {error.stderr}")
    try:
        yield host
    finally:
        host.remove()


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True, timeout=LIMIT_SECONDS)
