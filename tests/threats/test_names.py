"""T24: no two rooms share a key of Redis, a group of the bus, or anything else that is made of their names."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sessionstore_app.backends.redis import _keys
from sessionstore_app.core.entries import Epoch, Space
from sessionstore_app.services.bus import room_group
from sessionstore_app.services.spaces import room_of, room_space
from tests.unit.generated import MANY

# Names that differ in little, beside any Unicode: what separates, what Redis reads, what looks alike.
_odd = st.text(st.sampled_from(":{}*?[]\\ \r\n\0'\"aA\u00e9e\u0301\u200b"), max_size=6)
names = _odd | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
epochs = st.text("abc123_-", min_size=1, max_size=8).map(Epoch)


@MANY
@given(st.sets(st.tuples(names, epochs), min_size=2, max_size=8))
def test_t24_no_two_rooms_share_a_key(rooms: set[tuple[str, Epoch]]) -> None:
    """Nor do two lives of one room."""
    spaces = [room_space(name, epoch) for name, epoch in rooms]
    assert len(set(spaces)) == len(rooms)
    assert {room_of(space) for space in spaces} == rooms
    keys = [key for space in spaces for key in _keys("sessionstore", space)]
    assert len(set(keys)) == len(keys)


@MANY
@given(st.sets(names, min_size=2, max_size=8))
def test_t24_no_two_rooms_share_a_group(rooms: set[str]) -> None:
    groups = {room_group(name) for name in rooms}
    assert len(groups) == len(rooms)
    assert all(group.isascii() and len(group) < 100 for group in groups)


@MANY
@given(names, epochs, st.sampled_from(["sessionstore", "other", "a:b"]))
def test_t24_a_key_holds_nothing_of_a_name(name: str, epoch: Epoch, prefix: str) -> None:
    """The prefix, a hash as the one tag in braces, and which part it is: a cluster keeps a room on one node."""
    keys = _keys(prefix, room_space(name, epoch))
    heads = {key.rpartition(":")[0] for key in keys}
    assert len(heads) == 1
    head = heads.pop()
    assert head.startswith(f"{prefix}:{{")
    assert len(head) == len(prefix) + len(":{}") + 24
    assert set(head[len(prefix) + 2 : -1]) <= set("0123456789abcdef")


@MANY
@given(names, epochs)
def test_t24_two_projects_share_no_key(name: str, epoch: Epoch) -> None:
    space: Space = room_space(name, epoch)
    assert not {*_keys("one", space)} & {*_keys("two", space)}
