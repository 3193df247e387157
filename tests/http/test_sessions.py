"""Protocol §4 over HTTP: sessions and locks are seen and steered by somebody who has no session."""

from __future__ import annotations

import pytest

from tests.support.guests import Guests
from tests.support.http import Http, call_of
from tests.support.wire import changes_of, values_of

UNKNOWN = "x" * 22


@pytest.mark.parametrize("method", ["session.get_properties", "session.set_properties"])
async def test_an_own_session_there_is_not(ops: Http, method: str) -> None:
    properties: object = ["*F"] if method == "session.get_properties" else {"team": "red"}
    error = await ops.refused(method, "INVALID_PARAMS", properties=properties)
    assert "session_id" in error["data"]["hint"]
    await ops.refused(method, "NO_SUCH_SESSION", properties=properties, session_id=UNKNOWN)
    await ops.refused(method, "NO_SUCH_SESSION", properties=properties, session_id="")


async def test_d31_properties_are_read_and_set(any_guests: Guests, any_ops: Http, room: str) -> None:
    """The session is told, and so is who looks on."""
    guest = await any_guests.join(room)
    first = await any_ops.call("session.set_properties", session_id=guest.id, properties={"team": "red", "$Roles": "x"})
    assert first == {"changed": {"team": None}, "ignored": ["$Roles"]}
    assert (await guest.expect("session.changed"))["changed_properties"] == {"team": None}
    second = await any_ops.call("session.set_properties", session_id=guest.id, properties={"team": None})
    assert second["changed"] == {"team": "red"}
    found = await any_ops.call("session.get_properties", session_id=guest.id, properties=["$SessionId", "team"])
    assert found == {"properties": {"$SessionId": guest.id}}


async def test_d33_d37_d42_sessions_are_listed_counted_and_set_by_filter(guests: Guests, ops: Http, room: str) -> None:
    ids = sorted([(await guests.join(room)).id for _ in range(3)])
    filter_text = f"$SessionId in {ids[:2]}"
    params = {"filter": filter_text, "properties": {"team": "red"}, "room": room}
    assert await ops.call("session.set_properties_by_filter", **params) == {"count": 2}
    listing = await ops.call("session.list", room=room, properties=["team"], limit=2)
    assert [session["session_id"] for session in listing["sessions"]] == ids[:2]
    assert [session["properties"] for session in listing["sessions"]] == [{"team": "red"}] * 2
    assert (listing["total"], listing["more"]) == (3, True)
    last = await ops.call("session.list", room=room, properties=["team"], limit=2, after=ids[1])
    assert last == {
        "sessions": [{"session_id": ids[2], "state": "ACTIVE", "properties": {}}],
        "total": 3,
        "more": False,
    }
    counted = await ops.call("session.count", room=room, by=["team"])
    assert [(group["properties"], group["count"]) for group in counted["groups"]] == [({}, 1), ({"team": "red"}, 2)]


async def test_d35_ending_a_session_closes_its_socket(any_guests: Guests, any_ops: Http, room: str) -> None:
    ended, stays = await any_guests.join(room), await any_guests.join(room)
    assert await any_ops.call("session.terminate", session_id=ended.id) == {"count": 1}
    await ended.expect_closed(4011)
    left = await stays.expect("room.peers", lambda told: bool(told["left"]))
    assert left["left"] == [{"session_id": ended.id, "reason": "CLOSED_BY_CONTROLLER"}]
    await any_ops.refused("session.terminate", "NO_SUCH_SESSION", session_id=ended.id)
    assert await any_ops.call("session.terminate", filter="all", room=room) == {"count": 1}
    await stays.expect_closed(4011)


async def test_d36_messages_reach_who_is_there(any_guests: Guests, any_ops: Http, room: str) -> None:
    one, other = await any_guests.join(room), await any_guests.join(room)
    await other.forget()
    assert await any_ops.call("session.send", session_id=one.id, event="hello", data=[1]) == {"count": 1}
    message = await one.expect("session.message", event="hello")
    assert (message["data"], message["from"]) == ([1], {"session_id": None, "principal": "ops"})
    await other.assert_silent("session.message")
    assert await any_ops.call("session.send", filter="all", room=room, event="both") == {"count": 2}
    await other.expect("session.message", event="both")


async def test_d40_roles_are_given_and_taken(guests: Guests, ops: Http, room: str) -> None:
    guest = await guests.join(room)
    assert await ops.call("session.change_roles", session_id=guest.id, add=["speaker"]) == {"count": 1}
    assert (await guest.expect("session.changed"))["roles"] == ["speaker"]
    await ops.call("session.change_roles", filter="all", room=room, remove=["speaker"])
    assert (await guest.expect("session.changed"))["roles"] == []


async def test_peers_are_made_to_observe(any_guests: Guests, any_ops: Http, room: str) -> None:
    guest = await any_guests.join(room, observe=[])
    await any_ops.call("room.set", room=room, key="topic", value="Retro")
    assert await any_ops.call("session.observe_for", filter="all", room=room, keys=["topic"]) == {"count": 1}
    await guest.expect_change("topic", "Retro")
    await any_ops.call("room.set", room=room, key="topic", value="Demo")
    await guest.expect_change("topic", "Demo")


async def test_p26_both_or_neither_of_id_and_filter_is_refused(ops: Http, room: str) -> None:
    calls: dict[str, dict[str, object]] = {
        "session.terminate": {},
        "session.change_roles": {"add": ["r"]},
        "session.send": {"event": "e"},
        "session.observe_for": {"room": room, "keys": ["*"]},
    }
    for method, params in calls.items():
        await ops.refused(method, "INVALID_PARAMS", **params)
        await ops.refused(method, "INVALID_PARAMS", **params, session_id=UNKNOWN, filter="all")
    error = await ops.refused("session.list", "INVALID_FILTER", filter="team is")
    assert error["data"]["errors"][0]["line"] == 1


async def test_d70_locks_are_seen(any_guests: Guests, any_ops: Http, room: str) -> None:
    holder = await any_guests.staff()
    assert await any_ops.call("lock.get", name=room) is None
    sequence = (await holder.call("lock.acquire", name=room))["sequence"]
    found = await any_ops.call("lock.get", name=room)
    assert (found["session_id"], found["principal"], found["sequence"]) == (holder.id, "staff", sequence)
    assert found in (await any_ops.call("lock.list"))["locks"]
    await any_ops.call("session.terminate", session_id=holder.id)
    assert await any_ops.call("lock.get", name=room) is None


async def test_one_batch_writes_a_last_word_and_ends_who_heard_it(guests: Guests, ops: Http, room: str) -> None:
    """Calls of one request are done in their order."""
    guest = await guests.join(room)
    calls = [
        call_of("room.set", 1, room=room, key="last", value="words"),
        call_of("session.terminate", 2, session_id=guest.id),
        call_of("room.peers", 3, room=room),
    ]
    replies = (await ops.send(calls)).json
    assert [reply["result"] for reply in replies[1:]] == [{"count": 1}, {"peers": [], "count": 0}]
    await guest.expect_closed(4011)
    assert values_of(changes_of(guest)) == {"last": "words"}
