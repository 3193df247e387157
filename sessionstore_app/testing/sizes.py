# ruff: noqa: S101  # a contract asserts
"""How much a space holds: at the limit, one byte beyond, and how to come back from too much (parity H10-H14)."""

from __future__ import annotations

import pytest

from sessionstore_app.backends.base import Backend
from sessionstore_app.core.errors import StoreTooLarge, TooManyKeys, ValueTooLarge
from sessionstore_app.core.limits import StoreLimits
from sessionstore_app.core.operations import Append, Increment
from sessionstore_app.testing.acts import (
    AMPLE,
    ANN,
    OTHER,
    ROOM,
    assert_counts_right,
    contents,
    deleting,
    doing,
    read,
    setting,
    write,
    write_one,
)

DEFAULT = StoreLimits()
# Two keys of one byte with ten bytes of value each.
TIGHT = StoreLimits(value_bytes=10, keys=2, store_bytes=22)


def text_of(size_bytes: int, letter: str = "x") -> str:
    """A string whose JSON is exactly so long."""
    room = size_bytes - 2
    text = letter * (room // len(letter.encode()))
    return text + "x" * (room - len(text.encode()))


class SizePromises:
    """Limits (base.py, promise 1): three different errors, nothing changed, deleting always possible."""

    @pytest.mark.parametrize("letter", ["x", "é", "€", "🙂"])
    async def test_h10_a_value_may_be_as_long_as_the_limit_but_not_a_byte_longer(
        self, backend: Backend, letter: str
    ) -> None:
        kept = await write_one(backend, setting("notes", text_of(1_024, letter)), limits=DEFAULT)
        with pytest.raises(ValueTooLarge) as refused:
            await write(backend, setting("notes", text_of(1_025, letter)), limits=DEFAULT)
        assert (refused.value.limit, refused.value.actual) == (1_024, 1_025)
        reading = await read(backend)
        assert (reading.version, reading.entries) == (1, (kept,))

    async def test_h10_a_computed_value_counts_like_any_other(self, backend: Backend) -> None:
        await write(backend, setting("list", ["abcd"]), setting("count", 99), limits=TIGHT)
        before = await read(backend)
        with pytest.raises(ValueTooLarge) as refused:
            await write(backend, doing("list", Append(item="x")), doing("count", Increment()), limits=TIGHT)
        assert (refused.value.limit, refused.value.actual) == (10, 12)
        assert await read(backend) == before

    async def test_h11_a_space_may_hold_as_many_keys_as_the_limit_but_not_one_more(self, backend: Backend) -> None:
        await write(backend, *(setting(f"k{n}", n) for n in range(99)), limits=DEFAULT)
        await write(backend, setting("hundredth", 1), limits=DEFAULT)
        before = await read(backend)
        with pytest.raises(TooManyKeys) as refused:
            await write(backend, setting("one-more", 1), limits=DEFAULT)
        assert (refused.value.limit, refused.value.actual) == (100, 101)
        assert await read(backend) == before
        assert (await write_one(backend, setting("k0", "overwritten"), limits=DEFAULT)).version == 3

    async def test_h11_a_deleted_key_makes_room_for_another_in_the_same_write(self, backend: Backend) -> None:
        await write(backend, setting("a", 1), setting("b", 2), limits=TIGHT)
        await write(backend, setting("c", 3), deleting("a"), limits=TIGHT)
        assert await contents(backend) == {"b": 2, "c": 3}
        with pytest.raises(TooManyKeys):
            await write(backend, deleting("a"), setting("d", 4), limits=TIGHT)

    async def test_h12_a_store_may_be_as_large_as_the_limit_but_not_a_byte_larger(self, backend: Backend) -> None:
        # 63 values of 1,024 bytes with keys of two, and one that fills up what is left.
        await write(backend, *(setting(f"{n:02}", text_of(1_024)) for n in range(63)), limits=DEFAULT)
        left = 65_536 - 63 * 1_026 - 4
        await write(backend, setting("last", text_of(left)), limits=DEFAULT)
        before = await read(backend)
        with pytest.raises(StoreTooLarge) as refused:
            await write(backend, setting("last", text_of(left + 1)), limits=DEFAULT)
        assert (refused.value.limit, refused.value.actual) == (65_536, 65_537)
        assert await read(backend) == before
        await assert_counts_right(backend)

    @pytest.mark.parametrize(("key", "size_bytes"), [("abc", 3), ("né", 3), ("🙂", 4)])
    async def test_h12_names_of_keys_count_in_bytes(self, backend: Backend, key: str, size_bytes: int) -> None:
        exact = StoreLimits(value_bytes=10, keys=2, store_bytes=size_bytes + 1)
        with pytest.raises(StoreTooLarge) as refused:
            await write(backend, setting(key, 10), limits=exact)
        assert refused.value.actual == size_bytes + 2
        assert (await write_one(backend, setting(key, 1), limits=exact)).version == 1

    async def test_h13_overwriting_counts_the_new_value_instead_of_the_old(self, backend: Backend) -> None:
        await write(backend, setting("a", text_of(10)), setting("b", text_of(10)), limits=TIGHT)
        await write(backend, setting("a", text_of(10, "y")), limits=TIGHT)
        await write(backend, setting("a", text_of(3)), limits=TIGHT)
        await write(backend, setting("b", text_of(10, "y")), limits=TIGHT)
        await write(backend, setting("a", text_of(10)), limits=TIGHT)
        await assert_counts_right(backend)
        with pytest.raises(StoreTooLarge):
            await write(backend, setting("a", text_of(10)), deleting("b"), setting("bb", text_of(10)), limits=TIGHT)

    async def test_h13_what_was_deleted_counts_no_longer(self, backend: Backend) -> None:
        for _ in range(5):
            await write(backend, setting("a", text_of(10)), setting("b", text_of(10)), limits=TIGHT)
            await write(backend, deleting("a"), deleting("b"), limits=TIGHT)
        await write(backend, setting("c", text_of(10)), setting("d", text_of(10)), limits=TIGHT)
        await assert_counts_right(backend)

    async def test_h13_deleting_always_succeeds_in_a_space_that_is_overfull(self, backend: Backend) -> None:
        await write(backend, *(setting(key, text_of(100)) for key in "abcd"), limits=AMPLE)
        await write(backend, deleting("a"), limits=TIGHT)
        await write(backend, deleting("never"), limits=TIGHT)
        await write(backend, setting("b", text_of(9)), limits=TIGHT)
        assert sorted(await contents(backend)) == ["b", "c", "d"]
        await assert_counts_right(backend)

    async def test_h13_an_overfull_space_does_not_grow(self, backend: Backend) -> None:
        await write(backend, *(setting(key, text_of(9)) for key in "abcd"), limits=AMPLE)
        before = await read(backend)
        with pytest.raises(TooManyKeys):
            await write(backend, setting("e", 1), limits=TIGHT)
        with pytest.raises(StoreTooLarge):
            await write(backend, setting("a", text_of(10)), limits=TIGHT)
        assert await read(backend) == before
        await write(backend, setting("a", text_of(9, "y")), limits=TIGHT)

    async def test_h14_a_refused_write_costs_neither_version_nor_op(self, backend: Backend) -> None:
        with pytest.raises(ValueTooLarge):
            await write(backend, setting("a", text_of(11)), by=ANN, op=1, limits=TIGHT)
        result = await write(backend, setting("a", text_of(10)), by=ANN, op=1, limits=TIGHT)
        assert (result.version, result.duplicate) == (1, False)

    async def test_what_one_space_holds_counts_for_no_other(self, backend: Backend) -> None:
        for space in (OTHER, ROOM):
            await write(backend, setting("a", text_of(10)), setting("b", text_of(10)), limits=TIGHT, space=space)
            await assert_counts_right(backend, space)
