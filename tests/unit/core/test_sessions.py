"""What a change of a session says: of before, of now, and which change it is (parity D1, D54–D57)."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessionstore_app.core.entries import SessionId
from sessionstore_app.core.sessions import FIRST_REVISION, Kind, SessionChange, State, previous_values
from tests.unit.generated import MANY

properties = st.dictionaries(st.sampled_from("abcd"), st.sampled_from(["", "1", "2"]))


def change(**members: Any) -> SessionChange:
    told = {"revision": 2, "kind": Kind.PROPERTIES, "state": State.ACTIVE, "properties": {"a": "1"}, **members}
    return SessionChange(session_id=SessionId("s1"), **told)


def test_d55_states_are_told_by_name() -> None:
    assert [*State] == ["ACTIVE", "DISCONNECTED", "RECONNECTED", "FAILED_OVER", "CLOSED"]


def test_d54_kinds_are_told_by_name() -> None:
    assert {Kind.STATE, Kind.PROPERTIES} < {*Kind}
    assert (Kind.STATE, Kind.PROPERTIES) == ("STATE", "PROPERTIES")


def test_d1_only_the_first_change_is_the_opening() -> None:
    assert change(kind=Kind.STATE, revision=FIRST_REVISION).is_opening
    assert not change(kind=Kind.STATE, revision=FIRST_REVISION + 1).is_opening


@pytest.mark.parametrize(("kind", "state"), [(Kind.PROPERTIES, State.ACTIVE), (Kind.STATE, State.CLOSED)])
def test_the_first_change_of_a_row_that_was_made_by_hand_is_no_opening(kind: Kind, state: State) -> None:
    assert not change(kind=kind, state=state, revision=FIRST_REVISION).is_opening


def test_a_change_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        change().revision = 3  # type: ignore[misc]


def test_d57_a_key_that_is_new_had_no_value_before() -> None:
    assert previous_values({"a": "1"}, {"a": "1", "b": "2"}) == {"b": None}
    assert change(properties={"a": "1", "b": "2"}, previous={"b": None}).properties_before == {"a": "1"}


def test_d57_a_key_that_was_removed_had_its_value_before() -> None:
    assert previous_values({"a": "1", "b": "2"}, {"a": "1"}) == {"b": "2"}
    assert change(properties={"a": "1"}, previous={"b": "2"}).properties_before == {"a": "1", "b": "2"}


def test_an_empty_value_is_a_value() -> None:
    assert previous_values({"a": ""}, {"a": "1", "b": ""}) == {"a": "", "b": None}
    assert change(previous={"a": ""}).properties_before == {"a": ""}


@MANY
@given(properties, properties)
def test_d57_before_is_found_from_now_and_what_changed(before: dict[str, str], after: dict[str, str]) -> None:
    previous = previous_values(before, after)
    assert change(properties=after, previous=previous).properties_before == before
    assert (previous == {}) == (before == after)
