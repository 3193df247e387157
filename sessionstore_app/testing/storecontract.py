# ruff: noqa: S101, S311  # a contract asserts; its dice need no secret
"""The contract of a store of private entries (`sessionstore_app.backends.stores`) as tests: one for each promise.

For a store backend of your own, with pytest-asyncio in auto mode and Hypothesis:

    class TestMyStore(StoreContract):
        @pytest.fixture
        def store(self) -> Iterator[StoreBackend]:
            store = MyStore({...})          # empty: what other tests left must be gone
            yield store
            store.close()

It must take 2,000 keys in one space, and be usable by several threads at the same time.
"""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

import pytest
from django.db import connections
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sessionstore_app.backends.stores import StoreBackend
from sessionstore_app.core.entries import Space
from sessionstore_app.core.errors import StoreDestroyed, TooManyKeys, ValueTooLarge
from sessionstore_app.core.jsontext import MAX_INTEGER, Json, dumps, loads
from sessionstore_app.core.limits import StoreLimits
from sessionstore_app.services import bridge
from sessionstore_app.testing.registers import Act, is_possible

T = TypeVar("T")

# A store's names are used once: tests of one run do not meet in a cache that keeps what they left.
_numbers = itertools.count(1)
AMPLE: Final = StoreLimits(value_bytes=10_000, keys=2_000, store_bytes=10_000_000)

_texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
_scalars: st.SearchStrategy[Json] = (
    st.booleans()
    | st.integers(-MAX_INTEGER, MAX_INTEGER)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _texts
    | st.none()
)
_values: st.SearchStrategy[Json] = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3), max_leaves=8
)
_drawn = settings(
    max_examples=40,
    deadline=None,
    # One store for all examples, each of which takes a space of its own; and one suite for many stores.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors, HealthCheck.too_slow],
)


def new_space(kind: str = "session") -> Space:
    """A name that was not used before."""
    return Space(f"{kind}:{random.getrandbits(64):x}-{next(_numbers)}")


async def made(store: StoreBackend, limits: StoreLimits = AMPLE) -> Space:
    """A new space of the store."""
    space = new_space()
    await store.create(space, limits)
    return space


def call(coroutine: Coroutine[Any, Any, T]) -> T:
    """Call it from synchronous code, as views and threads do."""
    return bridge.run(coroutine)


