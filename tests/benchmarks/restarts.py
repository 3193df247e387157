"""Rolling restart: how long clients of a server that is restarted are away, behind the documented nginx, under load."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from tests.benchmarks.figures import FailedError, Section, Table, Verdict
from tests.benchmarks.postgres import programs
from tests.benchmarks.redisserver import NO_REDIS, program
from tests.support.nginx import find_nginx
from tests.support.rolling import Guest, crowd, deployed, restart

CLIENTS, WRITERS = 1_000, 100
TARGET_SECONDS = 10.0
PATIENCE_SECONDS = 60.0
HEADER = (
    "restarted",
    "clients on it",
    "seconds until the last was back",
    "of them as who they were",
    "told that a peer left",
)


def measure(folder: Path, *, quick: bool) -> Section:
    if program() is None or programs() is None or find_nginx() is None:
        note = f"{NO_REDIS} Or no PostgreSQL, or no nginx."
        return Section(name="restarts", table=Table(header=HEADER, rows=()), notes=(note,))
    # Django's ORM, which the set-up uses, must not mind that a loop runs.
    os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    found = asyncio.run(_restarted(200 if quick else CLIENTS))
    rows = tuple(
        (which, f"{number:,}", f"{seconds:.1f}", f"{same:,}", f"{told:,}")
        for which, number, seconds, same, told in found
    )
    slowest = max(seconds for _, _, seconds, _, _ in found)
    verdict = Verdict(
        promise=f"clients of a restarted process are back within {TARGET_SECONDS:.0f} s",
        found=f"{slowest:.1f} s",
        met=slowest <= TARGET_SECONDS,
    )
    return Section(name="restarts", table=Table(header=HEADER, rows=rows), verdicts=(verdict,))


async def _restarted(clients: int) -> list[tuple[str, int, float, int, int]]:
    found: list[tuple[str, int, float, int, int]] = []
    with deployed() as (nginx, servers):
        async with crowd(nginx, clients) as guests:
            stop = asyncio.Event()
            writing = [asyncio.create_task(guest.write(stop)) for guest in guests[: clients // (CLIENTS // WRITERS)]]
            for which, server in zip(("the first", "the second"), servers, strict=True):
                number, seconds = await restart(server, guests, PATIENCE_SECONDS)
                same = sum(guest.session.id == guest.id for guest in guests)
                found.append((which, number, seconds, same - (len(guests) - number), sum(bool(g.gone) for g in guests)))
            stop.set()
            await asyncio.gather(*writing)
            await _check(guests)
    return found


async def _check(guests: list[Guest]) -> None:
    for guest in guests:
        if guest.acknowledged and await guest.room.get(f"count/{guest.id}") != guest.acknowledged:
            raise FailedError("an acknowledged write was lost")
