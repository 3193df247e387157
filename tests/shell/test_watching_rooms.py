"""Watching a room from outside, as staff do: all that happens, seen by nobody, and values only for who may see them."""

from __future__ import annotations

import json

import pytest

from sessionstore_app import mint_token
from tests.support.guests import Guests
from tests.support.wire import entry_of

WATCHER = ("view_room", "view_values")


async def test_a_watcher_hears_everything_and_is_seen_by_nobody(guests: Guests, room: str) -> None:
    inside = await guests.join(room)
    await inside.call("room.set", room=room, key="old", value=1)
    await inside.call("room.set", room=room, key="gone", value=1)
    await inside.call("room.delete", room=room, key="gone")
    await inside.forget()
    watcher = await guests.staff(permissions=WATCHER)
    watched = await watcher.call("room.watch", room=room)
    assert [(entry["key"], entry["value"]) for entry in watched["entries"]] == [("old", 1), ("gone", None)]
    assert (watched["version"], watched["count"], watched["values"]) == (3, 1, True)
    assert [peer["session_id"] for peer in watched["peers"]] == [inside.id]
    entry = await inside.call("room.set", room=room, key="new", value={"a": 1})
    assert await watcher.expect_change("new", {"a": 1}) == entry
    late = await guests.join(room)
    assert (await watcher.expect("room.peers"))["joined"][0]["session_id"] == late.id
    await inside.call("room.broadcast", room=room, event="hello", data=1)
    assert (await watcher.expect("room.message"))["event"] == "hello"
    assert (await inside.call("room.peers", room=room))["count"] == 2
    told = [params["joined"] for method, params in inside.notifications if method == "room.peers"]
    assert [peer["session_id"] for joined in told for peer in joined] == [late.id]


async def test_t26_without_view_values_a_watcher_sees_how_long_they_are(guests: Guests, room: str) -> None:
    inside = await guests.join(room)
    await inside.call("room.set", room=room, key="before", value="secret")
    watcher = await guests.staff(permissions=["view_room"])
    watched = await watcher.call("room.watch", room=room)
    before = entry_of(watched["entries"], "before")
    by = {"session_id": inside.id, "principal": ""}
    assert before == {"key": "before", "masked": True, "bytes": 8, "version": 1, "by": by, "at": before["at"]}
    assert watched["values"] is False
    await inside.call("room.write", room=room, ops=[{"key": "a", "value": "secret"}, {"key": "before", "value": None}])
    changed = await watcher.expect("room.changed")
    assert {change["key"]: change.get("masked") for change in changed["changes"]} == {"a": True, "before": None}
    assert entry_of(changed["changes"], "before")["value"] is None
    await inside.call("room.broadcast", room=room, event="hello", data="secret")
    message = await watcher.expect("room.message")
    assert message == {"room": room, "event": "hello", "masked": True, "from": by, "at": message["at"]}
    assert (await inside.expect("room.message"))["data"] == "secret"
    assert "secret" not in json.dumps(watcher.frames)
    assert (await inside.expect_change("a", "secret"))["version"] == 2


async def test_a_room_that_is_cleared_is_watched_on(guests: Guests, room: str) -> None:
    inside = await guests.join(room)
    watcher = await guests.staff(permissions=["manage_room", "view_values"])
    await watcher.call("room.watch", room=room)
    epoch = (await watcher.call("room.clear", room=room))["epoch"]
    assert (await watcher.expect("room.cleared"))["epoch"] == epoch
    await inside.expect("room.cleared")
    await inside.call("room.set", room=room, key="k", value=1)
    await watcher.expect_change("k", 1)


async def test_who_watches_no_longer_hears_no_more(guests: Guests, room: str) -> None:
    inside = await guests.join(room)
    watcher = await guests.staff(permissions=WATCHER)
    await watcher.call("room.watch", room=room)
    assert await watcher.call("room.unwatch", room=room) == {}
    assert await watcher.call("room.unwatch", room=room) == {}
    await inside.call("room.set", room=room, key="k", value=1)
    await watcher.assert_silent("room.changed")


async def test_a_watcher_keeps_no_room_alive(guests: Guests, room: str) -> None:
    inside = await guests.join(room)
    await inside.call("room.set", room=room, key="k", value=1)
    watcher = await guests.staff(permissions=WATCHER)
    await watcher.call("room.watch", room=room)
    assert (await inside.call("room.leave", room=room))["cleared"] is True
    assert (await watcher.expect("room.cleared"))["reason"] == "LAST_PEER_LEFT"


async def test_who_comes_into_a_room_watches_it_no_longer(guests: Guests, room: str) -> None:
    inside = await guests.join(room)
    watcher = await guests.staff(permissions=WATCHER)
    await watcher.call("room.watch", room=room)
    await watcher.call("room.join", room=room, observe=["mine"])
    await inside.call("room.set", room=room, key="other", value=1)
    await watcher.assert_silent("room.changed")
    error = await watcher.refused("room.watch", "INVALID_PARAMS", room=room)
    assert "Observe" in error["data"]["hint"]


@pytest.mark.parametrize("permissions", [[], ["view_values"], ["view_session", "modify_session"]])
async def test_t26_watching_needs_the_permission(guests: Guests, room: str, permissions: list[str]) -> None:
    """The same answer whether the room exists or not."""
    await guests.join(room)
    outsider = await guests.open(token=mint_token("ops", permissions=permissions))
    existing = await outsider.refused("room.watch", "ACCESS_DENIED", room=room)
    assert existing == await outsider.refused("room.watch", "ACCESS_DENIED", room=f"{room}/missing")


async def test_a_room_that_there_is_not_cannot_be_watched(guests: Guests, room: str) -> None:
    watcher = await guests.staff(permissions=WATCHER)
    await watcher.refused("room.watch", "NOT_FOUND", room=f"{room}/missing")


async def test_a_session_watches_so_many_rooms_and_no_more(guests: Guests, room: str) -> None:
    inside = await guests.open()
    watcher = await guests.staff(permissions=WATCHER)
    for number in range(21):
        await inside.call("room.join", room=f"{room}/{number}")
    for number in range(20):
        await watcher.call("room.watch", room=f"{room}/{number}")
    error = await watcher.refused("room.watch", "LIMIT_EXCEEDED", room=f"{room}/20")
    assert error["data"]["limit"] == 20
    await watcher.call("room.watch", room=f"{room}/3")
