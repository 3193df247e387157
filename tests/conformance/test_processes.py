"""Several processes on one database: they share its spaces without gaps, and what one acknowledged outlives it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from sessionstore_app.backends.database import DatabaseBackend
from sessionstore_app.core.operations import Increment
from sessionstore_app.testing.acts import ROOM, assert_counts_right, contents, doing, read, setting, write

ROOT = Path(__file__).resolve().parents[2]
LIMIT_SECONDS = 30
Start = Callable[[str, int], "subprocess.Popen[str]"]


@pytest.fixture
def start(database: str, request: pytest.FixtureRequest) -> Iterator[Start]:
    """Start a writing process on the database; none outlives the test."""
    url = request.getfixturevalue(f"{'postgres' if database == 'postgres' else 'sqlite'}_url")
    with ExitStack() as stack:

        def started(name: str, count: int) -> subprocess.Popen[str]:
            command = [sys.executable, "-m", "tests.conformance.writer", ROOM, name, str(count)]
            environment = {**os.environ, "DATABASE_URL": url}
            process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield started


def acknowledged(output: str) -> dict[int, int]:
    """Number → version, of the whole lines."""
    lines = (line.split() for line in output.splitlines(keepends=True) if line.endswith("\n"))
    return {int(number): int(version) for number, version in lines}


async def test_two_processes_share_a_space_without_gaps(start: Start, backend: DatabaseBackend) -> None:
    processes = [start("ann", 150), start("bo", 150)]
    ended = await asyncio.gather(*(asyncio.to_thread(each.communicate, timeout=LIMIT_SECONDS) for each in processes))
    assert [process.returncode for process in processes] == [0, 0]
    ann, bo = (acknowledged(output) for output, _ in ended)
    assert sorted([*ann.values(), *bo.values()]) == list(range(1, 301))
    held = await contents(backend)
    assert held == {"count": 300} | {f"{name}/{n}": n for name in ("ann", "bo") for n in range(150)}
    await assert_counts_right(backend)


async def test_a_process_in_full_burst_does_not_shut_out_another(start: Start, backend: DatabaseBackend) -> None:
    process = start("ann", 0)
    assert process.stdout is not None
    await asyncio.wait_for(asyncio.to_thread(process.stdout.readline), LIMIT_SECONDS)
    async with asyncio.timeout(LIMIT_SECONDS):
        own = [await write(backend, doing("count", Increment()), setting("own", n)) for n in range(30)]
    assert process.poll() is None
    versions = [result.version for result in own]
    assert versions == sorted(set(versions))
    assert [result.entries[0].value for result in own] == versions


async def test_i1_what_a_process_acknowledged_outlives_its_kill(start: Start, backend: DatabaseBackend) -> None:
    process = start("ann", 0)
    assert process.stdout is not None
    async with asyncio.timeout(LIMIT_SECONDS):
        first = [await asyncio.to_thread(process.stdout.readline) for _ in range(200)]
        process.kill()
        rest = await asyncio.to_thread(process.stdout.read)
    assert process.wait(LIMIT_SECONDS) == -signal.SIGKILL
    told = acknowledged("".join(first) + rest)
    assert len(told) >= 200
    reading = await read(backend)
    entries = {entry.key: entry for entry in reading.entries}
    # Each write added one, so the count says how many happened; those in flight may have.
    assert entries["count"].value == reading.version >= max(told.values())
    for n, version in told.items():
        entry = entries[f"ann/{n % 1_000}"]
        assert entry.version >= version
        assert isinstance(entry.value, int)
        assert entry.value >= n
    await assert_counts_right(backend)
    assert (await write(backend, setting("after", 1))).version == reading.version + 1
