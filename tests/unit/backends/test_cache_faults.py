"""A store in a cache that forgets, fails or is changed by others meanwhile: what was acknowledged is there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
import time_machine
from django.core.cache import caches
from django.core.exceptions import ImproperlyConfigured
from hypothesis import given
from hypothesis import strategies as st

from sessionstore_app.backends import cache
from sessionstore_app.backends.cache import CacheStore
from sessionstore_app.backends.stores import StoreBackend
from sessionstore_app.core.errors import StoreDestroyed, TooManyKeys, Unavailable
from sessionstore_app.core.limits import StoreLimits
from sessionstore_app.testing.storecontract import AMPLE, call, made, new_space
from tests.unit.backends.faultycaches import Scripted
from tests.unit.generated import MANY

if TYPE_CHECKING:
    from pytest_django import Settings

_HERE = "tests.unit.backends.faultycaches"
_DAY = 86_400


def store_in(settings: Settings, backend: str, **options: Any) -> CacheStore:
    """A store in such a cache."""
    settings.CACHES = {
        **settings.CACHES,
        "stores": {"BACKEND": backend, "LOCATION": "faults", "OPTIONS": {"MAX_ENTRIES": 10_000}},
    }
    return CacheStore({"CACHE": "stores", **options})


@pytest.fixture
def store(settings: Settings) -> Iterator[StoreBackend]:
    yield store_in(settings, f"{_HERE}.Scripted")
    Scripted.before.clear()
    caches["stores"].clear()


def once(name: str, act: Callable[..., object]) -> None:
    """Do this at the next call of that name, of which it returns true if it is not to be done; calls within not."""

    def script(*arguments: Any) -> object:
        del Scripted.before[name]
        return act(*arguments)

    Scripted.before[name] = script


def is_value(key: str, *_: object) -> bool:
    """Is it the cache's key of a value?"""
    return ":value:" in key


def at_value(name: str, act: Callable[..., object]) -> None:
    """As `once`, at the next call that is about a value."""

    def script(*arguments: Any) -> object:
        if not is_value(*arguments):
            return None
        del Scripted.before[name]
        return act(*arguments)

    Scripted.before[name] = script


# --- a cache that forgets


async def test_p38_a_set_that_is_lost_without_a_word_is_made_again(store: StoreBackend) -> None:
    space = await made(store)
    for text in ("1", "2"):
        at_value("set", lambda *_: True)
        await store.set(space, "a", text, AMPLE)
        assert await store.get(space, "a") == text


async def test_p38_a_deletion_that_is_lost_is_made_again(store: StoreBackend) -> None:
    space = await made(store)
    await store.set(space, "a", "1", AMPLE)
    at_value("set", lambda *_: True)
    await store.delete(space, "a")
    assert await store.items(space) == {}


async def test_a_cache_that_keeps_no_value_is_unavailable(store: StoreBackend) -> None:
    space = await made(store)
    Scripted.before["set"] = is_value
    with pytest.raises(Unavailable):
        await store.set(space, "a", "1", AMPLE)


async def test_a_marker_that_is_not_kept_at_once_is_set_again(store: StoreBackend) -> None:
    once("add", lambda *_: True)
    space = await made(store)
    assert await store.items(space) == {}
    once("set", lambda *_: True)
    await store.destroy(space)
    with pytest.raises(StoreDestroyed):
        await store.create(space, AMPLE)


async def test_a_cache_that_keeps_no_mark_is_unavailable(store: StoreBackend) -> None:
    space = await made(store)
    Scripted.before["set"] = lambda *_: True
    with pytest.raises(Unavailable):
        await store.destroy(space)


async def test_a_cache_that_keeps_nothing_is_unavailable(settings: Settings) -> None:
    dummy = store_in(settings, "django.core.cache.backends.dummy.DummyCache")
    with pytest.raises(Unavailable):
        await dummy.create(new_space(), AMPLE)


