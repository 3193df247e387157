# ruff: noqa: S101, S311  # a contract asserts; its dice need no secret
"""Writes under a lock: whoever held it before and comes late is refused by the space itself."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable
from contextlib import suppress
from itertools import product

import pytest

from sessionstore_app.backends.base import Backend
from sessionstore_app.core.entries import Fence, Space, WriteResult
from sessionstore_app.core.errors import LockNotHeld, SpaceWiped, VersionConflict
from sessionstore_app.core.operations import Increment, Remove
from sessionstore_app.testing.acts import (
    ANN,
    BO,
    OTHER,
    ROOM,
    assert_counts_right,
    contents,
    doing,
    read,
    setting,
    tallies,
    write,
)

FAR_FUTURE_MS = 2**52
# As large as a clock's milliseconds: what counts locks may number them so.
FIRST = Fence("stage", 1_750_000_000_000)
SECOND = Fence("stage", FIRST.sequence + 1)
THIRD = Fence("stage", SECOND.sequence + 1)


class FencePromises:
    """Sequences of locks (base.py, promise 6)."""

    async def test_d78_a_write_under_a_lock_that_went_on_is_refused(self, backend: Backend) -> None:
        await write(backend, setting("slide", 2), by=BO, fence=SECOND)
        with pytest.raises(LockNotHeld):
            await write(backend, setting("slide", 1), by=ANN, fence=FIRST)
        assert await contents(backend) == {"slide": 2}

    async def test_d73_an_equal_and_a_higher_sequence_pass(self, backend: Backend) -> None:
        fences = (FIRST, FIRST, SECOND, THIRD, THIRD)
        results = [await write(backend, setting("slide", n), fence=fence) for n, fence in enumerate(fences)]
        assert [(result.version, result.changed) for result in results] == [(n, True) for n in range(1, 6)]

    async def test_d73_the_highest_sequence_counts_not_the_last_asked_for(self, backend: Backend) -> None:
        await write(backend, setting("slide", 3), fence=THIRD)
        for fence in (FIRST, SECOND):
            with pytest.raises(LockNotHeld):
                await write(backend, setting("slide", 1), fence=fence)
        assert (await write(backend, setting("slide", 4), fence=THIRD)).version == 2

    async def test_a_fence_holds_for_the_whole_space_whichever_key_was_written(self, backend: Backend) -> None:
        await write(backend, setting("slide", 2), fence=SECOND)
        with pytest.raises(LockNotHeld):
            await write(backend, setting("notes", 1), fence=FIRST)
        assert await contents(backend) == {"slide": 2}

    async def test_another_locks_sequence_does_not_matter(self, backend: Backend) -> None:
        await write(backend, setting("slide", 3), fence=THIRD)
        for lock in ("stage/left", "STAGE", "st", "é"):
            await write(backend, setting(f"by {lock}", 1), fence=Fence(lock, 1))
        assert (await read(backend)).version == 5

    async def test_another_spaces_sequence_does_not_matter(self, backend: Backend) -> None:
        await write(backend, setting("slide", 3), fence=THIRD, space=OTHER)
        assert (await write(backend, setting("slide", 1), fence=FIRST)).version == 1

    async def test_a_write_without_a_fence_passes_and_moves_none(self, backend: Backend) -> None:
        await write(backend, setting("slide", 2), fence=SECOND)
        assert (await write(backend, setting("slide", 9))).version == 2
        with pytest.raises(LockNotHeld):
            await write(backend, setting("slide", 1), fence=FIRST)
        assert (await write(backend, setting("slide", 2), fence=SECOND)).version == 3

    # --- refused is unchanged

    async def test_a_write_that_comes_too_late_changes_nothing(self, backend: Backend) -> None:
        await write(backend, setting("slide", 2), setting("count", 5), by=BO, fence=SECOND)
        before, held = await read(backend), await tallies(backend)
        with pytest.raises(LockNotHeld):
            await write(backend, setting("slide", 1), setting("new", 1), doing("count", Increment()), fence=FIRST)
        assert (await read(backend), await tallies(backend)) == (before, held)
        await assert_counts_right(backend)

    async def test_a_write_that_comes_too_late_does_not_use_up_its_op(self, backend: Backend) -> None:
        await write(backend, setting("slide", 2), by=BO, fence=SECOND)
        with pytest.raises(LockNotHeld):
            await write(backend, setting("slide", 1), by=ANN, op=1, fence=FIRST)
        result = await write(backend, setting("slide", 3), by=ANN, op=1, fence=THIRD)
        assert (result.duplicate, result.version) == (False, 2)

    async def test_a_write_refused_for_another_reason_moves_no_fence(self, backend: Backend) -> None:
        await write(backend, setting("slide", 1), fence=FIRST)
        with pytest.raises(VersionConflict):
            await write(backend, setting("slide", 2, if_version=0), fence=SECOND)
        assert (await write(backend, setting("slide", 1), fence=FIRST)).version == 2

    # --- what is looked at first

    async def test_a_fence_is_looked_at_before_a_guard(self, backend: Backend) -> None:
        await write(backend, setting("slide", 2), fence=SECOND)
        with pytest.raises(LockNotHeld):
            await write(backend, setting("slide", 1, if_version=0), fence=FIRST)

    async def test_t20_a_repeat_is_known_before_its_fence_is_looked_at(self, backend: Backend) -> None:
        await write(backend, setting("slide", 1), by=ANN, op=1, fence=FIRST)
        await write(backend, setting("slide", 2), by=BO, op=1, fence=SECOND)
        result = await write(backend, setting("slide", 1), by=ANN, op=1, fence=FIRST)
        assert (result.duplicate, result.changed, result.entries[0].value) == (True, False, 2)

    async def test_t20_a_repeat_moves_no_fence(self, backend: Backend) -> None:
        await write(backend, setting("slide", 1), by=ANN, op=1, fence=FIRST)
        assert (await write(backend, setting("slide", 1), by=ANN, op=1, fence=THIRD)).duplicate
        assert not (await write(backend, setting("slide", 2), by=BO, op=1, fence=SECOND)).duplicate

    async def test_a_write_that_changed_nothing_moves_the_fence_too(self, backend: Backend) -> None:
        # Its writer was told that no such item is there: nobody who came before may put it there afterwards.
        assert not (await write(backend, doing("list", Remove(where={"id": 1})), fence=SECOND)).changed
        with pytest.raises(LockNotHeld):
            await write(backend, setting("list", [{"id": 1}]), fence=FIRST)
        assert await contents(backend) == {}

    # --- the end of a space

    async def test_a_wiped_space_is_closed_whatever_the_sequence(self, backend: Backend) -> None:
        await write(backend, setting("slide", 2), fence=SECOND)
        await backend.wipe(ROOM)
        for fence in (FIRST, SECOND, THIRD):
            with pytest.raises(SpaceWiped):
                await write(backend, setting("slide", 1), fence=fence)

    async def test_wiping_forgets_the_fences(self, backend: Backend) -> None:
        await write(backend, setting("slide", 2), fence=SECOND)
        await backend.wipe(ROOM)
        await backend.forget_wiped(FAR_FUTURE_MS)
        # A backend may keep the space closed for longer, but has no other reason to refuse.
        with suppress(SpaceWiped):
            assert (await write(backend, setting("slide", 1), fence=FIRST)).version == 1

    async def test_wiping_one_space_leaves_the_fences_of_others(self, backend: Backend) -> None:
        for space in (ROOM, OTHER):
            await write(backend, setting("slide", 2), fence=SECOND, space=space)
        await backend.wipe(ROOM)
        with pytest.raises(LockNotHeld):
            await write(backend, setting("slide", 1), fence=FIRST, space=OTHER)

    # --- many at once

    async def test_p48_of_racing_holders_none_writes_after_a_later_one(self, backend: Backend) -> None:
        sequences = list(range(1, 21))
        random.Random(7).shuffle(sequences)
        racing = (write(backend, setting("slide", each), fence=Fence("stage", each)) for each in sequences)
        outcomes = await asyncio.gather(*racing, return_exceptions=True)
        results = [outcome for outcome in outcomes if isinstance(outcome, WriteResult)]
        late = [outcome for outcome in outcomes if isinstance(outcome, LockNotHeld)]
        assert len(results) + len(late) == 20
        in_order = [result.entries[0].value for result in sorted(results, key=lambda result: result.version)]
        assert in_order == sorted(set(sequences).intersection(in_order))
        assert in_order[-1] == 20
        assert await contents(backend) == {"slide": 20}
        await assert_counts_right(backend)

    async def test_p48_racing_holders_of_many_locks_in_many_spaces_do_not_meet(self, backend: Backend) -> None:
        spaces, locks = [Space(f"room:{n}:1") for n in range(20)], [f"lock/{n}" for n in range(12)]
        places = list(product(spaces, locks))

        def racing(sequence: int) -> list[Awaitable[WriteResult]]:
            return [
                write(backend, setting(lock, sequence), fence=Fence(lock, sequence), space=space)
                for space, lock in places
            ]

        # Handed over in the order of their sequences, and so applied: nobody is late.
        await asyncio.gather(*racing(1), *racing(3), *racing(5))
        outcomes = await asyncio.gather(*racing(4), return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [LockNotHeld] * len(places)
        for space in spaces:
            assert await contents(backend, space=space) == dict.fromkeys(locks, 5)
