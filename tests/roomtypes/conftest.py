"""A server whose rooms have types."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.support.guests import Guests
from tests.support.server import Server, running

SETTINGS = {
    "POLICY": "tests.support.typed.TypedPolicy",
    "SELF_PROPERTIES": ["name", "language"],
    "PROPOSED_PROPERTIES": {"language": ["en", "fr"]},
}


@pytest.fixture(scope="session")
def typed_server() -> Iterator[Server]:
    with running(settings=SETTINGS) as server:
        yield server


@pytest.fixture
async def guests(typed_server: Server) -> AsyncIterator[Guests]:
    """Clients of that server."""
    async with Guests(typed_server) as opened:
        yield opened


@pytest.fixture
def stage(room: str) -> str:
    """A room that has a type, and that nobody was in before."""
    return f"stage/{room}"
