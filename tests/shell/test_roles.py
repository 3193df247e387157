"""Roles on the wire: changing them, what follows from it at once, and what a room's rule lets its host do (parity D40,
P46, P47).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from sessionstore_app import mint_token
from tests.support.guests import Guests
from tests.support.rows import session_rows
from tests.support.server import Server, running
from tests.support.wire import Wire


async def _change(wire: Wire, session_id: str, add: list[str], remove: list[str] | None = None, **params: Any) -> int:
    params = {"add": add, "remove": remove or [], **params}
    count: int = (await wire.call("session.change_roles", session_id=session_id, **params))["count"]
    return count


# --- changing


async def test_d40_roles_are_added_and_removed_and_the_session_is_told(any_guests: Guests, room: str) -> None:
    peer, staff = await any_guests.join(room), await any_guests.staff()
    guest = await any_guests.join(room, token=mint_token("ann", roles=["a", "b"]))
    await peer.forget()
    assert await _change(staff, guest.id, ["c", 'say "c"'], ["a"]) == 1
    told = await guest.expect("session.changed")
    assert told["roles"] == ["b", "c", 'say "c"']
    assert told["properties"]["$Roles"] == r'"b","c","say \"c\""'
    assert told["changed_properties"] == {"$Roles": '"a","b"'}
    # The demo lets peers see roles of sessions; those that somebody has in the room are others.
    (updated,) = (await peer.expect("room.peers"))["updated"]
    assert (updated["properties"]["$Roles"], updated["roles"]) == (r'"b","c","say \"c\""', ["guest"])


async def test_d40_adding_a_present_and_removing_an_absent_role_is_harmless(guests: Guests) -> None:
    """The sessions that were meant are counted, and nobody is told."""
    guest, staff = await guests.open(token=mint_token("ann", roles=["a"])), await guests.staff()
    assert await _change(staff, guest.id, ["a"], ["b"]) == 1
    await guest.assert_silent("session.changed")


@pytest.mark.parametrize(
    ("add", "remove"), [([], []), (["a"], ["a"]), (["a", "b"], ["c", "b"]), ([""], []), (["a\n"], []), ([], ["\x85"])]
)
async def test_d40_nothing_to_do_and_both_at_once_are_refused(
    guests: Guests, add: list[str], remove: list[str]
) -> None:
    guest, staff = await guests.open(token=mint_token("ann", roles=["b", "c"])), await guests.staff()
    for target in ({"session_id": guest.id}, {"filter": f"$SessionId is '{guest.id}'"}):
        await staff.refused("session.change_roles", "INVALID_PARAMS", **target, add=add, remove=remove)
    await guest.assert_silent()


async def test_d40_by_filter_all_that_match_are_changed_and_counted(guests: Guests, room: str) -> None:
    present = await guests.join(room, token=mint_token("ann", roles=["speaker"]))
    new, other, staff = await guests.join(room), await guests.join(room, properties={"name": "x"}), await guests.staff()
    params = {"room": room, "filter": "not has name", "add": ["speaker"]}
    assert await staff.call("session.change_roles", **params) == {"count": 2}
    assert (await new.expect("session.changed"))["roles"] == ["speaker"]
    await present.assert_silent("session.changed")
    await other.assert_silent("session.changed")
    found = await staff.call("session.list", room=room, filter="hasRoles 'speaker'")
    assert {session["session_id"] for session in found["sessions"]} == {present.id, new.id}


async def test_d40_roles_last_over_a_resume_though_the_token_says_other(guests: Guests) -> None:
    token = mint_token("ann", roles=["a"])
    guest, staff = await guests.open(token=token), await guests.staff()
    await guest.drop()
    assert await _change(staff, guest.id, ["b"], ["a"]) == 1
    resume = {"session_id": guest.id, "resume_token": guest.session["resume_token"]}
    back = await guests.open(token=token, resume=resume)
    assert (back.session["resumed"], back.session["roles"]) == (True, ["b"])
    assert back.session["properties"]["$Roles"] == '"b"'


async def test_t15_a_session_may_have_64_roles_of_128_bytes(guests: Guests) -> None:
    """P27: where one would have more, nobody's roles are changed."""
    full, other, staff = await guests.open(), await guests.open(), await guests.staff()
    longest = "é" * 64
    assert await _change(staff, full.id, [longest, *(f"r{n}" for n in range(63))]) == 1
    await full.expect("session.changed")
    both = {"filter": f"$SessionId in ['{full.id}', '{other.id}']"}
    error = await staff.refused("session.change_roles", "LIMIT_EXCEEDED", **both, add=["one more"])
    assert (error["data"]["limit"], error["data"]["actual"]) == (64, 65)
    error = await staff.refused("session.change_roles", "LIMIT_EXCEEDED", **both, add=[longest + "x"])
    assert (error["data"]["limit"], error["data"]["actual"]) == (128, 129)
    await full.assert_silent("session.changed")
    await other.assert_silent("session.changed")
    # Exchanging one for another stays possible.
    assert await _change(staff, full.id, ["one more"], ["r0"]) == 1


