"""How fast one socket may write: a token bucket, and a counter of what it refuses to understand."""

from __future__ import annotations

import math
from collections import deque

from sessionstore_app import conf
from sessionstore_app.core.errors import LimitExceeded, RateLimited

# More refused frames than this in so many seconds are no accident.
REFUSED_FRAMES = 20
REFUSED_SECONDS = 10.0
# What adding up fractions of a second may lose.
_TOLERANCE = 1e-6


class WriteBucket:
    """Holds `WRITES_BURST` writes and fills by `WRITES_PER_SECOND`."""

    __slots__ = ("_at", "_refused", "_tokens")

    def __init__(self) -> None:
        self._tokens: float = float("inf")
        self._at = 0.0
        self._refused = 0

    def take(self, writes: int, now: float) -> None:
        """Spend `writes`. Raises RateLimited, or LimitExceeded where waiting would not help."""
        limits = conf.current()
        self._tokens = min(limits.writes_burst, self._tokens + (now - self._at) * limits.writes_per_second)
        self._at = now
        if writes > limits.writes_burst:
            raise LimitExceeded("One request holds more writes than a burst.", limit=limits.writes_burst, actual=writes)
        if writes <= self._tokens + _TOLERANCE:
            self._tokens -= writes
            self._refused = 0
            return
        self._refused += 1
        wait = (writes - self._tokens) / limits.writes_per_second if limits.writes_per_second else None
        # Rounded up: who waits so long is let in.
        wait = wait if wait is None else math.ceil(wait * 1_000) / 1_000
        raise RateLimited(retry_after_seconds=wait, limit=limits.writes_per_second)

    @property
    def is_ignored(self) -> bool:
        """True once a whole burst was refused in a row: the client goes on regardless."""
        return self._refused > conf.current().writes_burst


class RefusedFrames:
    """Counts frames that were no requests."""

    __slots__ = ("_times",)

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=REFUSED_FRAMES + 1)

    def add(self, now: float) -> bool:
        """Count one; true if there were too many."""
        self._times.append(now)
        return len(self._times) > REFUSED_FRAMES and now - self._times[0] <= REFUSED_SECONDS
