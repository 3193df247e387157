"""A process that stops leaves no task behind, whatever it was doing (I15)."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from sessionstore_app.services import hub
from tests.services.ears import Ear
from tests.services.processes import LIMIT_SECONDS, Client, Process
from tests.support.layers import DeafLayer

Pair = tuple[Process, Process]


async def _wait_without_end(*_: object) -> None:
    await asyncio.Event().wait()


async def test_i15_a_process_that_stops_in_the_middle_of_a_burst_leaves_no_task(
    pair: Pair, deaf_layer: DeafLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What ends with it has something to undo: it leaves groups of the bus, which does not answer."""
    client = Client(pair[1])
    await client.open()
    await client.join("standup")
    before = asyncio.all_tasks()
    ear, began = Ear(pair[1]), asyncio.Event()

    async def begin_and_wait() -> None:
        began.set()
        await _wait_without_end()

    ear.on_ready = begin_and_wait
    task = pair[1].hub.spawn(pair[1].hub.feed.begin(ear.listener))
    await began.wait()
    monkeypatch.setattr(deaf_layer, "group_discard", _wait_without_end)
    pair[1].hub.detach(client.connection)
    await pair[1].hub.stop()
    assert task.cancelled()
    assert asyncio.all_tasks() <= before


async def test_a_task_that_does_not_end_holds_up_no_process(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """A layer that stands still waits for its server even when it is cancelled."""
    monkeypatch.setattr(hub, "STOP_SECONDS", 0.05)
    began, released = asyncio.Event(), asyncio.Event()

    async def stuck() -> None:
        began.set()
        while not released.is_set():
            with suppress(asyncio.CancelledError):
                await released.wait()

    task = pair[1].hub.spawn(stuck())
    await began.wait()
    async with asyncio.timeout(LIMIT_SECONDS):
        await pair[1].hub.stop()
    assert not task.done()
    released.set()
    await task
