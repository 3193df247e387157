"""Server code is held to what the wire is: bad arguments of `rooms` and `sessions` are refused in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sessionstore_app import errors, rooms, sessions
from sessionstore_app.models import Room

# Untyped, as a caller's mistakes are.
ROOMS: Any = rooms
SESSIONS: Any = sessions

REFUSED: dict[str, Callable[[], Any]] = {
    "a page below nothing": lambda: ROOMS.peers("r", limit=-1),
    "a page of nothing": lambda: ROOMS.peers("r", limit=0),
    "a page of text": lambda: ROOMS.peers("r", limit="10"),
    "a page after a number": lambda: ROOMS.peers("r", after=7),
    "a page of sessions below nothing": lambda: SESSIONS.list(limit=-5),
    "a page of sessions of text": lambda: SESSIONS.list(limit="10"),
    "a page of sessions after a number": lambda: SESSIONS.list(after=7),
    "a room that is no text": lambda: ROOMS.set(1, "k", 1),
    "a counted room that is no text": lambda: ROOMS.count(1),
    "a cleared room that is no text": lambda: ROOMS.clear(None),
    "a key that is no text": lambda: ROOMS.set("r", 1, 1),
    "a read key that is no text": lambda: ROOMS.get("r", None),
    "a deleted key that is no text": lambda: ROOMS.delete("r", 1),
    "a pattern that is no text": lambda: ROOMS.snapshot("r", [1]),
    "text for patterns": lambda: ROOMS.snapshot("r", "topic"),
    "a guard that is no number": lambda: ROOMS.set("r", "k", 1, if_version="1"),
    "a guard below nothing": lambda: ROOMS.set("r", "k", 1, if_version=-1),
    "a life that is no number": lambda: ROOMS.set("r", "k", 1, ttl_seconds="1"),
    "no life": lambda: ROOMS.set("r", "k", 1, ttl_seconds=0),
    "a life without end": lambda: ROOMS.set("r", "k", 1, ttl_seconds=float("inf")),
    "a cap that is no number": lambda: ROOMS.update("r", "k", do="append", item=1, cap="3"),
    "a cap of nothing": lambda: ROOMS.update("r", "k", do="append", item=1, cap=0),
    "a sum with text": lambda: ROOMS.update("r", "k", do="increment", by="1"),
    "a sum with a truth": lambda: ROOMS.update("r", "k", do="increment", by=True),
    "a list of members": lambda: ROOMS.update("r", "k", do="remove", where=[1]),
    "no members": lambda: ROOMS.update("r", "k", do="remove", where={}),
    "a member that is no text": lambda: ROOMS.update("r", "k", do="append", item={"1": 1}, unique=1),
    "an update without its argument": lambda: ROOMS.update("r", "k", do="remove"),
    "an update of no kind": lambda: ROOMS.update("r", "k", do=[]),
    "an updated key that is no text": lambda: ROOMS.update("r", 1, do="increment"),
    "a part without a value": lambda: ROOMS.write("r", [{"key": "a"}]),
    "a part without a key": lambda: ROOMS.write("r", [{"value": 1}]),
    "a part that is none": lambda: ROOMS.write("r", [1]),
    "a misspelt guard": lambda: ROOMS.write("r", [{"key": "a", "value": 1, "if_versoin": 0}]),
    "a part that dies with a session": lambda: ROOMS.write("r", [{"key": "a", "value": 1, "lifetime": "session"}]),
    "an event without a name": lambda: ROOMS.broadcast("r", ""),
    "an event with a long name": lambda: ROOMS.broadcast("r", "e" * 129),
    "an event whose name is no text": lambda: ROOMS.broadcast("r", 1),
    "a message's event without a name": lambda: SESSIONS.send("", filter="all"),
    "a message's event with a long name": lambda: SESSIONS.send("e" * 129, filter="all"),
}


@pytest.mark.django_db
@pytest.mark.parametrize("what", REFUSED)
def test_what_the_wire_refuses_is_refused_in_words(what: str) -> None:
    with pytest.raises(errors.InvalidParams) as refused:
        REFUSED[what]()
    assert str(refused.value)
    assert refused.value.advice
    assert not Room.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("limit", [2**53, 10**30])
def test_a_page_beyond_what_is_counted_is_refused(limit: int) -> None:
    for page in (lambda: rooms.peers("r", limit=limit), lambda: sessions.list(limit=limit)):
        with pytest.raises(errors.InvalidValue):
            page()


@pytest.mark.django_db
@pytest.mark.parametrize("after", ["nul\0", "\ud800"])
def test_an_id_that_no_database_takes_is_refused(after: str) -> None:
    for page in (lambda: rooms.peers("r", after=after), lambda: sessions.list(after=after)):
        with pytest.raises(errors.InvalidValue):
            page()


@pytest.mark.django_db
def test_a_message_may_be_8192_bytes() -> None:
    """As compact JSON in UTF-8, by either way; its event has a name of 1 to 128 characters."""
    ways: list[Callable[[Any], Any]] = [
        lambda data: rooms.broadcast("r", "é" * 128, data),
        lambda data: sessions.send("é" * 128, data, filter="all"),
    ]
    for send in ways:
        send("x" * 8_190)
        for large in ("x" * 8_191, "é" * 4_096):
            with pytest.raises(errors.ValueTooLarge) as refused:
                send(large)
            assert refused.value.limit == 8_192
            assert refused.value.actual in (8_193, 8_194)


@pytest.mark.django_db
def test_clearing_makes_no_room() -> None:
    assert rooms.clear("never") == ""
    assert not Room.objects.exists()
    rooms.set("r", "k", 1)
    assert rooms.clear("r") == Room.objects.get().epoch
