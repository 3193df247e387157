"""On a caller's own connection nothing waits long for others inside a transaction; outside it stands in line."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
import pytest
from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from sessionstore_app.backends import groupcommit
from sessionstore_app.backends.database import DatabaseBackend
from sessionstore_app.backends.stores import EntriesStore
from sessionstore_app.core.errors import Unavailable
from sessionstore_app.core.limits import StoreLimits
from sessionstore_app.models import Room
from sessionstore_app.services import bridge
from sessionstore_app.testing.storecontract import made

pytestmark = pytest.mark.postgres
THEIRS = "17s"
LIMIT_SECONDS = 30


@dataclass(frozen=True)
class Make:
    """Make a room of this name."""

    name: str
    touches: tuple[str, ...] = ()


class Making:
    """Makes rooms, each unless there is one."""

    def is_read(self, job: Make) -> bool:
        return False

    def change(self, connection: BaseDatabaseWrapper, jobs: Sequence[Make]) -> list[str]:
        rooms = [Room(name=job.name, epoch="e") for job in jobs]
        Room.objects.using(connection.alias).bulk_create(rooms, ignore_conflicts=True)
        return [job.name for job in jobs]

    def read(self, connection: BaseDatabaseWrapper, job: Make) -> str:
        raise NotImplementedError


@pytest.fixture
def commit(postgres: str) -> Iterator[groupcommit.GroupCommit]:
    made = groupcommit.GroupCommit(postgres, Making())
    yield made
    made.close()


@contextmanager
def _made_elsewhere(url: str, name: str) -> Iterator[None]:
    """Another transaction has made a room of this name, and does not end."""
    with psycopg.connect(url) as other:
        columns = "name, epoch, roster, created_at, unmatched"
        other.execute(f"INSERT INTO sessionstore_app_room ({columns}) VALUES (%s, 'e', 0, now(), %s)", [name, "{}"])
        yield
        other.rollback()


def _until_they_wait(postgres: psycopg.Connection, callers: Sequence[Future[None]]) -> None:
    """Until each of them waits for a lock."""
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    give_up_at = time.monotonic() + LIMIT_SECONDS
    while postgres.execute(waiting).fetchone() != (len(callers),):
        assert not any(caller.done() for caller in callers), "one did not stand in line"
        assert time.monotonic() < give_up_at, "they do not stand in line"


def _lock_timeout(alias: str) -> str:
    with connections[alias].cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        (found,) = cursor.fetchone()
    return str(found)


def test_a_row_that_is_being_made_elsewhere_is_not_waited_for(
    commit: groupcommit.GroupCommit, postgres: str, postgres_url: str
) -> None:
    """The caller is told within seconds; its transaction goes on, with its own patience for what it does itself."""
    with _made_elsewhere(postgres_url, "new"), transaction.atomic(using=postgres):
        with connections[postgres].cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = '{THEIRS}'")
        with pytest.raises(Unavailable):
            bridge.run(commit.run(Make("new")))
        assert _lock_timeout(postgres) == THEIRS
        assert bridge.run(commit.run(Make("other"))) == "other"
        assert _lock_timeout(postgres) == THEIRS
    assert list(Room.objects.using(postgres).values_list("name", flat=True)) == ["other"]
    assert _lock_timeout(postgres) == "0"


def test_outside_a_transaction_it_is_the_same(
    commit: groupcommit.GroupCommit, postgres: str, postgres_url: str
) -> None:
    with _made_elsewhere(postgres_url, "new"), pytest.raises(Unavailable):
        bridge.run(commit.run(Make("new")))
    assert _lock_timeout(postgres) == "0"
    assert bridge.run(commit.run(Make("new"))) == "new"


def test_s9_outside_a_transaction_callers_stand_in_line(
    postgres: str, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who only tried again and again might never find the row free, where many threads take turns."""
    # Who has waited for half of it tries again, behind the others: nobody is to before all stand in line.
    monkeypatch.setattr(groupcommit, "PATIENCE_SECONDS", 2 * LIMIT_SECONDS)
    store = EntriesStore(DatabaseBackend({"using": postgres}))
    space = bridge.run(made(store))

    def write(number: int) -> None:
        try:
            bridge.run(store.set(space, "a", str(number), StoreLimits()))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(3) as pool, psycopg.connect(postgres_url) as other:
        other.execute("SELECT 1 FROM sessionstore_app_space WHERE name = %s FOR UPDATE", [space])
        callers: list[Future[None]] = []
        for number in range(3):
            callers.append(pool.submit(write, number))
            _until_they_wait(other, callers)
        other.rollback()
        for caller in callers:
            caller.result(LIMIT_SECONDS)
    assert bridge.run(store.get(space, "a")) == "2"
