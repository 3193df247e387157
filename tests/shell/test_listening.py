"""Listening to sessions on the wire (parity §2.5, D50–D61): what is told, how often, and until when."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from sessionstore_app import mint_token
from tests.support.guests import Guests
from tests.support.hearing import Hearing, only
from tests.support.wire import Wire

MEMBERS = {
    "listener_id",
    "session_id",
    "type",
    "state",
    "properties",
    "changed_properties",
    "close_reason",
    "matches",
    "revision",
}


async def _set(staff: Wire, wire: Wire, **properties: str | None) -> None:
    await staff.call("session.set_properties", session_id=wire.id, properties=properties)


def _resume(wire: Wire) -> dict[str, Any]:
    return {"session_id": wire.id, "resume_token": wire.session["resume_token"]}


# --- listeners and their parameters


async def test_d50_a_session_has_several_listeners_each_with_its_own_parameters(any_guests: Guests, room: str) -> None:
    staff, ann, bo = await any_guests.staff(), await any_guests.join(room), await any_guests.join(room)
    of_ann = await Hearing.begin(staff, filter=only(ann), properties=["muted"])
    of_both = await Hearing.begin(staff, room=room, properties=["*U"])
    states = await Hearing.begin(staff, room=room)
    assert len({of_ann.id, of_both.id, states.id}) == 3
    for hearing, wires in ((of_ann, [ann]), (of_both, [ann, bo]), (states, [ann, bo])):
        for wire in wires:
            assert (await hearing.expect(wire.id))["state"] == "ACTIVE"
    await _set(staff, ann, muted="yes", name="Ann")
    assert (await of_ann.expect(ann.id))["properties"] == {"muted": "yes"}
    assert (await of_both.expect(ann.id))["properties"] == {"muted": "yes", "name": "Ann"}
    await states.silent()


async def test_d50_a_bad_filter_registers_nothing(guests: Guests) -> None:
    staff = await guests.staff()
    for _ in range(20):
        await staff.refused("session.listen", "INVALID_FILTER", filter="name is")
    await Hearing.begin(staff, filter="has never")


async def test_d51_only_sessions_that_satisfy_the_filter_are_told(any_guests: Guests, room: str) -> None:
    staff = await any_guests.staff()
    red = await any_guests.join(room, properties={"name": "red"})
    blue = await any_guests.join(room, properties={"name": "blue"})
    hearing = await Hearing.begin(staff, room=room, filter="name is 'red'", properties=["name"])
    assert list(hearing.told) == [red.id]
    late_red = await any_guests.join(room, properties={"name": "red"})
    late_blue = await any_guests.join(room, properties={"name": "blue"})
    for wire in (blue, late_blue, red, late_red):
        await wire.call("session.close")
    await hearing.until(late_red.id, "CLOSED")
    assert set(hearing.told) == {red.id, late_red.id}


async def test_d52_without_properties_there_are_neither_values_nor_property_events(guests: Guests, room: str) -> None:
    staff, wire = await guests.staff(), await guests.join(room)
    hearing = await Hearing.begin(staff, filter=only(wire))
    await _set(staff, wire, muted="yes")
    await staff.call("session.change_roles", session_id=wire.id, add=["speaker"])
    await wire.call("session.close")
    told = await hearing.until(wire.id, "CLOSED")
    assert [(event["type"], event["state"], event["properties"]) for event in told] == [
        ("STATE", "ACTIVE", {}),
        ("STATE", "CLOSED", {}),
    ]


@pytest.mark.parametrize(
    ("keys", "told"), [(["muted"], 1), (["*U"], 2), (["*F"], 1), (["*F", "*U"], 3), (["$Roles"], 1)]
)
async def test_d54_only_a_property_that_was_asked_for_is_an_event(
    guests: Guests, room: str, keys: list[str], told: int
) -> None:
    staff, wire = await guests.staff(), await guests.join(room)
    hearing = await Hearing.begin(staff, filter=only(wire), properties=keys)
    await hearing.expect(wire.id)
    await _set(staff, wire, muted="yes")
    await _set(staff, wire, name="Ann")
    await staff.call("session.change_roles", session_id=wire.id, add=["speaker"])
    await staff.call("session.ping")
    assert [event["type"] for event in hearing.of(wire.id)] == ["PROPERTIES"] * told


# --- what is there when one begins


async def test_d53_every_open_session_is_told_first_and_then_that_it_was_all(any_guests: Guests, room: str) -> None:
    """The answer comes before the first event, the end mark behind the last; who has ended is not told."""
    staff, gone = await any_guests.staff(), await any_guests.join(room)
    await gone.call("session.close")
    crowd = await any_guests.crowd(room, 5)
    start = len(staff.frames)
    hearing = await Hearing.ask(staff, room=room, properties=["$SessionId"])
    assert await hearing.settled() == 5
    heard = staff.frames[start:]
    assert heard[0]["result"] == {"listener_id": hearing.id}
    assert [frame["method"] for frame in heard[1:]] == ["session.event"] * 5 + ["session.listening"]
    events = [frame["params"] for frame in heard[1:-1]]
    assert sorted(event["session_id"] for event in events) == sorted(wire.id for wire in crowd)
    for event in events:
        assert (event["type"], event["state"], event["matches"]) == ("STATE", "ACTIVE", True)
        assert event["properties"] == {"$SessionId": event["session_id"]}
        assert (event["changed_properties"], event["close_reason"]) == ({}, None)


async def test_d53_the_answer_of_a_batch_comes_before_the_first_event(any_guests: Guests, room: str) -> None:
    staff, wire = await any_guests.staff(), await any_guests.join(room)
    calls = [
        ("session.listen", {"filter": only(wire)}),
        ("session.list", {"filter": "all"}),
        ("session.ping", {}),
    ]
    start = len(staff.frames)
    batch = [{"jsonrpc": "2.0", "id": f"b{n}", "method": m, "params": p} for n, (m, p) in enumerate(calls)]
    staff.write(json.dumps(batch))
    told = await staff.expect("session.event", session_id=wire.id)
    await staff.expect("session.listening", listener_id=told["listener_id"], count=1)
    heard = [frame for frame in staff.frames[start:] if isinstance(frame, list) or frame["method"] == "session.event"]
    assert isinstance(heard[0], list)
    assert {"listener_id": told["listener_id"]} in [reply["result"] for reply in heard[0]]
    assert len(heard) == 2


async def test_d53_a_session_may_open_and_listen_in_one_batch(guests: Guests, room: str) -> None:
    wire = await guests.join(room)
    fresh = await guests.connect()
    token = mint_token("staff", permissions=["view_session", "register_handler"])
    calls = [("session.open", {"token": token}), ("session.listen", {"filter": only(wire)})]
    fresh.write(json.dumps([{"jsonrpc": "2.0", "id": n, "method": m, "params": p} for n, (m, p) in enumerate(calls)]))
    told = await fresh.expect("session.event", session_id=wire.id)
    assert isinstance(fresh.frames[0], list)
    assert fresh.frames[0][1]["result"] == {"listener_id": told["listener_id"]}


async def test_who_asks_without_an_id_listens_all_the_same(guests: Guests, room: str) -> None:
    """A notification is not answered: the events say which listener it is, and it counts as one."""
    staff, wire = await guests.staff(), await guests.join(room)
    staff.notify("session.listen", filter=only(wire))
    staff.write(json.dumps([{"jsonrpc": "2.0", "method": "session.listen", "params": {"filter": only(wire)}}]))
    ids = {(await staff.expect("session.event", session_id=wire.id))["listener_id"] for _ in range(2)}
    assert len(ids) == 2
    for listener_id in ids:
        await staff.expect("session.listening", listener_id=listener_id)
        await staff.call("session.unlisten", listener_id=listener_id)
    await wire.call("session.close")
    await staff.assert_silent("session.event")


AFTER: dict[str, Callable[[int], int | str]] = {
    "milliseconds": lambda ms: ms,
    "ISO in UTC": lambda ms: datetime.fromtimestamp(ms / 1_000, UTC).isoformat(),
    "ISO with Z": lambda ms: datetime.fromtimestamp(ms / 1_000, UTC).isoformat().replace("+00:00", "Z"),
    "ISO elsewhere": lambda ms: datetime.fromtimestamp(ms / 1_000, timezone(timedelta(hours=5.5))).isoformat(),
    "ISO without a zone": lambda ms: datetime.fromtimestamp(ms / 1_000, UTC).replace(tzinfo=None).isoformat(),
}


@pytest.mark.parametrize("form", AFTER)
async def test_d53_after_a_time_only_sessions_that_open_later_are_told(guests: Guests, room: str, form: str) -> None:
    """Without what is there; of whoever opened up to then nothing is told, not even its end. No zone means UTC."""
    staff, before = await guests.staff(), await guests.join(room)
    started = int(before.session["properties"]["$StartTime"])
    hearing = await Hearing.ask(staff, room=room, properties=["*F"], after=AFTER[form](started))
    assert await hearing.settled() == 0
    later = await guests.join(room)
    await _set(staff, before, **{"$Country": "FR"})
    await before.call("session.close")
    await later.call("session.close")
    told = await hearing.until(later.id, "CLOSED")
    assert [event["state"] for event in told] == ["ACTIVE", "CLOSED"]
    assert list(hearing.told) == [later.id]


async def test_d53_after_a_time_to_come_nobody_is_told(guests: Guests, room: str) -> None:
    staff = await guests.staff()
    soon = datetime.now(UTC) + timedelta(hours=1)
    hearing = await Hearing.begin(staff, room=room, after=soon.isoformat())
    wire = await guests.join(room)
    await wire.call("session.close")
    await hearing.silent()


# --- events


async def test_d56_an_event_has_all_its_members_and_no_others(any_guests: Guests, room: str) -> None:
    staff = await any_guests.staff()
    hearing = await Hearing.begin(staff, room=room, properties=["$SessionId", "$Principal", "name", "absent"])
    wire = await any_guests.join(room, properties={"name": "Ann"})
    opened = await hearing.expect(wire.id)
    assert opened.keys() == MEMBERS
    assert opened == {
        "listener_id": hearing.id,
        "session_id": wire.id,
        "type": "STATE",
        "state": "ACTIVE",
        "properties": {"$SessionId": wire.id, "$Principal": "", "name": "Ann"},
        "changed_properties": {},
        "close_reason": None,
        "matches": True,
        "revision": opened["revision"],
    }


async def test_d55_open_is_a_state_event_with_active(guests: Guests) -> None:
    """The first change of a session: whoever listens to all is told of it as it opens."""
    staff = await guests.staff()
    hearing = await Hearing.begin(staff, filter="$Principal is '' and name is 'opens'", properties=["*F", "name"])
    wire = await guests.open(properties={"name": "opens"})
    event = await hearing.expect(wire.id)
    assert (event["type"], event["state"], event["revision"]) == ("STATE", "ACTIVE", 1)
    own = wire.session["properties"]
    assert event["properties"] == own


async def test_d57_changed_properties_are_the_previous_values(any_guests: Guests, room: str) -> None:
    """Added: null. Removed: here, and not among the properties. Unchanged ones and those not asked for: absent."""
    staff, wire = await any_guests.staff(), await any_guests.join(room, properties={"name": "Ann"})
    await _set(staff, wire, gone="old", kept="k", hidden="h")
    hearing = await Hearing.begin(staff, filter=only(wire), properties=["name", "gone", "kept", "new"])
    await hearing.expect(wire.id)
    await _set(staff, wire, name="Bo", gone=None, kept="k", hidden="other", new="n")
    event = await hearing.expect(wire.id)
    assert (event["type"], event["state"], event["close_reason"]) == ("PROPERTIES", "ACTIVE", None)
    assert event["properties"] == {"name": "Bo", "kept": "k", "new": "n"}
    assert event["changed_properties"] == {"name": "Ann", "gone": "old", "new": None}
    await _set(staff, wire, name="Bo", kept="k")
    await hearing.silent()


async def test_d57_a_session_that_is_away_changes_too(guests: Guests, room: str) -> None:
    staff, wire = await guests.staff(), await guests.join(room)
    hearing = await Hearing.begin(staff, filter=only(wire), properties=["muted"])
    await wire.drop()
    await hearing.expect(wire.id, state="DISCONNECTED", type="STATE")
    await _set(staff, wire, muted="yes")
    event = await hearing.expect(wire.id, type="PROPERTIES")
    assert (event["state"], event["changed_properties"]) == ("DISCONNECTED", {"muted": None})


async def test_d58_the_close_tells_the_last_values(any_guests: Guests, room: str) -> None:
    staff, wire = await any_guests.staff(), await any_guests.join(room, properties={"name": "Ann"})
    hearing = await Hearing.begin(staff, filter=only(wire), properties=["name", "muted"])
    await _set(staff, wire, muted="yes")
    await wire.call("session.close")
    closed = (await hearing.until(wire.id, "CLOSED"))[-1]
    assert closed["properties"] == {"name": "Ann", "muted": "yes"}
    assert (closed["type"], closed["close_reason"], closed["changed_properties"]) == ("STATE", "CLOSED_BY_CLIENT", {})


async def test_d59_open_and_close_are_told_whatever_was_asked_for(guests: Guests, room: str) -> None:
    staff = await guests.staff()
    hearings = [await Hearing.begin(staff, room=room, properties=keys) for keys in ([], ["never"], ["*F", "*U"])]
    wire = await guests.join(room)
    await wire.call("session.close")
    for hearing in hearings:
        told = await hearing.until(wire.id, "CLOSED")
        assert [(event["type"], event["state"]) for event in told] == [("STATE", "ACTIVE"), ("STATE", "CLOSED")]


async def test_a_change_has_one_revision_for_every_listener_and_they_grow(any_guests: Guests, room: str) -> None:
    first, second = await any_guests.staff(), await any_guests.staff(principal="other")
    hearings = [await Hearing.begin(wire, room=room, properties=["*F", "*U"]) for wire in (first, second)]
    wire = await any_guests.join(room)
    for number in range(5):
        await _set(first, wire, muted=str(number))
    # A change that listeners are not told of has a revision too.
    await wire.call("room.join", room=f"{room}/other")
    await wire.drop()
    await hearings[0].until(wire.id, "DISCONNECTED")
    back = await any_guests.open(resume=_resume(wire))
    await back.call("session.close")
    told = [await hearing.until(wire.id, "CLOSED") for hearing in hearings]
    revisions = [event["revision"] for event in told[0]]
    assert revisions == sorted(set(revisions))
    assert revisions[-1] - revisions[0] == len(revisions)
    without_ids = [[{**event, "listener_id": ""} for event in events] for events in told]
    assert without_ids[0] == without_ids[1]


# --- entering and leaving


async def test_d61_who_enters_the_filter_opens_and_who_leaves_it_is_told_once_more(
    any_guests: Guests, room: str
) -> None:
    staff, wire = await any_guests.staff(), await any_guests.join(room, properties={"name": "Ann"})
    hearing = await Hearing.begin(staff, room=room, filter="muted is 'yes'", properties=["name", "muted"])
    await _set(staff, wire, muted="yes")
    entered = await hearing.expect(wire.id)
    assert (entered["type"], entered["state"], entered["matches"]) == ("STATE", "ACTIVE", True)
    assert (entered["properties"], entered["changed_properties"]) == ({"name": "Ann", "muted": "yes"}, {})
    await _set(staff, wire, muted="no")
    left = await hearing.expect(wire.id)
    assert (left["type"], left["state"], left["matches"]) == ("PROPERTIES", "ACTIVE", False)
    assert (left["properties"], left["changed_properties"]) == ({"name": "Ann", "muted": "no"}, {"muted": "yes"})
    assert left["revision"] > entered["revision"]
    await _set(staff, wire, name="Bo")
    await wire.call("session.close")
    await hearing.silent()


async def test_d61_without_properties_entering_and_leaving_are_told_too(guests: Guests, room: str) -> None:
    staff, wire = await guests.staff(), await guests.join(room)
    hearing = await Hearing.begin(staff, room=room, filter="muted is 'yes'")
    await _set(staff, wire, muted="yes")
    assert (await hearing.expect(wire.id))["state"] == "ACTIVE"
    await _set(staff, wire, muted="no")
    left = await hearing.expect(wire.id)
    assert (left["matches"], left["properties"], left["changed_properties"]) == (False, {}, {})


async def test_d61_who_enters_while_away_is_away(guests: Guests, room: str) -> None:
    staff, wire = await guests.staff(), await guests.join(room)
    hearing = await Hearing.begin(staff, filter=f"{only(wire)} and muted is 'yes'")
    states = await Hearing.begin(staff, filter=only(wire))
    await wire.drop()
    await states.until(wire.id, "DISCONNECTED")
    await _set(staff, wire, muted="yes")
    entered = await hearing.expect(wire.id)
    assert (entered["type"], entered["state"]) == ("STATE", "DISCONNECTED")


async def test_d61_a_room_is_entered_and_left_like_a_filter(any_guests: Guests, room: str) -> None:
    staff, wire = await any_guests.staff(), await any_guests.open(properties={"name": "Ann"})
    hearing = await Hearing.begin(staff, room=room, filter="name is 'Ann'", properties=["name"])
    for _ in range(2):
        await wire.call("room.join", room=room)
        entered = await hearing.expect(wire.id)
        assert (entered["type"], entered["state"], entered["matches"]) == ("STATE", "ACTIVE", True)
        assert entered["properties"] == {"name": "Ann"}
        await wire.call("room.leave", room=room)
        left = await hearing.expect(wire.id)
        assert (left["type"], left["matches"], left["changed_properties"]) == ("PROPERTIES", False, {})
    await _set(staff, wire, name="Bo")
    await wire.call("session.close")
    await hearing.silent()


async def test_d61_joins_and_leaves_elsewhere_are_no_events(guests: Guests, room: str) -> None:
    staff, wire = await guests.staff(), await guests.join(room)
    hearing = await Hearing.begin(staff, room=room, properties=["*F", "*U"])
    everywhere = await Hearing.begin(staff, filter=only(wire), properties=["*F", "*U"])
    for each in (hearing, everywhere):
        await each.expect(wire.id)
    await wire.call("room.join", room=f"{room}/other")
    await wire.call("room.leave", room=f"{room}/other")
    await wire.call("room.leave", room=room)
    assert (await hearing.expect(wire.id))["matches"] is False
    await everywhere.silent()