# --- what follows, where roles carry rights


@pytest.fixture(scope="module")
def strict_server() -> Iterator[Server]:
    settings = {"POLICY": "tests.support.policies.RolePolicy", "SELF_PROPERTIES": ["name", "Secret"]}
    with running(settings=settings) as server:
        yield server


@pytest.fixture
async def strict(strict_server: Server) -> AsyncIterator[Guests]:
    async with Guests(strict_server) as opened:
        yield opened


async def test_p47_a_room_that_is_not_open_any_more_is_left(strict: Guests, room: str) -> None:
    """The peers see why, and so does who had to go; what lived as long as the session stays with it elsewhere."""
    staff = await strict.staff()
    goes = await strict.join(f"staff/{room}", token=mint_token("ann", roles=["staff"]))
    stays = await strict.join(f"staff/{room}", token=mint_token("bo", roles=["staff"]))
    await goes.call("room.join", room=room, observe=["*"])
    await goes.forget()
    assert await _change(staff, goes.id, [], ["staff"]) == 1
    denied = [{"session_id": goes.id, "reason": "ACCESS_DENIED"}]
    told = await stays.expect("room.peers", lambda params: bool(params["left"]))
    assert (told["left"], told["count"]) == (denied, 1)
    own = await goes.expect("room.peers", lambda params: bool(params["left"]), room=f"staff/{room}")
    assert (own["left"], own["count"]) == (denied, 1)
    await stays.call("room.set", room=f"staff/{room}", key="secret", value=1)
    await goes.refused("room.get", "NOT_JOINED", room=f"staff/{room}", key="secret")
    await goes.refused("room.join", "ACCESS_DENIED", room=f"staff/{room}")
    await goes.call("room.set", room=room, key="k", value=1)
    await goes.expect_change("k", 1)
    await goes.assert_silent("room.changed")
    assert session_rows(strict.server, goes.id) == [("ACTIVE", "")]


async def test_p47_a_role_opens_a_room_at_once(strict: Guests, room: str) -> None:
    guest, staff = await strict.open(), await strict.staff()
    await guest.refused("room.join", "ACCESS_DENIED", room=f"staff/{room}")
    await _change(staff, guest.id, ["staff"])
    await guest.expect("session.changed", roles=["staff"])
    await guest.call("room.join", room=f"staff/{room}")


async def test_p47_who_was_away_does_not_come_back_into_a_closed_room(strict: Guests, room: str) -> None:
    token = mint_token("ann", roles=["staff"])
    guest, stays = await strict.join(f"staff/{room}", token=token), await strict.join(f"staff/{room}", token=token)
    await guest.call("room.join", room=room)
    staff = await strict.staff()
    await guest.drop()
    await _change(staff, guest.id, [], ["staff"])
    resume = {"session_id": guest.id, "resume_token": guest.session["resume_token"]}
    back = await strict.open(token=token, resume=resume)
    assert back.session["resumed"] is True
    assert [resumed["room"] for resumed in back.session["rooms"]] == [room]
    await stays.expect("room.peers", lambda params: bool(params["left"]))


