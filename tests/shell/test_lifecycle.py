"""The life of a session as listeners see it, and how it ends: by which close code and for which reason (parity D1–D7,
§2.6, P16–P19).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest

from sessionstore_app import mint_token
from tests.support.guests import Guests
from tests.support.hearing import Hearing, only
from tests.support.rows import session_rows
from tests.support.server import Server, database, running
from tests.support.wire import Wire, eventually, within

# Reasons that leave nothing to come back to end a session at once; after others it waits, for a moment.
BRIEF = {
    "HEARTBEAT_SECONDS": 1,
    "RECONNECT_SECONDS": 1.0,
    "REAP_SECONDS": 0.1,
    "OUTBOX_BYTES": 50_000,
    "WRITES_PER_SECOND": 1,
    "WRITES_BURST": 10,
    "FRAME_BYTES": 8_192,
    "SELF_PROPERTIES": ["turn"],
}


@pytest.fixture(scope="module", params=["uvicorn", "daphne"])
def brief_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with running(kind=request.param, settings=BRIEF) as server:
        yield server


@pytest.fixture
async def brief(brief_server: Server) -> AsyncIterator[Guests]:
    """Clients of a server that has little patience."""
    async with Guests(brief_server) as opened:
        yield opened


@pytest.fixture(scope="module", params=["uvicorn", "daphne"])
def patient_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with running(kind=request.param, settings={**BRIEF, "RECONNECT_SECONDS": 60}) as server:
        yield server


@pytest.fixture
async def patient(patient_server: Server) -> AsyncIterator[Guests]:
    """Clients of a server that is as strict, and waits for those who come back."""
    async with Guests(patient_server) as opened:
        yield opened


def _resume(wire: Wire) -> dict[str, Any]:
    return {"session_id": wire.id, "resume_token": wire.session["resume_token"]}


async def _back(guests: Guests, wire: Wire, **params: Any) -> Wire:
    back = await guests.open(resume=_resume(wire), **params)
    assert (back.session["resumed"], back.id) == (True, wire.id)
    return back


async def _watched(guests: Guests, **params: Any) -> tuple[Wire, Hearing]:
    """A session, and who listens to it."""
    wire, staff = await guests.open(**params), await guests.staff(heartbeat=False)
    hearing = await Hearing.begin(staff, filter=only(wire), properties=["k", "$ServerName"])
    assert (await hearing.expect(wire.id))["state"] == "ACTIVE"
    return wire, hearing


def _states(hearing: Hearing, wire: Wire) -> list[tuple[str, str | None]]:
    return [(event["state"], event["close_reason"]) for event in hearing.of(wire.id)]


# --- how a session ends: what the client does, the code its socket is closed with, and the reason that is told


async def _drops(wire: Wire) -> None:
    await wire.drop()


async def _hangs_up(wire: Wire) -> None:
    await wire.hang_up()


async def _falls_silent(wire: Wire) -> None:
    wire._acks = False


async def _takes_nothing(wire: Wire) -> None:
    """It lives, but does not keep up with messages that have no newest value."""
    wire.claimed_bytes = 0
    await wire.call("room.join", room="crowded", observe=[])
    for _ in range(9):
        await wire.call("room.broadcast", room="crowded", event="e", data="x" * 900)
    while wire.is_open:
        # Answers count too, and it takes none of them.
        asked = [wire.start("session.get_properties", properties=["*F"]) for _ in range(100)]
        await asyncio.wait(asked)


async def _closes(wire: Wire) -> None:
    assert await wire.call("session.close") == {}


async def _sends_too_much(wire: Wire) -> None:
    wire.notify("session.ack", bytes=1, padding="x" * 9_000)


async def _sends_bytes(wire: Wire) -> None:
    wire.write(b"\0")


async def _sends_nonsense(wire: Wire) -> None:
    for _ in range(21):
        wire.write("nonsense")


async def _writes_on(wire: Wire) -> None:
    """Though it is refused, again and again."""
    while wire.is_open:
        asked = [wire.start("session.set_properties", properties={"turn": str(n)}) for n in range(20)]
        await asyncio.wait(asked)


Act = Callable[[Wire], Awaitable[None]]
# Name: what it does, the code its socket is closed with (None: nobody is there to be told), whether the session waits.
ENDS: dict[str, tuple[Act, int | None, bool]] = {
    "CONNECTION_LOST by a drop": (_drops, None, True),
    "CONNECTION_LOST by hanging up": (_hangs_up, None, True),
    "CLIENT_UNRESPONSIVE": (_falls_silent, 4002, True),
    "MESSAGE_QUEUE_LIMIT_REACHED": (_takes_nothing, 4003, True),
    "CLOSED_BY_CLIENT": (_closes, 4004, False),
    "MESSAGE_TOO_LARGE": (_sends_too_much, 4005, False),
    "INVALID_INBOUND_MESSAGE by bytes": (_sends_bytes, 4007, False),
    "INVALID_INBOUND_MESSAGE by nonsense": (_sends_nonsense, 4007, False),
    "RATE_LIMITED": (_writes_on, 4102, True),
}


@pytest.mark.parametrize("name", ENDS)
async def test_s2_6_every_end_has_its_close_code_and_its_reason(brief: Guests, name: str) -> None:
    """D5: where it may come back, it is away first, and ends when it does not."""
    act, code, waits = ENDS[name]
    wire, hearing = await _watched(brief)
    await act(wire)
    if code is not None:
        await wire.expect_closed(code)
    await hearing.until(wire.id, "CLOSED")
    told = [event for event in _states(hearing, wire) if event != ("ACTIVE", None)]
    assert told == [("DISCONNECTED", None)] * waits + [("CLOSED", name.split(" ")[0])]
    assert session_rows(brief.server, wire.id) == [("CLOSED", name.split(" ")[0])]


@pytest.mark.parametrize("name", [name for name, (_, _, waits) in ENDS.items() if waits])
async def test_d2_who_comes_back_in_time_goes_on(patient: Guests, name: str) -> None:
    """With what it had; and away again, it has its whole time again."""
    act, code, _ = ENDS[name]
    wire, hearing = await _watched(patient)
    await hearing.wire.call("session.set_properties", session_id=wire.id, properties={"k": "kept"})
    await act(wire)
    if code is not None:
        await wire.expect_closed(code)
    await hearing.until(wire.id, "DISCONNECTED")
    back = await _back(patient, wire)
    assert back.session["properties"]["k"] == "kept"
    returned = (await hearing.until(wire.id, "RECONNECTED"))[-1]
    assert (returned["type"], returned["properties"]["k"], returned["changed_properties"]) == ("STATE", "kept", {})
    await back.call("session.close")
    await hearing.until(wire.id, "CLOSED")
    states = [event["state"] for event in hearing.of(wire.id) if event["type"] == "STATE"]
    assert states == ["DISCONNECTED", "RECONNECTED", "CLOSED"]
    assert hearing.of(wire.id)[-1]["close_reason"] == "CLOSED_BY_CLIENT"


async def test_d34_who_is_ended_by_another_is_told_so(any_guests: Guests, room: str) -> None:
    staff, wire, peer = await any_guests.staff(), await any_guests.join(room), await any_guests.join(room)
    hearing = await Hearing.begin(staff, room=room)
    await hearing.expect(wire.id)
    await peer.forget()
    assert await staff.call("session.terminate", session_id=wire.id) == {"count": 1}
    await wire.expect_closed(4011)
    await hearing.until(wire.id, "CLOSED")
    assert _states(hearing, wire) == [("CLOSED", "CLOSED_BY_CONTROLLER")]
    left = await peer.expect("room.peers")
    assert left["left"] == [{"session_id": wire.id, "reason": "CLOSED_BY_CONTROLLER"}]


async def test_d34_one_that_is_away_is_ended_too(guests: Guests) -> None:
    wire, hearing = await _watched(guests)
    await wire.drop()
    await hearing.expect(wire.id, state="DISCONNECTED")
    await hearing.wire.call("session.terminate", filter=only(wire))
    await hearing.until(wire.id, "CLOSED")
    assert _states(hearing, wire) == [("CLOSED", "CLOSED_BY_CONTROLLER")]
    assert (await guests.open(resume=_resume(wire))).session["resumed"] is False


async def test_d6_a_session_ends_with_its_credential(any_guests: Guests) -> None:
    wire, hearing = await _watched(any_guests, token=mint_token("ann", expires_in=2))
    assert "$ExpiryTime" in wire.session["properties"]
    await wire.expect_closed(4013)
    await hearing.until(wire.id, "CLOSED")
    assert _states(hearing, wire) == [("CLOSED", "EXPIRED")]


async def test_d6_a_session_that_is_away_ends_with_its_credential_too(guests: Guests) -> None:
    """Before its time to come back is over."""
    wire, hearing = await _watched(guests, token=mint_token("ann", expires_in=2))
    await wire.drop()
    await hearing.until(wire.id, "CLOSED")
    assert _states(hearing, wire) == [("DISCONNECTED", None), ("CLOSED", "EXPIRED")]


async def test_refused_sockets_were_never_sessions(guests: Guests) -> None:
    """4008 for a bad token, 4103 for none in time: nobody is told of an opening or an end."""
    staff = await guests.staff()
    hearing = await Hearing.begin(staff, filter="$Principal is 'nobody'")
    wire = await guests.connect()
    await wire.refused("session.open", "ACCESS_DENIED", token=mint_token("nobody") + "x")
    await wire.expect_closed(4008)
    await hearing.silent()


# --- taken over


async def test_p16_a_takeover_closes_the_old_socket_and_the_session_goes_on(any_guests: Guests, room: str) -> None:
    """P18: the original of a duplicated tab. Its late end is nobody's."""
    wire, hearing = await _watched(any_guests)
    await wire.call("room.join", room=room)
    back = await _back(any_guests, wire)
    await wire.expect_closed(4015)
    await hearing.expect(wire.id, state="RECONNECTED")
    await wire.drop()
    await back.call("room.set", room=room, key="k", value=1)
    assert session_rows(any_guests.server, wire.id) == [("ACTIVE", "")]
    await hearing.silent()