async def test_a_cache_out_of_reach_is_unavailable(settings: Settings) -> None:
    down = store_in(settings, f"{_HERE}.Down")
    with pytest.raises(Unavailable) as refused:
        await down.get(new_space(), "a")
    assert refused.value.retryable
    assert isinstance(refused.value.__cause__, ConnectionRefusedError)


async def test_a_space_whose_marker_was_thrown_away_is_gone_and_not_half_there(store: StoreBackend) -> None:
    space = await made(store)
    await store.set(space, "a", "1", AMPLE)
    (marker,) = (key for key in _keys() if ":space:" in key)
    caches["stores"].delete(marker.removeprefix(":1:"))
    with pytest.raises(StoreDestroyed):
        await store.get(space, "a")
    await store.create(space, AMPLE)
    assert await store.items(space) == {}


# --- others, in the middle of a set


async def test_a_set_that_a_destruction_overtakes_is_refused_and_leaves_nothing(store: StoreBackend) -> None:
    space = await made(store)
    at_value("set", lambda *_: call(store.destroy(space, mark=False)))
    with pytest.raises(StoreDestroyed):
        await store.set(space, "a", "1", AMPLE)
    assert _keys() == []


async def test_a_set_that_a_new_space_of_the_same_name_overtakes_is_made_there(store: StoreBackend) -> None:
    space = await made(store)

    def replace(*_: object) -> None:
        call(store.destroy(space, mark=False))
        call(store.create(space, AMPLE))

    at_value("set", replace)
    await store.set(space, "a", "1", AMPLE)
    assert await store.items(space) == {"a": "1"}


async def test_a_slot_freed_under_a_set_is_taken_again(store: StoreBackend) -> None:
    limits = StoreLimits(keys=2)
    space = await made(store, limits)
    await store.set(space, "a", "1", limits)
    await store.delete(space, "a")
    await store.set(space, "b", "1", limits)

    def need_a_slot(*_: object) -> None:
        # No slot is free: that of `a`, which has no value yet, is.
        call(store.set(space, "c", "1", limits))
        call(store.delete(space, "c"))

    at_value("set", need_a_slot)
    await store.set(space, "a", "2", limits)
    assert await store.items(space) == {"a": "2", "b": "1"}


async def test_at_the_limit_a_set_that_lost_its_slot_is_refused_and_not_kept(store: StoreBackend) -> None:
    limits = StoreLimits(keys=2)
    space = await made(store, limits)
    await store.set(space, "a", "1", limits)
    await store.delete(space, "a")
    await store.set(space, "b", "1", limits)
    at_value("set", lambda *_: call(store.set(space, "c", "1", limits)))
    with pytest.raises(TooManyKeys):
        await store.set(space, "a", "2", limits)
    assert await store.get(space, "a") is None
    assert await store.items(space) == {"b": "1", "c": "1"}


async def test_a_key_set_while_its_slot_is_freed_is_listed_all_the_same(store: StoreBackend) -> None:
    limits = StoreLimits(keys=3)
    space = await made(store, limits)
    for key in ("a", "b", "c"):
        await store.set(space, key, "1", limits)
    for key in ("a", "b"):
        await store.delete(space, key)

    def set_again(key: str, *_: object) -> None:
        # The slots were found unused, and one is about to be freed.
        if ":free:" in key:
            del Scripted.before["add"]
            call(store.set(space, "a", "2", limits))

    Scripted.before["add"] = set_again
    await store.set(space, "d", "1", limits)
    assert await store.items(space) == {"a": "2", "c": "1", "d": "1"}


async def test_who_comes_second_to_free_a_slot_does_not_free_it_for_its_next_owner(store: StoreBackend) -> None:
    limits = StoreLimits(keys=1)
    space = await made(store, limits)
    await store.set(space, "a", "1", limits)
    await store.delete(space, "a")

    def be_first(key: str, *_: object) -> None:
        if ":free:" in key:
            del Scripted.before["add"]
            call(store.set(space, "b", "1", limits))

    Scripted.before["add"] = be_first
    with pytest.raises(TooManyKeys):
        await store.set(space, "c", "1", limits)
    assert await store.items(space) == {"b": "1"}