async def test_p47_rights_that_a_role_carries_come_and_go_with_it(strict: Guests) -> None:
    guest, staff = await strict.open(), await strict.staff()
    await guest.refused("session.list", "ACCESS_DENIED")
    await _change(staff, guest.id, ["watcher"])
    told = await guest.expect("session.changed", roles=["watcher"])
    assert told["permissions"] == ["register_handler", "view_session"]
    await guest.call("session.list")
    await _change(staff, guest.id, [], ["watcher"])
    assert (await guest.expect("session.changed", roles=[]))["permissions"] == []
    await guest.refused("session.list", "ACCESS_DENIED")


async def test_p47_a_listener_ends_with_the_right_to_it(strict: Guests) -> None:
    """It is told so, and nothing more; one may listen again once one may."""
    watcher, staff = await strict.open(token=mint_token("ann", roles=["watcher"])), await strict.staff()
    listening = await watcher.call("session.listen", filter=f"$SessionId is '{staff.id}'", properties=["*U"])
    await watcher.expect("session.listening", **listening)
    await watcher.expect("session.event", session_id=staff.id)
    await _change(staff, watcher.id, [], ["watcher"])
    closed = await watcher.expect("session.listener_closed")
    assert closed == {**listening, "reason": "ACCESS_DENIED"}
    await staff.call("session.set_properties", properties={"k": "v"})
    await watcher.assert_silent("session.event")
    await watcher.refused("session.unlisten", "NOT_FOUND", **listening)
    await watcher.refused("session.listen", "ACCESS_DENIED")
    await _change(staff, watcher.id, ["watcher"])
    await watcher.expect("session.changed", roles=["watcher"])
    await watcher.call("session.listen")


async def test_p47_a_listener_ends_where_its_right_shrinks_to_a_rooms_rule(strict: Guests, room: str) -> None:
    """A watcher sees everything of the peers of a room, its host only what is public."""
    host = await strict.join(room, token=mint_token("ann", roles=["watcher"]))
    guest, staff = await strict.join(room), await strict.staff()
    listening = await host.call("session.listen", room=room, properties=["*F", "*U"])
    await host.expect("session.listening", **listening)
    await _change(staff, host.id, [], ["watcher"])
    assert (await host.expect("session.listener_closed"))["reason"] == "ACCESS_DENIED"
    await host.forget()
    await staff.call("session.set_properties", session_id=guest.id, properties={"private": "1"})
    await host.assert_silent("session.event")
    again = await host.call("session.listen", room=room, properties=["*F", "*U"])
    await host.expect("session.listening", **again)
    seen = await host.expect("session.event", session_id=guest.id)
    assert not {"$ClientIP", "private"} & seen["properties"].keys()


async def test_p47_a_listener_ends_with_the_room_whose_rule_gave_it(strict: Guests, room: str) -> None:
    """The host of a room that is not open to it any more hears nothing more of its peers."""
    host = await strict.join(f"staff/{room}", token=mint_token("ann", roles=["staff"]))
    guest, staff = await strict.join(f"staff/{room}", token=mint_token("bo", roles=["staff"])), await strict.staff()
    listening = await host.call("session.listen", room=f"staff/{room}", properties=["name"])
    await host.expect("session.listening", **listening)
    await _change(staff, host.id, [], ["staff"])
    assert await host.expect("session.listener_closed") == {**listening, "reason": "ACCESS_DENIED"}
    await host.forget()
    await guest.call("session.set_properties", properties={"name": "Bo"})
    await host.assert_silent("session.event")


async def test_p47_who_is_coming_in_while_its_role_goes_does_not_stay(strict: Guests, room: str) -> None:
    """Whatever of its joins was answered before: of each such room it is told that it has left."""
    staff = await strict.staff()
    for turn in range(5):
        guest = await strict.open(token=mint_token("ann", roles=["staff"]))
        rooms = [f"staff/{room}/{turn}/{n}" for n in range(20)]
        joining = [guest.start("room.join", room=name) for name in rooms]
        await joining[turn]
        await _change(staff, guest.id, [], ["staff"])
        joined = {reply["result"]["room"] for reply in await asyncio.gather(*joining) if "result" in reply}
        for name in joined:
            told = await guest.expect("room.peers", lambda params: bool(params["left"]), room=name)
            assert told["left"] == [{"session_id": guest.id, "reason": "ACCESS_DENIED"}]
        for name in rooms:
            await guest.refused("room.get", "NOT_JOINED", room=name, key="k")
        assert (await staff.call("session.count", filter=f"$SessionId is '{guest.id}'"))["total"] == 1