def in_threads(work: Callable[[int], T], count: int) -> list[T]:
    """What comes of the same work in so many threads at the same time; each lets go of its connections."""

    def one(number: int) -> T:
        try:
            return work(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


class StoreContract:
    """Every promise. Subclasses give a fixture `store`: a new, empty one for each test."""

    # --- what a store is for (parity S1 to S4)

    async def test_s1_what_is_set_is_read_back_and_set_again(self, store: StoreBackend) -> None:
        space = await made(store)
        await store.set(space, "cart", '{"n":1}', AMPLE)
        assert await store.get(space, "cart") == '{"n":1}'
        await store.set(space, "cart", "2", AMPLE)
        assert await store.get(space, "cart") == "2"
        assert await store.items(space) == {"cart": "2"}

    async def test_s2_a_key_never_set_has_no_value(self, store: StoreBackend) -> None:
        space = await made(store)
        assert await store.get(space, "cart") is None
        assert await store.items(space) == {}

    async def test_s3_has_says_whether_a_key_has_a_value(self, store: StoreBackend) -> None:
        space = await made(store)
        await store.set(space, "zero", "0", AMPLE)
        assert await store.has(space, "zero")
        assert not await store.has(space, "one")

    async def test_s4_a_deleted_key_has_no_value_and_the_others_keep_theirs(self, store: StoreBackend) -> None:
        space = await made(store)
        for key in ("a", "b"):
            await store.set(space, key, "1", AMPLE)
        await store.delete(space, "a")
        await store.delete(space, "a")
        await store.delete(space, "never")
        assert await store.get(space, "a") is None
        assert not await store.has(space, "a")
        assert await store.items(space) == {"b": "1"}

    async def test_s4_a_deleted_key_can_be_set_again(self, store: StoreBackend) -> None:
        space = await made(store)
        for number in range(3):
            await store.set(space, "a", str(number), AMPLE)
            await store.delete(space, "a")
        await store.set(space, "a", "9", AMPLE)
        assert await store.items(space) == {"a": "9"}

    # --- where a space begins and ends (S5)

    async def test_in_a_space_that_was_not_made_nothing_can_be_done(self, store: StoreBackend) -> None:
        await self.assert_gone(store, new_space())

    async def test_a_space_made_twice_keeps_what_is_in_it(self, store: StoreBackend) -> None:
        space = await made(store)
        await store.set(space, "a", "1", AMPLE)
        await store.create(space, AMPLE)
        assert await store.items(space) == {"a": "1"}

    async def test_s5_a_destroyed_space_is_gone_and_stays_closed(self, store: StoreBackend) -> None:
        space = await made(store)
        await store.set(space, "a", "1", AMPLE)
        await store.destroy(space)
        await self.assert_gone(store, space)
        with pytest.raises(StoreDestroyed):
            await store.create(space, AMPLE)
        await store.destroy(space)
        await self.assert_gone(store, space)

    async def test_s5_one_never_made_can_be_closed_too(self, store: StoreBackend) -> None:
        space = new_space()
        await store.destroy(space)
        with pytest.raises(StoreDestroyed):
            await store.create(space, AMPLE)

    async def test_s21_a_space_destroyed_without_a_mark_is_gone_all_the_same(self, store: StoreBackend) -> None:
        space = await made(store)
        await store.set(space, "a", "1", AMPLE)
        await store.destroy(space, mark=False)
        await self.assert_gone(store, space)
        await store.destroy(space, mark=False)

    async def test_s21_where_nothing_was_a_destruction_without_a_mark_leaves_nothing(self, store: StoreBackend) -> None:
        space = new_space()
        await store.destroy(space, mark=False)
        await store.create(space, AMPLE)
        assert await store.items(space) == {}

    async def test_forgetting_old_marks_leaves_what_lives(self, store: StoreBackend) -> None:
        space, closed = await made(store), await made(store)
        await store.set(space, "a", "1", AMPLE)
        await store.destroy(closed)
        await store.forget_destroyed(1)
        with pytest.raises(StoreDestroyed):
            await store.create(closed, AMPLE)
        await store.forget_destroyed(2**52)
        assert await store.items(space) == {"a": "1"}

    async def test_s23_a_store_that_can_list_lists_what_is_there(self, store: StoreBackend) -> None:
        there, gone = await made(store), await made(store)
        await store.destroy(gone, mark=False)
        if not store.can_list:
            with pytest.raises(NotImplementedError):
                store.spaces()
            with pytest.raises(NotImplementedError):
                await store.made_at_ms(there)
            return
        listed = [space async for space in store.spaces()]
        assert listed.count(there) == 1
        assert gone not in listed

    async def test_s23_a_store_that_can_list_knows_since_when_a_space_is_there(self, store: StoreBackend) -> None:
        if not store.can_list:
            return
        before_ms = time.time_ns() // 1_000_000
        space = await made(store)
        after_ms = time.time_ns() // 1_000_000
        made_at_ms = await store.made_at_ms(space)
        # By the clock of a server of its own: within a few seconds of ours.
        assert before_ms - 5_000 <= made_at_ms <= after_ms + 5_000
        await store.set(space, "a", "1", AMPLE)
        await store.delete(space, "a")
        await store.create(space, AMPLE)
        assert await store.made_at_ms(space) == made_at_ms
        await store.destroy(space)
        with pytest.raises(StoreDestroyed):
            await store.made_at_ms(space)

    async def test_a_closed_store_opens_again_with_the_next_call(self, store: StoreBackend) -> None:
        space = await made(store)
        await store.set(space, "a", "1", AMPLE)
        store.close()
        assert await store.get(space, "a") == "1"

    @staticmethod
    async def assert_gone(store: StoreBackend, space: Space) -> None:
        """Everything that needs the space is refused."""
        for act in (
            store.set(space, "a", "1", AMPLE),
            store.get(space, "a"),
            store.has(space, "a"),
            store.delete(space, "a"),
            store.items(space),
        ):
            with pytest.raises(StoreDestroyed):
                await act

    # --- apart, and as it was (S7, S8, I12)

    async def test_s7_i12_two_spaces_never_see_each_others_keys(self, store: StoreBackend) -> None:
        first, second = await made(store), await made(store)
        await store.set(first, "same", '"canary"', AMPLE)
        assert not await store.has(second, "same")
        await store.set(second, "same", '"other"', AMPLE)
        await store.delete(second, "same")
        assert await store.items(first) == {"same": '"canary"'}
        await store.destroy(first)
        assert await store.items(second) == {}

    @_drawn
    @given(value=_values)
    async def test_s8_any_value_comes_back_as_it_was(self, store: StoreBackend, value: Json) -> None:
        space = await made(store)
        text = dumps(value)
        await store.set(space, "key", text, AMPLE)
        assert await store.get(space, "key") == text
        assert repr(loads((await store.items(space))["key"])) == repr(loads(text))

    @_drawn
    @given(keys=st.lists(_texts.filter(bool), min_size=1, max_size=5, unique=True))
    async def test_s8_keys_that_look_alike_are_different(self, store: StoreBackend, keys: list[str]) -> None:
        space = await made(store)
        for number, key in enumerate(keys):
            await store.set(space, key, str(number), AMPLE)
        assert await store.items(space) == {key: str(number) for number, key in enumerate(keys)}

    # --- what it is not for (S12)

    async def test_s12_a_value_at_the_limit_is_kept_and_one_beyond_is_refused(self, store: StoreBackend) -> None:
        limits = StoreLimits(value_bytes=8)
        space = await made(store, limits)
        await store.set(space, "a", '"ééé"', limits)
        with pytest.raises(ValueTooLarge) as refused:
            await store.set(space, "a", '"éééx"', limits)
        assert (refused.value.limit, refused.value.actual) == (8, 9)
        assert await store.get(space, "a") == '"ééé"'

    async def test_s12_keys_have_a_limit_and_one_more_changes_nothing(self, store: StoreBackend) -> None:
        limits = StoreLimits(keys=3)
        space = await made(store, limits)
        for key in ("a", "b", "c"):
            await store.set(space, key, "1", limits)
        for _ in range(2):
            with pytest.raises(TooManyKeys) as refused:
                await store.set(space, "d", "1", limits)
            assert (refused.value.limit, refused.value.actual) == (3, 4)
            assert not await store.has(space, "d")
            assert await store.items(space) == {"a": "1", "b": "1", "c": "1"}
        await store.set(space, "a", "2", limits)
        await store.delete(space, "b")
        await store.set(space, "d", "1", limits)
        assert await store.items(space) == {"a": "2", "c": "1", "d": "1"}

    # --- many at once (S9, I5)

    def test_s9_ten_threads_set_a_hundred_keys_each_and_all_read_back(self, store: StoreBackend) -> None:
        space = call(made(store))

        def work(number: int) -> list[str | None]:
            keys = [f"{number}/{step}" for step in range(100)]
            for key in keys:
                call(store.set(space, key, dumps(key), AMPLE))
            return [call(store.get(space, key)) for key in keys]

        seen = in_threads(work, 10)
        expected = [[dumps(f"{number}/{step}") for step in range(100)] for number in range(10)]
        assert seen == expected
        listed = call(store.items(space))
        assert listed == {f"{number}/{step}": dumps(f"{number}/{step}") for number in range(10) for step in range(100)}

    def test_s9_threads_that_make_the_same_space_all_find_it(self, store: StoreBackend) -> None:
        space = new_space()

        def work(number: int) -> None:
            call(store.create(space, AMPLE))
            call(store.set(space, f"k{number}", str(number), AMPLE))

        in_threads(work, 8)
        assert call(store.items(space)) == {f"k{number}": str(number) for number in range(8)}

    def test_i5_each_key_is_a_register(self, store: StoreBackend) -> None:
        space = call(made(store))
        keys = ("a", "b", "c")
        moments = itertools.count()

        def work(number: int) -> list[tuple[str, Act]]:
            dice = random.Random(number)
            acts: list[tuple[str, Act]] = []
            for step in range(40):
                key = dice.choice(keys)
                begun, kind = next(moments), dice.choice(("set", "delete", "get", "get"))
                value: str | None = f"{number}{step:03}" if kind == "set" else None
                if value is not None:
                    call(store.set(space, key, value, AMPLE))
                elif kind == "delete":
                    call(store.delete(space, key))
                else:
                    value = call(store.get(space, key))
                acts.append((key, Act(begun, next(moments), "get" if kind == "get" else "set", value)))
            return acts

        everything = [act for acts in in_threads(work, 5) for act in acts]
        for key in keys:
            assert is_possible([act for name, act in everything if name == key]), key
        last = call(store.items(space))
        assert last == {key: value for key in keys if (value := call(store.get(space, key))) is not None}

    def test_a_set_that_races_a_destruction_is_before_it_or_refused(self, store: StoreBackend) -> None:
        space = call(made(store))

        def work(number: int) -> bool:
            try:
                for step in range(20):
                    if (number, step) == (0, 10):
                        call(store.destroy(space))
                    call(store.set(space, f"{number}/{step}", "1", AMPLE))
            except StoreDestroyed:
                return True
            return False

        outcomes = in_threads(work, 4)
        assert outcomes[0]
        call(self.assert_gone(store, space))
