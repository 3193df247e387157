"""Acting on sessions over the wire, by id or by filter: properties, ends, messages, observing (parity D33-D36, P27)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from sessionstore_app import mint_token
from tests.support.guests import STAFF, Guests
from tests.support.rows import session_rows
from tests.support.server import Server, running
from tests.support.wire import Wire, entry_of, values_of

UNKNOWN = "x" * 22
# Every method that takes a session's id or a filter, with what else it needs.
EITHER: dict[str, dict[str, Any]] = {
    "session.terminate": {},
    "session.change_roles": {"add": ["speaker"]},
    "session.send": {"event": "e", "data": 1},
    "session.observe_for": {"keys": ["*"]},
}


async def _user_properties(wire: Wire, session_id: str) -> dict[str, str]:
    found: dict[str, str] = (await wire.call("session.get_properties", session_id=session_id, properties=["*U"]))[
        "properties"
    ]
    return found


# --- naming whom


@pytest.mark.parametrize("method", EITHER)
async def test_p26_a_session_id_and_a_filter_are_never_guessed(guests: Guests, room: str, method: str) -> None:
    """Both or neither is an error; an id is no filter, and a filter no id."""
    guest, staff = await guests.join(room, observe=[]), await guests.staff()
    params = {"room": room, **EITHER[method]}
    await guest.forget()
    await staff.refused(method, "INVALID_PARAMS", **params)
    await staff.refused(method, "INVALID_PARAMS", **params, session_id=guest.id, filter="all")
    await staff.refused(method, "NO_SUCH_SESSION", **params, session_id="all")
    await staff.refused(method, "INVALID_FILTER", **params, filter=guest.id)
    await guest.assert_silent()


@pytest.mark.parametrize("method", EITHER)
async def test_d34_an_unknown_id_is_an_error_and_a_filter_without_a_match_is_not(
    guests: Guests, room: str, method: str
) -> None:
    gone, staff = await guests.join(room), await guests.staff()
    await gone.call("session.close")
    params = {"room": room, **EITHER[method]}
    for session_id in (UNKNOWN, gone.id, ""):
        await staff.refused(method, "NO_SUCH_SESSION", **params, session_id=session_id)
    assert await staff.call(method, **params, filter="all") == {"count": 0}


@pytest.mark.parametrize("method", EITHER)
async def test_d34_a_room_narrows_to_its_peers(guests: Guests, room: str, method: str) -> None:
    """Also for a session that is named: one that is elsewhere does not exist here."""
    inside, outside, staff = await guests.join(room), await guests.join(f"{room}/other"), await guests.staff()
    await outside.forget()
    params = {"room": room, **EITHER[method]}
    await staff.refused(method, "NO_SUCH_SESSION", **params, session_id=outside.id)
    assert (await staff.call(method, **params, filter="all"))["count"] == 1
    await outside.assert_silent()
    assert session_rows(guests.server, outside.id) == [("ACTIVE", "")]
    assert inside.id != outside.id


# --- properties by filter


async def test_d33_every_match_is_set_and_counted_even_if_it_changes_nothing(any_guests: Guests, room: str) -> None:
    muted, loud, staff = await any_guests.join(room), await any_guests.join(room), await any_guests.staff()
    other = await any_guests.join(room, properties={"name": "other"})
    await staff.call("session.set_properties", session_id=muted.id, properties={"muted": "yes"})
    await muted.expect("session.changed")
    change = {"filter": "not name is 'other'", "room": room, "properties": {"muted": "yes", "$Roles": "x", "no": None}}
    assert await staff.call("session.set_properties_by_filter", **change) == {"count": 2}
    assert (await loud.expect("session.changed"))["changed_properties"] == {"muted": None}
    await muted.assert_silent("session.changed")
    await other.assert_silent("session.changed")
    assert await _user_properties(staff, loud.id) == {"muted": "yes"}


async def test_p27_what_one_session_cannot_take_no_session_is_given(guests: Guests, room: str) -> None:
    """One transaction: one that has as many properties as it may keeps all others from being changed."""
    full, *others = await guests.crowd(room, 4)
    staff = await guests.staff()
    filled = {f"k{n}": "" for n in range(64)}
    await staff.call("session.set_properties", session_id=full.id, properties=filled)
    change = {"filter": "all", "room": room, "properties": {"muted": "yes", "k0": "changed"}}
    error = await staff.refused("session.set_properties_by_filter", "LIMIT_EXCEEDED", **change)
    assert (error["data"]["limit"], error["data"]["actual"]) == (64, 65)
    assert await _user_properties(staff, full.id) == filled
    for other in others:
        assert await _user_properties(staff, other.id) == {}
        await other.assert_silent("session.changed", "room.peers")


async def test_p27_a_bulk_change_is_one_batch_for_peers(guests: Guests, room: str) -> None:
    wires, staff = await guests.crowd(room, 8), await guests.staff()
    assert (await staff.call("session.set_properties_by_filter", room=room, filter="all", properties={"muted": "yes"}))[
        "count"
    ] == 8
    for wire in wires:
        told = await wire.expect("room.peers")
        assert {peer["session_id"] for peer in told["updated"]} == {each.id for each in wires}
        assert all(peer["properties"]["muted"] == "yes" for peer in told["updated"])
        await wire.assert_silent("room.peers")


async def test_d33_racing_bulk_changes_each_take_place_whole(guests: Guests, room: str) -> None:
    """Of many at once the last wins, the same for all sessions, and none is a mixture."""
    wires, staff = await guests.crowd(room, 5), [await guests.staff(principal=f"staff {n}") for n in range(4)]
    asked = [
        wire.start(
            "session.set_properties_by_filter",
            room=room,
            filter="all",
            properties={"a": f"{n}{turn}", "b": f"{n}{turn}"},
        )
        for turn in range(5)
        for n, wire in enumerate(staff)
    ]
    replies = await asyncio.gather(*asked)
    assert [reply["result"]["count"] for reply in replies] == [5] * 20
    found = [await _user_properties(staff[0], wire.id) for wire in wires]
    assert all(each == found[0] and each["a"] == each["b"] for each in found)


# --- terminating


async def test_d34_a_terminated_session_is_closed_and_its_peers_see_why(any_guests: Guests, room: str) -> None:
    goes, stays = await any_guests.join(room), await any_guests.join(room)
    staff = await any_guests.staff()
    await goes.call("room.set", room=room, key="hand", value=1, lifetime="session")
    await goes.call("room.set", room=room, key="kept", value=1)
    assert await staff.call("session.terminate", session_id=goes.id) == {"count": 1}
    await goes.expect_closed(4011)
    told = await stays.expect("room.peers", lambda params: bool(params["left"]))
    assert (told["left"], told["count"]) == ([{"session_id": goes.id, "reason": "CLOSED_BY_CONTROLLER"}], 1)
    await stays.expect_change("hand", None)
    assert values_of((await stays.call("room.snapshot", room=room))["entries"]) == {"kept": 1}
    assert session_rows(any_guests.server, goes.id) == [("CLOSED", "CLOSED_BY_CONTROLLER")]
    # It does not come back.
    resume = {"session_id": goes.id, "resume_token": goes.session["resume_token"]}
    assert (await any_guests.open(resume=resume)).session["resumed"] is False


async def test_d34_by_filter_all_that_match_go_and_nobody_else(guests: Guests, room: str) -> None:
    bots = [await guests.join(room, properties={"name": "bot"}) for _ in range(3)]
    person, staff = await guests.join(room, properties={"name": "Ann"}), await guests.staff()
    assert await staff.call("session.terminate", room=room, filter="name is 'bot'") == {"count": 3}
    for bot in bots:
        await bot.expect_closed(4011)
    assert [peer["session_id"] for peer in (await person.call("room.peers", room=room))["peers"]] == [person.id]
    assert await staff.call("session.terminate", room=room, filter="name is 'bot'") == {"count": 0}


async def test_d34_a_session_that_is_away_is_terminated_too(guests: Guests, room: str) -> None:
    away, stays, staff = await guests.join(room), await guests.join(room), await guests.staff()
    await away.call("room.set", room=room, key="hand", value=1, lifetime="session")
    await away.drop()
    await stays.expect("room.peers", lambda params: bool(params["updated"]))
    assert await staff.call("session.terminate", session_id=away.id) == {"count": 1}
    left = await stays.expect("room.peers", lambda params: bool(params["left"]))
    assert left["left"] == [{"session_id": away.id, "reason": "CLOSED_BY_CONTROLLER"}]
    await stays.expect_change("hand", None)
    resume = {"session_id": away.id, "resume_token": away.session["resume_token"]}
    assert (await guests.open(resume=resume)).session["resumed"] is False


async def test_d34_who_terminates_itself_is_answered_first(any_guests: Guests, room: str) -> None:
    for by_filter in (False, True):
        here = f"{room}/{by_filter}"
        staff, other = await any_guests.staff(), await any_guests.join(here)
        await staff.call("room.join", room=here)
        named = {"filter": "all"} if by_filter else {"session_id": staff.id}
        assert await staff.call("session.terminate", room=here, **named) == {"count": 1 + by_filter}
        await staff.expect_closed(4011)
        left = {"session_id": staff.id, "reason": "CLOSED_BY_CONTROLLER"}
        if by_filter:
            await other.expect_closed(4011)
        else:
            assert (await other.expect("room.peers", lambda params: bool(params["left"])))["left"] == [left]
        assert session_rows(any_guests.server, staff.id) == [("CLOSED", "CLOSED_BY_CONTROLLER")]


async def test_d34_many_who_terminate_one_session_end_it_once(guests: Guests, room: str) -> None:
    goes, stays = await guests.join(room), await guests.join(room)
    staff = [await guests.staff(principal=f"staff {n}") for n in range(3)]
    await stays.forget()
    replies = await asyncio.gather(*(wire.start("session.terminate", session_id=goes.id) for wire in staff * 2))
    assert sum("result" in reply for reply in replies) == 1
    assert {reply["error"]["data"]["reason"] for reply in replies if "error" in reply} == {"NO_SUCH_SESSION"}
    await goes.expect_closed(4011)
    await stays.expect("room.peers", lambda params: bool(params["left"]))
    await stays.assert_silent("room.peers")


@pytest.fixture(scope="module")
def careless_server() -> Iterator[Server]:
    """A server that does not look after its sockets: what is not closed at once stays."""
    with running(settings={"NODE_LEASE_SECONDS": 7_200, "NODE_RENEW_SECONDS": 3_600}) as server:
        yield server


async def test_d34_who_is_busy_terminating_others_is_closed_too(careless_server: Server, room: str) -> None:
    """P46: nobody is safe as long as it keeps on asking."""
    guests = Guests(careless_server)
    try:
        busy, staff = await guests.staff(principal="busy"), await guests.staff()
        for _ in range(40):
            busy.start("session.terminate", room=room, filter="all")
        assert await staff.call("session.terminate", session_id=busy.id) == {"count": 1}
        await busy.expect_closed(4011)
    finally:
        await guests.leave()


async def test_d34_out_of_reach_nothing_of_a_session_is_lost(guests: Guests, room: str) -> None:
    """P46: a host who names a session that is in another room harms nothing of it."""
    host, victim = await guests.join(room), await guests.join(f"{room}/other")
    await victim.call("room.set", room=f"{room}/other", key="hand", value=1, lifetime="session")
    await host.refused("session.terminate", "NO_SUCH_SESSION", room=room, session_id=victim.id)
    await host.refused("session.terminate", "ACCESS_DENIED", room=f"{room}/other", session_id=victim.id)
    await host.refused("session.terminate", "ACCESS_DENIED", session_id=victim.id)
    snapshot = await victim.call("room.snapshot", room=f"{room}/other")
    assert entry_of(snapshot["entries"], "hand")["value"] == 1
    assert snapshot["version"] == 1


# --- sending


async def test_d36_a_message_reaches_those_who_are_there_and_counts_them(any_guests: Guests, room: str) -> None:
    """Nothing is queued: who was away is not counted, and gets nothing when it is back."""
    one, other, away = [await any_guests.join(room, observe=[]) for _ in range(3)]
    outside, staff = await any_guests.open(), await any_guests.staff()
    await away.drop()
    await one.expect("room.peers", lambda params: any(p["state"] == "DISCONNECTED" for p in params["updated"]))
    sent = {"event": "note", "data": {"text": ["é", 1, None]}}
    assert await staff.call("session.send", room=room, filter="all", **sent) == {"count": 2}
    for wire in (one, other):
        told = await wire.expect("session.message")
        assert set(told) == {"event", "data", "from", "at"}
        assert (told["event"], told["data"]) == ("note", sent["data"])
        assert told["from"] == {"session_id": staff.id, "principal": "staff"}
        assert told["at"].endswith("Z")
    assert await staff.call("session.send", session_id=away.id, **sent) == {"count": 0}
    back = await any_guests.open(resume={"session_id": away.id, "resume_token": away.session["resume_token"]})
    assert back.session["resumed"] is True
    await back.assert_silent("session.message")
    await outside.assert_silent("session.message")
    assert await staff.call("session.send", session_id=back.id, **sent) == {"count": 1}
    await back.expect("session.message")


async def test_d36_ones_own_session_is_a_receiver_like_any(guests: Guests) -> None:
    staff = await guests.staff()
    assert await staff.call("session.send", session_id=staff.id, event="e") == {"count": 1}
    assert (await staff.expect("session.message"))["data"] is None


async def test_d36_messages_arrive_in_the_order_sent(guests: Guests) -> None:
    guest, staff = await guests.open(), await guests.staff()
    for n in range(50):
        await staff.call("session.send", session_id=guest.id, event="n", data=n)
    assert [(await guest.expect("session.message"))["data"] for _ in range(50)] == list(range(50))


async def test_t15_a_message_may_have_8192_bytes(guests: Guests) -> None:
    guest, staff = await guests.open(), await guests.staff()
    await staff.call("session.send", session_id=guest.id, event="e", data="é" * 4_095)
    assert (await guest.expect("session.message"))["data"] == "é" * 4_095
    error = await staff.refused(
        "session.send", "VALUE_TOO_LARGE", session_id=guest.id, event="e", data="é" * 4_095 + "x"
    )
    assert (error["data"]["limit"], error["data"]["actual"]) == (8_192, 8_193)
    await guest.assert_silent("session.message")


# --- observing for others


async def test_d35_a_peer_is_made_to_observe_and_told_what_there_is(any_guests: Guests, room: str) -> None:
    """Values arrive at once, absent keys as null; what changes later arrives as well."""
    guest, writer = await any_guests.join(room, observe=["own"]), await any_guests.join(room)
    staff = await any_guests.staff()
    await writer.call("room.set", room=room, key="topic", value="retro")
    params = {"room": room, "keys": ["topic", "absent", "hand/*"]}
    assert await staff.call("session.observe_for", session_id=guest.id, **params) == {"count": 1}
    told = await guest.expect("room.changed")
    assert {entry["key"]: entry["value"] for entry in told["changes"]} == {"topic": "retro", "absent": None}
    await writer.call("room.set", room=room, key="hand/1", value=1)
    await guest.expect_change("hand/1", 1)
    await writer.call("room.set", room=room, key="other", value=1)
    await writer.call("room.set", room=room, key="own", value=1)
    await guest.expect_change("own", 1)
    await guest.assert_silent("room.changed")
    observing = (await guest.call("room.unobserve", room=room, keys=["absent"]))["observing"]
    assert set(observing) == {"own", "topic", "hand/*"}


async def test_d35_what_a_peer_was_made_to_observe_survives_a_resume(any_guests: Guests, room: str) -> None:
    """Also where that was said while it was away."""
    guest, writer, staff = (
        await any_guests.join(room, observe=[]),
        await any_guests.join(room),
        await any_guests.staff(),
    )
    await staff.call("session.observe_for", room=room, session_id=guest.id, keys=["topic"])
    await guest.expect_change("topic", None)
    await guest.drop()
    await writer.expect("room.peers", lambda params: any(p["state"] == "DISCONNECTED" for p in params["updated"]))
    assert (await staff.call("session.observe_for", room=room, filter="all", keys=["late"]))["count"] == 2
    await writer.call("room.write", room=room, ops=[{"key": key, "value": 1} for key in ("topic", "late", "other")])
    back = await any_guests.open(resume={"session_id": guest.id, "resume_token": guest.session["resume_token"]})
    snapshot = await back.expect("room.snapshot")
    assert values_of(snapshot["entries"]) == {"topic": 1, "late": 1}
    await writer.call("room.set", room=room, key="late", value=2)
    await back.expect_change("late", 2)


async def test_d35_who_is_counted_while_it_comes_in_does_observe(any_guests: Guests, room: str) -> None:
    """However early that is said: who was counted observes what it was made to, and is told what there is."""
    staff = await any_guests.staff(permissions=[*STAFF, "manage_room"])
    await staff.call("room.set", room=room, key="topic", value="retro")
    for _ in range(5):
        guest = await any_guests.open()
        params = {"room": room, "session_id": guest.id, "keys": ["topic"]}
        joining = guest.start("room.join", room=room)
        asked = [staff.start("session.observe_for", **params) for _ in range(20)]
        await joining
        if any("result" in reply for reply in await asyncio.gather(*asked)):
            await guest.expect_change("topic", "retro")
        observing = (await guest.call("room.unobserve", room=room, keys=["none"]))["observing"]
        assert observing == (["topic"] if any("result" in asking.result() for asking in asked) else [])


async def test_d35_who_is_not_in_the_room_is_not_made_to_observe_it(guests: Guests, room: str) -> None:
    outside, staff = await guests.join(f"{room}/other"), await guests.staff()
    await outside.forget()
    await staff.refused("session.observe_for", "NO_SUCH_SESSION", room=room, session_id=outside.id, keys=["*"])
    await staff.refused("session.observe_for", "INVALID_PARAMS", room=room, filter="all", keys=["a*b"])
    await outside.assert_silent()


async def test_d35_what_one_peer_cannot_observe_no_peer_is_made_to(guests: Guests, room: str) -> None:
    """P27: 128 patterns a session, over all its rooms."""
    full, other = await guests.join(room, observe=[f"k{n}" for n in range(100)]), await guests.join(room, observe=[])
    staff = await guests.staff()
    await full.call("room.join", room=f"{room}/other", observe=[f"k{n}" for n in range(27)])
    assert (await staff.call("session.observe_for", room=room, filter="all", keys=["k1", "x1"]))["count"] == 2
    for wire in (full, other):
        await wire.expect_change("x1", None)
        await wire.forget()
    error = await staff.refused("session.observe_for", "LIMIT_EXCEEDED", room=room, filter="all", keys=["x2"])
    assert (error["data"]["limit"], error["data"]["actual"]) == (128, 129)
    await other.call("room.set", room=room, key="x2", value=1)
    await full.assert_silent("room.changed")
    await other.assert_silent("room.changed")
    assert set((await other.call("room.unobserve", room=room, keys=["none"]))["observing"]) == {"k1", "x1"}


async def test_d34_a_token_of_somebody_else_is_no_hindrance(guests: Guests, room: str) -> None:
    guest = await guests.join(room, token=mint_token("ann", roles=["r"]))
    staff = await guests.staff()
    assert await staff.call("session.terminate", filter=f"$SessionId is '{guest.id}' and hasRoles 'r'") == {"count": 1}
    await guest.expect_closed(4011)
