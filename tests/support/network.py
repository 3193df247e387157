"""Taking turns with this machine's network: a browser takes it ill when interfaces come and go under it.

Only processes take turns: within one, tests run one after the other anyway.
"""

from __future__ import annotations

import fcntl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_held = 0


@contextmanager
def network_to_oneself() -> Iterator[None]:
    """Wait until no other test process needs the network as it is, or changes it."""
    global _held  # noqa: PLW0603  # one a process, by design
    if _held:
        _held += 1
        try:
            yield
        finally:
            _held -= 1
        return
    with (Path(tempfile.gettempdir()) / "sessionstore-tests-network.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        _held = 1
        try:
            yield
        finally:
            _held = 0
