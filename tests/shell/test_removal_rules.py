"""Keys that go when nobody is there who needs them (parity §2.9), and keys of a session that is ended while writing."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Iterator
from datetime import datetime

import pytest

from sessionstore_app import mint_token
from tests.support.guests import STAFF, Guests
from tests.support.rows import rows
from tests.support.server import Server, running
from tests.support.wire import Wire, eventually, values_of

FOR_MS = 1_000
RULE = {
    "ROOMS": "hall/*",
    "KEYS": ["spotlight", "host/*"],
    "WITHOUT": "hasRoles ['host']",
    "FOR_SECONDS": FOR_MS / 1_000,
}
HOST = mint_token("host", roles=["host"], permissions=STAFF, expires_in=86_400)

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def ruled_server() -> Iterator[Server]:
    with running(settings={"REMOVAL_RULES": [RULE], "REAP_SECONDS": 0.1}) as server:
        yield server


@pytest.fixture
async def ruled(ruled_server: Server) -> AsyncIterator[Guests]:
    """Clients of a server with a rule whose period is short."""
    async with Guests(ruled_server) as opened:
        yield opened


@pytest.fixture
def hall() -> str:
    """A room that the rule is for, and no other test uses."""
    return f"hall/{next(_numbers)}"


async def _write(wire: Wire, room: str, *keys: str) -> None:
    await wire.call("room.write", room=room, ops=[{"key": key, "value": wire.id} for key in keys])


async def _keys(wire: Wire, room: str) -> list[str]:
    return sorted(values_of((await wire.call("room.snapshot", room=room))["entries"]))


def _since(server: Server, room: str) -> int | None:
    """Since when, as the server has it, nobody in the room matches; in milliseconds."""
    ((noted,),) = rows(server, "SELECT unmatched FROM sessionstore_app_room WHERE name = ?", room)
    return next(iter(json.loads(noted).values()), None)


async def _noted(server: Server, room: str, *, other_than: int | None) -> int | None:
    """Wait until the server has noted something else."""

    async def changed() -> bool:
        return _since(server, room) != other_than

    await eventually(changed, "the server has looked again")
    return _since(server, room)


async def _matched(server: Server, room: str) -> None:
    """Wait until the server has noted that somebody in the room matches."""

    async def is_matched() -> bool:
        return _since(server, room) is None

    await eventually(is_matched, "the server has looked again")


async def _gone(wire: Wire, room: str, key: str) -> int:
    """Wait until the key is removed; returns when it was, in milliseconds."""
    entry = await wire.expect_change(key, None, room=room)
    assert entry["by"] is None
    return _ms(entry["at"])


def _ms(iso: str) -> int:
    return round(datetime.fromisoformat(iso).timestamp() * 1_000)


async def _a_period_passes(guests: Guests) -> None:
    """Wait until what is written now in another room of the rule is gone there."""
    room = f"hall/{next(_numbers)}"
    wire = await guests.join(room)
    await _write(wire, room, "spotlight")
    await _gone(wire, room, "spotlight")
    await wire.call("session.close")


async def test_removal_the_keys_go_once_nobody_has_matched_for_the_period(ruled: Guests, hall: str) -> None:
    """Observers are told; other keys and other rooms are left alone."""
    writer, observer = await ruled.join(hall), await ruled.join(hall)
    await writer.call("room.join", room=f"yard of {hall}")
    await _write(writer, f"yard of {hall}", "spotlight")
    await _write(writer, hall, "spotlight", "host/a", "host/b", "note", "spotlights")
    since = await _noted(ruled.server, hall, other_than=None)
    assert since is not None
    for wire in (writer, observer):
        for key in ("spotlight", "host/a", "host/b"):
            assert await _gone(wire, hall, key) >= since + FOR_MS
    assert await _keys(writer, hall) == ["note", "spotlights"]
    assert await _keys(writer, f"yard of {hall}") == ["spotlight"]


async def test_removal_the_keys_stay_while_somebody_matches(ruled: Guests, hall: str) -> None:
    """Away or not: a session counts until it ends. A match in another room is none here."""
    host, guest = await ruled.join(hall, token=HOST), await ruled.join(hall)
    elsewhere = f"{hall}/elsewhere"
    await ruled.join(elsewhere)
    await guest.call("room.join", room=elsewhere, observe=["*"])
    await _write(guest, hall, "spotlight")
    await _write(guest, elsewhere, "spotlight")
    await _a_period_passes(ruled)
    await _gone(guest, elsewhere, "spotlight")
    assert await _keys(guest, hall) == ["spotlight"]
    await host.drop()
    await _a_period_passes(ruled)
    assert await _keys(guest, hall) == ["spotlight"]
    assert _since(ruled.server, hall) is None
    controller = await ruled.staff()
    await controller.call("session.terminate", session_id=host.id)
    await _gone(guest, hall, "spotlight")


@pytest.mark.parametrize("how", ["comes", "becomes it"])
async def test_removal_the_period_begins_anew_when_somebody_matches_in_between(
    ruled: Guests, hall: str, how: str
) -> None:
    guest, staff = await ruled.join(hall), await ruled.staff()
    first = await _noted(ruled.server, hall, other_than=None)
    if how == "comes":
        host = await ruled.join(hall, token=HOST)
    else:
        await staff.call("session.change_roles", session_id=guest.id, add=["host"])
    await _matched(ruled.server, hall)
    # Not before: a first period that passed unseen on a slow machine would have taken it.
    await _write(guest, hall, "spotlight")
    if how == "comes":
        await host.call("session.close")
    else:
        await staff.call("session.change_roles", session_id=guest.id, remove=["host"])
    second = await _noted(ruled.server, hall, other_than=None)
    assert first is not None
    assert second is not None
    assert second > first
    assert await _gone(guest, hall, "spotlight") >= second + FOR_MS


async def test_removal_what_is_written_later_goes_after_another_period(ruled: Guests, hall: str) -> None:
    guest = await ruled.join(hall)
    since = await _noted(ruled.server, hall, other_than=None)
    for _ in range(2):
        await _write(guest, hall, "spotlight", "note")
        assert since is not None
        assert await _gone(guest, hall, "spotlight") >= since + FOR_MS
        since = await _noted(ruled.server, hall, other_than=since)
    assert await _keys(guest, hall) == ["note"]


async def test_removal_a_room_that_was_cleared_begins_anew(ruled: Guests, hall: str) -> None:
    """Whoever opens it again a year later does not lose at once what it writes."""
    guest = await ruled.join(hall)
    await _noted(ruled.server, hall, other_than=None)
    assert (await guest.call("room.leave", room=hall))["cleared"] is True
    await _a_period_passes(ruled)
    back_at = _ms((await guest.call("session.ping"))["server_time"])
    await guest.call("room.join", room=hall, observe=["*"])
    await _write(guest, hall, "spotlight")
    assert await _gone(guest, hall, "spotlight") >= back_at + FOR_MS


async def test_removal_a_period_outlives_its_server(hall: str) -> None:
    long_ms = 4_000
    settings = {"REMOVAL_RULES": [{**RULE, "FOR_SECONDS": long_ms / 1_000}], "REAP_SECONDS": 0.1}
    with running(settings=settings) as server:
        before, after = Guests(server), Guests(server)
        await _write(await before.join(hall), hall, "spotlight", "note")
        since = await _noted(server, hall, other_than=None)
        assert since is not None
        server.kill()
        assert _since(server, hall) == since
        server.start()
        guest = await after.join(hall)

        async def gone() -> bool:
            noted = _since(server, hall)
            assert noted is not None
            assert noted == since or noted >= since + long_ms, "it began anew"
            return await _keys(guest, hall) == ["note"]

        await eventually(gone, "the key is gone")
        assert _ms((await guest.call("room.get", room=hall, key="spotlight"))["at"]) >= since + long_ms
        await before.leave()
        await after.leave()


# --- keys that live as long as a session


async def _write_on(wire: Wire, room: str) -> None:
    """Write keys that die with the session, many at a time, until it has ended."""
    while wire.is_open:
        params = {"room": room, "lifetime": "session", "value": 1}
        asked = [wire.start("room.set", **params, key=f"mine/{number}") for number in range(20)]
        # Those that its end overtakes are never answered.
        await asyncio.gather(*asked, return_exceptions=True)


async def _ended_while_it_writes(writing: Guests, ending: Guests, room: str) -> None:
    writer, witness, controller = await writing.join(room), await ending.join(room), await ending.staff()
    going_on = asyncio.create_task(_write_on(writer, room))

    async def has_written() -> bool:
        return len(await _keys(witness, room)) > 10

    await eventually(has_written, "it writes")
    assert await controller.call("session.terminate", session_id=writer.id) == {"count": 1}
    await going_on
    await writer.expect_closed(4011)

    async def none_left() -> bool:
        return not await _keys(witness, room)

    await eventually(none_left, "none of its keys is left")


async def test_d36_nothing_is_left_of_a_session_that_is_ended_while_it_writes(any_guests: Guests, room: str) -> None:
    rooms = [f"{room}/{turn}" for turn in range(3)]
    for each in rooms:
        await _ended_while_it_writes(any_guests, any_guests, each)
    # What came late has come by now.
    witnesses = [await any_guests.join(each) for each in rooms]
    assert [await _keys(witness, each) for witness, each in zip(witnesses, rooms, strict=True)] == [[], [], []]


async def test_d36_nothing_is_left_where_its_process_learns_of_the_end_later(room: str) -> None:
    """Two processes on one database, and nothing between them but the upkeep."""
    settings = {"NODE_RENEW_SECONDS": 0.3}
    with running(settings=settings) as one, running(settings=settings, database_url=one.database_url) as two:
        writing, ending = Guests(one), Guests(two)
        rooms = [f"{room}/{turn}" for turn in range(3)]
        for each in rooms:
            await _ended_while_it_writes(writing, ending, each)
        await writing.leave()
        # A process that stops has done all that it began.
        one.terminate()
        witnesses = [await ending.join(each) for each in rooms]
        assert [await _keys(witness, each) for witness, each in zip(witnesses, rooms, strict=True)] == [[], [], []]
        await ending.leave()
