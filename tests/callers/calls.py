"""Rounds of calls of the Python API, and what a process holds before and after them."""

from __future__ import annotations

import asyncio
import gc
import os
import threading

from sessionstore_app import create_map, rooms, sessions, site_sessions

# Rooms of these names say how many rounds, and for whom, when somebody joins.
STARTS = "start/"
CALLS_A_ROUND = 5
AT_ONCE = 10
NOBODY = '$Principal is "nobody"'
# In a room that one caller alone writes.
DONE = "done"


def make(rounds: int, caller: str) -> None:
    """Call the synchronous forms, one after another."""
    for number in range(rounds):
        room, key = f"calls/{caller}", f"k{number % 20}"
        rooms.set(room, key, number)
        assert rooms.get(room, key) == number
        assert site_sessions.create({"number": number}).data == {"number": number}
        create_map(caller).set(key, number)
        assert sessions.count(NOBODY).total == 0
    rooms.set(f"calls/{caller}", DONE, rounds)


async def amake(rounds: int, caller: str) -> None:
    """Call the asynchronous forms, several rounds at a time."""

    async def some(first: int) -> None:
        room, key = f"calls/{caller}", f"k{first}"
        for number in range(first, rounds, AT_ONCE):
            await rooms.aset(room, key, number)
            assert await rooms.aget(room, key) == number
            assert (await site_sessions.acreate({"number": number})).data == {"number": number}
            await create_map(caller).aset(key, number)
            assert (await sessions.acount(NOBODY)).total == 0

    await asyncio.gather(*map(some, range(AT_ONCE)))
    await rooms.aset(f"calls/{caller}", DONE, rounds)


def held() -> dict[str, int]:
    """What this process holds: open files and connections, and threads."""
    gc.collect()
    return {"files": len(os.listdir("/proc/self/fd")), "threads": threading.active_count()}


async def aheld() -> dict[str, int]:
    """The same, and the tasks of this event loop."""
    return {**held(), "tasks": len(asyncio.all_tasks())}
