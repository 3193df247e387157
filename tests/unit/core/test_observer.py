"""What a listener is told of a change (parity D50–D61), by examples and for any history of a session."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import FrozenInstanceError, dataclass
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessionstore_app.core import filters
from sessionstore_app.core.entries import SessionId
from sessionstore_app.core.filters import Filter, parse
from sessionstore_app.core.observer import Event, Interest, entered, event_of
from sessionstore_app.core.sessions import Kind, SessionChange, State, previous_values
from tests.unit.generated import MANY

OPENED_AT_MS = 1_000
FRENCH = {"$Country": "FR", "name": "Ann", "muted": "no"}
ALL_KEYS = frozenset({"*F", "*U"})


def filter_of(text: str) -> Filter:
    return parse(text, max_length=1_000, max_depth=8)


def change(
    kind: Kind = Kind.STATE,
    state: State = State.ACTIVE,
    *,
    properties: Mapping[str, str] = FRENCH,
    before: Mapping[str, str] | None = None,
    rooms: Collection[str] = (),
    previous_rooms: Collection[str] | None = None,
    **members: Any,
) -> SessionChange:
    """A change of a session that has these properties and rooms, and had those."""
    return SessionChange(
        session_id=SessionId("s1"),
        kind=kind,
        state=state,
        properties=properties,
        previous=previous_values(properties if before is None else before, properties),
        rooms=frozenset(rooms),
        previous_rooms=frozenset(rooms if previous_rooms is None else previous_rooms),
        opened_at_ms=OPENED_AT_MS,
        **{"revision": 4, **members},
    )


def opening(**members: Any) -> SessionChange:
    return change(revision=1, **members)


def told(interest: Interest, happened: SessionChange) -> Event:
    event = event_of(interest, happened)
    assert event is not None
    return event


EVERYTHING = Interest(keys=ALL_KEYS)
FRANCE = Interest(filter=filter_of("$Country is 'FR'"), keys=ALL_KEYS)
GERMAN = {**FRENCH, "$Country": "DE"}

# --- who is of interest


def test_d51_without_a_filter_every_session_is_of_interest() -> None:
    assert Interest().covers({}, frozenset(), 0)


def test_d51_with_a_filter_only_those_that_satisfy_it() -> None:
    assert FRANCE.covers(FRENCH, frozenset(), 0)
    assert not FRANCE.covers(GERMAN, frozenset(), 0)


@pytest.mark.parametrize(("after_ms", "covered"), [(OPENED_AT_MS - 1, True), (OPENED_AT_MS, False), (None, True)])
def test_d53_after_leaves_out_who_opened_up_to_then(after_ms: int | None, covered: bool) -> None:
    assert Interest(after_ms=after_ms).covers(FRENCH, frozenset(), OPENED_AT_MS) is covered


@pytest.mark.parametrize(
    ("rooms", "covered"), [(frozenset({"a", "c"}), True), (frozenset({"c"}), False), (frozenset(), False)]
)
def test_rooms_leave_out_who_is_in_none_of_them(rooms: frozenset[str], covered: bool) -> None:
    assert Interest(rooms=frozenset({"a", "b"})).covers(FRENCH, rooms, 0) is covered


def test_an_interest_in_no_room_at_all_covers_nobody() -> None:
    assert not Interest(rooms=frozenset()).covers(FRENCH, frozenset({"a"}), 0)


def test_an_interest_and_an_event_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        EVERYTHING.after_ms = 1  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        told(EVERYTHING, opening()).revision = 9  # type: ignore[misc]


# --- what is shown


def test_d52_only_the_properties_that_were_asked_for_are_shown() -> None:
    assert Interest(keys=frozenset({"name", "absent"})).shown(FRENCH) == {"name": "Ann"}
    assert Interest(keys=frozenset({"*F"})).shown(FRENCH) == {"$Country": "FR"}
    assert Interest(keys=frozenset({"*U"})).shown(FRENCH) == {"name": "Ann", "muted": "no"}
    assert Interest().shown(FRENCH) == {}


def test_d52_what_may_not_be_seen_is_not_shown_whatever_is_asked_for() -> None:
    shy = Interest(keys=ALL_KEYS, sees=lambda key: key != "name")
    assert shy.shown(FRENCH) == {"$Country": "FR", "muted": "no"}
    assert [key for key in FRENCH if shy.shows(key)] == ["$Country", "muted"]
    gone = {key: value for key, value in FRENCH.items() if key != "name"}
    assert event_of(shy, change(Kind.PROPERTIES, before=FRENCH, properties=gone)) is None


# --- openings, states and closes


def test_d55_an_opening_is_a_state_event_with_active() -> None:
    event = told(EVERYTHING, opening())
    assert event == Event(
        session_id="s1", kind=Kind.STATE, state=State.ACTIVE, revision=1, properties=FRENCH, matches=True
    )
    assert event.changed_properties == {}
    assert event.close_reason is None


def test_d59_states_are_told_whatever_properties_were_asked_for() -> None:
    for state in (State.DISCONNECTED, State.RECONNECTED, State.FAILED_OVER, State.CLOSED):
        event = told(Interest(), change(state=state, close_reason="EXPIRED" if state is State.CLOSED else ""))
        assert (event.kind, event.state, event.properties) == (Kind.STATE, state, {})
    assert told(Interest(), opening()).properties == {}


@pytest.mark.parametrize("state", [State.DISCONNECTED, State.RECONNECTED, State.FAILED_OVER])
def test_d57_a_change_of_state_tells_what_changed_with_it(state: State) -> None:
    moved = change(state=state, before={"$ServerName": "one"}, properties={"$ServerName": "two"})
    event = told(EVERYTHING, moved)
    assert event.changed_properties == {"$ServerName": "one"}
    assert event.properties == {"$ServerName": "two"}


def test_d58_a_close_tells_the_last_values_and_why() -> None:
    event = told(EVERYTHING, change(state=State.CLOSED, before=GERMAN, close_reason="CLOSED_BY_CLIENT"))
    assert event.properties == FRENCH
    assert (event.close_reason, event.changed_properties, event.matches) == ("CLOSED_BY_CLIENT", {}, True)


def test_d56_a_close_reason_is_told_at_the_close_only() -> None:
    assert told(EVERYTHING, change(state=State.DISCONNECTED)).close_reason is None


def test_d51_who_is_not_of_interest_is_not_told_of() -> None:
    for state in State:
        assert event_of(FRANCE, change(state=state, properties=GERMAN)) is None
    assert event_of(FRANCE, opening(properties=GERMAN)) is None
    assert event_of(FRANCE, change(Kind.PROPERTIES, properties=GERMAN, before={**GERMAN, "name": "x"})) is None


# --- properties


def test_d57_changed_properties_are_previous_values() -> None:
    after = {"$Country": "FR", "muted": "yes", "new": "n"}
    event = told(EVERYTHING, change(Kind.PROPERTIES, before=FRENCH, properties=after))
    assert (event.kind, event.state, event.revision) == (Kind.PROPERTIES, State.ACTIVE, 4)
    assert event.properties == after
    assert event.changed_properties == {"muted": "no", "name": "Ann", "new": None}
    assert list(event.changed_properties) == ["muted", "name", "new"]


def test_d54_only_a_requested_property_is_an_event() -> None:
    muted = change(Kind.PROPERTIES, before=FRENCH, properties={**FRENCH, "muted": "yes"})
    assert told(Interest(keys=frozenset({"muted"})), muted).properties == {"muted": "yes"}
    assert event_of(Interest(keys=frozenset({"name", "*F"})), muted) is None


def test_d52_without_properties_there_are_no_property_events() -> None:
    assert event_of(Interest(), change(Kind.PROPERTIES, before={}, properties=FRENCH)) is None


def test_a_change_of_properties_while_away_says_so() -> None:
    away = change(Kind.PROPERTIES, State.DISCONNECTED, before=FRENCH, properties={**FRENCH, "muted": "yes"})
    assert told(EVERYTHING, away).state is State.DISCONNECTED


# --- entering and leaving


@pytest.mark.parametrize("keys", [ALL_KEYS, frozenset[str]()])
def test_d61_who_enters_the_filter_is_told_as_if_it_opened(keys: frozenset[str]) -> None:
    interest = Interest(filter=FRANCE.filter, keys=keys)
    event = told(interest, change(Kind.PROPERTIES, before=GERMAN, properties=FRENCH))
    assert (event.kind, event.state, event.matches, event.revision) == (Kind.STATE, State.ACTIVE, True, 4)
    assert event.properties == (FRENCH if keys else {})
    assert event.changed_properties == {}


def test_d61_who_enters_while_away_is_told_so() -> None:
    event = told(FRANCE, change(Kind.PROPERTIES, State.DISCONNECTED, before=GERMAN, properties=FRENCH))
    assert (event.kind, event.state) == (Kind.STATE, State.DISCONNECTED)


def test_d61_who_enters_by_a_change_of_state_opens_too() -> None:
    event = told(FRANCE, change(Kind.STATE, State.FAILED_OVER, before=GERMAN, properties=FRENCH))
    assert (event.state, event.changed_properties) == (State.ACTIVE, {})


@pytest.mark.parametrize("keys", [ALL_KEYS, frozenset[str]()])
def test_d61_who_leaves_the_filter_is_told_once_more(keys: frozenset[str]) -> None:
    interest = Interest(filter=FRANCE.filter, keys=keys)
    event = told(interest, change(Kind.PROPERTIES, before=FRENCH, properties=GERMAN))
    assert (event.kind, event.state, event.matches) == (Kind.PROPERTIES, State.ACTIVE, False)
    assert event.properties == (GERMAN if keys else {})
    assert event.changed_properties == ({"$Country": "FR"} if keys else {})


def test_d61_who_leaves_by_a_change_of_state_is_told_that_state() -> None:
    event = told(FRANCE, change(Kind.STATE, State.FAILED_OVER, before=FRENCH, properties=GERMAN))
    assert (event.kind, event.state, event.matches) == (Kind.STATE, State.FAILED_OVER, False)


def test_d61_who_closes_while_leaving_has_closed() -> None:
    event = told(FRANCE, change(Kind.STATE, State.CLOSED, before=FRENCH, properties=GERMAN, close_reason="EXPIRED"))
    assert (event.state, event.close_reason, event.matches) == (State.CLOSED, "EXPIRED", True)


def test_d61_who_would_enter_by_closing_does_not() -> None:
    assert event_of(FRANCE, change(Kind.STATE, State.CLOSED, before=GERMAN, properties=FRENCH)) is None


def test_d61_who_comes_into_the_room_opens_and_who_goes_leaves() -> None:
    standup = Interest(rooms=frozenset({"standup"}))
    came = told(standup, change(Kind.ROOMS, rooms=["a", "standup"], previous_rooms=["a"]))
    assert (came.kind, came.state, came.matches) == (Kind.STATE, State.ACTIVE, True)
    went = told(standup, change(Kind.ROOMS, rooms=["a"], previous_rooms=["a", "standup"]))
    assert (went.kind, went.state, went.matches) == (Kind.PROPERTIES, State.ACTIVE, False)
    closed = told(standup, change(state=State.CLOSED, rooms=["standup"], close_reason="CLOSED_BY_CLIENT"))
    assert closed.state is State.CLOSED


def test_joining_another_room_is_no_event() -> None:
    assert event_of(EVERYTHING, change(Kind.ROOMS, rooms=["a", "b"], previous_rooms=["a"])) is None
    assert (
        event_of(Interest(rooms=frozenset({"a"})), change(Kind.ROOMS, rooms=["a", "b"], previous_rooms=["a"])) is None
    )


def test_entered_shows_a_session_as_it_is() -> None:
    event = entered(Interest(keys=frozenset({"name"})), change(state=State.RECONNECTED, before=GERMAN))
    assert (event.state, event.properties, event.changed_properties) == (State.ACTIVE, {"name": "Ann"}, {})


# --- any history

Look = tuple[dict[str, str], frozenset[str]]
looks = st.tuples(
    st.dictionaries(st.sampled_from(["name", "muted", "$Country"]), st.sampled_from(["FR", "DE", ""])),
    st.frozensets(st.sampled_from("ab")),
)
steps = st.tuples(looks, st.sampled_from([Kind.PROPERTIES, Kind.ROOMS, Kind.STATE]), st.sampled_from([*State][1:4]))
interests = st.builds(
    Interest,
    filter=st.sampled_from([None, FRANCE.filter, filter_of("not has name")]),
    rooms=st.sampled_from([None, frozenset("a"), frozenset("ab")]),
    keys=st.sampled_from([frozenset[str](), ALL_KEYS, frozenset({"name"})]),
    after_ms=st.sampled_from([None, OPENED_AT_MS - 1, OPENED_AT_MS]),
)


def history(first: Look, rest: list[tuple[Look, Kind, State]]) -> list[SessionChange]:
    """A session that opens, goes through all this and closes. Kinds are only as true as a listener can tell."""
    changes = [opening(properties=first[0], rooms=first[1])]
    before = first
    for number, (look, kind, state) in enumerate(rest, start=2):
        after = (before[0], look[1]) if kind is Kind.ROOMS else (look[0], before[1])
        changes.append(
            change(
                kind,
                state if kind is Kind.STATE else State.ACTIVE,
                properties=after[0],
                before=before[0],
                rooms=after[1],
                previous_rooms=before[1],
                revision=number,
            )
        )
        before = after
    closed = change(state=State.CLOSED, properties=before[0], rooms=before[1], close_reason="EXPIRED")
    return [*changes, closed]


@MANY
@given(interests, looks, st.lists(steps, max_size=8))
def test_d61_every_stay_has_one_beginning_and_one_end(
    interest: Interest, first: Look, rest: list[tuple[Look, Kind, State]]
) -> None:
    """For any listener: a session is told as present exactly while it is of interest, and with its values of then."""
    is_present = False
    shown: Mapping[str, str] = {}
    for happened in history(first, rest):
        event = event_of(interest, happened)
        covered = interest.covers(happened.properties, happened.rooms, OPENED_AT_MS)
        if event is not None:
            begins = not is_present
            ends = not event.matches or event.state is State.CLOSED
            if begins:
                assert (event.kind, event.changed_properties) == (Kind.STATE, {})
                assert event.state is (State.DISCONNECTED if happened.state is State.DISCONNECTED else State.ACTIVE)
            elif event.state is not State.CLOSED:
                assert event.changed_properties == previous_values(shown, event.properties)
            is_present, shown = not ends, event.properties
        assert is_present == (covered and happened.state is not State.CLOSED)
        if is_present and interest.keys:
            assert shown == interest.shown(happened.properties)


# --- what a filter costs


@dataclass
class _Counted:
    """A filter's root that counts how often it is asked, and says yes."""

    asked: int = 0

    def matches(self, properties: Mapping[str, str]) -> bool:
        self.asked += 1
        return True


@pytest.mark.parametrize(
    ("happened", "asked"),
    [
        pytest.param(change(Kind.PROPERTIES, properties=GERMAN, before=FRENCH), 2, id="what it looks at has changed"),
        pytest.param(change(Kind.PROPERTIES, before={**FRENCH, "muted": "yes"}), 1, id="something else has changed"),
        pytest.param(change(state=State.DISCONNECTED), 1, id="its state has changed"),
        pytest.param(change(Kind.ROOMS, rooms={"a", "b"}, previous_rooms={"a"}), 0, id="it moved about"),
        pytest.param(change(Kind.ROOMS, rooms={"a"}, previous_rooms=()), 1, id="it came in"),
        pytest.param(change(Kind.ROOMS, rooms={"b"}, previous_rooms={"c"}), 0, id="it is out of reach"),
    ],
)
def test_t17_a_filter_is_asked_no_more_often_than_its_answers_could_differ(happened: SessionChange, asked: int) -> None:
    root = _Counted()
    counted = Filter("counted", frozenset({"$Country"}), cast("filters.Node", root))
    event_of(Interest(filter=counted, rooms=frozenset({"a"}) if happened.kind is Kind.ROOMS else None), happened)
    assert root.asked == asked
