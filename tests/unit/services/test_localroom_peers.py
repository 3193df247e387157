"""The roster as one process holds it."""

from __future__ import annotations

import pytest

from sessionstore_app.services.events import RosterDelta
from sessionstore_app.services.localroom import LocalRoom


def joined(roster: int, *session_ids: str) -> RosterDelta:
    return RosterDelta(roster, dict.fromkeys(session_ids, "{}"), {}, {})


def test_the_roster_follows_who_comes_changes_and_goes() -> None:
    room = LocalRoom("r")
    first, second = joined(1, "s1", "s2"), RosterDelta(2, {}, {"s1": "LEFT", "s9": "LEFT"}, {"s2": "new"})
    assert room.hear_roster(first) == [first]
    assert room.hear_roster(second) == [second]
    assert room.peers == {"s2": "new"}
    assert room.roster == 2


def test_p9_a_repeated_roster_is_not_told_again() -> None:
    room = LocalRoom("r")
    room.hear_roster(joined(1, "s1"))
    assert room.hear_roster(joined(1, "s1")) == []


def test_p9_a_roster_that_comes_early_waits() -> None:
    room = LocalRoom("r")
    first, second = joined(1, "s1"), RosterDelta(2, {}, {"s1": "LEFT"}, {})
    assert room.hear_roster(second) == []
    assert room.is_gapped
    assert room.hear_roster(first) == [first, second]
    assert room.peers == {}
    assert not room.is_gapped


def test_i11_the_whole_roster_tells_what_was_missed() -> None:
    room = LocalRoom("r", roster=1, peers={"gone": "1", "kept": "1", "changed": "1"})
    room.hear_roster(joined(3, "later"))
    missed = room.replace_roster(3, {"kept": "1", "changed": "2", "came": "1"})
    assert missed == [RosterDelta(3, {"came": "1"}, {"gone": "LEFT"}, {"changed": "2"})]
    assert (room.roster, sorted(room.peers)) == (3, ["came", "changed", "kept"])
    assert not room.is_gapped


@pytest.mark.parametrize(("roster", "peers"), [(2, {"a": "1"}), (1, {"b": "1"})], ids=["the same", "older"])
def test_a_roster_that_tells_nothing_new_is_not_told(roster: int, peers: dict[str, str]) -> None:
    room = LocalRoom("r", roster=2, peers={"a": "1"})
    assert room.replace_roster(roster, peers) == []
    assert room.peers == {"a": "1"}
    assert room.roster == 2


def test_i11_a_roster_that_came_early_follows_the_whole_roster() -> None:
    room = LocalRoom("r")
    room.hear_roster(RosterDelta(3, {"late": "1"}, {}, {}))
    room.replace_roster(2, {"a": "1"})
    assert sorted(room.peers) == ["a", "late"]
    assert not room.is_gapped
