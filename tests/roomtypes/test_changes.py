"""Rights that change while sockets are open: what may not be read is withdrawn, what may is shown (T6, I13)."""

from __future__ import annotations

from typing import Any

from sessionstore_app import mint_token
from tests.support.guests import Guests
from tests.support.wire import Wire

STAFF = ("view_session", "modify_session")


async def change(staff: Wire, wire: Wire, add: list[str], remove: list[str]) -> None:
    """Roles of a session change, and it knows."""
    await staff.call("session.change_roles", session_id=wire.id, add=add, remove=remove)
    await wire.expect("session.changed")


async def told(wire: Wire) -> list[tuple[str, Any, Any]]:
    """Key, value and reason of each entry of the next change."""
    changes = (await wire.expect("room.changed"))["changes"]
    return [(entry["key"], entry["value"], entry.get("reason")) for entry in changes]


async def test_t6_what_may_not_be_read_any_more_is_withdrawn_at_once(guests: Guests, stage: str) -> None:
    host, staff = await guests.join(stage), await guests.staff(permissions=STAFF)
    guest = await guests.join(stage, token=mint_token("ann", roles=["host"]))
    await host.call("room.set", room=stage, key="notes", value="secret")
    await host.call("room.set", room=stage, key="count", value=1)
    await guest.expect_change("count", 1)
    await guest.forget()
    await change(staff, guest, [], ["host"])
    assert await told(guest) == [("notes", None, "ACCESS_DENIED")]
    before = len(guest.frames)
    await host.call("room.set", room=stage, key="notes", value="later secret")
    await host.call("room.set", room=stage, key="count", value=2)
    await guest.expect_change("count", 2)
    assert "secret" not in str(guest.frames[before:])
    await guest.refused("room.get", "ACCESS_DENIED", room=stage, key="notes")


async def test_t6_what_may_be_read_now_is_shown_and_can_be_withdrawn_again(guests: Guests, stage: str) -> None:
    host, staff = await guests.join(stage), await guests.staff(permissions=STAFF)
    guest = await guests.join(stage)
    await host.call("room.set", room=stage, key="notes", value="secret")
    await host.call("room.set", room=stage, key="count", value=1)
    await guest.expect_change("count", 1)
    for _ in range(2):
        await guest.forget()
        await change(staff, guest, ["host"], [])
        assert await told(guest) == [("notes", "secret", None)]
        await guest.forget()
        await change(staff, guest, [], ["host"])
        assert await told(guest) == [("notes", None, "ACCESS_DENIED")]


async def test_t6_a_right_to_write_that_was_taken_is_gone(guests: Guests, stage: str) -> None:
    await guests.join(stage)
    staff = await guests.staff(permissions=STAFF)
    guest = await guests.join(stage)
    await guest.refused("room.set", "ACCESS_DENIED", room=stage, key="pinned", value=[])
    await change(staff, guest, ["speaker"], [])
    await guest.call("room.set", room=stage, key="pinned", value=[{"id": "a"}])
    await guest.call("room.broadcast", room=stage, event="cheer")
    await change(staff, guest, [], ["speaker"])
    await guest.refused("room.set", "ACCESS_DENIED", room=stage, key="pinned", value=[])
    await guest.refused("room.broadcast", "ACCESS_DENIED", room=stage, event="cheer")


async def test_t6_a_property_that_a_rule_looks_at_counts_at_once(guests: Guests, stage: str) -> None:
    await guests.join(stage)
    guest = await guests.join(stage)
    await guest.refused("room.set", "ACCESS_DENIED", room=stage, key="motto", value="vite")
    await guest.call("session.set_properties", properties={"language": "fr"})
    await guest.call("room.set", room=stage, key="motto", value="vite")
    await guest.call("session.set_properties", properties={"language": "en"})
    await guest.refused("room.set", "ACCESS_DENIED", room=stage, key="motto", value="x")


async def test_t6_permissions_that_a_role_carries_count_at_once(guests: Guests, stage: str) -> None:
    await guests.join(stage)
    manager, staff = await guests.staff(permissions=["manage_room"]), await guests.staff(permissions=STAFF)
    guest = await guests.join(stage)
    await guest.refused("room.get", "ACCESS_DENIED", room=stage, key="audit")
    await guest.forget()
    # Nobody but the server, and who manages rooms, writes it.
    await manager.refused("room.set", "INVALID_VALUE", room=stage, key="audit", value={"a": "b"})
    await manager.call("room.set", room=stage, key="audit", value={"a": 1})
    await change(staff, guest, ["viewer"], [])
    assert await told(guest) == [("audit", {"a": 1}, None)]


