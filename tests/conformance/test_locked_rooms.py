"""A long transaction on PostgreSQL that holds one space: others go on, and what waits for it keeps its order."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest
from django.db import connections, transaction

from sessionstore_app.backends import waiting
from sessionstore_app.backends.database import DatabaseBackend
from sessionstore_app.core.errors import Unavailable
from sessionstore_app.services import bridge
from sessionstore_app.testing.acts import OTHER, ROOM, contents, deleting, read, setting, write

# Nothing is given up before the long transaction ends, however slow the machine is.
pytestmark = [pytest.mark.postgres, pytest.mark.usefixtures("patient")]

ROOT = Path(__file__).resolve().parents[2]
# Less than the long transaction takes, far more than a few writes do.
SOON_SECONDS = 10
LIMIT_SECONDS = 20
WRITTEN = "UPDATE sessionstore_app_space SET version = version WHERE name = %s"
LOCKED = "SELECT 1 FROM sessionstore_app_space WHERE name = %s FOR UPDATE"


@pytest.fixture
def backend(postgres: str) -> Iterator[DatabaseBackend]:
    made = DatabaseBackend({"using": postgres})
    yield made
    made.close()


@pytest.fixture
def elsewhere(backend: DatabaseBackend, postgres_url: str) -> Iterator[psycopg.Connection]:
    """Another connection, whose transaction ends before the backend is closed, however the test ends."""
    with psycopg.connect(postgres_url) as connection:
        yield connection
        connection.rollback()


def hold(elsewhere: psycopg.Connection, by: LiteralString = WRITTEN) -> None:
    """Hold the row of the space, by default as a caller's transaction does that has written to it."""
    elsewhere.execute(by, (ROOM,))


async def others_go_on(backend: DatabaseBackend) -> None:
    """Several writes, one after the other: at least the last ones are not in a transaction begun before."""
    async with asyncio.timeout(SOON_SECONDS):
        for n in range(5):
            await write(backend, setting("a", n), space=OTHER)


@pytest.mark.parametrize("by", [pytest.param(WRITTEN, id="written"), pytest.param(LOCKED, id="locked")])
async def test_a_space_held_elsewhere_delays_only_itself(
    backend: DatabaseBackend, elsewhere: psycopg.Connection, by: LiteralString
) -> None:
    await write(backend, setting("a", 1))
    hold(elsewhere, by)
    waiting = [asyncio.create_task(write(backend, setting("a", n))) for n in (2, 3)]
    await others_go_on(backend)
    assert not any(task.done() for task in waiting)
    elsewhere.rollback()
    assert [result.version for result in await asyncio.gather(*waiting)] == [2, 3]
    assert await contents(backend) == {"a": 3}


@contextmanager
def callers_transaction(backend: DatabaseBackend) -> Iterator[None]:
    """Somebody's long transaction in which the space is written to; it is committed in the end."""
    holding, let_go = threading.Event(), threading.Event()

    def hold_it() -> None:
        with transaction.atomic(using=backend.using):
            bridge.run(write(backend, setting("a", "caller")))
            holding.set()
            let_go.wait(LIMIT_SECONDS)
        connections.close_all()

    thread = threading.Thread(target=hold_it)
    thread.start()
    assert holding.wait(LIMIT_SECONDS)
    try:
        yield
    finally:
        let_go.set()
        thread.join(LIMIT_SECONDS)


async def test_a_space_being_made_elsewhere_delays_only_itself(backend: DatabaseBackend) -> None:
    await write(backend, setting("a", 1), space=OTHER)
    with callers_transaction(backend):
        waiting = asyncio.create_task(write(backend, setting("a", "late")))
        await others_go_on(backend)
        assert not waiting.done()
    assert (await waiting).version == 2
    assert await contents(backend) == {"a": "late"}


async def test_wiping_a_space_held_elsewhere_delays_only_itself(
    backend: DatabaseBackend, elsewhere: psycopg.Connection
) -> None:
    await write(backend, setting("a", 1))
    hold(elsewhere)
    wiping = asyncio.create_task(backend.wipe(ROOM))
    await others_go_on(backend)
    elsewhere.rollback()
    await wiping
    assert await contents(backend) == {}


async def test_a_read_handed_over_after_a_write_that_waits_sees_it(
    backend: DatabaseBackend, elsewhere: psycopg.Connection
) -> None:
    await write(backend, setting("a", 1))
    hold(elsewhere)
    writing = asyncio.create_task(write(backend, setting("a", 2)))
    reading = asyncio.create_task(read(backend))
    await others_go_on(backend)
    elsewhere.rollback()
    assert (await writing).version == 2
    assert (await reading).version == 2


async def test_writes_that_waited_keep_their_order(backend: DatabaseBackend, elsewhere: psycopg.Connection) -> None:
    await write(backend, setting("a", 0))
    hold(elsewhere)
    writing = []
    async with asyncio.timeout(SOON_SECONDS):
        for n in range(10):
            writing.append(asyncio.create_task(write(backend, setting("a", n), deleting("b"))))
            await write(backend, setting("a", n), space=OTHER)
    elsewhere.rollback()
    assert [result.version for result in await asyncio.gather(*writing)] == list(range(2, 12))


async def test_a_space_held_for_too_long_is_unavailable_and_nothing_happens_later(
    backend: DatabaseBackend, elsewhere: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write(backend, setting("a", 1))
    hold(elsewhere)
    with monkeypatch.context() as impatient:
        impatient.setattr(waiting, "PATIENCE_SECONDS", 0.2)
        async with asyncio.timeout(SOON_SECONDS):
            with pytest.raises(Unavailable):
                await write(backend, setting("a", 2))
    elsewhere.rollback()
    assert (await write(backend, setting("b", 1))).version == 2
    assert await contents(backend) == {"a": 1, "b": 1}


@pytest.mark.parametrize(("room", "version"), [("standup", 3), ("never-used-before", 2)])
def test_a_view_that_holds_a_room_for_long_delays_no_other_room(
    postgres: str, postgres_url: str, room: str, version: int
) -> None:
    command = [sys.executable, "-m", "tests.conformance.holder", room]
    environment = {**os.environ, "DATABASE_URL": postgres_url}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", f"waiting {version}\n")
