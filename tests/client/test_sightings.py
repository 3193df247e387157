"""What a listener is told over two connections: differences, once, in order."""

from __future__ import annotations

from datetime import UTC, datetime

from sessionstore_app.client import SessionEvent
from sessionstore_app.client.sightings import Sightings

AFTER = datetime(2030, 1, 1, tzinfo=UTC)


def _event(session_id: str, revision: int, state: str = "ACTIVE", **properties: str) -> SessionEvent:
    return SessionEvent(session_id=session_id, type="STATE", state=state, properties=properties, revision=revision)


def _after_a_reconnect(*before: SessionEvent) -> tuple[Sightings, list[SessionEvent]]:
    told: list[SessionEvent] = []
    sightings = Sightings({}, properties=["mood"], after=None, tell=told.append)
    sightings.ask()
    for event in before:
        sightings.see(event)
    sightings.settle()
    told.clear()
    sightings.lose()
    sightings.ask()
    return sightings, told


def test_what_did_not_change_is_not_told_again() -> None:
    sightings, told = _after_a_reconnect(_event("a", 3), _event("b", 1))
    sightings.see(_event("a", 3))
    sightings.see(_event("b", 4))
    sightings.settle()
    assert told == []


def test_what_changed_meanwhile_is_told_as_what_it_comes_to() -> None:
    sightings, told = _after_a_reconnect(_event("a", 1, mood="gay"), _event("b", 1), _event("c", 1, "DISCONNECTED"))
    sightings.see(_event("a", 2, mood="sad"))
    sightings.see(_event("c", 3))
    sightings.see(_event("d", 1))
    sightings.settle()
    assert [(event.session_id, event.type, event.state) for event in told] == [
        ("a", "PROPERTIES", "ACTIVE"),
        ("c", "STATE", "RECONNECTED"),
        ("d", "STATE", "ACTIVE"),
        ("b", "STATE", "CLOSED"),
    ]
    assert told[0].changed_properties == {"mood": "gay"}
    assert told[3].close_reason is None


def test_who_is_gone_is_not_brought_back_by_a_repeat() -> None:
    sightings, told = _after_a_reconnect(_event("a", 1), _event("a", 2, "CLOSED"))
    sightings.see(_event("a", 1))
    sightings.settle()
    assert told == []


def test_after_a_reconnect_who_opened_too_early_is_still_left_out() -> None:
    told: list[SessionEvent] = []
    sightings = Sightings({}, properties=[], after=AFTER, tell=told.append)
    assert sightings.ask() == {"properties": [], "after": AFTER.isoformat()}
    sightings.lose()
    assert sightings.ask() == {"properties": ["$StartTime"]}
    at = int(AFTER.timestamp() * 1000)
    sightings.see(_event("early", 1, **{"$StartTime": str(at)}))
    sightings.see(_event("late", 1, **{"$StartTime": str(at + 1)}))
    assert [(event.session_id, event.properties) for event in told] == [("late", {})]
