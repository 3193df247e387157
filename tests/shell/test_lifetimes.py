"""Protocol §3: what ends by itself. Entries past their time, keys of ended sessions, rooms that nobody is in, peers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from sessionstore_app import mint_token
from tests.shell.conftest import HASTY
from tests.support.guests import Guests
from tests.support.rows import cleared_once, session_rows
from tests.support.server import Server, running
from tests.support.wire import Wire, changes_of, entry_of, eventually

# --- ttl


async def test_an_entry_past_its_time_is_removed_and_told(any_guests: Guests, room: str) -> None:
    """By the server: `by` is null, and the room's version grows."""
    writer, observer = await any_guests.join(room), await any_guests.join(room)
    entry = await writer.call("room.set", room=room, key="k", value=1, ttl_seconds=0.2)
    assert entry["version"] == 1
    await observer.expect_change("k", 1)
    for wire in (observer, writer):
        gone = await wire.expect_change("k", None)
        assert (gone["version"], gone["by"]) == (2, None)
        assert gone["at"] > entry["at"]
    assert await writer.call("room.get", room=room, key="k") == gone


async def test_a_write_replaces_the_time_too(guests: Guests, room: str) -> None:
    """H42: the timer of an older write removes nothing newer."""
    wire = await guests.join(room)
    first = [{"key": key, "value": 1, "ttl_seconds": 1} for key in ("kept", "longer", "gone")]
    await wire.call("room.write", room=room, ops=first)
    # The last timer is that of `gone`, so the others' have run when it is gone.
    times: dict[str, dict[str, Any]] = {"kept": {}, "longer": {"ttl_seconds": 600}, "gone": {"ttl_seconds": 1.1}}
    await wire.call("room.write", room=room, ops=[{"key": key, "value": 2, **ttl} for key, ttl in times.items()])
    await wire.expect_change("gone", None)
    await wire.call("session.ping")
    assert [change["key"] for change in changes_of(wire) if change["value"] is None] == []
    for key in ("kept", "longer"):
        assert (await wire.call("room.get", room=room, key=key))["value"] == 2


async def test_several_keys_of_a_write_have_their_own_times(guests: Guests, room: str) -> None:
    wire = await guests.join(room)
    ops = [{"key": "short", "value": 1, "ttl_seconds": 0.1}, {"key": "stays", "value": 1}]
    await wire.call("room.write", room=room, ops=ops)
    await wire.expect_change("short", None)
    snapshot = await wire.call("room.snapshot", room=room)
    assert [entry["key"] for entry in snapshot["entries"]] == ["stays"]


async def test_an_entry_past_its_time_frees_its_place(guests: Guests, room: str) -> None:
    wire = await guests.join(room)
    await wire.call("room.set", room=room, key="k", value=1, ttl_seconds=0.1)
    await wire.expect_change("k", None)
    assert (await wire.call("room.set", room=room, key="k", value=2, if_version=0))["version"] == 3


async def test_an_expired_entry_goes_though_its_server_was_killed() -> None:
    """P12: no timer survives a crash, so the reaper and every reader look too."""
    with running(settings=HASTY) as server:
        before = Guests(server)
        wire = await before.join("room")
        await before.join("room")
        await wire.call("room.set", room="room", key="k", value=1, ttl_seconds=0.2)
        server.kill()
        await wire.expect_closed(1006)
        server.start()
        after = Guests(server)
        reader = await after.open()
        joined = await reader.call("room.join", room="room", observe=["k"])
        if joined["entries"][0]["value"] is not None:
            await reader.expect_change("k", None)
        await before.leave()
        await after.leave()


# --- keys that live as long as a session


