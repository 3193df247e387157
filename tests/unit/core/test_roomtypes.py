"""Declaring a room type: which classes count, and what a hook does that nobody wrote."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sessionstore_app.core import roomtypes
from sessionstore_app.core.roomtypes import OPEN, REFUSED, ROOM, SESSION, Key, RoomType
from sessionstore_app.core.rules import EVERYONE, NOBODY, Standing


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = dict(roomtypes.declared)
    yield
    roomtypes.declared.clear()
    roomtypes.declared.update(before)


def test_a_class_with_a_match_is_declared() -> None:
    class Meeting(RoomType):
        match = "meeting/*"

    assert Meeting in roomtypes.declared.values()


def test_a_class_without_a_match_is_a_base_for_others() -> None:
    class Base(RoomType):
        topic = Key(str)

    class Lesson(Base):
        match = "lesson/*"

    assert Base not in roomtypes.declared.values()
    assert Lesson in roomtypes.declared.values()


def test_a_module_that_is_loaded_again_replaces_its_own() -> None:
    def load() -> type[RoomType]:
        class Again(RoomType):
            match = "again/*"

        return Again

    before = len(roomtypes.declared)
    first, second = load(), load()
    assert len(roomtypes.declared) == before + 1
    assert first not in roomtypes.declared.values()
    assert second in roomtypes.declared.values()


def test_hooks_that_nobody_wrote_let_everybody_in_and_do_nothing() -> None:
    kind: Any = RoomType()
    assert kind.may_join(Standing(), "r") is True
    assert kind.joins_as(Standing(), first=True) == ()
    assert kind.on_change("r", []) is None
    assert kind.on_first_peer("r") is None
    assert kind.on_last_peer("r") is None


def test_defaults_are_open_but_for_keys_that_are_not_declared_and_clearing() -> None:
    assert (RoomType.join, RoomType.broadcast, RoomType.see_peers) == (EVERYONE, EVERYONE, EVERYONE)
    assert RoomType.clear is NOBODY
    assert RoomType.extra is REFUSED
    assert (Key().read, Key().write, Key().lifetime) == (EVERYONE, EVERYONE, ROOM)


def test_options_are_shown_by_the_names_that_people_write() -> None:
    assert repr((OPEN, REFUSED)) == "(OPEN, REFUSED)"
    assert str(SESSION) == "session"


def test_a_key_takes_its_options_by_name_alone() -> None:
    with pytest.raises(TypeError):
        Key(str, "hand/*")  # type: ignore[call-arg]
