"""Credentials that end: the session ends with them, there or away, unless it comes back with a new one (D2, T19)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from sessionstore_app import mint_token
from tests.support.guests import STAFF, Guests
from tests.support.locking import granted, lock, wait_in_line
from tests.support.rows import rows, session_rows
from tests.support.server import Server, running
from tests.support.wire import Wire, values_of

SHORT, LONG = 2.5, 3_600.0


@pytest.fixture(scope="module")
def reaping_server() -> Iterator[Server]:
    with running(settings={"REAP_SECONDS": 0.1, "RECONNECT_SECONDS": 600}) as server:
        yield server


@pytest.fixture
async def reaping(reaping_server: Server) -> AsyncIterator[Guests]:
    """Clients of a server that looks often for what has ended."""
    async with Guests(reaping_server) as opened:
        yield opened


def _token(seconds: float) -> str:
    return mint_token("ann", permissions=STAFF, expires_in=seconds)


def _resume(wire: Wire) -> dict[str, str]:
    return {"session_id": wire.id, "resume_token": wire.session["resume_token"]}


async def _listener(guests: Guests, *properties: str) -> Wire:
    wire = await guests.staff(principal="listener")
    listener = await wire.call("session.listen", properties=list(properties), filter="$Principal is 'ann'")
    await wire.expect("session.listening", listener_id=listener["listener_id"])
    return wire


def _states(listener: Wire, session_id: str) -> list[tuple[str, Any]]:
    """State and close reason of what was told of a session and nobody took out."""
    told = [event for name, event in listener.notifications if name == "session.event"]
    return [(event["state"], event["close_reason"]) for event in told if event["session_id"] == session_id]


def _times(server: Server, session_id: str) -> tuple[datetime, datetime]:
    """When the session's credential ends, and when the session ended."""
    ((expires_at, closed_at),) = rows(
        server, "SELECT expires_at, closed_at FROM sessionstore_app_session WHERE id = ?", session_id
    )
    return datetime.fromisoformat(expires_at), datetime.fromisoformat(closed_at)


async def _expires(guests: Guests) -> None:
    """Wait until a credential that is handed out now, and lives as briefly as any here, has ended."""
    witness = await guests.open(token=mint_token("witness", expires_in=SHORT))
    await witness.expect_closed(4013)


async def test_expiry_is_a_fixed_property(any_guests: Guests) -> None:
    before = datetime.now(UTC).timestamp()
    staff = await any_guests.open(token=_token(LONG))
    after = datetime.now(UTC).timestamp()
    expires_at = int(staff.session["properties"]["$ExpiryTime"]) / 1_000
    assert before + LONG - 0.001 <= expires_at <= after + LONG
    anonymous = await any_guests.open()
    assert "$ExpiryTime" not in anonymous.session["properties"]
    with_one = f"has $ExpiryTime and $SessionId in ['{staff.id}' '{anonymous.id}']"
    assert (await staff.call("session.list", filter=with_one))["sessions"][0]["session_id"] == staff.id
    assert (await staff.call("session.count", filter=with_one))["total"] == 1


async def test_expiry_in_a_hundred_years_is_no_matter(any_guests: Guests) -> None:
    wire = await any_guests.open(token=_token(100 * 365 * 86_400))
    await wire.call("session.ping")


async def test_expiry_ends_a_session_that_is_there_at_its_time_and_once(any_guests: Guests, room: str) -> None:
    listener, peer = await _listener(any_guests), await any_guests.join(room)
    wire = await any_guests.open(token=_token(SHORT))
    await wire.call("room.join", room=room, observe=["*"])
    await wire.call("room.set", room=room, key="k", value=1)
    await wire.expect_closed(4013)
    left = await peer.expect("room.peers", lambda told: bool(told["left"]))
    assert left["left"] == [{"session_id": wire.id, "reason": "EXPIRED"}]
    await listener.expect("session.event", session_id=wire.id, state="ACTIVE")
    await listener.expect("session.event", session_id=wire.id, state="CLOSED", close_reason="EXPIRED")
    expires_at, closed_at = _times(any_guests.server, wire.id)
    # The database tells its time in whole milliseconds.
    assert (closed_at - expires_at).total_seconds() >= -0.001
    await listener.call("session.ping")
    assert _states(listener, wire.id) == []


