"""Servers that many tests share, and clients for each test. Rooms are new in every test, so tests do not meet."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator
from typing import cast

import pytest

from tests.support.guests import Guests
from tests.support.server import Server, running

_numbers = itertools.count(1)


@pytest.fixture
def room() -> str:
    """A room that no other test uses."""
    return f"room/{next(_numbers)}"


@pytest.fixture(scope="session")
def uvicorn_server() -> Iterator[Server]:
    with running() as server:
        yield server


@pytest.fixture(scope="session")
def daphne_server() -> Iterator[Server]:
    with running(kind="daphne") as server:
        yield server


@pytest.fixture
def server(uvicorn_server: Server) -> Server:
    """The server where it does not matter which."""
    return uvicorn_server


@pytest.fixture(params=["uvicorn", "daphne"])
def any_server(request: pytest.FixtureRequest) -> Server:
    """Each of the servers in turn."""
    return cast("Server", request.getfixturevalue(f"{request.param}_server"))


@pytest.fixture
async def guests(server: Server) -> AsyncIterator[Guests]:
    """Clients of `server`."""
    async with Guests(server) as opened:
        yield opened


@pytest.fixture
async def any_guests(any_server: Server) -> AsyncIterator[Guests]:
    """Clients of `any_server`."""
    async with Guests(any_server) as opened:
        yield opened
