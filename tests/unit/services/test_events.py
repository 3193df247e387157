"""Events travel from process to process; what is forged is not believed."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessionstore_app.core.entries import Epoch, SessionId
from sessionstore_app.core.sessions import Kind, SessionChange, State
from sessionstore_app.services import events
from sessionstore_app.services.bus import SESSIONS_GROUP, node_group
from sessionstore_app.services.events import (
    CHANGES_A_MESSAGE,
    Changed,
    Delivered,
    LockTold,
    LookAgain,
    NodeEvent,
    ObserveMore,
    Revoked,
    RoomCleared,
    RoomEvent,
    RosterDelta,
    Said,
    SessionsChanged,
    TakenOver,
)
from tests.unit.generated import MANY, SOME, json_values, texts


def session_change(session_id: str = "s1", **members: Any) -> SessionChange:
    told = {"revision": 3, "kind": Kind.STATE, "state": State.ACTIVE, "properties": {}, **members}
    return SessionChange(session_id=SessionId(session_id), **told)


FULL = session_change(
    kind=Kind.PROPERTIES,
    state=State.DISCONNECTED,
    properties={"$Roles": '"a"', "name": "Zoé"},
    previous={"name": None, "gone": "x"},
    rooms=frozenset({"a", "b"}),
    previous_rooms=frozenset({"a"}),
    close_reason="EXPIRED",
    node_id="n2",
    opened_at_ms=1_700_000_000_000,
)
ROOM_EVENTS: list[RoomEvent] = [
    Changed(Epoch("e1"), 4, {"a": '{"key":"a"}', "b": "{}"}),
    RosterDelta(7, {"s1": "{}"}, {"s2": "LEFT"}, {"s3": "{}"}),
    RoomCleared(Epoch("e1"), Epoch("e2"), "CLEARED"),
    Said('{"jsonrpc":"2.0"}'),
]
NODE_EVENTS: list[NodeEvent] = [
    TakenOver("s1", 2),
    SessionsChanged((FULL, session_change("s2", state=State.CLOSED, close_reason="CLOSED_BY_CLIENT"))),
    Delivered(("s1", "s2"), '{"jsonrpc":"2.0"}'),
    ObserveMore(("s1", "s2"), "room é", ("*", "hand/*")),
    LockTold("s1", "lock", 8, is_lost=False),
    LockTold("s1", "lock", 8, is_lost=True),
    LookAgain(("s1", "s2")),
    Revoked(("s1", "s2"), ("a", "b")),
]
EVENTS: list[tuple[str, RoomEvent | NodeEvent]] = [
    *(("room é", event) for event in ROOM_EVENTS),
    *(("", event) for event in NODE_EVENTS),
]


def named(value: object) -> str:
    return "" if isinstance(value, str) else type(value).__name__


@pytest.mark.parametrize(("room", "event"), EVENTS, ids=named)
def test_s40_an_event_of_each_kind_arrives_as_it_was_sent(room: str, event: RoomEvent | NodeEvent) -> None:
    assert events.decode(events.encode(event, room, "n1")) == (room, event)


@pytest.mark.parametrize(("room", "event"), EVENTS, ids=named)
def test_a_message_says_which_process_sent_it(room: str, event: RoomEvent | NodeEvent) -> None:
    assert events.encode(event, room, "n1")["node"] == "n1"


@pytest.mark.parametrize(("room", "event"), EVENTS, ids=named)
def test_a_message_holds_what_every_layer_can_carry(room: str, event: RoomEvent | NodeEvent) -> None:
    """Only texts, numbers, null, and lists and maps of those: as JSON or MessagePack it is the same."""
    message = events.encode(event, room, "n1")
    assert msgspec.json.decode(msgspec.json.encode(message)) == message
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(message)) == message


optional_texts = st.none() | texts
changes = st.builds(
    SessionChange,
    session_id=texts.map(SessionId),
    revision=st.integers(1, 2**53),
    kind=st.sampled_from(Kind),
    state=st.sampled_from(State),
    properties=st.dictionaries(texts, texts, max_size=3),
    previous=st.dictionaries(texts, optional_texts, max_size=3),
    rooms=st.frozensets(texts, max_size=3),
    previous_rooms=st.frozensets(texts, max_size=3),
    close_reason=texts,
    node_id=texts,
    opened_at_ms=st.integers(0, 2**53),
)


@MANY
@given(st.lists(changes, max_size=3))
def test_p9_any_change_of_a_session_arrives_as_it_was_sent(told: list[SessionChange]) -> None:
    event = SessionsChanged(tuple(told))
    message = msgspec.json.decode(msgspec.json.encode(events.encode(event, "", "n1")))
    assert events.decode(message) == ("", event)


# --- what is forged


def _forgeries() -> list[dict[str, Any]]:
    wrongs: list[Any] = [None, 1.5, [1], {1: 2}, {"a": 1}]
    forged: list[dict[str, Any]] = [{}, {"type": "changed"}, {"type": "websocket.send", "text": "x"}, {"room": "r"}]
    for room, event in EVENTS:
        message = events.encode(event, room, "n1")
        for name in sorted(message.keys() - {"node"}):
            forged.append({key: value for key, value in message.items() if key != name})
            forged.extend({**message, name: wrong} for wrong in wrongs)
    forged += [{**events.encode(event, "", "n1"), "room": "r"} for event in NODE_EVENTS]
    return forged


@pytest.mark.parametrize("message", _forgeries())
def test_t25_a_forged_message_is_refused(message: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"unknown form|map of texts|list of texts|changes of sessions"):
        events.decode(message)


def _forged_changes() -> list[dict[str, Any]]:
    honest: dict[str, Any] = msgspec.to_builtins(FULL)
    wrongs: list[Any] = [None, 1.5, True, {"a": {}}, ["a", 1], "WRONG"]
    texts = {"session_id", "close_reason", "node_id"}
    forged = [
        {**honest, name: wrong} for name in honest for wrong in wrongs if not (name in texts and isinstance(wrong, str))
    ]
    return forged + [{name: honest[name] for name in honest if name != missing} for missing in list(honest)[:5]]


@pytest.mark.parametrize("forged", _forged_changes())
def test_t25_a_forged_change_of_a_session_is_refused_with_all_that_came_with_it(forged: dict[str, Any]) -> None:
    message = events.encode(SessionsChanged((session_change(),)), "", "n1")
    with pytest.raises(ValueError, match="changes of sessions are expected"):
        events.decode({**message, "changes": [*message["changes"], forged]})


@pytest.mark.parametrize(
    ("room", "event", "member"),
    [
        ("r", ROOM_EVENTS[0], {"version": True}),
        ("", NODE_EVENTS[0], {"generation": False}),
        ("", NODE_EVENTS[4], {"sequence": True}),
    ],
    ids=named,
)
def test_t25_a_boolean_is_no_number(room: str, event: RoomEvent | NodeEvent, member: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="unknown form"):
        events.decode({**events.encode(event, room, "n1"), **member})


MEMBERS = [
    "type",
    "room",
    "epoch",
    "version",
    "texts",
    "text",
    "node",
    "changes",
    "session",
    "sessions",
    "about",
    "marks",
]
TYPES = {
    "changed",
    "roster",
    "cleared",
    "said",
    "taken_over",
    "sessions",
    "delivered",
    "observe",
    "look_again",
    "revoked",
}


@SOME
@given(st.dictionaries(st.sampled_from(MEMBERS), json_values), st.sampled_from(sorted(TYPES)))
def test_t25_any_message_is_an_event_or_refused(message: dict[str, Any], type_: str) -> None:
    try:
        _, event = events.decode({"room": "", "type": type_, **message})
    except ValueError:
        return
    assert type(event) in {type(known) for _, known in EVENTS}


# --- who is told of changes of sessions


def _told(messages: list[tuple[str, Any]]) -> list[tuple[str, list[str]]]:
    found: list[tuple[str, list[str]]] = []
    for group, message in messages:
        _, event = events.decode(message)
        assert isinstance(event, SessionsChanged)
        found.append((group, [change.session_id for change in event.changes]))
    return found


def test_whoever_listens_is_told_and_the_nodes_that_serve_the_sessions() -> None:
    """Those of what concerns their sockets: who ended, and whose properties are others."""
    happened = [
        session_change("opened", node_id="n2"),
        session_change("moved", kind=Kind.ROOMS, node_id="n2"),
        session_change("muted", kind=Kind.PROPERTIES, node_id="n2"),
        session_change("ended", state=State.CLOSED, node_id="n3"),
        session_change("own", kind=Kind.PROPERTIES, node_id="n1"),
        session_change("nowhere", state=State.CLOSED, node_id=""),
    ]
    assert _told(events.session_messages(happened, "n1")) == [
        (SESSIONS_GROUP, ["opened", "moved", "muted", "ended", "own", "nowhere"]),
        (node_group("n2"), ["muted"]),
        (node_group("n3"), ["ended"]),
    ]


def test_a_process_that_serves_nobody_tells_all_nodes() -> None:
    own = [session_change("own", kind=Kind.PROPERTIES, node_id="n1")]
    assert _told(events.session_messages(own, "")) == [(SESSIONS_GROUP, ["own"]), (node_group("n1"), ["own"])]


def test_s41_many_changes_are_several_messages_in_order() -> None:
    happened = [session_change(f"s{n}", kind=Kind.PROPERTIES, node_id="n2") for n in range(2 * CHANGES_A_MESSAGE + 1)]
    ids = [change.session_id for change in happened]
    told = _told(events.session_messages(happened, "n1"))
    for group in (SESSIONS_GROUP, node_group("n2")):
        parts = [part for to, part in told if to == group]
        assert [len(part) for part in parts] == [CHANGES_A_MESSAGE, CHANGES_A_MESSAGE, 1]
        assert [session_id for part in parts for session_id in part] == ids


def test_nothing_that_happened_is_no_message() -> None:
    assert events.session_messages([], "n1") == []


def test_other_nodes_are_told_and_nobody_is() -> None:
    event = TakenOver("s1", 2)
    told = events.node_messages([("n1", event), ("", event), ("n2", event)], "n1")
    assert [(group, events.decode(message)) for group, message in told] == [(node_group("n2"), ("", event))]


# --- several changes of a roster as one


def test_nothing_merged_is_nothing() -> None:
    assert events.merge([]) == RosterDelta(0, {}, {}, {})


def test_who_came_and_went_between_is_not_told() -> None:
    assert events.merge([RosterDelta(1, {"s": "1"}, {}, {}), RosterDelta(2, {}, {"s": "LEFT"}, {})]) == RosterDelta(
        2, {}, {}, {}
    )


def test_who_left_and_came_back_has_changed() -> None:
    merged = events.merge([RosterDelta(1, {}, {"s": "LEFT"}, {}), RosterDelta(2, {"s": "2"}, {}, {})])
    assert merged == RosterDelta(2, {}, {}, {"s": "2"})


def test_who_joined_and_changed_has_joined_as_it_is_now() -> None:
    merged = events.merge([RosterDelta(1, {"s": "1"}, {}, {}), RosterDelta(2, {}, {}, {"s": "2"})])
    assert merged == RosterDelta(2, {"s": "2"}, {}, {})


Roster = dict[str, str]


def change(before: Roster, after: Roster, roster: int) -> RosterDelta:
    return RosterDelta(
        roster,
        {sid: text for sid, text in after.items() if sid not in before},
        {sid: "LEFT" for sid in before if sid not in after},
        {sid: text for sid, text in after.items() if sid in before and before[sid] != text},
    )


def applied(before: Roster, delta: RosterDelta) -> Roster:
    assert not before.keys() & delta.joined.keys(), "who is in the room does not join"
    assert delta.updated.keys() | delta.left.keys() <= before.keys(), "only who is in the room changes or leaves"
    kept = {sid: text for sid, text in before.items() if sid not in delta.left}
    return {**kept, **delta.joined, **delta.updated}


rosters = st.dictionaries(st.sampled_from("abc"), st.sampled_from(["1", "2"]))


@MANY
@given(st.lists(rosters, min_size=2, max_size=6))
def test_p50_merged_changes_lead_to_the_same_roster(history: list[Roster]) -> None:
    deltas = [change(before, after, n) for n, (before, after) in enumerate(pairwise(history))]
    merged = events.merge(deltas)
    assert applied(history[0], merged) == history[-1]
    assert merged.roster == deltas[-1].roster