async def test_expiry_takes_with_it_what_dies_with_the_session(reaping: Guests, room: str) -> None:
    wire, peer = await reaping.open(token=_token(SHORT)), await reaping.staff(principal="bo")
    for each in (wire, peer):
        await each.call("room.join", room=room, observe=["*"])
    await wire.call("room.set", room=room, key="mine", value=1, lifetime="session")
    sequence = await lock(wire, room)
    asked = await wait_in_line(reaping, peer, room)
    await wire.expect_closed(4013)
    await peer.expect_change("mine", None)
    assert await granted(asked, room) > sequence
    assert values_of((await peer.call("room.snapshot", room=room))["entries"]) == {}


async def test_expiry_ends_a_session_that_is_away_and_once(reaping: Guests) -> None:
    listener, wire = await _listener(reaping), await reaping.open(token=_token(SHORT))
    await wire.drop()
    await listener.expect("session.event", session_id=wire.id, state="DISCONNECTED")
    await listener.expect("session.event", session_id=wire.id, state="CLOSED", close_reason="EXPIRED")
    expires_at, closed_at = _times(reaping.server, wire.id)
    assert (closed_at - expires_at).total_seconds() >= -0.001
    back = await reaping.connect()
    opened = await back.open(token=_token(LONG), resume=_resume(wire))
    assert opened["resumed"] is False
    assert opened["session_id"] != wire.id
    assert _states(listener, wire.id) == [("ACTIVE", None)]


async def test_expiry_by_timer_and_reaper_is_told_once(reaping: Guests) -> None:
    """Both come to it at the same moment."""
    listener = await _listener(reaping)
    token = mint_token("ann", expires_in=SHORT)
    wires = await asyncio.gather(*(reaping.open(token=token) for _ in range(8)))
    for wire in wires:
        await wire.expect_closed(4013)
        await listener.expect("session.event", session_id=wire.id, state="CLOSED", close_reason="EXPIRED")
    await _expires(reaping)
    assert [_states(listener, wire.id) for wire in wires] == [[("ACTIVE", None)]] * len(wires)
    assert session_rows(reaping.server, *(wire.id for wire in wires)) == [("CLOSED", "EXPIRED")] * len(wires)


# --- coming back


@pytest.mark.parametrize("how", ["away", "there"])
async def test_expiry_is_put_off_by_a_resume_with_a_new_token(reaping: Guests, how: str) -> None:
    listener, wire = await _listener(reaping, "$ExpiryTime"), await reaping.open(token=_token(SHORT))
    expires_at = wire.session["properties"]["$ExpiryTime"]
    if how == "away":
        await wire.drop()
        await listener.expect("session.event", session_id=wire.id, state="DISCONNECTED")
    back = await reaping.connect()
    opened = await back.open(token=_token(LONG), resume=_resume(wire))
    assert (opened["resumed"], opened["session_id"]) == (True, wire.id)
    assert int(opened["properties"]["$ExpiryTime"]) > int(expires_at) + LONG * 500
    returned = await listener.expect("session.event", session_id=wire.id, state="RECONNECTED")
    assert returned["properties"]["$ExpiryTime"] == opened["properties"]["$ExpiryTime"]
    assert returned["changed_properties"] == {"$ExpiryTime": expires_at}
    await _expires(reaping)
    await back.call("session.ping")
    assert _states(listener, wire.id) == [("ACTIVE", None)]


async def test_expiry_comes_sooner_after_a_resume_with_a_token_that_ends_sooner(reaping: Guests) -> None:
    wire, back = await reaping.open(token=_token(LONG)), await reaping.connect()
    assert (await back.open(token=_token(SHORT), resume=_resume(wire)))["resumed"] is True
    await back.expect_closed(4013)


async def test_expiry_of_the_token_ends_its_use_for_a_resume(reaping: Guests) -> None:
    """T19: with the same answer as any bad token, and without any harm to who has a good one."""
    short = _token(SHORT)
    wire, back = await reaping.open(token=_token(LONG)), await reaping.connect()
    await wire.drop()
    await _expires(reaping)
    await back.refused("session.open", "ACCESS_DENIED", token=short, resume=_resume(wire))
    await back.expect_closed(4008)
    again = await reaping.connect()
    assert (await again.open(token=_token(LONG), resume=_resume(wire)))["resumed"] is True
