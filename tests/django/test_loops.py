"""Programs with an event loop for each piece of work, as WSGI servers have for each request of an async view."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest

from sessionstore_app import rooms, sessions, site_sessions


@pytest.mark.django_db(transaction=True)
def test_a_loop_that_has_ended_is_let_go() -> None:
    """All but the last, which the next one takes the place of."""
    loops: list[weakref.ref[asyncio.AbstractEventLoop]] = []

    async def work() -> None:
        loops.append(weakref.ref(asyncio.get_running_loop()))
        await rooms.aset("standup", "topic", "Retro")
        await sessions.acount()
        await site_sessions.aload()

    for _ in range(10):
        asyncio.run(work())
    gc.collect()
    assert [loop() for loop in loops[:-1]] == [None] * 9
