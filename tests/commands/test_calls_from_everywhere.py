"""A thousand calls from a command, worker threads, an event loop, signal receivers and an async view, each.

No error of a loop, and afterwards no file, connection, thread or task more than after the first calls.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.callers.calls import CALLS_A_ROUND, DONE, STARTS
from tests.support.guests import Guests
from tests.support.http import request
from tests.support.postgres import temporary_postgres
from tests.support.server import Server, begin, database, manage, running

ENVIRONMENT = {"DJANGO_SETTINGS_MODULE": "tests.callers.settings", "PYTHONWARNINGS": "default"}
ROUNDS = 1_000 // CALLS_A_ROUND
LIMIT_SECONDS = 60
# Python prints these at the end of a life that was not in order.
COMPLAINTS = (
    "never awaited",
    "never retrieved",
    "ResourceWarning",
    "Event loop is closed",
    "was destroyed",
    "unclosed",
)


ON_POSTGRES = pytest.mark.postgres


@contextmanager
def _database(vendor: str) -> Iterator[str]:
    """A database with all tables."""
    if vendor == "sqlite":
        with database() as url:
            yield url
        return
    with temporary_postgres() as url:
        manage("migrate", "--verbosity", "0", database_url=url)
        yield url


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=ON_POSTGRES)])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    with _database(request.param) as url:
        yield url


@pytest.mark.parametrize("origin", ["command", "threads", "loop"])
def test_a_thousand_calls_from_a_program_leave_nothing_behind(url: str, origin: str) -> None:
    process = begin("make_calls", origin, str(ROUNDS), database_url=url, **ENVIRONMENT)
    told, errors = process.communicate(timeout=120)
    assert (process.returncode, errors) == (0, "")
    found = json.loads(told)
    assert [what for what, number in found["after"].items() if number > found["before"][what]] == []


# --- in a server


@pytest.fixture(
    scope="module",
    params=[
        ("uvicorn", "sqlite"),
        pytest.param(("uvicorn", "postgres"), marks=ON_POSTGRES),
        ("daphne", "sqlite"),
    ],
)
def calling_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server whose log must hold no complaint at the end of its life."""
    kind, vendor = request.param
    with _database(vendor) as url, running(kind=kind, database_url=url, environment=ENVIRONMENT) as server:
        yield server
        server.terminate()
        assert [complaint for complaint in COMPLAINTS if complaint in server.log] == []


@pytest.fixture
async def calling(calling_server: Server) -> AsyncIterator[Guests]:
    async with Guests(calling_server) as opened:
        yield opened


async def _visit(server: Server, path: str) -> Any:
    answer = await asyncio.to_thread(request, server.host, "GET", path)
    assert answer.status == 200, answer.body
    return answer.json


async def _is_done(server: Server, caller: str, rounds: int) -> None:
    """Nobody waits for a receiver of ours."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while (await _visit(server, f"/done/{caller}/"))["rounds"] != rounds:
            pass


async def _leaves_nothing(server: Server, before: dict[str, int]) -> None:
    """What a request held is let go of a moment after its answer."""
    now: dict[str, int] = {}
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            while not now or any(now[what] > before[what] for what in now):
                now = await _visit(server, "/held/")
    except TimeoutError:
        raise AssertionError(f"{before} before, {now} long after") from None


@pytest.mark.parametrize("origin", ["async", "signal", "joined"])
async def test_a_thousand_calls_in_a_server_leave_nothing_behind(calling: Guests, origin: str, room: str) -> None:
    """From an async view, from a receiver inside a view's transaction, from one of a signal of ours; peers are told."""
    server, caller = calling.server, f"{origin}-{room.partition('/')[2]}"
    peer, visitor = await calling.join(f"calls/{caller}", observe=[DONE]), await calling.open()

    async def call(rounds: int) -> None:
        if origin == "joined":
            await visitor.call("room.join", room=f"{STARTS}{rounds} {caller}")
        else:
            await _visit(server, f"/{origin}/{rounds}/{caller}/")
        await _is_done(server, caller, rounds)
        await peer.expect_change(DONE, rounds)

    await call(1)
    before = await _visit(server, "/held/")
    await call(ROUNDS)
    await _leaves_nothing(server, before)
