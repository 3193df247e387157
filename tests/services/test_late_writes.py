"""What a session writes while it is being ended elsewhere."""

from __future__ import annotations

import asyncio

from sessionstore_app import sessions
from sessionstore_app.core.entries import Change, SessionId
from sessionstore_app.core.patterns import EVERYTHING
from sessionstore_app.services import entrylog
from tests.services.processes import Process


async def test_d36_what_a_session_writes_to_its_last_dies_with_it(pair: tuple[Process, Process]) -> None:
    """Its socket is closed while a write of it is under way: what it owns goes once that is done."""
    here, elsewhere = pair
    client = await here.client("standup")
    client.connection.under_way += 1
    elsewhere.acts()
    await sessions.aterminate(session_id=client.id)
    await client.until(lambda: client.closed_with is not None, "its socket is closed")
    here.acts()
    settling = asyncio.create_task(here.hub.settle())
    assert await asyncio.wait({settling}, timeout=0.3) == (set(), {settling})
    epoch = await entrylog.current_epoch("standup")
    change = Change(key="mine", text="1", owner=SessionId(client.id))
    await entrylog.write("standup", epoch, (change,), by=None)
    client.connection.under_way -= 1
    client.connection.wake()
    await settling
    reading = await entrylog.read("standup", epoch, EVERYTHING)
    assert [entry.key for entry in reading.entries if entry.exists] == []
