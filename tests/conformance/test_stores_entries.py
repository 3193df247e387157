"""Backends of entries keep the contract of private stores too, behind their adapter; and so does somebody else's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sessionstore_app.backends.database import DatabaseBackend
from sessionstore_app.backends.memory import MemoryBackend
from sessionstore_app.backends.redis import RedisBackend
from sessionstore_app.backends.stores import EntriesStore, StoreBackend
from sessionstore_app.core.errors import StoreDestroyed, StoreTooLarge, TooManyKeys
from sessionstore_app.core.limits import StoreLimits
from sessionstore_app.testing.storecontract import StoreContract, made
from tests.conformance.thirdparty import DictStore
from tests.support.redis import RedisServer


@pytest.mark.usefixtures("patient")
class EntriesContract(StoreContract):
    """What a backend of entries can tell beside: how many keys there are, and how large all of them."""

    async def test_s12_keys_beyond_the_limit_are_refused_and_deleting_makes_room(self, store: StoreBackend) -> None:
        limits = StoreLimits(keys=2)
        space = await made(store, limits)
        for key in ("a", "b", "a"):
            await store.set(space, key, "1", limits)
        with pytest.raises(TooManyKeys) as refused:
            await store.set(space, "c", "1", limits)
        assert (refused.value.limit, refused.value.actual) == (2, 3)
        await store.delete(space, "a")
        await store.set(space, "c", "1", limits)
        assert await store.items(space) == {"b": "1", "c": "1"}

    async def test_s12_all_together_are_counted_too(self, store: StoreBackend) -> None:
        limits = StoreLimits(store_bytes=8)
        space = await made(store, limits)
        await store.set(space, "ab", "12", limits)
        await store.set(space, "cd", "34", limits)
        with pytest.raises(StoreTooLarge):
            await store.set(space, "cd", "345", limits)
        assert await store.items(space) == {"ab": "12", "cd": "34"}

    async def test_p21_a_deletion_of_what_is_not_there_writes_nothing(self, store: StoreBackend) -> None:
        space = await made(store)
        assert isinstance(store, EntriesStore)
        before = await store._backend.versions([space])
        await store.delete(space, "never")
        await store.create(space, StoreLimits())
        assert await store._backend.versions([space]) == before


class TestMemory(EntriesContract):
    @pytest.fixture
    def store(self) -> StoreBackend:
        return EntriesStore(MemoryBackend())

    async def test_s30_what_one_process_keeps_another_does_not_see(self, store: StoreBackend) -> None:
        space = await made(store)
        await store.set(space, "a", "1", StoreLimits())
        with pytest.raises(StoreDestroyed):
            await EntriesStore(MemoryBackend()).get(space, "a")


class TestSQLite(EntriesContract):
    @pytest.fixture
    def store(self, sqlite: str) -> Iterator[StoreBackend]:
        store = EntriesStore(DatabaseBackend({"using": sqlite}))
        yield store
        store.close()


@pytest.mark.postgres
class TestPostgres(EntriesContract):
    @pytest.fixture
    def store(self, postgres: str) -> Iterator[StoreBackend]:
        store = EntriesStore(DatabaseBackend({"using": postgres}))
        yield store
        store.close()


@pytest.mark.redis
class TestRedis(EntriesContract):
    @pytest.fixture
    def store(self, redis_server: RedisServer) -> Iterator[StoreBackend]:
        store = EntriesStore(RedisBackend({"url": redis_server.url}))
        yield store
        store.close()

    async def test_s31_a_store_has_keys_of_its_own_and_destroying_leaves_none_of_them(
        self, store: StoreBackend, redis_server: RedisServer
    ) -> None:
        """Beside the mark that refuses late writes."""
        with redis_server.client() as client:
            before = set(client.keys("*{*"))
            space = await made(store)
            await store.set(space, "a", "1", StoreLimits())
            own = set(client.keys("*{*")) - before
            assert own
            await store.destroy(space, mark=False)
            assert {key for key in client.keys("*{*") if not key.endswith(b":wiped")} == before


class TestThirdParty(StoreContract):
    @pytest.fixture
    def store(self) -> StoreBackend:
        return DictStore({"NAME": "theirs"})

    async def test_s32_a_store_of_somebody_elses_is_destroyed_as_a_whole(self, store: StoreBackend) -> None:
        space, other = await made(store), await made(store)
        for each in (space, other):
            await store.set(each, "a", "1", StoreLimits())
            await store.set(each, "b", "2", StoreLimits())
        await store.destroy(space, mark=True)
        with pytest.raises(StoreDestroyed):
            await store.items(space)
        assert await store.items(other) == {"a": "1", "b": "2"}
