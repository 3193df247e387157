"""The wall clock, in one place: the database's, once it was read, so that processes of several machines agree.

Between readings it goes on by a clock that never jumps. Until the first one, and where the database runs by this
machine's clock anyway, it is this machine's.
"""

from __future__ import annotations

import time

# Nanoseconds that the database's clock is ahead of our monotonic one.
_ahead_ns: int | None = None


def now_ms() -> int:
    """Milliseconds since the epoch."""
    return (time.time_ns() if _ahead_ns is None else time.monotonic_ns() + _ahead_ns) // 1_000_000


def monotonic() -> float:
    """Seconds of a clock that never goes back."""
    return time.monotonic()


def follow(ahead_ns: int | None) -> None:
    """From now on another clock, which is so far ahead of `time.monotonic_ns`; None: this machine's."""
    global _ahead_ns  # noqa: PLW0603  # a process has one clock
    _ahead_ns = ahead_ns
