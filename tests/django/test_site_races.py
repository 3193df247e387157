"""Site sessions among many: tasks, threads and transactions that do something to the same at once."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.db import connections, transaction

from sessionstore_app import errors
from sessionstore_app.backends import groupcommit, waiting
from sessionstore_app.services.site import SiteStats, site_sessions
from tests.support.aliases import alias_for
from tests.support.sites import (
    ALIAS,
    LIMIT_SECONDS,
    age,
    at_once,
    configured,
    migrated,
    site_alias,  # noqa: F401  # a fixture
    site_database,
    site_url,  # noqa: F401  # a fixture
)

HOUR = 3_600


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is shown is that nothing is lost, not how soon so many have connected and committed."""
    for module in (groupcommit, waiting):
        monkeypatch.setattr(module, "PATIENCE_SECONDS", LIMIT_SECONDS)


# --- sync and async, in and out of transactions


async def test_every_method_has_an_asynchronous_form() -> None:
    created = await site_sessions.acreate({"n": 0})
    updated = await site_sessions.aupdate(created.key, {"n": 1}, "merge", check=True)
    assert await site_sessions.aload(created.key) == {created.uuid: updated}
    assert await site_sessions.aget(created.key) == updated
    assert await site_sessions.astats() == SiteStats(1, 1, HOUR)
    assert await site_sessions.aexpire() == 0
    assert await site_sessions.adelete(created.key) == [created.uuid]


async def test_tasks_that_come_together_are_done_in_their_order() -> None:
    key = (await site_sessions.acreate({})).key
    done: list[Any] = await asyncio.gather(
        *(site_sessions.aupdate(key, {"n": number}) for number in range(40)),
        site_sessions.adelete(key),
        site_sessions.aupdate(key, {}),
        site_sessions.acreate({"again": True}, session_key=key),
        site_sessions.acreate({}, session_key=key),
        return_exceptions=True,
    )
    assert [info.update_count for info in done[:40]] == [*range(1, 41)]
    assert done[40] == [key[:36]]
    assert isinstance(done[41], errors.NotFound)
    assert isinstance(done[43], errors.VersionConflict)
    assert await site_sessions.aget(key) == done[42]


def test_in_a_callers_transaction_it_belongs_to_that() -> None:
    kept = site_sessions.create({"n": 0})
    with suppress(ZeroDivisionError), transaction.atomic(using=ALIAS):
        inside = site_sessions.create({})
        site_sessions.update(kept.key, {"n": 1})
        assert site_sessions.load(inside.key, kept.key)[kept.uuid].data == {"n": 1}
        assert site_sessions.stats().total == 2
        raise ZeroDivisionError
    assert site_sessions.load(inside.key, kept.key) == {kept.uuid: kept}


def test_what_is_refused_leaves_the_callers_transaction_usable() -> None:
    kept = site_sessions.create({"n": 0})
    with transaction.atomic(using=ALIAS):
        for key, error in ((f"{kept.uuid}_9", errors.VersionConflict), (str(uuid4()), errors.NotFound)):
            with pytest.raises(error):
                site_sessions.update(key, {"n": 8}, check=True)
        site_sessions.update(kept.key, {"n": 1})
    assert site_sessions.load(kept.key)[kept.uuid].data == {"n": 1}


def test_a_sync_call_leaves_no_thread_and_no_connection() -> None:
    key = site_sessions.create({}).key
    connections[ALIAS].close()
    before = set(threading.enumerate())
    for _ in range(20):
        site_sessions.update(key, {})
        site_sessions.get(key)
    left_behind = set(threading.enumerate()) - before
    for thread in left_behind:
        # The last call's loop thread may still be on its way out.
        thread.join(LIMIT_SECONDS)
    assert not any(thread.is_alive() for thread in left_behind)
    assert connections[ALIAS].connection is None


async def test_a_sync_call_in_async_code_is_refused_before_anything_happens() -> None:
    with pytest.raises(RuntimeError):
        site_sessions.create({})
    assert (await site_sessions.astats()).total == 0


# --- at once


def test_p39_fifty_threads_merge_at_once_and_none_is_lost() -> None:
    key = site_sessions.create({}).key
    counts = at_once(50, lambda number: site_sessions.update(key, {f"m{number}": number}, "merge").update_count)
    saved = site_sessions.load(key)[key[:36]]
    assert saved.data == {f"m{number}": number for number in range(50)}
    assert sorted(counts) == list(range(1, 51))
    assert saved.update_count == 50


