"""Protocol §3: snapshots, patterns, observing and no longer observing."""

from __future__ import annotations

import pytest

from tests.support.guests import Guests
from tests.support.wire import changes_of, entry_of, values_of

KEYS = ["hand/ann", "hand/bo", "ann/vote", "bo/vote", "topic"]
ABSENT = {"value": None, "version": 0, "by": None, "at": None}
PATTERNS = {
    "topic": ["topic"],
    "hand/*": ["hand/ann", "hand/bo"],
    "*/vote": ["ann/vote", "bo/vote"],
    "*": KEYS,
    "hand/ann*": ["hand/ann"],
    "*c": ["topic"],
    "nothing/*": [],
}


@pytest.mark.parametrize("pattern", PATTERNS)
async def test_h61_observing_gives_the_present_values_then_changes(guests: Guests, room: str, pattern: str) -> None:
    """H29: initial value, then every change of what matches, and of nothing else."""
    writer = await guests.join(room)
    await writer.call("room.write", room=room, ops=[{"key": key, "value": key} for key in KEYS])
    observer = await guests.join(room, observe=[])
    observed = await observer.call("room.observe", room=room, keys=[pattern])
    assert observed["observing"] == [pattern]
    assert observed["version"] == 1
    assert observed["epoch"]
    assert sorted(entry["key"] for entry in observed["entries"]) == sorted(PATTERNS[pattern])
    snapshot = await observer.call("room.snapshot", room=room, keys=[pattern])
    assert snapshot["entries"] == observed["entries"]
    await observer.forget()
    for key in KEYS:
        await writer.call("room.set", room=room, key=key, value="new")
    await observer.call("session.ping")
    assert [change["key"] for change in changes_of(observer)] == [key for key in KEYS if key in PATTERNS[pattern]]


async def test_an_exact_key_without_a_value_comes_as_absent(any_guests: Guests, room: str) -> None:
    wire = await any_guests.open()
    joined = await wire.call("room.join", room=room, observe=["a", "hand/*"])
    assert joined["entries"] == [{"key": "a", **ABSENT}]
    observed = await wire.call("room.observe", room=room, keys=["b", "c", "*/vote"])
    assert observed["entries"] == [{"key": "b", **ABSENT}, {"key": "c", **ABSENT}]
    snapshot = await wire.call("room.snapshot", room=room, keys=["d", "*"])
    assert snapshot["entries"] == [{"key": "d", **ABSENT}]


async def test_a_deleted_exact_key_comes_with_its_deletion(guests: Guests, room: str) -> None:
    writer = await guests.join(room)
    await writer.call("room.set", room=room, key="a", value=1)
    gone = await writer.call("room.delete", room=room, key="a")
    observer = await guests.open()
    joined = await observer.call("room.join", room=room, observe=["a"])
    assert joined["entries"] == [gone]
    assert (await observer.call("room.snapshot", room=room, keys=["a"]))["entries"] == [gone]
    assert (await observer.call("room.snapshot", room=room, keys=["*"]))["entries"] == []


async def test_observing_adds_and_overlapping_patterns_tell_once(guests: Guests, room: str) -> None:
    """P3, H43."""
    writer, observer = await guests.join(room), await guests.join(room, observe=["hand/ann"])
    observed = await observer.call("room.observe", room=room, keys=["hand/*", "*/ann"])
    assert observed["observing"] == sorted(["hand/ann", "hand/*", "*/ann"])
    await writer.call("room.set", room=room, key="hand/ann", value=1)
    await observer.call("session.ping")
    assert [change["value"] for change in changes_of(observer)] == [1]


async def test_observing_again_gives_the_present_values_again(guests: Guests, room: str) -> None:
    writer, observer = await guests.join(room), await guests.join(room, observe=["a"])
    await writer.call("room.set", room=room, key="a", value=1)
    observed = await observer.call("room.observe", room=room, keys=["a"])
    assert values_of(observed["entries"]) == {"a": 1}


async def test_what_is_no_longer_observed_is_no_longer_told(guests: Guests, room: str) -> None:
    writer, observer = await guests.join(room), await guests.join(room, observe=["a", "b", "hand/*"])
    left = await observer.call("room.unobserve", room=room, keys=["a", "hand/*", "never/*"])
    assert left == {"observing": ["b"]}
    for key in ("a", "hand/x", "b"):
        await writer.call("room.set", room=room, key=key, value=1)
    await observer.call("session.ping")
    assert [change["key"] for change in changes_of(observer)] == ["b"]


async def test_unobserving_a_pattern_leaves_keys_named_by_themselves(guests: Guests, room: str) -> None:
    writer, observer = await guests.join(room), await guests.join(room, observe=["*", "a"])
    assert (await observer.call("room.unobserve", room=room, keys=["*"]))["observing"] == ["a"]
    for key in ("a", "b"):
        await writer.call("room.set", room=room, key=key, value=1)
    await observer.call("session.ping")
    assert [change["key"] for change in changes_of(observer)] == ["a"]


async def test_a_snapshot_is_of_one_instant(guests: Guests, room: str) -> None:
    wire = await guests.join(room)
    assert (await wire.call("room.snapshot", room=room))["entries"] == []
    written = await wire.call("room.write", room=room, ops=[{"key": key, "value": key} for key in KEYS])
    snapshot = await wire.call("room.snapshot", room=room)
    assert snapshot["version"] == written["version"] == 1
    assert {entry["version"] for entry in snapshot["entries"]} == {1}
    several = await wire.call("room.snapshot", room=room, keys=["topic", "hand/*", "hand/ann", "other"])
    assert sorted(values_of(several["entries"])) == ["hand/ann", "hand/bo", "topic"]
    assert entry_of(several["entries"], "other")["version"] == 0


async def test_h43_each_observer_has_its_own_keys(guests: Guests, room: str) -> None:
    writer = await guests.join(room, observe=[])
    observers = {key: await guests.join(room, observe=[key]) for key in KEYS}
    await writer.call("room.write", room=room, ops=[{"key": key, "value": 1} for key in KEYS])
    for key, observer in observers.items():
        told = await observer.expect("room.changed")
        assert [change["key"] for change in told["changes"]] == [key]
    await writer.assert_silent("room.changed")
