"""How long the filters of one client's listeners may keep the event loop busy.

One evaluation is bounded by what a filter may be; a client's listeners and the changes it makes add up. Only what
takes long is counted, in CPU time, so that filters as people write them cost nothing however much happens.
"""

from __future__ import annotations

from typing import Final

from sessionstore_app.core.errors import LimitExceeded

# An evaluation up to this, in seconds, is free; usual ones take one to ten microseconds.
FREE_SECONDS: Final = 0.000_025
# Seconds of CPU time that may be spent at once, and how many come back each second.
BURST_SECONDS: Final = 0.25
SECONDS_A_SECOND: Final = 0.02


class FilterAllowance:
    """A bucket of CPU time, shared by the listeners of one connection."""

    __slots__ = ("_at", "_left")

    def __init__(self) -> None:
        self._left = BURST_SECONDS
        self._at: float | None = None

    def spend(self, seconds: float, now: float) -> None:
        """Spend what an evaluation took; `now` is of a clock that never goes back. Raises LimitExceeded."""
        if seconds <= FREE_SECONDS:
            return
        came_back = 0.0 if self._at is None else (now - self._at) * SECONDS_A_SECOND
        self._left = min(BURST_SECONDS, self._left + came_back) - seconds
        self._at = now
        if self._left < 0:
            raise LimitExceeded(
                "The filters of your listeners take too long.",
                hint="Use simpler patterns, or put a clause with `is` or `in` beside them.",
                limit=SECONDS_A_SECOND,
            )
