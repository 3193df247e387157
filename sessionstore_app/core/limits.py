"""How much one space may hold, counted in bytes of compact UTF-8 JSON (parity H10–H14)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreLimits:
    """Bounds of one space. A write that grows it past one of them is refused whole."""

    value_bytes: int = 1_024
    keys: int = 100
    store_bytes: int = 65_536


# Deleted keys a space remembers, so that a client that returns is told of them one by one.
# Past twice this number the oldest are forgotten, and who is further behind gets everything anew.
TOMBSTONES_KEPT = 256
