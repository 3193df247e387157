"""Watching a room from a process without a hub: by looking, and at once where a layer says when."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import pytest
import time_machine
from channels.layers import InMemoryChannelLayer

from sessionstore_app import rooms
from sessionstore_app.core.entries import Epoch
from sessionstore_app.core.errors import Unavailable
from sessionstore_app.core.limits import TOMBSTONES_KEPT
from sessionstore_app.services import bus, entrylog, layerbus
from sessionstore_app.services.roomwatch import Changes, Emptied, News, RoomWatch, follow
from tests.support.layers import DeafLayer

pytestmark = pytest.mark.django_db(transaction=True)

NEVER = 3_600.0
SOON = 0.01


def _values(news: list[News]) -> list[dict[str, Any]]:
    return [{entry.key: entry.value for entry in piece.entries} for piece in news if isinstance(piece, Changes)]


async def test_the_first_look_tells_what_there_is_and_the_next_what_is_new() -> None:
    await rooms.awrite("r", [{"key": "a", "value": 1}, {"key": "b", "value": 2}])
    watch = RoomWatch("r")
    assert _values(await watch.look()) == [{"a": 1, "b": 2}]
    assert await watch.look() == []
    await rooms.aset("r", "a", 3)
    await rooms.aset("r", "a", 4)
    await rooms.adelete("r", "b")
    assert _values(await watch.look()) == [{"a": 4, "b": None}]
    assert (await watch.look(), watch.version) == ([], 4)


async def test_a_room_that_is_not_there_yet_is_waited_for() -> None:
    watch = RoomWatch("r")
    assert (await watch.look(), watch.epoch) == ([], "")
    await rooms.aset("r", "a", 1)
    assert _values(await watch.look()) == [{"a": 1}]


async def test_a_room_that_was_cleared_is_told_before_what_came_after() -> None:
    watch = RoomWatch("r")
    await rooms.aset("r", "a", 1)
    await watch.look()
    epoch = await rooms.aclear("r")
    await rooms.aset("r", "b", 2)
    news = await watch.look()
    assert news[0] == Emptied(watch.epoch)
    assert watch.epoch == epoch
    assert _values(news) == [{"b": 2}]
    await rooms.aclear("r")
    assert await watch.look() == [Emptied(watch.epoch)]


async def test_a_room_that_is_cleared_during_a_look_has_lost_no_single_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = RoomWatch("r")
    await rooms.aset("r", "a", 1)
    await watch.look()
    real = entrylog.current_epoch

    async def overtaken(room: str) -> Epoch:
        monkeypatch.undo()
        epoch = await real(room)
        await rooms.aclear(room)
        return epoch

    monkeypatch.setattr(entrylog, "current_epoch", overtaken)
    assert await watch.look() == []
    assert await watch.look() == [Emptied(watch.epoch)]


async def test_a_deletion_that_nobody_remembers_any_more_is_seen_by_its_absence() -> None:
    watch = RoomWatch("r")
    await rooms.awrite("r", [{"key": "early", "value": 1}, {"key": "stays", "value": 2}])
    await watch.look()
    await rooms.adelete("r", "early")
    for number in range(2 * TOMBSTONES_KEPT + 2):
        await rooms.aset("r", f"k{number}", 1)
        await rooms.adelete("r", f"k{number}")
    await rooms.aset("r", "new", 3)
    assert _values(await watch.look()) == [{"early": None, "new": 3}]


async def test_an_entry_past_its_time_is_told_as_deleted_once_somebody_has_looked() -> None:
    with time_machine.travel(0, tick=False) as clock:
        watch = RoomWatch("r")
        await rooms.aset("r", "a", 1, ttl_seconds=10)
        assert _values(await watch.look()) == [{"a": 1}]
        clock.shift(10)
        assert await rooms.aget("r", "a") is None
        assert _values(await watch.look()) == [{"a": None}]


async def _next(following: AsyncIterator[list[News]]) -> list[News]:
    async with asyncio.timeout(10):
        return await anext(following)


async def test_without_a_layer_a_look_comes_after_each_interval() -> None:
    watch = RoomWatch("r")
    async with aclosing(follow(watch, SOON)) as following:
        for number in range(3):
            await rooms.aset("r", "a", number)
            assert _values(await _next(following)) == [{"a": number}]


@pytest.fixture
def layer(monkeypatch: pytest.MonkeyPatch) -> DeafLayer:
    """One that other processes can be on, as far as anybody can tell."""
    made = DeafLayer()
    monkeypatch.setattr(layerbus, "get_channel_layer", lambda: made)
    return made


@pytest.fixture
def subscribed(layer: InMemoryChannelLayer, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    """Waits until a watcher hears the layer."""
    joined = asyncio.Event()
    add = layer.group_add

    async def group_add(*arguments: Any) -> None:
        await add(*arguments)
        joined.set()

    monkeypatch.setattr(layer, "group_add", group_add)

    async def wait() -> None:
        async with asyncio.timeout(10):
            await joined.wait()
            joined.clear()

    return wait


async def test_with_a_layer_it_looks_at_once(subscribed: Callable[[], Any]) -> None:
    """No interval passes here; what was written before the layer could be heard is not missed either."""
    watch = RoomWatch("r")
    async with aclosing(follow(watch, NEVER)) as following:
        first = asyncio.ensure_future(_next(following))
        await subscribed()
        for number in range(3):
            await rooms.aset("r", "a", number)
            assert _values(await first)[-1]["a"] == number
            first = asyncio.ensure_future(_next(following))
        await rooms.aclear("r")
        assert await first == [Emptied(watch.epoch)]


async def test_a_layer_that_fails_leaves_the_interval_and_is_heard_again(
    layer: DeafLayer, subscribed: Callable[[], Any]
) -> None:
    watch = RoomWatch("r")
    async with aclosing(follow(watch, SOON)) as following:
        waiting = asyncio.ensure_future(_next(following))
        await subscribed()
        layer.is_deaf = True
        await layer.send_anyway(bus.room_group("r"))
        await rooms.aset("r", "a", 1)
        assert _values(await waiting) == [{"a": 1}]
        await subscribed()
        layer.is_deaf = False
        await rooms.aset("r", "a", 2)
        assert _values(await _next(following)) == [{"a": 2}]


async def test_a_store_out_of_reach_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = RoomWatch("r")
    current_epoch, failures = entrylog.current_epoch, iter([Unavailable(), Unavailable()])

    async def unsteady(room: str) -> Any:
        for failure in failures:
            raise failure
        return await current_epoch(room)

    monkeypatch.setattr(entrylog, "current_epoch", unsteady)
    await rooms.aset("r", "a", 1)
    async with aclosing(follow(watch, SOON)) as following:
        assert _values(await _next(following)) == [{"a": 1}]
