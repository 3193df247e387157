"""How long to wait before another try. Knows neither clock nor network."""

from __future__ import annotations

import random


def full_jitter(tries: int, *, first_seconds: float, most_seconds: float) -> float:
    """A random time of at most `first_seconds`, doubled with each try, and never over `most_seconds`.

    After a restart all clients come at once; chance is what keeps them apart.
    """
    # The exponent is bounded, for a client may have tried for days.
    return random.random() * min(most_seconds, first_seconds * 2.0 ** min(tries, 32))  # noqa: S311  # no secret
