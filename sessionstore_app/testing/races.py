# ruff: noqa: S101, S311  # a contract asserts; its dice need no secret
"""Many at once: nothing lost, nothing twice, never more than the limits allow, and each in its own order."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from sessionstore_app.backends.base import Backend, Reading
from sessionstore_app.core.entries import Space, WriteResult
from sessionstore_app.core.errors import SessionStoreError, StoreTooLarge, TooManyKeys, ValueTooLarge, VersionConflict
from sessionstore_app.core.jsontext import Json
from sessionstore_app.core.limits import StoreLimits
from sessionstore_app.core.operations import Append, Increment
from sessionstore_app.testing.acts import (
    ANN,
    ROOM,
    assert_counts_right,
    contents,
    deleting,
    doing,
    held_bytes,
    read,
    read_one,
    setting,
    write,
)


class RacePromises:
    """Concurrency and order (base.py, promises 1 and 2, and the order of one task's calls)."""

    async def test_i4_of_fifty_racing_guarded_writes_exactly_one_wins(self, backend: Backend) -> None:
        await write(backend, setting("lead", "nobody"))
        racing = (write(backend, setting("lead", n, if_version=1), setting(f"won/{n}", n)) for n in range(50))
        outcomes = await asyncio.gather(*racing, return_exceptions=True)
        (winner,) = [n for n, outcome in enumerate(outcomes) if isinstance(outcome, WriteResult)]
        losers = [outcome for outcome in outcomes if isinstance(outcome, VersionConflict)]
        assert len(losers) == 49
        assert {loser.current and loser.current.value for loser in losers} == {winner}
        assert await contents(backend) == {"lead": winner, f"won/{winner}": winner}

    async def test_fifty_racing_appends_keep_the_last_of_the_cap_and_lose_none_before(self, backend: Backend) -> None:
        items: list[Json] = [{"id": n} for n in range(50)]
        racing = (write(backend, doing("pinned", Append(item=item, cap=3, unique="id"))) for item in items)
        results = await asyncio.gather(*racing)
        assert sorted(result.version for result in results) == list(range(1, 51))
        in_order = sorted(results, key=lambda result: result.version)
        added = [_last(result)["id"] for result in in_order]
        assert sorted(added) == list(range(50))
        assert (await read_one(backend, "pinned")).value == [{"id": n} for n in added[-3:]]

    async def test_an_item_appended_by_twenty_at_once_is_there_once(self, backend: Backend) -> None:
        racing = (write(backend, doing("pinned", Append(item={"id": 7}, unique="id"))) for _ in range(20))
        results = await asyncio.gather(*racing)
        assert Counter(result.changed for result in results) == {True: 1, False: 19}
        assert await contents(backend) == {"pinned": [{"id": 7}]}

    async def test_racing_increments_are_all_counted(self, backend: Backend) -> None:
        results = await asyncio.gather(*(write(backend, doing("count", Increment())) for _ in range(100)))
        assert sorted(result.version for result in results) == list(range(1, 101))
        assert {result.version: result.entries[0].value for result in results} == {n: n for n in range(1, 101)}

    async def test_t20_of_twenty_repeats_at_once_exactly_one_is_applied(self, backend: Backend) -> None:
        racing = (write(backend, doing("count", Increment()), by=ANN, op=1) for _ in range(20))
        assert Counter(result.duplicate for result in await asyncio.gather(*racing)) == {False: 1, True: 19}
        assert await contents(backend) == {"count": 1}

    async def test_s9_ten_tasks_with_a_hundred_keys_each_find_all_of_them(self, backend: Backend) -> None:
        async def fill(task: int) -> None:
            for n in range(100):
                await write(backend, setting(f"{task}/{n}", n))

        await asyncio.gather(*(fill(task) for task in range(10)))
        assert await contents(backend) == {f"{task}/{n}": n for task in range(10) for n in range(100)}
        await assert_counts_right(backend)

    async def test_i8_two_hundred_writers_of_twenty_spaces_never_exceed_a_limit_by_a_byte(
        self, backend: Backend
    ) -> None:
        limits = StoreLimits(value_bytes=40, keys=6, store_bytes=150)
        spaces = [Space(f"room:{n}:1") for n in range(20)]
        outcomes: Counter[type] = Counter()

        async def hammer(seed: int) -> None:
            dice = random.Random(seed)
            for _ in range(4):
                change = setting(f"k{dice.randrange(9)}", "x" * dice.randrange(42))
                changes = (change, deleting("spare")) if dice.random() < 0.2 else (change,)
                try:
                    await write(backend, *changes, space=dice.choice(spaces), limits=limits)
                    outcomes[WriteResult] += 1
                except SessionStoreError as error:
                    outcomes[type(error)] += 1

        writers = [asyncio.create_task(hammer(seed)) for seed in range(200)]
        worst_keys = worst_bytes = rounds = 0
        while rounds == 0 or not all(writer.done() for writer in writers):
            for space in spaces:
                entries = (await read(backend, space=space)).entries
                worst_keys = max(worst_keys, len(entries))
                worst_bytes = max(worst_bytes, held_bytes(entries))
            rounds += 1
            # A backend that never waits would give the writers no turn.
            await asyncio.sleep(0)
        await asyncio.gather(*writers)
        assert worst_keys <= 6
        assert worst_bytes <= 150
        # Otherwise the limits were never met, and nothing was shown.
        assert set(outcomes) == {WriteResult, ValueTooLarge, TooManyKeys, StoreTooLarge}
        for space in spaces:
            await assert_counts_right(backend, space)

    # --- order

    async def test_writes_handed_over_in_order_are_applied_in_that_order(self, backend: Backend) -> None:
        # One more at each turn of the loop: some while the first are still on their way.
        writing = []
        for n in range(100):
            writing.append(asyncio.create_task(write(backend, setting("topic", n))))
            if n >= 20:
                await asyncio.sleep(0)
        results = await asyncio.gather(*writing)
        assert [result.version for result in results] == list(range(1, 101))
        assert await contents(backend) == {"topic": 99}

    async def test_a_read_handed_over_after_a_write_sees_it(self, backend: Backend) -> None:
        pairs: list[tuple[asyncio.Task[WriteResult], asyncio.Task[Reading]]] = []
        for n in range(30):
            writing = asyncio.create_task(write(backend, setting("topic", n)))
            pairs.append((writing, asyncio.create_task(read(backend))))
        for writing, reading in pairs:
            assert (await reading).version >= (await writing).version

    async def test_i3_a_read_gives_one_instant_while_others_write(self, backend: Backend) -> None:
        await write(backend, setting("a", 0), setting("b", 0))

        async def both() -> None:
            for n in range(1, 40):
                await write(backend, setting("a", n), setting("b", n))

        writers = [asyncio.create_task(both()) for _ in range(3)]
        seen = [0]
        while not all(writer.done() for writer in writers):
            reading = await read(backend, space=ROOM)
            a, b = reading.entries
            assert (a.value, a.version) == (b.value, reading.version)
            assert b.version == a.version
            seen.append(reading.version)
            await asyncio.sleep(0)
        await asyncio.gather(*writers)
        assert seen == sorted(seen)

    async def test_several_event_loops_share_one_backend(self, backend: Backend) -> None:
        async def count() -> None:
            await asyncio.gather(*(write(backend, doing("count", Increment())) for _ in range(25)))

        with ThreadPoolExecutor(3) as threads:
            loop = asyncio.get_running_loop()
            others = [loop.run_in_executor(threads, asyncio.run, count()) for _ in range(3)]
            await asyncio.gather(count(), *others)
        assert await contents(backend) == {"count": 100}
        assert (await read(backend)).version == 100


def _last(result: WriteResult) -> dict[str, int]:
    items = result.entries[0].value
    assert isinstance(items, list)
    item = items[-1]
    assert isinstance(item, dict)
    assert isinstance(item["id"], int)
    return {"id": item["id"]}
