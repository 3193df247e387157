"""A process in which one thread's transaction holds a room while others are written to.

`python -m tests.conformance.holder ROOM`, database from DATABASE_URL. Fails if a room that nobody holds has to wait;
prints what the held room holds in the end.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Awaitable, Callable

import django

# Three times this is less than the transaction takes if it is not told to end, and than who waits for it has patience.
SOON_SECONDS = 10
LIMIT_SECONDS = 40


def hold(room: str, holding: threading.Event, let_go: threading.Event) -> None:
    from django.db import connections, transaction

    from sessionstore_app import rooms

    try:
        with transaction.atomic():
            rooms.set(room, "by", "holder")
            holding.set()
            let_go.wait(LIMIT_SECONDS)
    finally:
        connections.close_all()


async def main(room: str) -> None:
    from sessionstore_app import backends, rooms
    from sessionstore_app.backends import waiting
    from sessionstore_app.services import record

    waiting.PATIENCE_SECONDS = LIMIT_SECONDS
    for name in ("standup", "free"):
        await rooms.aset(name, "by", "nobody")
    holding, let_go = threading.Event(), threading.Event()
    holder = threading.Thread(target=hold, args=(room, holding, let_go))
    holder.start()
    try:
        if not await asyncio.to_thread(holding.wait, LIMIT_SECONDS):
            raise TimeoutError("The room was never held.")
        late = asyncio.create_task(rooms.aset(room, "by", "waiting"))
        await soon(lambda n: rooms.aset("free", "count", n))
        await soon(lambda n: rooms.aset(f"new-{n}", "count", n))
        await soon(lambda n: rooms.acount("free"))
    finally:
        let_go.set()
        await asyncio.to_thread(holder.join)
    await asyncio.wait_for(late, LIMIT_SECONDS)
    print(await rooms.aget(room, "by"), (await rooms.aget_entry(room, "by")).version)
    backends.close_all()
    record.close()


async def soon(act: Callable[[int], Awaitable[object]]) -> None:
    """Do it a few times, one after the other: not all are in a transaction that had begun before."""
    async with asyncio.timeout(SOON_SECONDS):
        for n in range(4):
            await act(n)


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "project.settings"
    django.setup()
    asyncio.run(main(sys.argv[1]))
