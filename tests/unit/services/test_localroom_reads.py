"""A member that has read ahead of what this process has heard misses nothing and is told nothing old."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sessionstore_app.core.patterns import PatternSet, pattern_set
from tests.unit.generated import MANY
from tests.unit.services.fakes import changed, member, room_with


def test_p7_a_joiner_is_not_told_again_what_its_read_has_shown() -> None:
    room, _, peer = room_with("*")
    fresh, fresh_peer = member("s2")
    room.add(fresh)
    room.observe(fresh, ["*"], 2)
    for version in (1, 2, 3):
        room.hear(changed(version, f"k{version}"))
    room.flush()
    assert fresh_peer.told == [("k3", 3)]
    assert peer.told == [("k1", 1), ("k2", 2), ("k3", 3)]


def test_p7_a_joiner_that_has_caught_up_is_told_with_the_others() -> None:
    room, _, peer = room_with("a")
    fresh, fresh_peer = member("s2")
    room.add(fresh)
    room.observe(fresh, ["a"], 1)
    room.hear(changed(1))
    room.flush()
    room.hear(changed(2))
    room.flush()
    assert fresh_peer.texts == peer.texts[1:]


def test_p7_who_observes_more_is_still_told_what_it_observed_before() -> None:
    room, who, peer = room_with("old")
    room.observe(who, ["new"], 2)
    room.hear(changed(1, "old", "new"))
    room.hear(changed(2, "new"))
    room.hear(changed(3, "new"))
    room.flush()
    assert sorted(peer.told) == [("new", 3), ("old", 1)]


def test_h23_what_is_unobserved_at_once_is_not_told_late() -> None:
    room, who, peer = room_with("old")
    room.observe(who, ["new"], 2)
    room.unobserve(who, ["old"])
    room.hear(changed(1, "old"))
    room.flush()
    assert peer.told == []


def test_i2_a_key_that_was_read_newer_is_not_told_older() -> None:
    room, who, peer = room_with("hand/*")
    room.observe(who, ["hand/1"], 2)
    room.hear(changed(1, "hand/1", "hand/2"))
    room.flush()
    assert peer.told == [("hand/2", 1)]


# What one member does and hears: it observes at a read so far ahead, the room hears the next change, a tick ends.
NAMES = ["a", "b"]
observing = st.tuples(st.sampled_from(["a", "b", "*"]), st.integers(0, 3))
steps = st.lists(observing | st.sampled_from(["hear", "flush"]), max_size=8)


class Watched:
    """A room with a given history and one observer, whose view holds the newest version it was shown of each key."""

    def __init__(self, history: list[str]) -> None:
        self.history = history
        self.room, self.who, self.peer = room_with()
        self.view: dict[str, int] = {}

    def newest(self, upto: int, patterns: PatternSet) -> dict[str, int]:
        written = {key: version for version, key in enumerate(self.history[:upto], start=1)}
        return {key: version for key, version in written.items() if patterns.matches(key)}

    def observe(self, pattern: str, ahead: int) -> None:
        read_at = min(self.room.version + ahead, len(self.history))
        self.room.observe(self.who, [pattern], read_at)
        # What was told by now left before the reply to this observe.
        self.take_in()
        for key, version in self.newest(read_at, pattern_set(frozenset({pattern}))).items():
            self.view[key] = max(version, self.view.get(key, 0))

    def hear(self) -> None:
        if self.room.version < len(self.history):
            self.room.hear(changed(self.room.version + 1, self.history[self.room.version]))

    def flush(self) -> None:
        self.room.flush()
        self.take_in()

    def take_in(self) -> None:
        for key, version in self.peer.told:
            assert version >= self.view.get(key, 0), "a version went back"
            self.view[key] = version
        self.peer.frames.clear()


@MANY
@given(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4), steps)
def test_i6_whatever_was_read_and_heard_when_an_observer_ends_with_the_newest(
    history: list[str], doing: list[tuple[str, int] | str]
) -> None:
    watched = Watched(history)
    for step in doing:
        if isinstance(step, tuple):
            watched.observe(*step)
        elif step == "hear":
            watched.hear()
        else:
            watched.flush()
    for _ in history:
        watched.hear()
    watched.flush()
    assert watched.view == watched.newest(len(history), watched.who.patterns)