async def test_t6_a_room_that_is_not_open_any_more_is_left(guests: Guests, room: str) -> None:
    place = f"backstage/{room}"
    staff = await guests.staff(permissions=STAFF)
    guest = await guests.open()
    error = await guest.refused("room.join", "ACCESS_DENIED", room=place)
    assert await guest.refused("room.join", "ACCESS_DENIED", room=f"{place}, which is not there") == error
    await change(staff, guest, ["crew"], [])
    await guest.call("room.join", room=place, observe=["*"])
    await change(staff, guest, [], ["crew"])
    left = await guest.expect("room.peers", lambda params: bool(params["left"]))
    assert left["left"] == [{"session_id": guest.id, "reason": "ACCESS_DENIED"}]
    await guest.refused("room.set", "NOT_JOINED", room=place, key="x", value=1)


async def test_t6_who_may_not_see_peers_sees_none(guests: Guests, room: str) -> None:
    place = f"backstage/{room}"
    crew = await guests.join(place, token=mint_token("ann", roles=["crew"]))
    staff = await guests.staff(permissions=STAFF)
    viewer = await guests.open(token=mint_token("viv", permissions=["view_session"]))
    joined = await viewer.call("room.join", room=place)
    assert (joined["count"], [peer["session_id"] for peer in joined["peers"]]) == (1, [viewer.id])
    await viewer.refused("room.peers", "ACCESS_DENIED", room=place)
    assert await viewer.call("room.broadcast", room=place, event="hello") == {"count": 1}
    await viewer.forget()
    other = await guests.join(place, token=mint_token("bob", roles=["crew"]))
    await crew.expect("room.peers")
    await viewer.assert_silent("room.peers")
    await change(staff, viewer, ["crew"], [])
    shown = await viewer.expect("room.peers")
    assert {peer["session_id"] for peer in shown["joined"]} == {crew.id, viewer.id, other.id}
    await change(staff, viewer, [], ["crew"])
    gone = await viewer.expect("room.peers", lambda params: bool(params["left"]))
    assert {peer["session_id"] for peer in gone["left"]} == {crew.id, other.id}


async def test_t6_an_owned_key_that_another_took_over_is_withdrawn(guests: Guests, stage: str) -> None:
    """Hosts may delete what is asked; then it is anybody's, and its former owner sees it no longer."""
    host, guest, other = await guests.join(stage), await guests.join(stage), await guests.join(stage)
    staff = await guests.staff(permissions=["manage_room"])
    await guest.call("room.set", room=stage, key="question/1", value="why?")
    await guest.expect_change("question/1", "why?")
    await guest.forget()
    await staff.call("room.set", room=stage, key="question/1", value="by staff")
    assert await told(guest) == [("question/1", None, "ACCESS_DENIED")]
    await staff.call("room.delete", room=stage, key="question/1")
    await other.call("room.set", room=stage, key="question/1", value="how?")
    await other.expect_change("question/1", "how?")
    await guest.assert_silent("room.changed")
    assert (await host.call("room.get", room=stage, key="question/1"))["value"] == "how?"


async def test_t6_who_comes_back_after_a_right_was_taken_does_not_keep_what_it_showed(
    guests: Guests, stage: str
) -> None:
    host, staff = await guests.join(stage), await guests.staff(permissions=STAFF)
    token = mint_token("ann", roles=["host"])
    guest = await guests.join(stage, token=token)
    written = await host.call("room.set", room=stage, key="notes", value="secret")
    await guest.expect_change("notes", "secret")
    joined = await host.call("room.snapshot", room=stage)
    await guest.drop()
    await staff.call("session.change_roles", session_id=guest.id, add=[], remove=["host"])
    resume = {
        "session_id": guest.id,
        "resume_token": guest.session["resume_token"],
        "rooms": {stage: {"epoch": joined["epoch"], "version": written["version"]}},
    }
    back = await guests.open(token=token, resume=resume)
    assert back.session["resumed"]
    snapshot = await back.expect("room.snapshot")
    assert "secret" not in str(back.frames)
    assert "notes" not in [entry["key"] for entry in snapshot["entries"] if entry["value"] is not None]
