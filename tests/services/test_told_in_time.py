"""What a batch did is told as soon as it is committed, also where a store that it ended is slow to go."""

from __future__ import annotations

import asyncio

import pytest

from sessionstore_app.core.close import CloseReason
from sessionstore_app.core.entries import Space
from sessionstore_app.core.sessions import State
from sessionstore_app.services import telling
from sessionstore_app.services.endings import end_session
from tests.services.churn import opened_client
from tests.services.ears import Ear
from tests.services.processes import Client, Process

ROOM = "standup"


async def test_p9_news_of_sessions_do_not_wait_for_the_wiping_of_a_room(
    pair: tuple[Process, Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever shared the batch has its answer by then, and may ask what became of it."""
    wipe, may_wipe = telling._wipe, asyncio.Event()

    async def wipe_later(space: Space) -> None:
        await may_wipe.wait()
        await wipe(space)

    monkeypatch.setattr(telling, "_wipe", wipe_later)
    last: Client = await opened_client(pair[0])
    await last.join(ROOM)
    ear = await Ear(pair[1]).begin()
    pair[0].acts()
    ending = asyncio.create_task(end_session(last.id, CloseReason.CLOSED_BY_CONTROLLER.name))
    await ear.until(lambda: ear.events[-1].state is State.CLOSED, "its end is told")
    assert not ending.done()
    may_wipe.set()
    assert await ending
