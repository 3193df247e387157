"""Both servers are restarted, one after the other, under clients that write: nobody leaves, nothing is lost."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.rolling import crowd, deployed, restart
from tests.support.rows import rows

pytestmark = [pytest.mark.postgres, pytest.mark.redis]

CLIENTS, WRITERS = 200, 20
# How fast they are back is measured by the benchmark of that name.
PATIENCE_SECONDS = 25.0


async def test_p16_i1_i9_a_rolling_restart_is_noticed_by_nobody() -> None:
    """All are who they were, no peer has seen anybody leave, and every count is what was acknowledged."""
    with deployed() as (nginx, servers):
        async with crowd(nginx, CLIENTS) as guests:
            stop = asyncio.Event()
            writing = [asyncio.create_task(guest.write(stop)) for guest in guests[:WRITERS]]
            for server in servers:
                moved, _ = await restart(server, guests, PATIENCE_SECONDS)
                assert moved
            stop.set()
            await asyncio.gather(*writing)
            for guest in guests[:WRITERS]:
                assert await guest.room.get(f"count/{guest.id}") == guest.acknowledged > 0
            assert [guest.session.id for guest in guests] == [guest.id for guest in guests]
            assert [guest.gone for guest in guests] == [[]] * CLIENTS
            closed = rows(servers[0], "SELECT count(*) FROM sessionstore_app_sessionevent WHERE state = 'CLOSED'")
            assert closed == [(0,)]
