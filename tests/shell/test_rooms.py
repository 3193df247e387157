"""Protocol §3: every method of rooms, as a client sees it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from sessionstore_app import mint_token
from tests.support.guests import Guests
from tests.support.wire import changes_of, entry_of, values_of

ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
ENTRY = {"key", "value", "version", "by", "at"}


async def test_joining_returns_room_roles_peers_and_entries(any_guests: Guests, room: str) -> None:
    writer = await any_guests.open(token=mint_token("ann"))
    joined = await writer.call("room.join", room=room, observe=["*"])
    assert set(joined) == {"room", "epoch", "version", "roles", "peers", "count", "entries"}
    assert (joined["room"], joined["version"], joined["count"], joined["entries"]) == (room, 0, 1, [])
    assert joined["epoch"]
    (me,) = joined["peers"]
    assert set(me) == {"session_id", "principal", "roles", "properties", "state", "joined_at"}
    assert (me["session_id"], me["principal"], me["state"]) == (writer.id, "ann", "ACTIVE")
    assert me["roles"] == joined["roles"] == ["host"]
    assert ISO.fullmatch(me["joined_at"])


async def test_a_later_joiner_sees_everything_at_once(any_guests: Guests, room: str) -> None:
    """H2, P7: entries and version of one instant."""
    first = await any_guests.join(room)
    await first.call("room.set", room=room, key="a", value={"deep": [1, None, "é"]})
    await first.call("room.set", room=room, key="b", value=2)
    joined = await (await any_guests.open()).call("room.join", room=room, observe=["*"])
    assert joined["version"] == 2
    assert values_of(joined["entries"]) == {"a": {"deep": [1, None, "é"]}, "b": 2}
    assert joined["count"] == 2
    assert len(joined["peers"]) == 2


async def test_joining_without_observing_brings_no_entries(guests: Guests, room: str) -> None:
    writer = await guests.join(room)
    await writer.call("room.set", room=room, key="a", value=1)
    quiet = await guests.open()
    assert (await quiet.call("room.join", room=room))["entries"] == []
    await writer.call("room.set", room=room, key="a", value=2)
    await quiet.assert_silent("room.changed")


async def test_joining_twice_is_harmless(guests: Guests, room: str) -> None:
    """P3: what was observed stays observed."""
    wire, other = await guests.join(room, observe=["a"]), await guests.join(room)
    again = await wire.call("room.join", room=room, observe=["b"])
    assert again["count"] == 2
    await other.call("room.set", room=room, key="a", value=1)
    await other.call("room.set", room=room, key="b", value=2)
    await wire.expect_change("a", 1)
    await wire.expect_change("b", 2)
    assert (await wire.call("room.leave", room=room))["cleared"] is False


async def test_setting_returns_the_entry_and_tells_observers(any_guests: Guests, room: str) -> None:
    """The writer too; the reply comes with or after its change was published."""
    writer, observer = await any_guests.join(room), await any_guests.join(room)
    entry = await writer.call("room.set", room=room, key="topic", value="retro")
    assert set(entry) == ENTRY
    assert (entry["key"], entry["value"], entry["version"]) == ("topic", "retro", 1)
    assert entry["by"] == {"session_id": writer.id, "principal": ""}
    assert ISO.fullmatch(entry["at"])
    for wire in (writer, observer):
        told = await wire.expect("room.changed", room=room)
        assert told["version"] == 1
        assert told["changes"] == [entry]


async def test_every_accepted_set_is_a_write_an_equal_value_too(guests: Guests, room: str) -> None:
    """P42."""
    writer, observer = await guests.join(room), await guests.join(room)
    for version in (1, 2):
        assert (await writer.call("room.set", room=room, key="k", value=1))["version"] == version
        assert (await observer.expect_change("k", 1))["version"] == version


async def test_getting_a_key_never_written_is_absent(guests: Guests, room: str) -> None:
    wire = await guests.join(room)
    absent = {"key": "k", "value": None, "version": 0, "by": None, "at": None}
    assert await wire.call("room.get", room=room, key="k") == absent


async def test_writing_null_deletes_and_is_remembered(guests: Guests, room: str) -> None:
    """P5, H42: a deleted key is null with version, writer and time of its deletion."""
    wire = await guests.join(room)
    await wire.call("room.set", room=room, key="a", value=1)
    await wire.call("room.set", room=room, key="b", value=1)
    by_set = await wire.call("room.set", room=room, key="a", value=None)
    by_delete = await wire.call("room.delete", room=room, key="b")
    for key, entry, version in (("a", by_set, 3), ("b", by_delete, 4)):
        assert (entry["value"], entry["version"], entry["by"]["session_id"]) == (None, version, wire.id)
        assert await wire.call("room.get", room=room, key=key) == entry
        assert await wire.expect_change(key, None) == entry
    assert values_of((await wire.call("room.snapshot", room=room))["entries"]) == {}


@pytest.mark.parametrize("value", [0, False, "", [], {}, "null", -0.5, " "])
async def test_falsy_values_are_values(guests: Guests, room: str, value: Any) -> None:
    """P6."""
    wire = await guests.join(room)
    await wire.call("room.set", room=room, key="k", value=value)
    entry = await wire.call("room.get", room=room, key="k")
    assert entry["value"] == value
    assert type(entry["value"]) is type(value)
    snapshot = await wire.call("room.snapshot", room=room)
    assert [found["value"] for found in snapshot["entries"]] == [value]


# --- guards


async def test_if_version_guards_a_write(any_guests: Guests, room: str) -> None:
    """0: only where there is none; n: only at n; a refusal brings what is there."""
    wire, witness = await any_guests.join(room), await any_guests.join(room)
    created = await wire.call("room.set", room=room, key="k", value=1, if_version=0)
    error = await wire.refused("room.set", "VERSION_CONFLICT", room=room, key="k", value=2, if_version=0)
    assert error["data"]["current"] == created
    updated = await wire.call("room.set", room=room, key="k", value=3, if_version=created["version"])
    error = await wire.refused("room.set", "VERSION_CONFLICT", room=room, key="k", value=4, if_version=1)
    assert error["data"]["current"] == updated
    await wire.refused("room.delete", "VERSION_CONFLICT", room=room, key="k", if_version=1)
    assert (await wire.call("room.set", room=room, key="k", value=5))["version"] == 3
    await witness.call("session.ping")
    assert [change["value"] for change in changes_of(witness)] == [1, 3, 5]


async def test_if_version_zero_holds_after_a_deletion(guests: Guests, room: str) -> None:
    """ "Only if it has no value now"; n means "only if it has one at version n"."""
    wire = await guests.join(room)
    await wire.call("room.set", room=room, key="k", value=1)
    gone = await wire.call("room.delete", room=room, key="k", if_version=1)
    error = await wire.refused("room.set", "VERSION_CONFLICT", room=room, key="k", value=2, if_version=gone["version"])
    assert error["data"]["current"] == gone
    assert (await wire.call("room.set", room=room, key="k", value=2, if_version=0))["version"] == 3


# --- update


async def test_increment(guests: Guests, room: str) -> None:
    wire = await guests.join(room)
    assert (await wire.call("room.update", room=room, key="n", do="increment"))["value"] == 1
    assert (await wire.call("room.update", room=room, key="n", do="increment", by=-5))["value"] == -4
    assert (await wire.call("room.update", room=room, key="n", do="increment", by=0.5))["value"] == -3.5
    await wire.call("room.set", room=room, key="n", value="text")
    error = await wire.refused("room.update", "INVALID_VALUE", room=room, key="n", do="increment")
    assert error["data"]["current"]["value"] == "text"
    await wire.call("room.set", room=room, key="n", value=2**53 - 1)
    await wire.refused("room.update", "INVALID_VALUE", room=room, key="n", do="increment")


async def test_append_with_cap_and_unique(guests: Guests, room: str) -> None:
    """H71: what the pin list needs. A repeat adds nothing; over the cap the oldest drop out."""
    wire = await guests.join(room)

    async def pin(number: int) -> dict[str, Any]:
        item = {"id": number, "text": f"message {number}"}
        return await wire.call("room.update", room=room, key="pins", do="append", item=item, cap=3, unique="id")

    for number in (1, 2, 3, 4):
        pinned = await pin(number)
    assert [item["id"] for item in pinned["value"]] == [2, 3, 4]
    await wire.forget()
    assert await pin(3) == pinned
    await wire.assert_silent("room.changed")
    await wire.refused("room.update", "INVALID_PARAMS", room=room, key="pins", do="append", item={"x": 1}, unique="id")
    await wire.call("room.set", room=room, key="pins", value={})
    await wire.refused("room.update", "INVALID_VALUE", room=room, key="pins", do="append", item=1)


async def test_remove_by_member(guests: Guests, room: str) -> None:
    """P2: by content, never by position."""
    wire = await guests.join(room)
    await wire.call("room.set", room=room, key="pins", value=[{"id": 1}, {"id": 2}, 2, {"id": True}])
    removed = await wire.call("room.update", room=room, key="pins", do="remove", where={"id": 1})
    assert removed["value"] == [{"id": 2}, 2, {"id": True}]
    await wire.forget()
    same = await wire.call("room.update", room=room, key="pins", do="remove", where={"id": 7})
    assert same == removed
    nothing = await wire.call("room.update", room=room, key="absent", do="remove", where={"id": 7})
    assert (nothing["value"], nothing["version"]) == (None, 0)
    await wire.assert_silent("room.changed")


async def test_merge_patch(guests: Guests, room: str) -> None:
    """RFC 7396."""
    wire = await guests.join(room)
    await wire.call("room.set", room=room, key="m", value={"a": {"b": 1, "c": 2}, "d": [1, 2]})
    merged = await wire.call(
        "room.update", room=room, key="m", do="merge", patch={"a": {"b": None, "x": 3}, "d": [3], "e": {"f": None}}
    )
    assert merged["value"] == {"a": {"c": 2, "x": 3}, "d": [3], "e": {}}
    assert (await wire.call("room.update", room=room, key="m", do="merge", patch=None))["value"] is None


# --- write


async def test_a_write_of_several_keys_is_one_write(any_guests: Guests, room: str) -> None:
    writer, observer = await any_guests.join(room), await any_guests.join(room, observe=["a", "c"])
    await observer.forget()
    ops: list[dict[str, Any]] = [
        {"key": "a", "value": 1},
        {"key": "b", "value": 2, "if_version": 0},
        {"key": "c", "value": None},
    ]
    written = await writer.call("room.write", room=room, ops=ops)
    assert written["version"] == 1
    assert [(entry["key"], entry["value"], entry["version"]) for entry in written["entries"]] == [
        *(("a", 1, 1), ("b", 2, 1), ("c", None, 1))
    ]
    told = await observer.expect("room.changed")
    assert sorted(entry["key"] for entry in told["changes"]) == ["a", "c"]


async def test_a_write_happens_whole_or_not_at_all(any_guests: Guests, room: str) -> None:
    wire, witness = await any_guests.join(room), await any_guests.join(room)
    await wire.call("room.set", room=room, key="a", value=1)
    await witness.expect_change("a", 1)
    good = {"key": "b", "value": 1}
    await wire.refused(
        "room.write", "VERSION_CONFLICT", room=room, ops=[good, {"key": "a", "value": 2, "if_version": 0}]
    )
    await wire.refused("room.write", "VALUE_TOO_LARGE", room=room, ops=[good, {"key": "c", "value": "x" * 1_023}])
    await wire.refused("room.write", "INVALID_KEY", room=room, ops=[good, {"key": "*", "value": 1}])
    await wire.refused("room.write", "INVALID_PARAMS", room=room, ops=[good, good])
    snapshot = await wire.call("room.snapshot", room=room)
    assert (snapshot["version"], values_of(snapshot["entries"])) == (1, {"a": 1})
    await witness.assert_silent("room.changed")


# --- op


async def test_a_repeated_op_is_not_applied_again(any_guests: Guests, room: str) -> None:
    """T20: the answer got lost, the client sends the write again."""
    wire, witness = await any_guests.join(room), await any_guests.join(room)
    first = await wire.call("room.update", room=room, key="n", do="increment", op=1)
    assert "duplicate" not in first
    await witness.forget()
    again = await wire.call("room.update", room=room, key="n", do="increment", op=1)
    assert again == {**first, "duplicate": True}
    late = await wire.call("room.set", room=room, key="other", value=1, op=0)
    assert (late["duplicate"], late["value"]) == (True, None)
    written = await wire.call("room.write", room=room, ops=[{"key": "n", "value": 9}], op=1)
    assert written["duplicate"] is True
    assert (await wire.call("room.delete", room=room, key="n", op=1))["duplicate"] is True
    await witness.assert_silent("room.changed")
    assert (await wire.call("room.update", room=room, key="n", do="increment", op=2))["value"] == 2


async def test_ops_are_counted_for_each_session(guests: Guests, room: str) -> None:
    first, second = await guests.join(room), await guests.join(room)
    await first.call("room.update", room=room, key="n", do="increment", op=5)
    assert (await second.call("room.update", room=room, key="n", do="increment", op=1))["value"] == 2


async def test_a_refused_write_does_not_use_up_its_op(guests: Guests, room: str) -> None:
    wire = await guests.join(room)
    await wire.refused("room.set", "VERSION_CONFLICT", room=room, key="k", value=1, if_version=9, op=1)
    assert "duplicate" not in await wire.call("room.set", room=room, key="k", value=1, op=1)


# --- broadcast, peers, clear, leave


async def test_a_broadcast_reaches_every_peer_and_is_not_stored(any_guests: Guests, room: str) -> None:
    sender, peer = await any_guests.open(token=mint_token("ann")), await any_guests.join(room)
    await sender.call("room.join", room=room)
    assert await sender.call("room.broadcast", room=room, event="chat", data={"text": "<b>hi</b>"}) == {"count": 2}
    for wire in (sender, peer):
        told = await wire.expect("room.message", room=room)
        assert (told["event"], told["data"]) == ("chat", {"text": "<b>hi</b>"})
        assert told["from"] == {"session_id": sender.id, "principal": "ann"}
        assert ISO.fullmatch(told["at"])
    joined = await (await any_guests.open()).call("room.join", room=room, observe=["*"])
    assert (joined["version"], joined["entries"]) == (0, [])


async def test_peers_come_in_pages_by_session_id(guests: Guests, room: str) -> None:
    wires = await guests.crowd(room, 5)
    ids = sorted(wire.id for wire in wires)
    first = await wires[0].call("room.peers", room=room, limit=2)
    second = await wires[0].call("room.peers", room=room, limit=2, after=ids[1])
    rest = await wires[0].call("room.peers", room=room, after=ids[3])
    pages = [[peer["session_id"] for peer in page["peers"]] for page in (first, second, rest)]
    assert pages == [ids[:2], ids[2:4], ids[4:]]
    assert {page["count"] for page in (first, second, rest)} == {5}


async def test_clearing_needs_the_permission(any_guests: Guests, room: str) -> None:
    wire = await any_guests.join(room)
    await wire.call("room.set", room=room, key="k", value=1)
    await wire.refused("room.clear", "ACCESS_DENIED", room=room)
    manager = await any_guests.open(token=mint_token("ops", permissions=["manage_room"]))
    epoch = (await manager.call("room.clear", room=room))["epoch"]
    told = await wire.expect("room.cleared", room=room)
    assert (told["epoch"], told["reason"]) == (epoch, "CLEARED")
    snapshot = await wire.call("room.snapshot", room=room)
    assert (snapshot["epoch"], snapshot["version"], snapshot["entries"]) == (epoch, 0, [])
    # P8: versions start anew, and one goes on writing and observing.
    assert (await wire.call("room.set", room=room, key="k", value=2))["version"] == 1
    assert (await wire.expect("room.changed", epoch=epoch))["version"] == 1


async def test_an_op_means_nothing_in_another_epoch(guests: Guests, room: str) -> None:
    wire = await guests.join(room)
    await wire.call("room.set", room=room, key="k", value=1, op=7)
    manager = await guests.open(token=mint_token("ops", permissions=["manage_room"]))
    await manager.call("room.clear", room=room)
    await wire.expect("room.cleared")
    assert "duplicate" not in await wire.call("room.set", room=room, key="k", value=1, op=8)


async def test_the_last_to_leave_clears_the_room(any_guests: Guests, room: str) -> None:
    """H2, I10."""
    first, second = await any_guests.join(room), await any_guests.join(room)
    await first.call("room.set", room=room, key="k", value=1)
    epoch = (await first.call("room.snapshot", room=room))["epoch"]
    assert await first.call("room.leave", room=room) == {"cleared": False}
    await first.refused("room.get", "NOT_JOINED", room=room, key="k")
    await first.forget()
    await second.call("room.set", room=room, key="k", value=2)
    await first.assert_silent("room.changed")
    assert await second.call("room.leave", room=room) == {"cleared": True}
    joined = await second.call("room.join", room=room, observe=["*"])
    assert joined["epoch"] != epoch
    assert (joined["version"], joined["entries"]) == (0, [])


async def test_who_left_may_come_back(guests: Guests, room: str) -> None:
    stays, wire = await guests.join(room), await guests.join(room)
    await wire.call("room.leave", room=room)
    await wire.call("room.join", room=room, observe=["*"])
    await stays.call("room.set", room=room, key="k", value=1)
    await wire.expect_change("k", 1)


# --- rights without joining

WITHOUT_JOINING: dict[str, dict[str, Any]] = {
    "room.leave": {},
    "room.set": {"key": "k", "value": 1},
    "room.get": {"key": "k"},
    "room.delete": {"key": "k"},
    "room.update": {"key": "k", "do": "increment"},
    "room.write": {"ops": [{"key": "k", "value": 1}]},
    "room.snapshot": {},
    "room.observe": {"keys": ["*"]},
    "room.unobserve": {"keys": ["*"]},
    "room.peers": {},
    "room.broadcast": {"event": "e", "data": 1},
}


@pytest.mark.parametrize("method", WITHOUT_JOINING)
async def test_without_joining_a_room_is_closed(guests: Guests, room: str, method: str) -> None:
    """T5: the same answer whether the room exists or not."""
    inside, outside = await guests.join(room), await guests.open()
    existing = await outside.refused(method, "NOT_JOINED", room=room, **WITHOUT_JOINING[method])
    missing = await outside.refused(method, "NOT_JOINED", room=f"{room}/missing", **WITHOUT_JOINING[method])
    assert existing == missing
    await inside.assert_silent("room.changed", "room.message")


async def test_a_manager_reads_and_writes_without_joining(guests: Guests, room: str) -> None:
    inside = await guests.join(room)
    manager = await guests.open(token=mint_token("ops", permissions=["manage_room"]))
    entry = await manager.call("room.set", room=room, key="k", value=1)
    assert entry["by"]["principal"] == "ops"
    assert await inside.expect_change("k", 1) == entry
    assert await manager.call("room.get", room=room, key="k") == entry
    assert entry_of((await manager.call("room.snapshot", room=room))["entries"], "k") == entry
    assert (await manager.call("room.peers", room=room))["count"] == 1
    assert (await manager.call("room.broadcast", room=room, event="e", data=None))["count"] == 1
    assert (await inside.expect("room.message"))["event"] == "e"
    await manager.assert_silent("room.changed", "room.message")


async def test_a_right_of_one_room_is_none_in_another(guests: Guests, room: str) -> None:
    inside, elsewhere = await guests.join(room), await guests.join(f"{room}/other")
    await elsewhere.refused("room.set", "NOT_JOINED", room=room, key="k", value=1)
    await elsewhere.call("room.set", room=f"{room}/other", key="k", value=1)
    await inside.assert_silent("room.changed")
