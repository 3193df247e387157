"""Taking turns with this machine's network: a browser takes it ill when interfaces come and go under it.

Only processes take turns: within one, tests run one after the other anyway.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

# What this process needs the network for at present, as modes of its lock.
_needs: list[int] = []


@contextmanager
def network_as_it_is() -> Iterator[None]:
    """Wait until no other test process changes the network; meanwhile none will."""
    with _needing(fcntl.LOCK_SH):
        yield


@contextmanager
def network_to_oneself() -> Iterator[None]:
    """Wait until no other test process needs the network as it is, or changes it."""
    with _needing(fcntl.LOCK_EX):
        yield


@contextmanager
def _needing(mode: int) -> Iterator[None]:
    _needs.append(mode)
    try:
        _lock()
        yield
    finally:
        _needs.remove(mode)
        _lock()


def _lock() -> None:
    """Hold what is needed at present."""
    mode = fcntl.LOCK_EX if fcntl.LOCK_EX in _needs else fcntl.LOCK_SH if _needs else fcntl.LOCK_UN
    fcntl.flock(_file(), mode)


@cache
def _file() -> int:
    """A descriptor that stays open as long as the process."""
    return os.open(Path(tempfile.gettempdir()) / "sessionstore-tests-network.lock", os.O_RDWR | os.O_CREAT)
