"""The thread that writes for a process: what fails fails alone, and closing it loses nothing and is quick."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from sessionstore_app.backends import groupcommit, waiting
from sessionstore_app.backends.database import DatabaseBackend
from sessionstore_app.core.entries import Space, WriteResult
from sessionstore_app.core.operations import Increment
from sessionstore_app.testing.acts import ROOM, contents, doing, read, setting, write


async def test_a_query_that_no_database_understands_repeats_nobody_elses_write(backend: DatabaseBackend) -> None:
    await write(backend, setting("count", 0))
    # Handed over together: they share a transaction, after which the query fails.
    writing = [asyncio.create_task(write(backend, doing("count", Increment()))) for _ in range(10)]
    asking = asyncio.create_task(backend.versions([Space("room:\ud800:1")]))
    writing += [asyncio.create_task(write(backend, doing("count", Increment()))) for _ in range(10)]
    await asyncio.gather(asking, return_exceptions=True)
    assert asking.exception() is not None
    assert [(await each).version for each in writing] == list(range(2, 22))
    assert await contents(backend) == {"count": 20}


@dataclass(frozen=True)
class Number:
    """A job that touches nothing."""

    value: int
    touches: tuple[str, ...] = ()


async def test_closing_does_what_is_queued_and_does_not_linger(database: str) -> None:
    begun, go_on = threading.Event(), threading.Event()

    class Tenfold:
        def is_read(self, job: Number) -> bool:
            return False

        def change(self, _: object, jobs: Sequence[Number]) -> list[int]:
            begun.set()
            assert go_on.wait(10)
            return [job.value * 10 for job in jobs]

        def read(self, _: object, job: Number) -> int:
            raise NotImplementedError

    commit = groupcommit.GroupCommit(database, Tenfold())
    first = asyncio.create_task(commit.run(Number(0)))
    await asyncio.to_thread(begun.wait, 10)
    queued = [asyncio.create_task(commit.run(Number(n))) for n in range(1, 20)]
    # One turn of the loop hands them over; they wait behind the first, and so does the wish to close.
    await asyncio.sleep(0)
    threading.Timer(0.1, go_on.set).start()
    started_at = time.monotonic()
    commit.close()
    assert time.monotonic() - started_at < waiting.IDLE_SECONDS / 2
    assert await asyncio.gather(first, *queued) == [n * 10 for n in range(20)]


async def test_an_idle_thread_ends_and_the_next_write_starts_another(
    backend: DatabaseBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "IDLE_SECONDS", 0.02)
    before = set(threading.enumerate())
    await write(backend, setting("a", 1))
    for thread in set(threading.enumerate()) - before:
        if thread.name == "sessionstore-writer":
            await asyncio.to_thread(thread.join, 5)
            assert not thread.is_alive()
    for n in range(200):
        await write(backend, setting("a", n))
    assert (await read(backend)).version == 201


async def test_a_caller_that_gives_up_takes_nobody_with_it(backend: DatabaseBackend) -> None:
    await write(backend, setting("count", 0))
    impatient = asyncio.create_task(write(backend, doing("count", Increment())))
    patient = [asyncio.create_task(write(backend, doing("count", Increment()))) for _ in range(5)]
    await asyncio.sleep(0)
    impatient.cancel()
    await asyncio.gather(*patient)
    assert impatient.cancelled()
    assert (await read(backend)).version in {6, 7}


async def test_a_caller_that_is_cancelled_as_it_is_answered_leaves_its_write_to_be_told(
    backend: DatabaseBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve = waiting.resolve
    tasks: list[asyncio.Task[WriteResult]] = []

    def resolve_and_cancel(*arguments: Any) -> None:
        resolve(*arguments)
        for task in tasks:
            task.cancel()

    told: list[tuple[Space, int]] = []
    backend.orphaned = lambda space, result: told.append((space, result.version))
    monkeypatch.setattr(groupcommit, "resolve", resolve_and_cancel)
    await write(backend, setting("a", 0))
    tasks.append(asyncio.create_task(write(backend, setting("a", 1))))
    await asyncio.wait(tasks)
    assert tasks[0].cancelled()
    assert told == [(ROOM, 2)]