async def test_p17_who_does_not_know_that_it_ended_cannot_act_and_begins_anew(brief: Guests) -> None:
    """After a long suspend its token is good for nothing, and harms nobody: it gets a session of its own."""
    wire, hearing = await _watched(brief)
    await wire.drop()
    await hearing.until(wire.id, "CLOSED")
    fresh = await brief.open(resume=_resume(wire))
    assert fresh.session["resumed"] is False
    assert fresh.id != wire.id
    assert [state for state, _ in _states(hearing, wire)] == ["DISCONNECTED", "CLOSED"]


async def test_p19_a_person_is_there_until_the_last_of_its_sessions_ends(any_guests: Guests, room: str) -> None:
    staff = await any_guests.staff()
    tabs = [await any_guests.join(room, token=mint_token("ann")) for _ in range(2)]
    await any_guests.join(room)

    async def present() -> tuple[int, int]:
        found = await staff.call("session.count", room=room)
        return found["total"], found["people"]

    assert await present() == (3, 2)
    await tabs[0].call("session.close")
    assert await present() == (2, 2)
    await tabs[1].call("session.close")
    assert await present() == (1, 1)


# --- closing twice, and both ways at once


async def test_d7_closing_twice_is_harmless(any_guests: Guests) -> None:
    """By two requests of its own, and by somebody else at the same moment: it ends once, for one reason."""
    wire, hearing = await _watched(any_guests)
    asked = [wire.start("session.close"), wire.start("session.close")]
    ended = hearing.wire.start("session.terminate", filter=only(wire))
    assert (await within(asked[0], "the first answer"))["result"] == {}
    await within(ended, "the other's answer")
    await wire.expect_closed(4004, 4011)
    closed = (await hearing.until(wire.id, "CLOSED"))[-1]
    assert closed["close_reason"] in ("CLOSED_BY_CLIENT", "CLOSED_BY_CONTROLLER")
    await hearing.wire.call("session.ping")
    assert len(hearing.of(wire.id)) == 1