async def test_while_another_frees_the_last_slot_a_set_waits_and_is_told_if_it_takes_too_long(
    store: StoreBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "PATIENCE_SECONDS", 0.02)
    limits = StoreLimits(keys=1)
    space = await made(store, limits)
    await store.set(space, "a", "1", limits)
    await store.delete(space, "a")
    # As if the one who may free it stood still.
    Scripted.before["add"] = lambda key, *_: ":free:" in key
    with pytest.raises(Unavailable):
        await store.set(space, "b", "1", limits)
    Scripted.before.clear()
    await store.set(space, "b", "1", limits)
    assert await store.items(space) == {"b": "1"}


async def test_a_key_with_two_slots_gives_one_back_when_slots_run_out(store: StoreBackend) -> None:
    limits = StoreLimits(keys=2)
    space = await made(store, limits)
    await store.set(space, "a", "1", limits)
    (slot,) = (key for key in _keys() if ":slot:" in key)
    name = slot.removeprefix(":1:")
    other = f"{name[:-1]}{1 - int(name[-1])}"
    # Two who set it first at the same time may have taken one each.
    caches["stores"].set(other, ("another token", "a"))
    assert await store.items(space) == {"a": "1"}
    await store.set(space, "b", "1", limits)
    assert await store.items(space) == {"a": "1", "b": "1"}
    with pytest.raises(TooManyKeys):
        await store.set(space, "c", "1", limits)


async def test_a_slot_that_has_another_owner_by_now_is_not_freed(store: StoreBackend) -> None:
    limits = StoreLimits(keys=1)
    space = await made(store, limits)
    await store.set(space, "a", "1", limits)
    await store.delete(space, "a")

    def hand_on(key: str, *_: object) -> None:
        if ":free:" in key:
            del Scripted.before["add"]
            (slot,) = (key for key in _keys() if ":slot:" in key)
            caches["stores"].delete(slot.removeprefix(":1:"))
            call(store.set(space, "b", "1", limits))

    Scripted.before["add"] = hand_on
    with pytest.raises(TooManyKeys):
        await store.set(space, "c", "1", limits)
    assert await store.items(space) == {"b": "1"}


async def test_a_key_deleted_long_ago_still_has_its_slot(store: StoreBackend) -> None:
    limits = StoreLimits(keys=2)
    space = await made(store, limits)
    with time_machine.travel(0, tick=False) as clock:
        await store.set(space, "a", "1", limits)
        await store.delete(space, "a")
        clock.shift(3_600)
        await store.set(space, "a", "2", limits)
        assert sum(":slot:" in key for key in _keys()) == 1
        assert await store.items(space) == {"a": "2"}


async def test_two_who_set_a_new_key_at_once_share_its_slot(store: StoreBackend) -> None:
    limits = StoreLimits(keys=1)
    space = await made(store, limits)
    once("add", lambda *_: call(store.set(space, "a", "1", limits)))
    await store.set(space, "a", "2", limits)
    assert await store.items(space) == {"a": "2"}


async def test_a_new_key_whose_slot_another_takes_finds_one_more(store: StoreBackend) -> None:
    limits = StoreLimits(keys=2)
    space = await made(store, limits)
    # In two slots any two keys meet, or do not: of a few, some do.
    once("add", lambda *_: call(store.set(space, "b", "1", limits)))
    await store.set(space, "a", "1", limits)
    assert await store.items(space) == {"a": "1", "b": "1"}


async def test_h11_a_store_of_no_keys_keeps_none(store: StoreBackend) -> None:
    space = await made(store, StoreLimits(keys=0))
    with pytest.raises(TooManyKeys):
        await store.set(space, "a", "1", AMPLE)


