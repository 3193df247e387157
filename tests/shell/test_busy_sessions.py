"""Acts on many sessions while others never leave all of them alone at once (P27): they are done, whole."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import psycopg
import pytest
from psycopg.sql import SQL

from tests.support.guests import Guests
from tests.support.postgres import temporary_postgres
from tests.support.rows import rows
from tests.support.server import Server, manage, running
from tests.support.wire import Params

pytestmark = pytest.mark.postgres

# Far less than the server waits for one row; it is PostgreSQL that counts, however slow we are.
HOLD = """
BEGIN;
SELECT 1 FROM sessionstore_app_session WHERE id = {} FOR UPDATE SKIP LOCKED;
SELECT pg_sleep(0.005);
COMMIT
"""
# So many take turns that there is hardly a moment at which nobody holds a row.
OTHERS = 6


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with temporary_postgres() as url:
        manage("migrate", "--verbosity", "0", database_url=url)
        with running(database_url=url) as started:
            yield started


@contextmanager
def _busy(server: Server) -> Iterator[None]:
    """Other processes' transactions hold rows, each for a moment."""
    ids = [session_id for (session_id,) in rows(server, "SELECT id FROM sessionstore_app_session ORDER BY id")]
    began, done = threading.Barrier(OTHERS + 1), threading.Event()

    def hold(chance: random.Random) -> None:
        with psycopg.connect(server.database_url, autocommit=True) as connection:
            began.wait(10)
            while not done.is_set():
                connection.execute(SQL(HOLD).format(chance.choice(ids)))

    threads = [threading.Thread(target=hold, args=(random.Random(seed),)) for seed in range(OTHERS)]
    for thread in threads:
        thread.start()
    try:
        began.wait(10)
        yield
    finally:
        done.set()
        for thread in threads:
            thread.join(10)


def _turn(value: str, told: Params) -> bool:
    return bool(told["properties"]["turn"] == value)


async def test_p27_acts_by_filter_are_done_though_some_session_is_always_busy(server: Server) -> None:
    guests = Guests(server)
    staff = await guests.staff()
    people = [await guests.open() for _ in range(8)]
    with _busy(server):
        for value in ("1", "2", "3"):
            result = await staff.call("session.set_properties_by_filter", filter="all", properties={"turn": value})
            assert result == {"count": 9}
            for person in people:
                await person.expect("session.changed", partial(_turn, value))
        assert await staff.call("session.terminate", filter='$Principal is ""') == {"count": 8}
        for person in people:
            await person.expect_closed(4011)
    await guests.leave()
