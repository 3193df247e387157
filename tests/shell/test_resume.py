"""Protocol §2: coming back on another socket, and what a thief gets (T19, P16, P18)."""

from __future__ import annotations

import asyncio
from typing import Any

from sessionstore_app import mint_token
from tests.support.copies import copy_of, snapshot_copy
from tests.support.guests import Guests
from tests.support.wire import Wire, entry_of, result_of, values_of


def _resume(wire: Wire, **more: Any) -> dict[str, Any]:
    return {"session_id": wire.id, "resume_token": wire.session["resume_token"], **more}


async def _position(wire: Wire, room: str) -> dict[str, Any]:
    snapshot = await wire.call("room.snapshot", room=room, keys=["none"])
    return {"epoch": snapshot["epoch"], "version": snapshot["version"]}


async def test_resuming_brings_back_session_rooms_and_observed_keys(any_guests: Guests, room: str) -> None:
    other, wire = await any_guests.join(room), await any_guests.join(room, observe=["a", "hand/*"])
    await wire.call("room.join", room=f"{room}/2")
    await other.forget()
    await wire.drop()
    away = await other.expect("room.peers")
    assert [(peer["session_id"], peer["state"]) for peer in away["updated"]] == [(wire.id, "DISCONNECTED")]
    assert away["count"] == 2
    back = await any_guests.connect()
    opened = await back.open(resume=_resume(wire))
    assert opened["resumed"] is True
    assert opened["session_id"] == wire.id
    assert opened["resume_token"] != wire.session["resume_token"]
    assert sorted(each["room"] for each in opened["rooms"]) == sorted([room, f"{room}/2"])
    returned = await other.expect("room.peers")
    assert [(peer["session_id"], peer["state"]) for peer in returned["updated"]] == [(wire.id, "ACTIVE")]
    assert (returned["joined"], returned["left"]) == ([], [])
    for key in ("a", "hand/x", "b"):
        await other.call("room.set", room=room, key=key, value=1)
    await back.expect_change("a", 1)
    await back.expect_change("hand/x", 1)
    await back.assert_silent("room.changed")
    await back.call("room.set", room=room, key="b", value=2)


async def test_what_was_missed_is_pushed_before_anything_else(any_guests: Guests, room: str) -> None:
    """P4. Since the version that was named: changes only, deletions as null."""
    other, wire = await any_guests.join(room), await any_guests.join(room)
    for key in ("kept", "gone", "new"):
        await other.call("room.set", room=room, key=key, value=1)
    position = await _position(wire, room)
    await wire.drop()
    await other.call("room.set", room=room, key="new", value=2)
    await other.call("room.delete", room=room, key="gone")
    back = await any_guests.connect()
    opened = await back.open(resume=_resume(wire, rooms={room: position}))
    told = opened["rooms"]
    assert told == [{"room": room, "epoch": position["epoch"], "version": 5}]
    await other.call("room.set", room=room, key="live", value=3)
    missed = await back.expect_frame(1)
    assert missed["method"] == "room.changed"
    assert (missed["params"]["room"], missed["params"]["version"]) == (room, 5)
    changes = [(entry["key"], entry["value"]) for entry in missed["params"]["changes"]]
    assert changes == [("new", 2), ("gone", None)]
    await back.expect_change("live", 3)
    assert copy_of([wire, back], room) == snapshot_copy(await other.call("room.snapshot", room=room))


async def test_without_a_version_everything_is_pushed(any_guests: Guests, room: str) -> None:
    other, wire = await any_guests.join(room), await any_guests.join(room, observe=["a", "hand/*"])
    await other.call("room.write", room=room, ops=[{"key": key, "value": 1} for key in ("a", "b", "hand/x")])
    await wire.drop()
    back = await any_guests.connect()
    await back.open(resume=_resume(wire))
    told = await back.expect_frame(1)
    assert told["method"] == "room.snapshot"
    assert told["params"]["reason"] in {"resync", "behind"}
    assert told["params"]["version"] == 1
    assert values_of(told["params"]["entries"]) == {"a": 1, "hand/x": 1}


