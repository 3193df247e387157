"""Site sessions read through a cache: faster or not, what is read is what the database has (P38, P39)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, ClassVar
from uuid import uuid4

import pytest
from django.core.cache import caches
from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.locmem import LocMemCache
from django.db import connections, transaction
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from sessionstore_app import errors
from sessionstore_app.core.site import SiteSessionInfo
from sessionstore_app.services import sitecache
from sessionstore_app.services.site import site_sessions
from tests.support.sites import ALIAS, age, at_once, configured, site_alias, site_url  # noqa: F401  # fixtures

HOUR = 3_600


class Watched(LocMemCache):
    """A cache in memory that lets a test do something before each of its operations."""

    before: ClassVar[dict[str, Callable[[], None]]] = {}

    def get_many(self, *arguments: Any, **named: Any) -> Any:
        self.before.get("get", lambda: None)()
        return super().get_many(*arguments, **named)

    def set_many(self, *arguments: Any, **named: Any) -> Any:
        self.before.get("set", lambda: None)()
        return super().set_many(*arguments, **named)

    def delete_many(self, *arguments: Any, **named: Any) -> None:
        self.before.get("delete", lambda: None)()
        super().delete_many(*arguments, **named)


def backend(path: str) -> dict[str, Any]:
    return {"BACKEND": path, "LOCATION": f"sites-{uuid4()}", "OPTIONS": {"MAX_ENTRIES": 10_000}}


@pytest.fixture(autouse=True)
def cache(site_alias: str) -> Iterator[BaseCache]:  # noqa: F811  # the fixture
    """The cache of site sessions, empty."""
    kinds = {"default": backend("tests.django.test_site_cache.Watched")}
    kinds["dummy"] = backend("django.core.cache.backends.dummy.DummyCache")
    kinds["database"] = {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "no_such_table"}
    with override_settings(CACHES=kinds):
        Watched.before.clear()
        yield caches["default"]
        Watched.before.clear()


def name(info: SiteSessionInfo) -> str:
    """What the data is kept under."""
    return f"sessionstore:site:{info.key}"


def once(act: Callable[[], object]) -> Callable[[], None]:
    """Do it in another thread, the first time only."""
    left = [act]

    def do() -> None:
        if left:
            at_once(1, lambda _: left.pop()())

    return do


def loaded(key: str) -> SiteSessionInfo:
    return site_sessions.load(key)[key[:36]]


def test_a_second_read_asks_the_database_for_everything_but_the_data(cache: BaseCache) -> None:
    created = site_sessions.create({"a": 1}, "WEB", "2")
    assert loaded(created.key) == created
    assert name(created) in cache
    with CaptureQueriesContext(connections[ALIAS]) as asked:
        assert loaded(created.key) == created
    (query,) = asked.captured_queries
    assert '"update_count"' in query["sql"]
    assert '"data"' not in query["sql"]


def test_what_is_cached_and_what_is_not_come_together(cache: BaseCache) -> None:
    infos = [site_sessions.create({"n": number}) for number in range(6)]
    site_sessions.load(*(info.key for info in infos[::2]))
    assert list(site_sessions.load(*(info.key for info in infos)).values()) == infos
    assert all(name(info) in cache for info in infos)


def test_an_update_is_read_at_once_and_the_old_data_forgotten(cache: BaseCache) -> None:
    first = loaded(site_sessions.create({"n": 0}).key)
    second = site_sessions.update(first.key, {"n": 1})
    assert name(first) not in cache
    assert loaded(first.key) == second
    assert loaded(first.key) == second


def test_a_deleted_session_is_forgotten(cache: BaseCache) -> None:
    info = loaded(site_sessions.create({}).key)
    site_sessions.delete(info.key)
    assert name(info) not in cache
    assert site_sessions.get(info.key) is None


def test_g26_a_cached_session_past_its_life_is_gone() -> None:
    key = loaded(site_sessions.create({}).key).key
    age(key, HOUR - 60)
    assert site_sessions.get(key) is not None
    age(key, 60)
    assert site_sessions.get(key) is None


def test_p38_a_fill_that_a_write_overtakes_is_never_read(cache: BaseCache) -> None:
    first = site_sessions.create({"n": 0})
    Watched.before["set"] = once(lambda: site_sessions.update(first.key, {"n": 1}))
    # The database was read before that update, the cache is filled after it.
    assert loaded(first.key).data == {"n": 0}
    assert name(first) in cache
    for _ in range(2):
        assert loaded(first.key).data == {"n": 1}


def test_p38_a_write_between_looking_and_taking_from_the_cache_is_no_matter() -> None:
    first = site_sessions.create({"n": 0})
    Watched.before["get"] = once(lambda: site_sessions.update(first.key, {"n": 1}))
    # What the cache does not have is read again whole.
    assert loaded(first.key).data == {"n": 1}
    assert loaded(first.key).data == {"n": 1}


def test_p38_a_session_deleted_while_it_is_read_is_not_there() -> None:
    first = site_sessions.create({"n": 0})
    Watched.before["get"] = once(lambda: site_sessions.delete(first.key))
    assert site_sessions.get(first.key) is None


def test_p38_a_miss_is_not_kept() -> None:
    mine = str(uuid4())
    Watched.before["set"] = lambda: pytest.fail("Nothing was found, nothing may be kept.")
    assert site_sessions.get(mine) is None
    site_sessions.create({"n": 1}, session_key=mine)
    Watched.before.clear()
    assert loaded(mine).data == {"n": 1}


def test_p38_data_of_an_earlier_session_with_the_same_key_and_count_is_never_read(cache: BaseCache) -> None:
    first = loaded(site_sessions.create({"n": 0}).key)
    kept = cache.get(name(first))
    site_sessions.delete(first.key)
    age(site_sessions.create({"n": 1}, session_key=first.uuid).key, 60)
    # A cache of another process, which was told of nothing.
    cache.set(name(first), kept)
    assert loaded(first.key).data == {"n": 1}


def test_data_of_removed_sessions_is_forgotten_in_portions(cache: BaseCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sitecache, "_AT_A_TIME", 2)
    idle = [loaded(site_sessions.create({"n": n}).key) for n in range(3)]
    lives = loaded(site_sessions.create({}).key)
    for info in idle:
        age(info.key, HOUR)
        assert name(info) in cache
    asked: list[None] = []
    Watched.before["delete"] = lambda: asked.append(None)
    assert site_sessions.expire() == 3
    assert len(asked) == 2
    assert [name(info) in cache for info in (*idle, lives)] == [False, False, False, True]


def test_a_cache_that_is_away_is_asked_once_and_keeps_nobody_from_removing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sitecache, "_AT_A_TIME", 1)
    for n in range(3):
        age(site_sessions.create({"n": n}).key, HOUR)

    def fail() -> None:
        raise OSError

    Watched.before["delete"] = fail
    assert site_sessions.expire() == 3
    assert len(caplog.records) == 1


@pytest.mark.parametrize("garbage", ["", "{}", "2018-04-17T11:48:18+00:00 x", b"bytes", 7, None, ["a"]])
def test_what_is_not_ours_in_the_cache_is_passed_over(cache: BaseCache, garbage: Any) -> None:
    info = site_sessions.create({"n": 0})
    cache.set(name(info), garbage)
    assert loaded(info.key) == info


def test_what_is_read_in_a_transaction_is_kept_by_nobody(cache: BaseCache) -> None:
    first = loaded(site_sessions.create({"n": 0}).key)
    with suppress(ZeroDivisionError), transaction.atomic(using=ALIAS):
        inside = site_sessions.update(first.key, {"n": 1})
        assert loaded(first.key) == inside
        raise ZeroDivisionError
    assert name(inside) not in cache
    assert name(first) in cache
    site_sessions.update(first.key, {"n": 2})
    assert loaded(first.key).data == {"n": 2}


def test_what_a_transaction_makes_useless_is_forgotten_once_it_commits(cache: BaseCache) -> None:
    first = loaded(site_sessions.create({"n": 0}).key)
    with transaction.atomic(using=ALIAS):
        site_sessions.update(first.key, {"n": 1})
        assert name(first) in cache
    assert name(first) not in cache


def away() -> None:
    raise ConnectionError("The cache is away.")


async def test_a_cache_that_is_away_fails_nobody(caplog: pytest.LogCaptureFixture) -> None:
    Watched.before |= {"get": away, "set": away, "delete": away}
    created = await site_sessions.acreate({"secret": 1})
    assert await site_sessions.aget(created.key) == created
    updated = await site_sessions.aupdate(created.key, {"secret": 2})
    assert await site_sessions.aget(created.key) == updated
    assert await site_sessions.adelete(created.key) == [created.uuid]
    assert "out of reach" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize("alias", ["", "dummy", "database"])
def test_without_a_cache_of_use_none_is_asked(alias: str) -> None:
    with configured(SITE_SESSION_CACHE=alias):
        assert sitecache.current() is None
        created = site_sessions.create({"n": 0})
        assert loaded(created.key) == created
        assert site_sessions.update(created.key, {"n": 1}) == loaded(created.key)


@pytest.mark.parametrize(("lifetime", "timeout"), [(0.1, 1), (3_600, 3_600), (1e9, 86_400)])
def test_what_nobody_forgets_goes_with_the_lifetime_or_after_a_day(lifetime: float, timeout: int) -> None:
    with configured(SITE_SESSION_LIFETIME_SECONDS=lifetime):
        assert sitecache.current() == sitecache.SiteCache("default", timeout)


def test_p38_readers_beside_a_writer_never_go_back_and_never_miss_what_was_acknowledged() -> None:
    key = site_sessions.create({"n": 0}).key
    acknowledged = [0]
    updates = 40

    def act(position: int) -> list[tuple[int, int, object]]:
        seen: list[tuple[int, int, object]] = []
        if position == 0:
            for number in range(1, updates + 1):
                acknowledged[0] = site_sessions.update(key, {"n": number}).update_count
        else:
            while acknowledged[0] < updates:
                before = acknowledged[0]
                info = loaded(key)
                seen.append((before, info.update_count, info.data["n"]))
        return seen

    for seen in at_once(4, act):
        counts = [count for _, count, _ in seen]
        assert counts == sorted(counts)
        assert [read for read in seen if read[1] < read[0] or read[1] != read[2]] == []
    assert loaded(key).update_count == updates


async def test_p38_tasks_beside_a_writer_too() -> None:
    key = (await site_sessions.acreate({"n": 0})).key

    async def read() -> None:
        before = acknowledged[0]
        info = (await site_sessions.aload(key))[key[:36]]
        assert info.update_count >= before
        assert info.data == {"n": info.update_count}

    async def write(number: int) -> None:
        acknowledged[0] = max(acknowledged[0], (await site_sessions.aupdate(key, {"n": number})).update_count)

    acknowledged = [0]
    await asyncio.gather(*(act for number in range(1, 41) for act in (write(number), read(), read())))
    with pytest.raises(errors.VersionConflict):
        await site_sessions.aupdate(f"{key[:36]}_39", {}, check=True)
