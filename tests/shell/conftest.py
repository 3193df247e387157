"""Servers whose times are short, and guests for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.support.guests import Guests
from tests.support.server import Server, running

# Times so short that a test can wait for them.
HASTY = {
    "OPEN_SECONDS": 0.5,
    "HEARTBEAT_SECONDS": 1,
    "RECONNECT_SECONDS": 0.6,
    "REAP_SECONDS": 0.2,
    "NODE_RENEW_SECONDS": 1,
}


@pytest.fixture(scope="session")
def hasty_server() -> Iterator[Server]:
    with running(settings=HASTY) as server:
        yield server


@pytest.fixture
async def hasty(hasty_server: Server) -> AsyncIterator[Guests]:
    """Clients of a server whose times are short."""
    async with Guests(hasty_server) as opened:
        yield opened