async def test_p39_tasks_that_merge_at_once_lose_none() -> None:
    key = (await site_sessions.acreate({})).key
    await asyncio.gather(*(site_sessions.aupdate(key, {f"m{number}": number}, "merge") for number in range(200)))
    saved = (await site_sessions.aload(key))[key[:36]]
    assert (len(saved.data), saved.update_count) == (200, 200)


def test_g7_of_two_that_replace_at_once_both_count_and_the_last_is_kept() -> None:
    key = site_sessions.create({}).key
    done = at_once(8, lambda number: site_sessions.update(key, {"n": number}))
    assert sorted(info.update_count for info in done) == list(range(1, 9))
    last = max(done, key=lambda info: info.update_count)
    assert site_sessions.get(key) == last
    assert [info.updated for info in sorted(done, key=lambda info: info.update_count)] == sorted(
        info.updated for info in done
    )


def test_i4_of_many_that_check_the_same_count_one_wins() -> None:
    key = site_sessions.create({}).key

    def guarded(number: int) -> int | None:
        try:
            return site_sessions.update(key, {"n": number}, check=True).data["n"]  # type: ignore[return-value]
        except errors.VersionConflict:
            return None

    (winner,) = [number for number in at_once(8, guarded) if number is not None]
    saved = site_sessions.load(key)[key[:36]]
    assert (saved.data, saved.update_count) == ({"n": winner}, 1)


def test_of_many_that_create_under_the_same_key_one_wins() -> None:
    mine = str(uuid4())

    def create(number: int) -> int | None:
        try:
            return site_sessions.create({"n": number}, session_key=mine).data["n"]  # type: ignore[return-value]
        except errors.VersionConflict:
            return None

    (winner,) = [number for number in at_once(8, create) if number is not None]
    assert site_sessions.load(mine)[mine].data == {"n": winner}


def test_g14_p13_sweepers_at_once_share_the_work_and_remove_each_row_once() -> None:
    for number in range(60):
        if number % 3:
            age(site_sessions.create({}).key, HOUR)
        else:
            site_sessions.create({})
    removed = at_once(4, lambda _: site_sessions.expire(batch_size=3))
    assert sum(removed) == 40
    assert site_sessions.stats() == SiteStats(20, 20, HOUR)


def test_i14_an_update_that_races_the_sweeper_wins_whole_or_not_at_all() -> None:
    keys = [site_sessions.create({}).uuid for _ in range(30)]
    for key in keys:
        age(key, 60)

    def act(number: int) -> list[str]:
        if number == 0:
            site_sessions.expire(30, batch_size=2)
            return []
        updated = []
        for key in keys:
            with suppress(errors.NotFound):
                updated.append(site_sessions.update(key, {"n": 1}).uuid)
        return updated

    updated = {key for done in at_once(2, act) for key in done}
    # What was updated has a new life, and the sweeper passes it over; what the sweeper has in hand is not found.
    assert site_sessions.load(*keys).keys() == updated


# --- SQLite as Django sets it up by default


@pytest.mark.parametrize("site_url", ["sqlite"], indirect=True)
def test_sqlite_that_takes_its_write_lock_late_loses_nothing_either(tmp_path: Path) -> None:
    with migrated("sqlite", tmp_path) as url, site_database(url, name="late", transaction_mode="DEFERRED"):
        key = site_sessions.create({}).key

        def merge(number: int) -> None:
            # The connection is open before it is used: nobody can set it up otherwise.
            connections["late"].ensure_connection()
            site_sessions.update(key, {f"m{number}": number}, "merge")

        at_once(8, merge)
        assert site_sessions.load(key)[key[:36]].update_count == 8


@pytest.mark.parametrize("site_url", ["sqlite"], indirect=True)
def test_a_database_without_the_table_is_unavailable(tmp_path: Path) -> None:
    with alias_for("bare", f"sqlite:///{tmp_path / 'bare.sqlite3'}") as alias, configured(SITE_SESSION_DATABASE=alias):
        for act in (partial(site_sessions.get, str(uuid4())), partial(site_sessions.create, {})):
            with pytest.raises(errors.Unavailable) as told:
                act()
            assert "sessionstore_app_sitesession" in str(told.value.__cause__)
