"""Events travel from process to process; what is forged is not believed."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessionstore_app.core.entries import Epoch
from sessionstore_app.services import events
from sessionstore_app.services.events import Changed, RoomCleared, RoomEvent, RosterDelta, Said, TakenOver
from tests.unit.generated import MANY, SOME, json_values

EVENTS: list[RoomEvent | TakenOver] = [
    Changed(Epoch("e1"), 4, {"a": '{"key":"a"}', "b": "{}"}),
    RosterDelta(7, {"s1": "{}"}, {"s2": "LEFT"}, {"s3": "{}"}),
    RoomCleared(Epoch("e1"), Epoch("e2"), "CLEARED"),
    Said('{"jsonrpc":"2.0"}'),
    TakenOver("s1", 2),
]


def named(event: object) -> str:
    return type(event).__name__


@pytest.mark.parametrize("event", EVENTS, ids=named)
def test_an_event_arrives_as_it_was_sent(event: RoomEvent | TakenOver) -> None:
    assert events.decode(events.encode(event, "room é", "n1")) == ("room é", event)


@pytest.mark.parametrize("event", EVENTS, ids=named)
def test_a_message_says_which_process_sent_it(event: RoomEvent | TakenOver) -> None:
    assert events.encode(event, "r", "n1")["node"] == "n1"


def _forgeries() -> list[dict[str, Any]]:
    wrongs: list[Any] = [None, 1.5, [], {1: 2}, {"a": 1}]
    forged: list[dict[str, Any]] = [{}, {"type": "changed"}, {"type": "websocket.send", "text": "x"}, {"room": "r"}]
    for event in EVENTS:
        message = events.encode(event, "r", "n1")
        for name in message.keys() - {"node"}:
            forged.append({key: value for key, value in message.items() if key != name})
            forged.extend({**message, name: wrong} for wrong in wrongs)
    return forged


@pytest.mark.parametrize("message", _forgeries(), ids=str)
def test_t25_a_forged_message_is_refused(message: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"unknown form|map of texts"):
        events.decode(message)


@pytest.mark.parametrize("message", [{"type": "changed", "version": True}, {"type": "taken_over", "generation": False}])
def test_t25_a_boolean_is_no_number(message: dict[str, Any]) -> None:
    honest = {"changed": EVENTS[0], "taken_over": EVENTS[4]}[message["type"]]
    with pytest.raises(ValueError, match="unknown form"):
        events.decode({**events.encode(honest, "r", "n1"), **message})


@SOME
@given(st.dictionaries(st.sampled_from(["type", "room", "epoch", "version", "texts", "text", "node"]), json_values))
def test_t25_any_message_is_an_event_or_refused(message: dict[str, Any]) -> None:
    try:
        events.decode(message)
    except ValueError:
        return
    assert message["type"] in {"changed", "roster", "cleared", "said", "taken_over"}


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
