"""Is what was seen of one key possible? A history of concurrent sets and gets is searched for an order that explains
it.

The method is Wing and Gong's: of the calls that may come first, try each whose answer fits, and go on with the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Act:
    """One call: the moments of its beginning and its end, and the value that it set (None: deleted) or got."""

    begun: int
    ended: int
    kind: Literal["set", "get"]
    value: str | None


def is_possible(history: Sequence[Act]) -> bool:
    """True if there is one order of all acts, each between its beginning and its end, that gives every get its answer.

    The register is empty at first.
    """
    acts = sorted(history, key=lambda act: act.begun)
    everything = (1 << len(acts)) - 1
    # What was done, and what the register holds after it: tried once.
    seen: set[tuple[int, str | None]] = set()
    waiting: list[tuple[int, str | None]] = [(0, None)]
    while waiting:
        done, value = waiting.pop()
        if done == everything:
            return True
        for index in _first(acts, done):
            act = acts[index]
            if act.kind == "get" and act.value != value:
                continue
            after = (done | 1 << index, act.value)
            if after not in seen:
                seen.add(after)
                waiting.append(after)
    return False


def _first(acts: Sequence[Act], done: int) -> list[int]:
    """Acts that may be next: those that began before any other that is left had ended."""
    left = [index for index in range(len(acts)) if not done >> index & 1]
    first_end = min(acts[index].ended for index in left)
    return [index for index in left if acts[index].begun < first_end]
