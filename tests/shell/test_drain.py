"""A server that is told to stop: 1012 to all, a few at a time, nobody new, and nobody leaves."""

from __future__ import annotations

import asyncio
from itertools import islice

import pytest

from tests.support.guests import Guests
from tests.support.http import request
from tests.support.patience import PER_SECOND
from tests.support.rows import session_rows
from tests.support.server import Kind, Server, database, running
from tests.support.wire import Wire, refused_handshake

ROOM = "standup"
# It takes five seconds to close so many.
PATIENT = {"DJANGO_SETTINGS_MODULE": "tests.support.patientsettings"}
CROWD = 5 * PER_SECOND


async def _crowd(guests: Guests) -> list[Wire]:
    """Many, of whom the first and the last are the first and the last to be closed."""
    return [wire for size in (1, CROWD - 2, 1) for wire in await guests.crowd(ROOM, size)]


@pytest.mark.parametrize("kind", ["uvicorn", "daphne"])
async def test_all_are_told_1012_and_are_away_in_the_record(kind: Kind) -> None:
    """Also by Daphne, which itself drops its sockets without a word."""
    with database() as url, running(kind=kind, database_url=url) as server:
        wires = await Guests(server).crowd(ROOM, 20)
        await asyncio.to_thread(server.terminate)
        for wire in wires:
            await wire.expect_closed(1012)
        ids = sorted(wire.id for wire in wires)
        assert session_rows(server, *ids) == [("DISCONNECTED", "SERVER_SHUTDOWN")] * len(wires)


async def test_daphne_which_knows_no_503_tells_who_comes_now_to_come_again() -> None:
    """A 403 would be for good."""
    with running(kind="daphne", environment=PATIENT) as server:
        guests = Guests(server)
        wires = await _crowd(guests)
        server.tell_to_stop()
        await wires[0].expect_closed(1012)
        late = await guests.connect()
        await late.expect_closed(1012)
        await asyncio.to_thread(server.wait)


async def test_meanwhile_nobody_new_is_let_in_and_those_still_there_are_served() -> None:
    with running(environment=PATIENT) as server:
        guests = Guests(server)
        wires = await _crowd(guests)
        server.tell_to_stop()
        await wires[0].expect_closed(1012)
        # All at once: the others follow within seconds. The last of them is served to its end.
        written, status, health = await asyncio.gather(
            wires[-1].call("room.set", room=ROOM, key="k", value=1), refused_handshake(server.address), _health(server)
        )
        assert (written["version"], status, health) == (1, 503, (503, "draining"))
        await asyncio.to_thread(server.wait)
        for wire in wires:
            await wire.expect_closed(1012)


async def test_the_second_sigterm_is_the_servers_own() -> None:
    """Whoever is in a hurry does not wait for the rest."""
    with running(environment=PATIENT) as server:
        closings = [asyncio.create_task(wire.expect_closed(1012)) for wire in await _crowd(Guests(server))]
        server.tell_to_stop()
        # Two seconds of the five: a signal that comes within one counts as the same, told twice.
        for closed in islice(asyncio.as_completed(closings), 2 * PER_SECOND):
            await closed
        await asyncio.to_thread(server.terminate)
        await asyncio.gather(*closings)


async def _health(server: Server) -> tuple[int, str]:
    answer = await asyncio.to_thread(request, server.host, "GET", "/sessionstore/health/")
    return answer.status, answer.json["status"]