async def test_who_missed_nothing_is_pushed_nothing(guests: Guests, room: str) -> None:
    wire = await guests.join(room)
    await wire.call("room.set", room=room, key="k", value=1)
    position = await _position(wire, room)
    await wire.drop()
    back = await guests.connect()
    await back.open(resume=_resume(wire, rooms={room: position, "unknown": position}))
    await back.assert_silent("room.changed", "room.snapshot", "room.cleared")


async def test_a_room_cleared_meanwhile_comes_as_a_snapshot(guests: Guests, room: str) -> None:
    """P8: a version of another epoch means nothing."""
    wire = await guests.join(room)
    await wire.call("room.set", room=room, key="k", value=1)
    position = await _position(wire, room)
    await wire.drop()
    manager = await guests.open(token=mint_token("ops", permissions=["manage_room"]))
    epoch = (await manager.call("room.clear", room=room))["epoch"]
    await manager.call("room.set", room=room, key="new", value=2)
    back = await guests.connect()
    opened = await back.open(resume=_resume(wire, rooms={room: position}))
    assert opened["rooms"] == [{"room": room, "epoch": epoch, "version": 1}]
    told = (await back.expect_frame(1))["params"]
    assert (told["epoch"], values_of(told["entries"])) == (epoch, {"new": 2})


async def test_a_resume_token_is_good_once(any_guests: Guests, room: str) -> None:
    """T19: used again, it opens a fresh session and harms nobody."""
    wire = await any_guests.join(room)
    await wire.drop()
    back, replay = await any_guests.connect(), await any_guests.connect()
    await back.open(resume=_resume(wire))
    again = await replay.open(resume=_resume(wire))
    assert again["resumed"] is False
    assert again["session_id"] != wire.id
    assert again["rooms"] == []
    await back.call("room.set", room=room, key="k", value=1)
    third = await any_guests.connect()
    assert (await third.open(resume=_resume(back)))["resumed"] is True


async def test_a_failed_attempt_burns_nothing(guests: Guests, room: str) -> None:
    """P18: not the token, not the session, and not the socket that serves it."""
    wire = await guests.join(room)
    wrong = [
        {"session_id": wire.id, "resume_token": ""},
        {"session_id": wire.id, "resume_token": wire.session["resume_token"][:-1]},
        {"session_id": wire.id, "resume_token": wire.session["resume_token"] + "A"},
        {"session_id": "nobody", "resume_token": wire.session["resume_token"]},
        {"session_id": "", "resume_token": ""},
        {"session_id": "' or 1=1 --", "resume_token": "%"},
    ]
    for resume in wrong:
        assert (await (await guests.connect()).open(resume=resume))["resumed"] is False
    await wire.call("room.set", room=room, key="k", value=1)
    await wire.drop()
    assert (await (await guests.connect()).open(resume=_resume(wire)))["resumed"] is True


async def test_a_session_is_bound_to_its_principal(guests: Guests) -> None:
    wire = await guests.open(token=mint_token("ann"))
    for token in (None, mint_token("bo")):
        thief = await guests.connect()
        opened = await thief.open(resume=_resume(wire), **({} if token is None else {"token": token}))
        assert opened["resumed"] is False
    back = await guests.connect()
    assert (await back.open(resume=_resume(wire), token=mint_token("ann")))["resumed"] is True


async def test_a_second_socket_takes_the_session_over(any_guests: Guests, room: str) -> None:
    """P16: the old socket's end, whenever it comes, is nobody's loss."""
    other, old = await any_guests.join(room), await any_guests.join(room)
    await other.forget()
    new = await any_guests.connect()
    assert (await new.open(resume=_resume(old)))["resumed"] is True
    await old.expect_closed(4015)
    await other.call("room.set", room=room, key="k", value=1)
    await new.expect_change("k", 1)
    assert copy_of(old, room) == {}
    await new.call("room.set", room=room, key="k", value=2)
    peers = await other.call("room.peers", room=room)
    assert [peer["state"] for peer in peers["peers"]] == ["ACTIVE", "ACTIVE"]
    await other.assert_silent("room.peers")