async def test_p47_who_leaves_a_room_while_its_role_goes_leaves_the_others(strict: Guests, room: str) -> None:
    staff = await strict.staff()
    guest = await strict.open(token=mint_token("ann", roles=["staff"]))
    rooms = [f"staff/{room}/{n}" for n in range(10)]
    await asyncio.gather(*(guest.start("room.join", room=name) for name in rooms))
    changing = staff.start("session.change_roles", session_id=guest.id, add=[], remove=["staff"])
    leaving = [guest.start("room.leave", room=name) for name in rooms[::2]]
    await asyncio.gather(changing, *leaving)
    for name in rooms[1::2]:
        await guest.expect("room.peers", lambda params: bool(params["left"]), room=name)
    for name in rooms:
        await guest.refused("room.get", "NOT_JOINED", room=name, key="k")


async def test_p47_a_listener_ends_where_what_it_names_may_not_be_seen_any_more(strict: Guests) -> None:
    watcher, staff = await strict.open(token=mint_token("ann", roles=["watcher"])), await strict.staff()
    named = await watcher.call("session.listen", properties=["$ClientIP"], filter=f"$SessionId is '{watcher.id}'")
    await watcher.expect("session.listening", **named)
    await _change(staff, watcher.id, ["untrusted"])
    assert (await watcher.expect("session.listener_closed"))["listener_id"] == named["listener_id"]
    await watcher.refused("session.listen", "ACCESS_DENIED", properties=["$ClientIP"])


async def test_t7_what_the_policy_hides_is_hidden_from_every_permission(strict: Guests) -> None:
    """Even from who may see all sessions: it cannot be named, and wildcards leave it out. One's own it is not."""
    guest, staff = await strict.open(properties={"Secret": "s1", "name": "Ann"}), await strict.staff()
    target = {"session_id": guest.id}
    await staff.refused("session.list", "ACCESS_DENIED", filter="Secret is 's1'")
    await staff.refused("session.terminate", "ACCESS_DENIED", filter="not has Secret")
    await staff.refused("session.count", "ACCESS_DENIED", by=["Secret"])
    await staff.refused("session.get_properties", "ACCESS_DENIED", **target, properties=["Secret"])
    await staff.refused("session.set_properties", "ACCESS_DENIED", **target, properties={"Secret": "s2"})
    found = await staff.call("session.get_properties", **target, properties=["*U"])
    assert found["properties"] == {"name": "Ann"}
    own = await guest.call("session.get_properties", properties=["*U", "Secret"])
    assert own["properties"] == {"name": "Ann", "Secret": "s1"}


# --- what a room's rule gives


async def test_p46_a_host_looks_after_the_peers_of_its_room_and_nobody_else(any_guests: Guests, room: str) -> None:
    host, guest = await any_guests.join(room), await any_guests.join(room)
    outside = await any_guests.join(f"{room}/other")
    listed = await host.call("session.list", room=room)
    assert {session["session_id"] for session in listed["sessions"]} == {host.id, guest.id}
    muted = await host.call("session.set_properties", room=room, session_id=guest.id, properties={"muted": "yes"})
    assert muted == {"changed": {"muted": None}, "ignored": []}
    assert await _change(host, guest.id, ["speaker"], room=room) == 1
    assert await host.call("session.send", room=room, filter="all", event="e") == {"count": 2}
    # To a peer of a shared room without naming it.
    assert await host.call("session.send", session_id=guest.id, event="e") == {"count": 1}
    await host.call("session.listen", room=room)
    assert await host.call("session.observe_for", room=room, session_id=guest.id, keys=["topic"]) == {"count": 1}
    await outside.forget()
    for method, params in (
        ("session.set_properties", {"properties": {"muted": "yes"}}),
        ("session.change_roles", {"add": ["speaker"]}),
        ("session.get_properties", {"properties": ["*F"]}),
        ("session.terminate", {}),
    ):
        await host.refused(method, "NO_SUCH_SESSION", room=room, session_id=outside.id, **params)
        await host.refused(method, "ACCESS_DENIED", room=f"{room}/other", session_id=outside.id, **params)
        await host.refused(method, "ACCESS_DENIED", session_id=guest.id, **params)
        await guest.refused(method, "ACCESS_DENIED", room=room, session_id=host.id, **params)
    await host.refused("session.send", "NO_SUCH_SESSION", session_id=outside.id, event="e")
    await guest.refused("session.send", "ACCESS_DENIED", session_id=host.id, event="e")
    await outside.assert_silent()
    assert await host.call("session.terminate", room=room, session_id=guest.id) == {"count": 1}
    await guest.expect_closed(4011)