async def test_d7_of_many_who_end_a_session_one_does(guests: Guests) -> None:
    wire, hearing = await _watched(guests)
    staff = [await guests.staff(principal=f"staff {n}") for n in range(4)]
    asked = [each.start("session.terminate", filter=only(wire)) for each in staff for _ in range(5)]
    counts = [(await within(reply, "the answer"))["result"]["count"] for reply in asked]
    assert sum(counts) == 1
    await hearing.until(wire.id, "CLOSED")
    await hearing.wire.call("session.ping")
    assert len(hearing.of(wire.id)) == 1


# --- a server that stops


async def test_d2_a_server_that_stops_lets_its_sessions_wait(room: str) -> None:
    """1012; its sessions are away, and come back to the next process with all they had."""
    with database() as url, running(settings={"RECONNECT_SECONDS": 600}, database_url=url) as server:
        before = Guests(server)
        wire, other = await before.join(room, properties={"name": "Ann"}), await before.open()
        await wire.call("room.set", room=room, key="k", value=1)
        server.terminate()
        for each in (wire, other):
            await each.expect_closed(1012)
        assert session_rows(server, wire.id) == [("DISCONNECTED", "SERVER_SHUTDOWN")]
        server.start()
        after = Guests(server)
        staff = await after.staff()
        hearing = await Hearing.begin(staff, filter=only(wire, other), properties=["name"])
        for each in (wire, other):
            told = [(event["type"], event["state"]) for event in hearing.of(each.id)]
            assert told == [("STATE", "ACTIVE"), ("STATE", "DISCONNECTED")]
            first, second = (event["revision"] for event in hearing.of(each.id))
            assert first < second
        back = await _back(after, wire)
        assert back.session["properties"]["name"] == "Ann"
        returned = (await hearing.until(wire.id, "FAILED_OVER"))[-1]
        assert returned["properties"] == {"name": "Ann"}
        assert (await back.call("room.get", room=room, key="k"))["value"] == 1
        await after.leave()


async def test_d2_who_does_not_come_back_to_a_server_that_stopped_is_ended_by_it() -> None:
    """The next process does it once it is used, for the reason that they were left with."""
    with (
        database() as url,
        running(settings={"RECONNECT_SECONDS": 3, "REAP_SECONDS": 0.1}, database_url=url) as server,
    ):
        wire = await Guests(server).open()
        server.terminate()
        await wire.expect_closed(1012)
        assert session_rows(server, wire.id) == [("DISCONNECTED", "SERVER_SHUTDOWN")]
        server.start()
        after = await Guests(server).open()

        async def ended() -> bool:
            return session_rows(server, wire.id) == [("CLOSED", "SERVER_SHUTDOWN")]

        await eventually(ended, "the session that nobody came back to is closed")
        await after.call("session.close")