async def test_of_two_thieves_exactly_one_resumes(any_guests: Guests, room: str) -> None:
    wire = await any_guests.join(room)
    await wire.drop()
    thieves = [await any_guests.connect() for _ in range(6)]
    opened = [
        result_of(each)
        for each in await asyncio.gather(*(t.start("session.open", resume=_resume(wire)) for t in thieves))
    ]
    assert sorted(each["resumed"] for each in opened) == [False] * 5 + [True]
    assert sum(each["session_id"] == wire.id for each in opened) == 1
    assert len({each["session_id"] for each in opened}) == 6
    winner = next(thief for thief, each in zip(thieves, opened, strict=True) if each["resumed"])
    await winner.call("room.set", room=room, key="k", value=1)


async def test_of_two_thieves_exactly_one_takes_over(guests: Guests, room: str) -> None:
    """The same while the owner's socket still lives."""
    wire = await guests.join(room)
    thieves = [await guests.connect() for _ in range(6)]
    replies = await asyncio.gather(*(thief.start("session.open", resume=_resume(wire)) for thief in thieves))
    assert sorted(result_of(reply)["resumed"] for reply in replies) == [False] * 5 + [True]
    await wire.expect_closed(4015)


async def test_a_resume_may_be_pipelined_with_writes(guests: Guests, room: str) -> None:
    """What an SDK does with writes made offline: the same `op` again is answered, not applied."""
    wire = await guests.join(room)
    await wire.call("room.update", room=room, key="n", do="increment", op=1)
    await wire.drop()
    back = await guests.connect()
    opening = back.start("session.open", resume=_resume(wire))
    params: dict[str, Any] = {"room": room, "key": "n", "do": "increment"}
    repeat, fresh = back.start("room.update", **params, op=1), back.start("room.update", **params, op=2)
    opened, repeated, applied = (result_of(reply) for reply in await asyncio.gather(opening, repeat, fresh))
    assert opened["resumed"] is True
    assert (repeated["value"], repeated["duplicate"]) == (1, True)
    assert applied["value"] == 2


async def test_roles_in_the_room_come_back(guests: Guests, room: str) -> None:
    first, second = await guests.join(room), await guests.join(room)
    await first.drop()
    back = await guests.connect()
    await back.open(resume=_resume(first))
    peers = (await second.call("room.peers", room=room))["peers"]
    assert {peer["session_id"]: peer["roles"] for peer in peers} == {first.id: ["host"], second.id: ["guest"]}


# --- the window


async def test_d5_after_the_window_a_fresh_session_opens(hasty: Guests, room: str) -> None:
    other, wire = await hasty.join(room), await hasty.join(room)
    await wire.drop()
    told = await other.expect("room.peers", lambda params: bool(params["left"]))
    assert told["left"] == [{"session_id": wire.id, "reason": "CONNECTION_LOST"}]
    assert told["count"] == 1
    back = await hasty.connect()
    opened = await back.open(resume=_resume(wire))
    assert opened["resumed"] is False
    assert opened["session_id"] != wire.id
    await back.refused("room.get", "NOT_JOINED", room=room, key="k")


async def test_a_lone_peer_that_comes_back_in_time_finds_its_room(guests: Guests, room: str) -> None:
    """P15: a reload is no leave; disconnected sessions still count as members."""
    wire = await guests.join(room)
    entry = await wire.call("room.set", room=room, key="k", value=1)
    await wire.hang_up()
    back = await guests.connect()
    assert (await back.open(resume=_resume(wire)))["resumed"] is True
    told = await back.expect("room.snapshot")
    assert entry_of(told["entries"], "k") == entry
