"""Private entries in Django's caches keep the contract: locmem, files, and a table of SQLite and of PostgreSQL."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.core.cache import caches
from django.core.management import call_command

from sessionstore_app.backends.cache import CacheStore
from sessionstore_app.backends.stores import StoreBackend
from sessionstore_app.core.errors import TooManyKeys
from sessionstore_app.core.limits import StoreLimits
from sessionstore_app.testing.storecontract import AMPLE, StoreContract, call, in_threads, made
from tests.support.aliases import alias_for

if TYPE_CHECKING:
    from pytest_django import DjangoDbBlocker, Settings

_numbers = itertools.count(1)
# Django's default of 300 entries is less than one test sets.
_ROOMY = {"MAX_ENTRIES": 100_000}


def _cache(backend: str, location: str) -> dict[str, Any]:
    return {"BACKEND": f"django.core.cache.backends.{backend}", "LOCATION": location, "OPTIONS": _ROOMY}


class _CacheRouter:
    """Sends the table of caches to one database."""

    def __init__(self, alias: str) -> None:
        self._alias = alias

    def db_for_write(self, model: Any, **_: Any) -> str | None:
        return self._alias if model._meta.app_label == "django_cache" else None

    db_for_read = db_for_write


def _table(settings: Settings, alias: str) -> None:
    settings.DATABASE_ROUTERS = [_CacheRouter(alias)]
    settings.CACHES = {**settings.CACHES, "stores": _cache("db.DatabaseCache", "private_entries")}
    call_command("createcachetable", database=alias, verbosity=0)


@pytest.mark.usefixtures("patient")
class CacheContract(StoreContract):
    """What a store in a cache can tell beside, and what it leaves behind."""

    async def test_s12_there_are_as_many_slots_as_keys_are_allowed(self, store: StoreBackend) -> None:
        limits = StoreLimits(keys=3)
        space = await made(store, limits)
        for key in ("a", "b", "c", "a"):
            await store.set(space, key, "1", limits)
        with pytest.raises(TooManyKeys) as refused:
            await store.set(space, "d", "1", limits)
        assert (refused.value.limit, refused.value.actual) == (3, 4)
        assert await store.items(space) == {"a": "1", "b": "1", "c": "1"}

    async def test_slots_of_deleted_keys_are_used_again(self, store: StoreBackend) -> None:
        limits = StoreLimits(keys=20)
        space = await made(store, limits)
        await store.set(space, "stays", "1", limits)
        for number in range(100):
            await store.set(space, f"k{number}", "1", limits)
            if number >= 10:
                await store.delete(space, f"k{number - 10}")
        assert await store.items(space) == {"stays": "1"} | {f"k{number}": "1" for number in range(90, 100)}

    def test_slots_run_out_and_are_freed_while_others_write(self, store: StoreBackend) -> None:
        limits = StoreLimits(keys=12)
        space = call(made(store, limits))

        def work(number: int) -> None:
            for step in range(15):
                call(store.set(space, f"{number}/{step % 5}", str(step), limits))
                call(store.delete(space, f"{number}/{(step - 1) % 5}"))

        in_threads(work, 4)
        assert call(store.items(space)) == {f"{number}/4": "14" for number in range(4)}


class TestLocMem(CacheContract):
    @pytest.fixture
    def store(self, settings: Settings) -> Iterator[StoreBackend]:
        settings.CACHES = {**settings.CACHES, "stores": _cache("locmem.LocMemCache", "stores")}
        yield CacheStore({"CACHE": "stores"})
        caches["stores"].clear()

    async def test_p21_a_store_that_ended_leaves_no_entry_behind(self, store: StoreBackend) -> None:
        for number in range(20):
            space = await made(store)
            for key in ("a", "b", str(number)):
                await store.set(space, key, "1", AMPLE)
            await store.delete(space, "b")
            await store.destroy(space, mark=False)
        assert len(caches["stores"]._cache) == 0  # type: ignore[attr-defined]  # of locmem only


class TestFiles(CacheContract):
    @pytest.fixture
    def store(self, settings: Settings, tmp_path: Path) -> StoreBackend:
        settings.CACHES = {**settings.CACHES, "stores": _cache("filebased.FileBasedCache", str(tmp_path / "stores"))}
        return CacheStore({"CACHE": "stores"})


class TestTableOfSQLite(CacheContract):
    @pytest.fixture
    def store(self, settings: Settings, sqlite_url: str, django_db_blocker: DjangoDbBlocker) -> Iterator[StoreBackend]:
        # An alias that no other test has: the thread of all async code keeps the connection of one that it knows.
        with django_db_blocker.unblock(), alias_for(f"cache{next(_numbers)}", sqlite_url) as alias:
            _table(settings, alias)
            yield CacheStore({"CACHE": "stores"})


@pytest.mark.postgres
class TestTableOfPostgres(CacheContract):
    @pytest.fixture
    def store(self, settings: Settings, postgres: str) -> StoreBackend:
        _table(settings, postgres)
        return CacheStore({"CACHE": "stores"})
