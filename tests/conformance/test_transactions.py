"""Writes inside a caller's transaction: they belong to it, whether a view opened it or a test did."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from django.db import connections, transaction
from django.test import TestCase

from sessionstore_app import rooms
from sessionstore_app.backends.base import Backend, Reading
from sessionstore_app.backends.database import DatabaseBackend
from sessionstore_app.core.entries import Entry, WriteResult
from sessionstore_app.models import Space as SpaceRow
from sessionstore_app.services import bridge
from sessionstore_app.testing.acts import ROOM, contents, read, setting, write


@contextmanager
def rolled_back(using: str = "default") -> Iterator[None]:
    """A caller's transaction that fails in the end."""
    with suppress(ZeroDivisionError), transaction.atomic(using=using):
        yield
        raise ZeroDivisionError


def set_now(backend: Backend, key: str, value: int) -> WriteResult:
    """Write from synchronous code, on the caller's connection."""
    return bridge.run(write(backend, setting(key, value)))


def read_now(backend: Backend) -> Reading:
    """Read from synchronous code, on the caller's connection."""
    return bridge.run(read(backend))


def from_another_thread(backend: Backend) -> Reading:
    """What somebody with a connection of its own sees."""
    seen: list[Reading] = []

    def look() -> None:
        seen.append(bridge.run(read(backend)))
        connections.close_all()

    thread = threading.Thread(target=look)
    thread.start()
    thread.join(10)
    return seen[0]


class TestInACallersTransaction:
    """On SQLite and PostgreSQL."""

    def test_a_write_that_is_rolled_back_never_was(self, backend: DatabaseBackend) -> None:
        set_now(backend, "kept", 1)
        before = read_now(backend)
        with rolled_back(backend.using):
            assert set_now(backend, "undone", 1).version == 2
            assert [entry.key for entry in read_now(backend).entries] == ["kept", "undone"]
        assert read_now(backend) == before
        assert set_now(backend, "kept", 2).version == 2

    def test_a_write_that_is_committed_stays_and_was_seen_by_nobody_before(self, backend: DatabaseBackend) -> None:
        with transaction.atomic(using=backend.using):
            set_now(backend, "a", 1)
            assert from_another_thread(backend) == Reading(version=0, entries=(), complete=True)
        assert [entry.value for entry in from_another_thread(backend).entries] == [1]

    def test_a_savepoint_takes_back_only_what_came_after_it(self, backend: DatabaseBackend) -> None:
        with transaction.atomic(using=backend.using):
            set_now(backend, "a", 1)
            with rolled_back(backend.using):
                set_now(backend, "b", 1)
            assert set_now(backend, "c", 1).version == 2
        assert {entry.key for entry in read_now(backend).entries} == {"a", "c"}

    def test_a_wipe_that_is_rolled_back_leaves_the_space_open(self, backend: DatabaseBackend) -> None:
        set_now(backend, "a", 1)
        with rolled_back(backend.using):
            bridge.run(backend.wipe(ROOM))
            assert read_now(backend).entries == ()
        assert set_now(backend, "a", 2).version == 2

    def test_outside_of_a_transaction_a_write_is_done_when_the_call_returns(self, backend: DatabaseBackend) -> None:
        set_now(backend, "a", 1)
        assert [entry.value for entry in from_another_thread(backend).entries] == [1]


class TestInsideATestsTransaction(TestCase):
    """Two tests that write the same: whichever is second finds nothing of the first."""

    async def write_into_an_empty_space(self) -> None:
        backend = DatabaseBackend()
        assert await read(backend) == Reading(version=0, entries=(), complete=True)
        assert (await write(backend, setting("a", 1))).version == 1
        # The ORM of the test sees it: they share a connection, and so a transaction.
        assert await SpaceRow.objects.filter(name=ROOM, version=1).aexists()
        assert await contents(backend) == {"a": 1}
        backend.close()

    async def test_a_write_is_gone_with_the_test(self) -> None:
        await self.write_into_an_empty_space()

    async def test_a_write_is_gone_with_the_test_again(self) -> None:
        await self.write_into_an_empty_space()

    def test_the_synchronous_api_shares_the_tests_transaction_too(self) -> None:
        assert rooms.get("standup", "topic") is None
        assert rooms.set("standup", "topic", "retro").version == 1
        assert rooms.get("standup", "topic") == "retro"

    def test_the_synchronous_api_shares_the_tests_transaction_too_again(self) -> None:
        self.test_the_synchronous_api_shares_the_tests_transaction_too()


@pytest.mark.django_db
@pytest.mark.parametrize("_", ["first", "second"])
def test_pytests_transaction_takes_a_write_with_it(_: str) -> None:
    assert rooms.get_entry("standup", "topic") == Entry(key="topic")
    assert rooms.set("standup", "topic", "retro").version == 1
    assert SpaceRow.objects.count() == 1


@pytest.mark.django_db(transaction=True)
class TestRoomsInACallersTransaction:
    """The public API, as a view under `atomic` uses it."""

    def test_a_rolled_back_set_leaves_nothing(self) -> None:
        rooms.set("standup", "topic", "before")
        with rolled_back():
            rooms.set("standup", "topic", "undone")
            rooms.set("other", "topic", "undone")
            assert rooms.get("standup", "topic") == "undone"
        assert rooms.get("standup", "topic") == "before"
        assert rooms.get("other", "topic") is None
        assert rooms.set("standup", "topic", "after").version == 2

    def test_a_committed_set_stays(self) -> None:
        with transaction.atomic():
            rooms.set("standup", "topic", "retro")
            rooms.update("standup", "count", do="increment")
        assert rooms.snapshot("standup") == {"topic": "retro", "count": 1}
