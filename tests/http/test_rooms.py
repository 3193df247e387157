"""Protocol §3 over HTTP: rooms are read and written without joining, and peers on sockets see it."""

from __future__ import annotations

import asyncio

from sessionstore_app import mint_token
from tests.support.guests import Guests
from tests.support.http import Http
from tests.support.server import Server
from tests.support.wire import changes_of, entry_of, eventually, values_of

OPS = {"session_id": None, "principal": "ops"}


async def test_peers_on_sockets_see_what_is_written(any_guests: Guests, any_ops: Http, room: str) -> None:
    """Each kind of write, with the caller as its author; and the caller reads what the peers wrote."""
    peer = await any_guests.join(room)
    written = await any_ops.call("room.set", room=room, key="k", value={"a": 1})
    assert written["by"] == OPS
    assert await peer.expect_change("k", {"a": 1}) == written
    await any_ops.call("room.update", room=room, key="k", do="merge", patch={"b": 2})
    assert (await peer.expect_change("k", {"a": 1, "b": 2}))["by"] == OPS
    both = await any_ops.call("room.write", room=room, ops=[{"key": "x", "value": 1}, {"key": "y", "value": 2}])
    told = await peer.expect("room.changed", version=both["version"])
    assert [entry["by"] for entry in told["changes"]] == [OPS, OPS]
    assert told["changes"] == both["entries"]
    await any_ops.call("room.delete", room=room, key="k")
    await peer.expect_change("k", None)
    await peer.call("room.set", room=room, key="mine", value=3)
    mine = await any_ops.call("room.get", room=room, key="mine")
    assert mine["by"]["session_id"] == peer.id
    snapshot = await any_ops.call("room.snapshot", room=room, keys=["x", "m*", "never"])
    assert values_of(snapshot["entries"]) == {"x": 1, "mine": 3}
    assert entry_of(snapshot["entries"], "never")["version"] == 0


async def test_messages_reach_every_peer_and_say_who_speaks(any_guests: Guests, any_ops: Http, room: str) -> None:
    peers = [await any_guests.join(room) for _ in range(3)]
    assert await any_ops.call("room.broadcast", room=room, event="applause", data={"times": 3}) == {"count": 3}
    for peer in peers:
        message = await peer.expect("room.message", event="applause")
        assert (message["data"], message["from"]) == ({"times": 3}, OPS)


async def test_a_message_may_be_8192_bytes(ops: Http, room: str) -> None:
    await ops.call("room.broadcast", room=room, event="e", data="x" * 8_190)
    error = await ops.refused("room.broadcast", "VALUE_TOO_LARGE", room=room, event="e", data="x" * 8_191)
    assert (error["data"]["limit"], error["data"]["actual"]) == (8_192, 8_193)


async def test_a_caller_clears_a_room_and_peers_stay(any_guests: Guests, any_ops: Http, room: str) -> None:
    peer = await any_guests.join(room)
    await any_ops.call("room.set", room=room, key="k", value=1)
    epoch = (await any_ops.call("room.clear", room=room))["epoch"]
    await peer.expect("room.cleared", epoch=epoch, reason="CLEARED")
    assert await any_ops.call("room.snapshot", room=room) == {"epoch": epoch, "version": 0, "entries": []}
    assert (await any_ops.call("room.set", room=room, key="k", value=2))["version"] == 1
    await peer.expect_change("k", 2)


async def test_peers_are_listed_in_pages(guests: Guests, ops: Http, room: str) -> None:
    ids = sorted([(await guests.join(room)).id for _ in range(5)])
    found: list[str] = []
    while len(found) < 5:
        page = await ops.call("room.peers", room=room, limit=2, **({"after": found[-1]} if found else {}))
        assert page["count"] == 5
        assert 1 <= len(page["peers"]) <= 2
        found += [peer["session_id"] for peer in page["peers"]]
    assert found == ids
    assert (await ops.call("room.peers", room=room, after=ids[-1]))["peers"] == []


async def test_a_room_that_is_not_there_reads_as_empty_and_is_made_by_writing(ops: Http, room: str) -> None:
    assert await ops.call("room.snapshot", room=room) == {"epoch": "", "version": 0, "entries": []}
    assert await ops.call("room.peers", room=room) == {"peers": [], "count": 0}
    absent = {"key": "k", "value": None, "version": 0, "by": None, "at": None}
    assert await ops.call("room.get", room=room, key="k") == absent
    await ops.call("room.set", room=room, key="k", value=1)
    assert (await ops.call("room.snapshot", room=room))["epoch"]