@MANY
@given(acts=st.lists(st.tuples(st.sampled_from("abcdef"), st.booleans()), max_size=40))
def test_whatever_is_set_and_deleted_the_store_is_a_dictionary(acts: list[tuple[str, bool]]) -> None:
    store, limits, expected = CacheStore(), StoreLimits(keys=4), dict[str, str]()
    space = call(made(store, limits))
    for number, (key, sets) in enumerate(acts):
        if not sets:
            call(store.delete(space, key))
            expected.pop(key, None)
            continue
        try:
            call(store.set(space, key, str(number), limits))
        except TooManyKeys:
            assert len(expected) == 4
            continue
        expected[key] = str(number)
        assert len(expected) <= 4
    assert call(store.items(space)) == expected
    call(store.destroy(space, mark=False))


# --- time


async def test_s11_a_store_in_use_outlives_its_timeout(store: StoreBackend) -> None:
    with time_machine.travel(0, tick=False) as clock:
        space = await made(store)
        await store.set(space, "seeded", "1", AMPLE)
        for _ in range(8):
            clock.shift(3 * _DAY)
            await store.set(space, "used", "1", AMPLE)
        clock.shift(3 * _DAY)
        assert await store.items(space) == {"seeded": "1", "used": "1"}


async def test_s23_a_store_nobody_uses_is_forgotten_as_a_whole(settings: Settings) -> None:
    with time_machine.travel(0, tick=False) as clock:
        store = store_in(settings, f"{_HERE}.Scripted", TIMEOUT=100)
        space = await made(store)
        await store.set(space, "first", "1", AMPLE)
        clock.shift(40)
        await store.set(space, "second", "1", AMPLE)
        clock.shift(59.9)
        assert await store.items(space) == {"first": "1", "second": "1"}
        clock.shift(100)
        with pytest.raises(StoreDestroyed):
            await store.get(space, "second")
        await store.create(space, AMPLE)
        assert await store.items(space) == {}
    caches["stores"].clear()


async def test_without_a_timeout_nothing_is_ever_forgotten(settings: Settings) -> None:
    with time_machine.travel(0, tick=False) as clock:
        store = store_in(settings, f"{_HERE}.Scripted", TIMEOUT=None)
        space = await made(store)
        await store.set(space, "a", "1", AMPLE)
        clock.shift(1_000 * _DAY)
        assert await store.items(space) == {"a": "1"}
    caches["stores"].clear()


# --- options


@pytest.mark.parametrize("timeout", [0, 1, -5, "60", 1.5, True])
def test_a_timeout_is_a_number_of_seconds(timeout: object) -> None:
    with pytest.raises(TypeError, match="TIMEOUT"):
        CacheStore({"TIMEOUT": timeout})


def test_an_unknown_option_or_cache_is_refused() -> None:
    with pytest.raises(TypeError, match="LOCATION"):
        CacheStore({"LOCATION": "x"})
    with pytest.raises(ImproperlyConfigured):
        CacheStore({"CACHE": "nowhere"})


def _keys() -> list[str]:
    return list(caches["stores"]._cache)  # type: ignore[attr-defined]  # of locmem only


def test_slots_that_another_has_freed_meanwhile_are_taken(store: StoreBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """All were taken when we looked, and when we come to free some, they are free: that is not a full store."""
    limits = StoreLimits(keys=2)
    space = call(made(store, limits))
    probe = cache._Table._probe
    looked: list[str] = []

    def taken_at_first(table: cache._Table, key: str) -> int | None:
        looked.append(key)
        return None if len(looked) == 1 else probe(table, key)

    monkeypatch.setattr(cache._Table, "_probe", taken_at_first)
    call(store.set(space, "a", "1", limits))
    assert call(store.items(space)) == {"a": "1"}
    assert looked == ["a", "a"]