async def test_p46_a_room_of_that_name_that_one_is_not_in_gives_nothing(guests: Guests, room: str) -> None:
    """The same answer whether anybody is there or not (T5)."""
    host = await guests.join(room)
    await guests.join(f"{room}/other")
    there = await host.refused("session.list", "ACCESS_DENIED", room=f"{room}/other")
    nowhere = await host.refused("session.list", "ACCESS_DENIED", room=f"{room}/none")
    assert there == nowhere
    await host.refused("session.list", "INVALID_PARAMS", room="")
    await host.refused("session.list", "LIMIT_EXCEEDED", room="r" * 129)


async def test_d40_a_host_gives_and_takes_only_the_roles_it_may(any_guests: Guests, room: str) -> None:
    """The demo's hosts make speakers; other roles may carry permissions."""
    host, guest = await any_guests.join(room), await any_guests.join(room)
    for add, remove in ((["admin"], []), ([], ["admin"]), (["speaker", "admin"], [])):
        params = {"room": room, "session_id": guest.id, "add": add, "remove": remove}
        await host.refused("session.change_roles", "ACCESS_DENIED", **params)
        await host.refused("session.change_roles", "ACCESS_DENIED", **{**params, "session_id": host.id})
    await guest.assert_silent("session.changed")
    assert await _change(host, guest.id, ["speaker"], room=room) == 1
    assert (await guest.expect("session.changed"))["roles"] == ["speaker"]
    assert await _change(host, guest.id, [], ["speaker"], room=room) == 1
    assert (await guest.expect("session.changed"))["roles"] == []


async def test_p47_who_leaves_the_room_loses_what_its_rule_gave(guests: Guests, room: str) -> None:
    host, guest = await guests.join(room), await guests.join(room)
    listening = await host.call("session.listen", room=room, properties=["muted"])
    await host.expect("session.listening", **listening)
    await host.call("room.leave", room=room)
    assert await host.expect("session.listener_closed") == {**listening, "reason": "ACCESS_DENIED"}
    await host.refused("session.list", "ACCESS_DENIED", room=room)
    await host.refused("session.terminate", "ACCESS_DENIED", room=room, session_id=guest.id)
    await guest.call("session.ping")


async def test_p47_a_resumed_host_is_still_one_and_another_is_none(guests: Guests, room: str) -> None:
    host, guest = await guests.join(room), await guests.join(room)
    await host.drop()
    await guest.expect("room.peers", lambda params: bool(params["updated"]))
    await guest.refused("session.list", "ACCESS_DENIED", room=room)
    resume = {"session_id": host.id, "resume_token": host.session["resume_token"]}
    back = await guests.open(resume=resume)
    assert (await back.call("session.list", room=room))["total"] == 2


async def test_t26_watching_a_room_ends_with_the_right_to_it_and_to_its_values(strict: Guests, room: str) -> None:
    """Who sees less than before is told to ask again, and sees no more than it may."""
    inside = await strict.join(room)
    watcher, staff = await strict.open(), await strict.staff()
    await watcher.refused("room.watch", "ACCESS_DENIED", room=room)
    await _change(staff, watcher.id, ["seer"])
    await watcher.expect("session.changed")
    assert (await watcher.call("room.watch", room=room))["values"] is True
    await _change(staff, watcher.id, ["onlooker"], ["seer"])
    assert await watcher.expect("room.unwatched") == {"room": room, "reason": "ACCESS_DENIED"}
    assert (await watcher.call("room.watch", room=room))["values"] is False
    await _change(staff, watcher.id, [], ["onlooker"])
    await watcher.expect("room.unwatched")
    await inside.call("room.set", room=room, key="k", value="secret")
    await watcher.assert_silent("room.changed")
    await watcher.refused("room.watch", "ACCESS_DENIED", room=room)
