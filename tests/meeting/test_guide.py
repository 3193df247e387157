"""The guide to room types declares what can be used, and what the demo has."""

from __future__ import annotations

from typing import Any

from project.rooms import Meeting
from sessionstore_app.core import roomtypes
from sessionstore_app.core.definitions import Definition, define
from sessionstore_app.core.roomtypes import RoomType
from tests.meta.pages import ROOT, examples

PAGE = ROOT / "docs" / "guide" / "room-types.md"


def declared_in_the_guide() -> dict[str, Definition]:
    """Each type that the page declares, without problems."""
    before = dict(roomtypes.declared)
    found: dict[str, Definition] = {}
    try:
        for example in examples(PAGE, "python"):
            around: dict[str, Any] = {"__name__": "mysite.rooms"}
            if "(RoomType)" in example.code:
                exec(compile(example.code, f"{PAGE.name}:{example.line}", "exec"), around)
            for kind in around.values():
                if isinstance(kind, type) and issubclass(kind, RoomType) and kind.match:
                    found[kind.__name__], problems = define(kind)
                    assert problems == []
    finally:
        roomtypes.declared.clear()
        roomtypes.declared.update(before)
    return found


def test_what_the_guide_declares_can_be_used() -> None:
    assert set(declared_in_the_guide()) == {"Meeting", "Lesson"}


def test_the_meeting_of_the_guide_is_the_demo_s() -> None:
    """With a few lines less."""
    shown, demo = declared_in_the_guide()["Meeting"], define(Meeting)[0]
    assert (shown.match, set(shown.roles)) == (demo.match, set(demo.roles))
    assert shown.rules["broadcast"].described() == demo.rules["broadcast"].described()
    for key in shown.keys:
        same = demo.key(key.pattern.replace("*", "x"))
        assert same is not None, key.pattern
        assert [same.read, same.write, same.cap, same.ttl_ms] == [key.read, key.write, key.cap, key.ttl_ms]
        assert (same.names_session, same.dies_with_session) == (key.names_session, key.dies_with_session)
