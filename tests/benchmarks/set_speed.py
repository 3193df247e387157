"""Acknowledged sets a second, in a process of its own: through the public API, or one ORM transaction for each set.

Run as `python -m tests.benchmarks.set_speed '{"through": "api", …}'` in the project's environment; prints JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, product
from typing import Any

import django

django.setup()

from django.db import connection  # noqa: E402 - Django has to be set up first

ROOMS, KEYS = 20, 50
WARM_UP_SECONDS = 0.5


@dataclass(slots=True)
class Clock:
    """Counts sets between the end of the warm-up and the end of the run."""

    seconds: float
    sets: int = 0
    started: float = 0.0

    def __post_init__(self) -> None:
        self.started = time.perf_counter() + WARM_UP_SECONDS

    def is_over(self) -> bool:
        return time.perf_counter() >= self.started + self.seconds

    def acknowledged(self) -> None:
        self.sets += self.started <= time.perf_counter() < self.started + self.seconds


def places() -> Iterator[tuple[str, str]]:
    """Rooms change fastest, so that sets that are in flight together are spread over rooms."""
    while True:
        for key, room in product(range(KEYS), range(ROOMS)):
            yield f"room-{room}", f"key-{key}"


async def set_through_api(seconds: float, in_flight: int) -> int:
    from sessionstore_app import rooms

    clock, place, number = Clock(seconds), places(), count()

    async def keep_setting() -> None:
        while not clock.is_over():
            room, key = next(place)
            await rooms.aset(room, key, {"count": next(number)})
            clock.acknowledged()

    async with asyncio.TaskGroup() as group:
        for _ in range(in_flight):
            group.create_task(keep_setting())
    return clock.sets


def set_through_orm(seconds: float) -> int:
    """One after another and without a thread hop, which is the best that one connection can do."""
    from tests.benchmarks.reference import orm

    orm.prepare(f"room-{number}" for number in range(ROOMS))
    clock, place, number = Clock(seconds), places(), count()
    while not clock.is_over():
        room, key = next(place)
        orm.set_entry(room, key, {"count": next(number)})
        clock.acknowledged()
    return clock.sets


def durability() -> str:
    """How this connection makes a commit survive."""
    names = ("journal_mode", "synchronous") if connection.vendor == "sqlite" else ("fsync", "synchronous_commit")
    verb = "PRAGMA" if connection.vendor == "sqlite" else "SHOW"
    found = []
    with connection.cursor() as cursor:
        for name in names:
            cursor.execute(f"{verb} {name}")
            found.append(f"{name}={cursor.fetchone()[0]}")
    return ", ".join(found)


def main(through: str, seconds: float, in_flight: int) -> dict[str, Any]:
    sets = asyncio.run(set_through_api(seconds, in_flight)) if through == "api" else set_through_orm(seconds)
    return {"sets_a_second": sets / seconds, "durability": durability()}


if __name__ == "__main__":
    print(json.dumps(main(**json.loads(sys.argv[1]))))