@pytest.mark.parametrize("how", ["close", "drop"])
async def test_keys_of_a_session_end_with_it_and_observers_are_told(hasty: Guests, room: str, how: str) -> None:
    stays, goes = await hasty.join(room), await hasty.join(room)
    await goes.call("room.set", room=room, key="hand", value=1, lifetime="session")
    await goes.call("room.set", room=room, key="note", value=1)
    await goes.call("room.write", room=room, ops=[{"key": "also", "value": 1, "lifetime": "session"}])
    await goes.call("room.set", room=room, key="taken", value=1, lifetime="session")
    await stays.call("room.set", room=room, key="taken", value=2)
    await (goes.call("session.close") if how == "close" else goes.drop())
    for key in ("hand", "also"):
        gone = await stays.expect_change(key, None)
        assert gone["by"] is None
    snapshot = await stays.call("room.snapshot", room=room)
    assert sorted(entry["key"] for entry in snapshot["entries"]) == ["note", "taken"]


async def test_keys_of_a_session_outlive_its_socket(guests: Guests, room: str) -> None:
    """P15: they wait for it as the session does."""
    stays, goes = await guests.join(room), await guests.join(room)
    await goes.call("room.set", room=room, key="hand", value=1, lifetime="session")
    await stays.forget()
    await goes.drop()
    await stays.expect("room.peers", lambda params: bool(params["updated"]))
    back = await guests.connect()
    resume = {"session_id": goes.id, "resume_token": goes.session["resume_token"]}
    assert (await back.open(resume=resume))["resumed"] is True
    assert (await stays.call("room.get", room=room, key="hand"))["value"] == 1
    await stays.assert_silent("room.changed")


# --- rooms


async def test_a_room_is_cleared_once_when_its_last_peer_has_lapsed(hasty: Guests, room: str) -> None:
    """I10, H2: not when the socket is gone, but when nobody can come back."""
    first, second = await hasty.join(room), await hasty.join(room)
    await first.call("room.set", room=room, key="k", value=1)
    held = await first.call("room.snapshot", room=room)
    manager = await hasty.open(token=mint_token("ops", permissions=["manage_room"]))
    await first.drop()
    await second.drop()
    assert await manager.call("room.snapshot", room=room) == held

    async def cleared() -> bool:
        return bool((await manager.call("room.snapshot", room=room))["epoch"] != held["epoch"])

    await eventually(cleared, "the room is cleared")
    joined = await manager.call("room.join", room=room, observe=["*"])
    assert (joined["version"], joined["entries"], joined["count"]) == (0, [], 1)
    assert joined["roles"] == ["host"]
    await cleared_once(hasty.server, room)
    assert session_rows(hasty.server, first.id, second.id) == [("CLOSED", "CONNECTION_LOST")] * 2


async def test_closing_the_last_session_clears_its_rooms(guests: Guests, room: str) -> None:
    wire = await guests.join(room)
    await wire.call("room.join", room=f"{room}/2")
    for name in (room, f"{room}/2"):
        await wire.call("room.set", room=name, key="k", value=1)
    await wire.call("session.close")
    other = await guests.open()
    for name in (room, f"{room}/2"):
        assert (await other.call("room.join", room=name, observe=["*"]))["entries"] == []
        await cleared_once(guests.server, name)


async def test_joins_racing_the_last_leave_see_the_old_room_or_the_new(guests: Guests, room: str) -> None:
    """I10: never a mix of both."""
    for turn in range(15):
        name = f"{room}/{turn}"
        last, first = await guests.join(name), await guests.open()
        await last.call("room.write", room=name, ops=[{"key": key, "value": turn} for key in "ab"])
        epoch = (await last.call("room.snapshot", room=name))["epoch"]
        leaving = last.start("room.leave", room=name)
        joining = first.start("room.join", room=name, observe=["*"])
        cleared = (await leaving)["result"]["cleared"]
        joined = (await joining)["result"]
        kept = joined["epoch"] == epoch
        assert len(joined["entries"]) == (2 if kept else 0)
        assert kept is not cleared
        assert (await first.call("room.snapshot", room=name))["epoch"] == joined["epoch"]
        await first.call("room.leave", room=name)
        await last.hang_up()


@pytest.fixture(scope="module")
def gracious_server() -> Iterator[Server]:
    with running(settings={**HASTY, "GRACE_SECONDS": 0.4, "ROOM_IDLE_SECONDS": 0.4}) as server:
        yield server


@pytest.fixture
async def gracious(gracious_server: Server) -> AsyncIterator[Guests]:
    async with Guests(gracious_server) as opened:
        yield opened


