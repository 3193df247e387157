"""Keys of a room type on the wire: their types, lifetimes and rights (T6, P50)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sessionstore_app import mint_token
from tests.support.guests import Guests
from tests.support.wire import Wire


async def pair(guests: Guests, room: str) -> tuple[Wire, Wire]:
    """A host and a guest, who heard of each other."""
    host, guest = await guests.join(room), await guests.join(room)
    await host.forget()
    return host, guest


# --- types


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("pinned", "x", "Expected `array`, got `str`"),
        ("pinned", [{"text": "no id"}], "missing required field `id` - at `$[0]`"),
        ("pinned", [{"id": 1}], "Expected `str`, got `int` - at `$[0].id`"),
        ("pinned", [{"id": str(n)} for n in range(4)], "3 items at the most"),
        ("pinned", [{"id": "a"}, {"id": "a"}], "same id"),
        ("hand/a", "up", "Expected `float`, got `str`"),
        ("spotlight", "nobody", "names a peer"),
        ("count", 1.5, "Expected `int`"),
    ],
)
async def test_a_value_of_another_type_is_refused(guests: Guests, stage: str, key: str, value: Any, says: str) -> None:
    host, _ = await pair(guests, stage)
    error = await host.refused("room.set", "INVALID_VALUE", room=stage, key=key, value=value)
    assert says in error["message"]
    assert (await host.call("room.get", room=stage, key=key))["version"] == 0


async def test_server_and_host_are_held_to_types_too(guests: Guests, stage: str) -> None:
    staff = await guests.staff(permissions=["manage_room"])
    await staff.refused("room.set", "INVALID_VALUE", room=stage, key="count", value="x")
    await staff.refused("room.set", "INVALID_KEY", room=stage, key="cuont", value=1)
    assert (await staff.call("room.set", room=stage, key="notes", value="by staff"))["version"] == 1


async def test_a_key_that_is_not_declared_is_refused_with_what_was_meant(guests: Guests, stage: str) -> None:
    host, _ = await pair(guests, stage)
    error = await host.refused("room.set", "INVALID_KEY", room=stage, key="pined", value=[])
    assert "Did you mean pinned?" in error["data"]["hint"]
    await host.refused("room.get", "INVALID_KEY", room=stage, key="pined")
    await host.refused("room.observe", "INVALID_KEY", room=stage, keys=["pined"])


async def test_an_operation_begins_at_the_default_and_its_result_is_held_to_the_type(
    guests: Guests, stage: str
) -> None:
    host, _ = await pair(guests, stage)
    assert (await host.call("room.update", room=stage, key="count", do="increment"))["value"] == 11
    await host.refused("room.update", "INVALID_VALUE", room=stage, key="count", do="increment", by=0.5)
    assert (await host.call("room.get", room=stage, key="count"))["value"] == 11


async def test_appending_keeps_the_declared_cap_and_member_whatever_the_caller_says(guests: Guests, stage: str) -> None:
    host, _ = await pair(guests, stage)
    for name in ("a", "b", "b", "c", "d"):
        last = await host.call("room.update", room=stage, key="pinned", do="append", item={"id": name}, cap=50)
    assert [item["id"] for item in last["value"]] == ["b", "c", "d"]
    await host.refused("room.update", "INVALID_VALUE", room=stage, key="pinned", do="append", item={"id": 5})


async def test_an_equal_value_is_no_write_where_the_key_says_so(guests: Guests, stage: str) -> None:
    host, _ = await pair(guests, stage)
    first = await host.call("room.set", room=stage, key="title", value="retro")
    assert await host.call("room.set", room=stage, key="title", value="retro") == first
    assert (await host.call("room.set", room=stage, key="title", value="other"))["version"] == first["version"] + 1


async def test_a_keys_own_limit_holds(guests: Guests, stage: str) -> None:
    french = await guests.join(stage, properties={"language": "fr"})
    error = await french.refused("room.set", "VALUE_TOO_LARGE", room=stage, key="motto", value="x" * 19)
    assert (error["data"]["limit"], error["data"]["actual"]) == (20, 21)
    assert (await french.call("room.set", room=stage, key="motto", value="x" * 18))["version"] == 1


# --- lifetimes


async def test_a_named_peer_that_leaves_is_named_no_longer(guests: Guests, stage: str) -> None:
    host, guest = await pair(guests, stage)
    await host.call("room.set", room=stage, key="spotlight", value=guest.id)
    await host.forget()
    await guest.call("room.leave", room=stage)
    (gone,) = (await host.expect("room.changed"))["changes"]
    assert (gone["key"], gone["value"], gone["by"]) == ("spotlight", None, None)


async def test_a_named_peer_that_ends_is_named_no_longer(guests: Guests, stage: str) -> None:
    host, guest = await pair(guests, stage)
    await host.call("room.set", room=stage, key="spotlight", value=guest.id)
    await host.forget()
    await guest.call("session.close")
    (gone,) = (await host.expect("room.changed"))["changes"]
    assert (gone["key"], gone["value"]) == ("spotlight", None)


async def test_a_hand_goes_with_its_session_though_nobody_asked_for_that(guests: Guests, stage: str) -> None:
    host, guest = await pair(guests, stage)
    await guest.call("room.set", room=stage, key=f"hand/{guest.id}", value=1.0)
    await host.forget()
    await guest.call("session.close")
    (gone,) = (await host.expect("room.changed"))["changes"]
    assert (gone["key"], gone["value"]) == (f"hand/{guest.id}", None)


# --- rights


async def test_t6_a_refusal_names_the_rule_and_what_is_allowed(guests: Guests, stage: str) -> None:
    _, guest = await pair(guests, stage)
    error = await guest.refused("room.set", "ACCESS_DENIED", room=stage, key="spotlight", value=guest.id)
    assert error["message"] == "You may not write spotlight in a Stage."
    assert error["data"]["hint"] == "It takes role host; your roles: guest."
    assert error["data"]["rule"] == {
        "room_type": "Stage",
        "action": "write",
        "who": ["role host"],
        "key": "spotlight",
        "allowed": ["hand/*", "question/*", "ballot/*", "count"],
    }


async def test_t6_another_peers_value_is_its_owners(guests: Guests, stage: str) -> None:
    host, guest = await pair(guests, stage)
    other = await guests.join(stage)
    await guest.call("room.set", room=stage, key="hand/1", value=1)
    for method, params in (("room.set", {"value": 2}), ("room.delete", {})):
        await other.refused(method, "ACCESS_DENIED", room=stage, key="hand/1", **params)
    await other.refused("room.update", "ACCESS_DENIED", room=stage, key="hand/1", do="increment")
    ops = [{"key": "count", "value": 3}, {"key": "hand/1", "value": 2}]
    await other.refused("room.write", "ACCESS_DENIED", room=stage, ops=ops)
    assert (await other.call("room.get", room=stage, key="count"))["version"] == 0
    await guest.call("room.set", room=stage, key="hand/1", value=3)
    assert (await host.call("room.delete", room=stage, key="hand/1"))["value"] is None
    # Nobody's now.
    assert (await other.call("room.set", room=stage, key="hand/1", value=4))["by"]["session_id"] == other.id


async def test_t6_of_many_who_claim_a_key_at_once_one_owns_it(guests: Guests, stage: str) -> None:
    host = await guests.join(stage)
    crowd = await guests.crowd(stage, 12)

    async def claim(wire: Wire) -> bool:
        reply = await wire.ask("room.set", room=stage, key="question/1", value=wire.id)
        return "result" in reply

    won = await asyncio.gather(*map(claim, crowd))
    assert won.count(True) == 1
    winner = crowd[won.index(True)]
    assert (await host.call("room.get", room=stage, key="question/1"))["value"] == winner.id


async def test_t6_another_session_of_the_same_user_owns_it_too(guests: Guests, stage: str) -> None:
    await guests.join(stage)
    one, two, eve = [await guests.join(stage, token=mint_token(name)) for name in ("ann", "ann", "eve")]
    await one.call("room.set", room=stage, key="question/1", value="why?")
    assert (await two.call("room.get", room=stage, key="question/1"))["value"] == "why?"
    assert (await two.call("room.set", room=stage, key="question/1", value="how?"))["version"] == 2
    await eve.refused("room.set", "ACCESS_DENIED", room=stage, key="question/1", value="x")


async def test_t20_a_repeat_of_a_write_is_no_trespass(guests: Guests, stage: str) -> None:
    host, guest = await pair(guests, stage)
    await guest.call("room.set", room=stage, key="hand/1", value=1, op=1)
    await host.call("room.set", room=stage, key="hand/1", value=2)
    again = await guest.call("room.set", room=stage, key="hand/1", value=1, op=1)
    assert (again["duplicate"], again["value"]) == (True, 2)
    await guest.refused("room.set", "ACCESS_DENIED", room=stage, key="hand/1", value=3, op=2)


async def test_t6_creators_permissions_and_filters_give_rights(guests: Guests, stage: str) -> None:
    creator = await guests.join(stage, token=mint_token("ann"))
    again = await guests.join(stage, token=mint_token("ann"))
    french = await guests.join(stage, properties={"language": "fr"})
    viewer = await guests.join(stage, token=mint_token("viv", permissions=["view_session"]))
    for wire in (creator, again):
        await wire.call("room.set", room=stage, key="title", value=wire.id)
    await french.refused("room.set", "ACCESS_DENIED", room=stage, key="title", value="x")
    await french.call("room.set", room=stage, key="motto", value="vite")
    await creator.refused("room.set", "ACCESS_DENIED", room=stage, key="motto", value="x")
    assert (await viewer.call("room.get", room=stage, key="audit"))["value"] is None
    await french.refused("room.get", "ACCESS_DENIED", room=stage, key="audit")


async def test_t6_what_may_not_be_read_is_in_no_snapshot_change_or_answer(guests: Guests, stage: str) -> None:
    host, guest = await pair(guests, stage)
    await host.call("room.set", room=stage, key="notes", value="secret")
    await host.call("room.set", room=stage, key="count", value=1)
    assert [entry["key"] for entry in (await guest.expect("room.changed"))["changes"]] == ["count"]
    assert [entry["key"] for entry in (await guest.call("room.snapshot", room=stage))["entries"]] == ["count"]
    for method, params in (("room.get", {"key": "notes"}), ("room.snapshot", {"keys": ["notes"]})):
        await guest.refused(method, "ACCESS_DENIED", room=stage, **params)
    await guest.refused("room.observe", "ACCESS_DENIED", room=stage, keys=["notes"])
    late = await guests.open()
    joined = await late.call("room.join", room=stage, observe=["*", "notes"])
    assert [(entry["key"], entry["value"], entry.get("reason")) for entry in joined["entries"]] == [
        ("count", 1, None),
        ("notes", None, "ACCESS_DENIED"),
    ]
    assert "secret" not in str([*guest.frames, *late.frames])


async def test_t6_who_may_write_and_not_read_is_told_nothing_of_others(guests: Guests, stage: str) -> None:
    host, guest = await pair(guests, stage)
    other = await guests.join(stage)
    mine = await guest.call("room.set", room=stage, key="ballot/1", value=True, op=1)
    assert mine["value"] is True
    await host.call("room.set", room=stage, key="ballot/1", value=False)
    again = await guest.call("room.set", room=stage, key="ballot/1", value=True, op=1)
    assert (again["value"], again["by"], again["reason"]) == (None, None, "ACCESS_DENIED")
    error = await other.refused("room.set", "VERSION_CONFLICT", room=stage, key="ballot/1", value=True, if_version=1)
    assert "current" not in error["data"]
    await other.assert_silent("room.changed")


async def test_t6_an_owners_key_is_shown_to_its_owner_and_the_host(guests: Guests, stage: str) -> None:
    host, guest = await pair(guests, stage)
    other = await guests.join(stage)
    await host.forget()
    await guest.call("room.set", room=stage, key="question/1", value="why?")
    for wire in (host, guest):
        (entry,) = (await wire.expect("room.changed"))["changes"]
        assert entry["value"] == "why?"
    await other.assert_silent("room.changed")
    assert (await other.call("room.snapshot", room=stage, keys=["question/*"]))["entries"] == []
    await other.refused("room.get", "ACCESS_DENIED", room=stage, key="question/1")
    assert (await other.call("room.get", room=stage, key="question/2"))["version"] == 0
