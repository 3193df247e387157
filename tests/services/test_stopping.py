"""A process that stops leaves no task behind, whatever it was doing (I15)."""

from __future__ import annotations

import asyncio

import pytest

from tests.services.ears import Ear
from tests.services.processes import Client, Process
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