async def test_grace_keeps_a_room_for_who_comes_back(gracious: Guests, room: str) -> None:
    wire = await gracious.join(room)
    await wire.call("room.set", room=room, key="k", value=1)
    assert await wire.call("room.leave", room=room) == {"cleared": False}
    joined = await wire.call("room.join", room=room, observe=["*"])
    assert entry_of(joined["entries"], "k")["value"] == 1
    # Somebody is in it again: the time that ran is forgotten. Another room's, begun later, shows that it has passed.
    await _left_and_cleared(gracious, wire, f"{room}/later")
    assert (await wire.call("room.snapshot", room=room))["epoch"] == joined["epoch"]


async def _left_and_cleared(guests: Guests, wire: Wire, room: str) -> None:
    await wire.call("room.join", room=room)
    await wire.call("room.set", room=room, key="k", value=1)
    assert await wire.call("room.leave", room=room) == {"cleared": False}
    await cleared_once(guests.server, room)


async def test_after_the_grace_the_room_is_cleared_once(gracious: Guests, room: str) -> None:
    wire = await gracious.open()
    await _left_and_cleared(gracious, wire, room)
    assert (await wire.call("room.join", room=room, observe=["*"]))["entries"] == []
    await cleared_once(gracious.server, room)


async def test_a_room_that_only_the_server_side_used_is_cleared_when_idle(gracious: Guests, room: str) -> None:
    """Nobody ever joined it, so nobody can be the last to leave."""
    manager = await gracious.open(token=mint_token("ops", permissions=["manage_room"]))
    await manager.call("room.set", room=room, key="k", value=1)
    assert (await manager.call("room.get", room=room, key="k"))["value"] == 1
    await cleared_once(gracious.server, room)
    assert (await manager.call("room.get", room=room, key="k"))["version"] == 0


async def test_a_room_that_somebody_is_in_is_never_idle(gracious: Guests, room: str) -> None:
    wire = await gracious.join(room)
    manager = await gracious.open(token=mint_token("ops", permissions=["manage_room"]))
    await manager.call("room.set", room=room, key="k", value=1)
    # Of another room the time has passed, begun later than this one's.
    await manager.call("room.set", room=f"{room}/later", key="k", value=1)
    await cleared_once(gracious.server, f"{room}/later")
    assert (await wire.call("room.get", room=room, key="k"))["value"] == 1
    await wire.assert_silent("room.cleared")


# --- peers


async def test_peers_are_told_who_comes_and_goes(any_guests: Guests, room: str) -> None:
    first = await any_guests.join(room)
    second = await any_guests.open(token=mint_token("bo"))
    joined = await second.call("room.join", room=room)
    told = await first.expect("room.peers", room=room)
    assert told["count"] == 2
    assert told["joined"] == [peer for peer in joined["peers"] if peer["session_id"] == second.id]
    assert told["joined"][0]["principal"] == "bo"
    assert (told["left"], told["updated"]) == ([], [])
    await second.call("room.leave", room=room)
    told = await first.expect("room.peers", room=room)
    assert (told["count"], told["joined"], told["updated"]) == (1, [], [])
    assert told["left"] == [{"session_id": second.id, "reason": "LEFT"}]
    await second.assert_silent("room.peers")


async def test_an_unanswering_peer_is_told_with_its_reason(hasty: Guests, room: str) -> None:
    """P10, P11: half-open sockets are found by asking, and only those."""
    quiet_but_well = await hasty.join(room)
    dead = await hasty.open(acks=False)
    await dead.call("room.join", room=room)
    await dead.expect_closed(4002)
    away = await quiet_but_well.expect("room.peers", lambda params: bool(params["updated"]))
    assert [(peer["session_id"], peer["state"]) for peer in away["updated"]] == [(dead.id, "DISCONNECTED")]
    gone = await quiet_but_well.expect("room.peers", lambda params: bool(params["left"]))
    assert gone["left"] == [{"session_id": dead.id, "reason": "CLIENT_UNRESPONSIVE"}]
    assert session_rows(hasty.server, quiet_but_well.id) == [("ACTIVE", "")]
