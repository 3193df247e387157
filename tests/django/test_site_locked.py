"""Site sessions that another transaction holds, on PostgreSQL: what wants them waits, and nothing else does."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest
from django.db import connections, transaction
from pytest_django import DjangoDbBlocker

from sessionstore_app import errors
from sessionstore_app.backends import groupcommit
from sessionstore_app.services.site import site_sessions
from tests.support.aliases import cut_off
from tests.support.sites import ALIAS, LIMIT_SECONDS, age, at_once, migrated, site_alias  # noqa: F401  # a fixture

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def site_url(tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """A PostgreSQL alone: SQLite locks no rows, but all of itself."""
    with django_db_blocker.unblock(), migrated("postgres", tmp_path_factory.mktemp("sites")) as url:
        yield url


@contextmanager
def held_elsewhere(act: Callable[[], object]) -> Iterator[Callable[[], None]]:
    """Another thread has done something in a transaction, which is committed when what this gives is called."""
    done, ends = threading.Event(), threading.Event()

    def work() -> None:
        try:
            with transaction.atomic(using=ALIAS):
                act()
                done.set()
                ends.wait(LIMIT_SECONDS)
        finally:
            connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()

    def let_go() -> None:
        ends.set()
        thread.join(LIMIT_SECONDS)

    assert done.wait(LIMIT_SECONDS)
    try:
        yield let_go
    finally:
        let_go()


async def test_an_update_waits_for_who_holds_its_session_and_delays_no_other() -> None:
    held, other = [(await site_sessions.acreate({"n": 0})).key for _ in range(2)]
    with held_elsewhere(lambda: site_sessions.update(held, {"a": 1}, "merge")) as let_go:
        waits = asyncio.create_task(site_sessions.aupdate(held, {"b": 2}, "merge"))
        # Handed over later, it is done later, though it need not wait for the row.
        reads = asyncio.create_task(site_sessions.aload(held))
        assert (await site_sessions.aupdate(other, {})).update_count == 1
        assert not waits.done()
        let_go()
        assert (await waits).data == {"n": 0, "a": 1, "b": 2}
        assert (await reads)[held[:36]].update_count == 2


async def test_a_session_that_is_held_too_long_is_unavailable_and_nothing_happens() -> None:
    held = (await site_sessions.acreate({"n": 0})).key
    with held_elsewhere(lambda: site_sessions.update(held, {"n": 1})):
        with pytest.raises(errors.Unavailable):
            await site_sessions.aupdate(held, {"n": 2})
        assert (await site_sessions.aload(held))[held[:36]].data == {"n": 0}
    assert (await site_sessions.aload(held))[held[:36]].update_count == 1


def somebody_waits() -> bool:
    """True while a connection waits for another's lock."""
    with connections[ALIAS].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        return bool(cursor.fetchone()[0])


@pytest.mark.parametrize("act", ["update", "delete"])
def test_a_synchronous_caller_stands_in_line(act: str) -> None:
    held = site_sessions.create({}).key
    with held_elsewhere(lambda: site_sessions.update(held, {"a": 1})) as let_go:

        def wait_or_let_go(position: int) -> object:
            if position == 0:
                return site_sessions.delete(held) if act == "delete" else site_sessions.update(held, {"b": 2}, "merge")
            give_up_at = time.monotonic() + LIMIT_SECONDS
            while not somebody_waits():
                assert time.monotonic() < give_up_at
            return let_go()

        at_once(2, wait_or_let_go)
    info = site_sessions.get(held)
    assert (None if info is None else info.data) == (None if act == "delete" else {"a": 1, "b": 2})


def test_a_synchronous_caller_that_stands_too_long_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groupcommit, "PATIENCE_SECONDS", 0.1)
    held = site_sessions.create({}).key
    with held_elsewhere(lambda: site_sessions.update(held, {"a": 1})), pytest.raises(errors.Unavailable):
        site_sessions.update(held, {"b": 2})
    assert site_sessions.load(held)[held[:36]].data == {"a": 1}


def test_two_transactions_that_want_what_the_other_holds_do_not_deadlock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groupcommit, "PATIENCE_SECONDS", 0.1)
    first, second = (site_sessions.create({}).key for _ in range(2))
    with held_elsewhere(lambda: site_sessions.update(second, {})), transaction.atomic(using=ALIAS):
        site_sessions.update(first, {})
        with pytest.raises(errors.Unavailable):
            site_sessions.update(second, {})
        site_sessions.update(first, {"went": "on"})
    assert [info.update_count for info in site_sessions.load(first, second).values()] == [2, 1]


async def test_a_key_that_is_being_taken_elsewhere_is_a_conflict_once_it_is_taken() -> None:
    mine = str(uuid4())
    with held_elsewhere(lambda: site_sessions.create({"n": 1}, session_key=mine)) as let_go:
        waits = asyncio.create_task(site_sessions.acreate({"n": 2}, session_key=mine))
        assert (await site_sessions.acreate({})).update_count == 0
        assert not waits.done()
        let_go()
        with pytest.raises(errors.VersionConflict):
            await waits
    assert (await site_sessions.aload(mine))[mine].data == {"n": 1}


def test_what_a_sweeper_cannot_have_it_passes_over() -> None:
    old = [site_sessions.create({}).key for _ in range(3)]
    for key in old:
        age(key, 60)
    with held_elsewhere(lambda: site_sessions.update(old[1], {})):
        assert site_sessions.expire(30) == 2
    assert site_sessions.expire(30) == 0
    assert site_sessions.load(*old).keys() == {old[1][:36]}


async def test_without_its_database_everything_is_unavailable_and_comes_back_with_it(site_url: str) -> None:
    created = await site_sessions.acreate({"n": 0})
    calls: list[Callable[[], Coroutine[Any, Any, object]]] = [
        lambda: site_sessions.acreate({}),
        lambda: site_sessions.aload(created.key),
        lambda: site_sessions.aupdate(created.key, {}),
        lambda: site_sessions.adelete(created.key),
        site_sessions.astats,
        site_sessions.aexpire,
    ]
    with cut_off(site_url):
        for call in calls:
            with pytest.raises(errors.Unavailable):
                await call()
    assert await site_sessions.aget(created.key) == created
    assert (await site_sessions.astats()).total == 1
