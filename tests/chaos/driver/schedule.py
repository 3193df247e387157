"""From a seed to the faults of a campaign. Pure: the same seed and length give the same list, on every machine.

There are three tracks, of servers, stores and links. Within one, a fault ends before the next begins; faults of
different tracks meet. Each track deals its kinds from a shuffled deck, so that all come before one comes again.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator
from typing import Final

from tests.chaos.driver.faults import KINDS, Planned, Track

# Clients are to be at work before the first fault, and faults healed before the end.
_FIRST_SECONDS: Final = 1.0
_GAP_SECONDS: Final = (0.5, 2.5)
# A server takes so long to be back at least; there must be time in which all are up.
_RESTART_SECONDS: Final = 3.0
# Kinds that need a server to start anew.
_RESTARTS: Final = frozenset({"Kill", "Terminate", "WrongClock"})


def schedule(seed: int, seconds: float, *, kinds: Collection[str] = ()) -> list[Planned]:
    """The faults of a campaign that lasts so long, by time; only of these kinds, if any are named."""
    planned = [fault for track in ("servers", "stores", "links") for fault in _track(seed, seconds, track, kinds)]
    return sorted(planned, key=lambda fault: (fault.at, fault.kind))


def _track(seed: int, seconds: float, track: Track, kinds: Collection[str]) -> Iterator[Planned]:
    chance = random.Random(f"{seed}/{track}")
    deck = [kind for kind in KINDS if KINDS[kind].track == track and (not kinds or kind in kinds)]
    at = _FIRST_SECONDS + chance.uniform(0, 1)
    while deck:
        hand = deck[:]
        chance.shuffle(hand)
        for kind in hand:
            fault = KINDS[kind]
            lasts = chance.uniform(fault.least_seconds, fault.most_seconds)
            if at + lasts > seconds:
                return
            yield Planned(round(at, 2), round(lasts, 2), kind, chance.randrange(60))
            at += lasts + chance.uniform(*_GAP_SECONDS) + (_RESTART_SECONDS if kind in _RESTARTS else 0)
