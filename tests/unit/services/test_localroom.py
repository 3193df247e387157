"""A room as one process holds it: order, gaps, and who is told what."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sessionstore_app.core.entries import Epoch
from sessionstore_app.services.events import Changed
from sessionstore_app.services.localroom import LocalRoom
from tests.unit.generated import MANY
from tests.unit.services.fakes import changed, member, room_with, text_of, texts

E2 = Epoch("e2")

# --- order


def test_a_change_is_told_once_the_tick_ends() -> None:
    room, _, peer = room_with("a")
    assert room.hear(changed(1))
    assert peer.told == []
    room.flush()
    assert peer.told == [("a", 1)]
    room.flush()
    assert peer.told == [("a", 1)]


def test_h54_changes_of_a_tick_leave_in_one_frame_newest_value_per_key() -> None:
    room, _, peer = room_with("*")
    for version, key in enumerate("aba", start=1):
        room.hear(changed(version, key))
    room.flush()
    assert len(peer.frames) == 1
    assert sorted(peer.told) == [("a", 3), ("b", 2)]
    assert peer.frames[0]["version"] == 3


def test_p9_a_repeated_change_is_told_once() -> None:
    room, _, peer = room_with("a")
    room.hear(changed(1))
    room.flush()
    assert not room.hear(changed(1))
    room.flush()
    assert peer.told == [("a", 1)]


def test_p9_a_change_that_comes_early_waits_for_what_is_missing() -> None:
    room, _, peer = room_with("*")
    assert not room.hear(changed(2, "b"))
    assert room.is_gapped
    room.flush()
    assert peer.told == []
    assert room.hear(changed(1, "a"))
    assert not room.is_gapped
    room.flush()
    assert peer.told == [("a", 1), ("b", 2)]


@MANY
@given(st.permutations(range(1, 8)), st.lists(st.integers(1, 7), max_size=4), st.lists(st.booleans(), max_size=12))
def test_i7_in_whatever_order_changes_come_they_are_told_in_order(
    order: list[int], repeated: list[int], ticks: list[bool]
) -> None:
    room, _, peer = room_with("*")
    for step, version in enumerate([*order, *repeated]):
        room.hear(changed(version, f"k{version}"))
        if step < len(ticks) and ticks[step]:
            room.flush()
    room.flush()
    assert peer.told == [(f"k{version}", version) for version in range(1, 8)]
    assert not room.is_gapped


# --- who is told


def test_members_with_equal_patterns_are_handed_the_same_text() -> None:
    room, _, peer = room_with("a", "b*")
    other, other_peer = member("s2")
    room.add(other)
    room.observe(other, ["b*", "a"], 0)
    room.hear(changed(1, "a"))
    room.flush()
    assert peer.texts[0] is other_peer.texts[0]


def test_only_observed_keys_are_told() -> None:
    room, _, peer = room_with("hand/*")
    room.hear(changed(1, "hand/1", "note"))
    room.hear(changed(2, "note"))
    room.flush()
    assert peer.told == [("hand/1", 1)]


def test_a_member_that_observes_nothing_is_told_nothing() -> None:
    room, _, peer = room_with()
    room.hear(changed(1))
    room.flush()
    assert peer.frames == []


def test_h23_unobserve_ends_what_is_told_from_then_on() -> None:
    room, who, peer = room_with("a", "b")
    room.hear(changed(1, "a"))
    room.unobserve(who, ["a", "never observed"])
    room.hear(changed(2, "a", "b"))
    room.flush()
    assert peer.told == [("a", 1), ("b", 2)]


def test_a_member_that_left_is_told_nothing() -> None:
    room, who, peer = room_with("a")
    room.hear(changed(1))
    room.remove(who)
    room.flush()
    assert peer.frames == []
    assert room.is_unused


def test_leaving_twice_is_harmless() -> None:
    room, who, _ = room_with("a")
    room.remove(who)
    room.remove(who)
    assert room.is_unused


def test_p16_the_newest_connection_of_a_session_counts() -> None:
    room, old, old_peer = room_with("a")
    new, new_peer = member(old.session_id)
    room.add(new)
    room.observe(new, ["a"], 0)
    room.remove(old)
    room.hear(changed(1))
    room.flush()
    assert list(room.members.values()) == [new]
    assert old_peer.frames == []
    assert new_peer.told == [("a", 1)]


def test_a_held_room_is_in_use() -> None:
    room = LocalRoom("r")
    assert room.is_unused
    room.holds = 1
    assert not room.is_unused


def test_a_message_goes_to_every_member() -> None:
    room, _, peer = room_with()
    room.say('{"jsonrpc":"2.0","method":"room.message","params":{}}')
    assert [frame["method"] for frame in peer.frames] == ["room.message"]


# --- catching up by a read


def test_p4_a_gap_is_closed_by_what_a_read_gave() -> None:
    room, _, peer = room_with("*")
    room.hear(changed(4, "d"))
    room.catch_up(3, texts(("a", 1), ("c", 3)))
    room.flush()
    assert peer.told == [("a", 1), ("c", 3), ("d", 4)]
    assert room.version == 4
    assert not room.is_gapped


def test_a_read_that_gave_what_had_come_early_ends_the_gap() -> None:
    room, _, peer = room_with("*")
    room.hear(changed(2, "b"))
    room.catch_up(2, texts(("a", 1), ("b", 2)))
    room.flush()
    assert peer.told == [("a", 1), ("b", 2)]
    assert not room.is_gapped


def test_i2_a_read_older_than_the_room_changes_nothing() -> None:
    room, _, peer = room_with("*", version=5)
    room.catch_up(3, texts(("a", 3)))
    room.flush()
    assert room.version == 5
    assert peer.frames == []


def test_a_gap_behind_the_read_stays_a_gap() -> None:
    room, _, _ = room_with("*")
    room.hear(changed(9))
    room.catch_up(3, texts(("a", 3)))
    assert room.version == 3
    assert room.is_gapped


# --- snapshots


def test_p7_a_snapshot_replaces_what_members_hold_of_what_they_observe() -> None:
    room, _, peer = room_with("a*")
    room.hear(changed(1, "a1"))
    room.replace(9, texts(("a1", 9), ("b", 8)), "resync")
    room.flush()
    (frame,) = peer.frames
    assert (frame["method"], frame["epoch"], frame["version"]) == ("room.snapshot", "e1", 9)
    assert (frame["reason"], [entry["key"] for entry in frame["entries"]]) == ("resync", ["a1"])
    assert room.version == 9


def test_after_a_snapshot_nothing_older_is_told_that_a_slow_peer_was_spared() -> None:
    room, _, peer = room_with("a")
    room.replace(9, texts(("a", 9)), "resync")
    assert peer.forgotten == ["r"]


def test_after_a_snapshot_changes_go_on() -> None:
    room, fresh, peer = room_with("a")
    room.observe(fresh, ["b"], 4)
    room.replace(5, [], "resync")
    room.hear(changed(6, "b"))
    room.flush()
    assert peer.told == [("b", 6)]
    assert fresh.fresh == ()


def test_a_change_that_came_early_follows_the_snapshot() -> None:
    room, _, peer = room_with("a")
    room.hear(changed(6))
    room.replace(5, texts(("a", 5)), "resync")
    room.flush()
    assert not room.is_gapped
    assert peer.told == [("a", 6)]


def test_i2_a_snapshot_older_than_the_room_changes_nothing() -> None:
    room, _, peer = room_with("a", version=5)
    room.replace(3, texts(("a", 3)), "resync")
    assert room.version == 5
    assert peer.frames == []


# --- another epoch


def test_p8_a_cleared_room_starts_anew_under_another_epoch() -> None:
    room, who, peer = room_with("a", version=7)
    room.hear(changed(8))
    room.hear(changed(10))
    room.observe(who, ["b"], 9)
    room.restart(E2, "CLEARED")
    assert [frame["method"] for frame in peer.frames] == ["room.changed", "room.cleared"]
    assert (peer.frames[1]["epoch"], peer.frames[1]["reason"]) == ("e2", "CLEARED")
    assert (room.epoch, room.version, room.is_gapped, who.fresh) == (E2, 0, False, ())
    assert peer.forgotten == ["r"]


def test_h2_after_clearing_the_first_write_is_told() -> None:
    room, _, peer = room_with("a", version=7)
    room.restart(E2, "LAST_PEER_LEFT")
    assert room.hear(Changed(E2, 1, {"a": text_of("a", 1)}))
    room.flush()
    assert peer.told == [("a", 1)]
    assert peer.frames[-1]["epoch"] == "e2"