async def test_guards_hold_between_doors(guests: Guests, ops: Http, room: str) -> None:
    """`current` is what a peer wrote meanwhile; of many guarded writes at once one passes."""
    peer = await guests.join(room)
    first = await ops.call("room.set", room=room, key="k", value="http", if_version=0)
    second = await peer.call("room.set", room=room, key="k", value="socket", if_version=first["version"])
    error = await ops.refused("room.set", "VERSION_CONFLICT", room=room, key="k", value=3, if_version=first["version"])
    assert error["data"]["current"] == second
    guard = {"room": room, "key": "k", "if_version": second["version"]}
    replies = await asyncio.gather(*(ops.ask("room.set", value=number, **guard) for number in range(8)))
    assert sum("result" in reply for reply in replies) == 1


async def test_no_update_is_lost_between_doors(any_guests: Guests, any_ops: Http, room: str) -> None:
    peer = await any_guests.join(room)
    by_socket = (peer.call("room.update", room=room, key="n", do="increment") for _ in range(20))
    by_http = (any_ops.call("room.update", room=room, key="n", do="increment") for _ in range(20))
    await asyncio.gather(*by_socket, *by_http)
    assert (await any_ops.call("room.get", room=room, key="n"))["value"] == 40
    await peer.expect_change("n", 40)


async def test_limits_hold_for_who_manages_rooms_too(ops: Http, room: str) -> None:
    error = await ops.refused("room.set", "VALUE_TOO_LARGE", room=room, key="k", value="x" * 1_023)
    assert (error["data"]["limit"], error["data"]["actual"]) == (1_024, 1_025)
    await ops.call("room.set", room=room, key="k", value="x" * 1_022)
    await ops.refused("room.set", "INVALID_KEY", room=room, key="a*b", value=1)
    await ops.refused("room.set", "INVALID_PARAMS", room="", key="k", value=1)
    await ops.refused("room.set", "LIMIT_EXCEEDED", room="r" * 129, key="k", value=1)
    await ops.refused("room.write", "INVALID_PARAMS", room=room, ops=[{"key": "k", "value": n} for n in (1, 2)])


async def test_an_entry_past_its_time_goes_and_peers_are_told(guests: Guests, ops: Http, room: str) -> None:
    peer = await guests.join(room)
    await ops.call("room.set", room=room, key="k", value=1, ttl_seconds=0.2)
    await peer.expect_change("k", None)
    assert (await ops.call("room.get", room=room, key="k"))["value"] is None


async def test_what_takes_a_session_is_refused_in_words(guests: Guests, server: Server, ops: Http, room: str) -> None:
    """A lifetime, a lock and a count of writes belong to a session, and there is none: nothing is written."""
    holder = await guests.staff(permissions=["acquire_lock"], principal="ops")
    await holder.call("lock.acquire", name=room)
    error = await ops.refused("room.set", "INVALID_PARAMS", room=room, key="k", value=1, lifetime="session")
    assert "session" in error["message"]
    item = {"key": "k", "value": 1, "lifetime": "session"}
    await ops.refused("room.write", "INVALID_PARAMS", room=room, ops=[item])
    for name in (room, f"{room}/free"):
        await ops.refused("room.set", "LOCK_NOT_HELD", room=room, key="k", value=1, lock=name)
    error = await ops.refused("room.update", "INVALID_PARAMS", room=room, key="k", do="increment", op=1)
    assert "op" in error["message"]
    await ops.refused("room.set", "INVALID_PARAMS", room=room, key="k", value=1, op=1)
    await ops.refused("room.write", "INVALID_PARAMS", room=room, ops=[{"key": "k", "value": 1}], op=1)
    await ops.refused("room.delete", "INVALID_PARAMS", room=room, key="k", op=1)
    assert (await ops.call("room.get", room=room, key="k"))["version"] == 0
    weak = Http(server.host, mint_token("bot"))
    await weak.refused("room.set", "ACCESS_DENIED", room=room, key="k", value=1, lifetime="session")


async def test_an_entry_that_dies_with_its_session_may_be_changed_from_outside(
    guests: Guests, ops: Http, room: str
) -> None:
    """An update keeps its life, a set gives it the room's."""
    peer, watcher = await guests.join(room), await guests.join(room)
    await peer.call("room.set", room=room, key="mine", value=1, lifetime="session")
    await peer.call("room.set", room=room, key="taken", value=1, lifetime="session")
    await ops.call("room.update", room=room, key="mine", do="increment")
    await ops.call("room.set", room=room, key="taken", value=2)
    await peer.call("session.close")
    await watcher.expect_change("mine", None)

    async def only_taken_is_left() -> bool:
        return values_of((await ops.call("room.snapshot", room=room))["entries"]) == {"taken": 2}

    await eventually(only_taken_is_left, "only what was taken over is left")


async def test_a_write_is_told_before_it_is_answered(guests: Guests, ops: Http, room: str) -> None:
    """Protocol §2: who asks the peer once the caller has its answer finds the change there."""
    peer = await guests.join(room)
    for number in range(20):
        await ops.call("room.set", room=room, key="k", value=number)
        await peer.call("session.ping")
        assert changes_of(peer)[-1]["value"] == number
