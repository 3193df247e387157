"""Parity §2.9: rules for keys that go when nobody is there who would need them."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessionstore_app.core.errors import InvalidFilter, InvalidKey, InvalidParams, LimitExceeded
from sessionstore_app.core.removal import RemovalRule, absence, removal_rule
from tests.unit.generated import MANY

PERIOD = 600_000


def rule(**changed: Any) -> RemovalRule:
    contents: dict[str, Any] = {
        "rooms": "meeting/*",
        "keys": ["spotlight", "host/*"],
        "without": "hasRoles ['host']",
        "for_ms": PERIOD,
        "room_length": 20,
        "key_length": 20,
        "filter_length": 100,
        "filter_depth": 4,
    }
    return removal_rule(**{**contents, **changed})


# --- what a rule says


@pytest.mark.parametrize(
    ("pattern", "named", "other"),
    [
        ("meeting/7", "meeting/7", "meeting/70"),
        ("meeting/*", "meeting/7", "class/7"),
        ("*/private", "7/private", "private"),
        # As a key this name is reserved; as a room's it is one like any other.
        ("constructor", "constructor", "meeting"),
    ],
)
def test_d2_9_a_rule_names_rooms_by_a_pattern(pattern: str, named: str, other: str) -> None:
    rooms = rule(rooms=pattern).rooms
    assert (rooms.matches(named), rooms.matches(other)) == (True, False)


def test_d2_9_a_star_is_every_room() -> None:
    assert rule(rooms="*").rooms.matches("any")


def test_d2_9_a_rule_names_keys_by_patterns() -> None:
    keys = rule().keys
    assert [key for key in ("spotlight", "host/1", "spotlights", "pinned") if keys.matches(key)] == [
        "spotlight",
        "host/1",
    ]


def test_d2_9_a_rule_has_a_filter_for_those_who_keep_the_keys() -> None:
    found = rule(without="role is 'host'").filter
    assert found.matches({"role": "host"})
    assert not found.matches({"role": "guest"})


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"keys": []}, InvalidParams),
        ({"keys": ["a*b"]}, InvalidParams),
        ({"keys": [""]}, InvalidKey),
        ({"keys": ["k" * 21]}, InvalidKey),
        ({"rooms": ""}, InvalidParams),
        ({"rooms": "*/*"}, InvalidParams),
        ({"rooms": "r" * 21}, LimitExceeded),
        ({"without": ""}, InvalidFilter),
        ({"without": "(all"}, InvalidFilter),
        ({"without": "all or " * 20 + "all"}, InvalidFilter),
    ],
)
def test_d2_9_a_rule_that_cannot_be_read_is_refused(changed: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        rule(**changed)


def test_a_rule_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        rule().for_ms = 1  # type: ignore[misc]


# --- its name


def test_a_rules_name_is_the_same_for_the_same_contents() -> None:
    assert rule().name == rule(keys=("host/*", "spotlight", "spotlight")).name
    assert 8 <= len(rule().name) <= 64


@pytest.mark.parametrize(
    "changed", [{"rooms": "*"}, {"keys": ["spotlight"]}, {"without": "all"}, {"for_ms": 1}], ids=lambda c: next(iter(c))
)
def test_a_rule_with_other_contents_has_another_name(changed: dict[str, Any]) -> None:
    assert rule(**changed).name != rule().name


def test_a_rules_name_stays_from_one_process_to_the_next() -> None:
    assert rule().name == "d2b25b60c6fb45fd"


# --- when it is due


def test_d2_9_while_somebody_matches_nothing_is_due() -> None:
    assert absence(rule(), None, True, 5) == (None, False)


def test_d2_9_an_absence_begins_when_it_is_seen() -> None:
    assert absence(rule(), None, False, 5) == (5, False)


def test_d2_9_who_comes_back_in_time_ends_the_absence() -> None:
    assert absence(rule(), 5, True, 5 + PERIOD) == (None, False)


@pytest.mark.parametrize(("elapsed", "is_due"), [(0, False), (PERIOD - 1, False), (PERIOD, True), (PERIOD * 9, True)])
def test_d2_9_keys_are_due_once_the_period_has_passed(elapsed: int, is_due: bool) -> None:
    since, due = absence(rule(), 5, False, 5 + elapsed)
    assert due is is_due
    assert since == (5 + elapsed if is_due else 5)


def test_d2_9_keys_written_later_are_due_after_another_period() -> None:
    since, _ = absence(rule(), 0, False, PERIOD)
    dues = [now for now in range(PERIOD, 4 * PERIOD, PERIOD // 4) if absence(rule(), since, False, now)[1]]
    assert dues[0] == 2 * PERIOD


def test_d2_9_without_a_period_keys_are_due_at_once_and_stay_so() -> None:
    assert absence(rule(for_ms=0), None, False, 5) == (5, True)
    assert absence(rule(for_ms=0), 5, False, 6) == (6, True)


def test_a_clock_that_was_set_back_lengthens_no_absence_by_more_than_a_period() -> None:
    since, due = absence(rule(), 10 * PERIOD, False, 5)
    assert (since, due) == (5, False)
    assert absence(rule(), since, False, 5 + PERIOD) == (5 + PERIOD, True)


@MANY
@given(st.lists(st.tuples(st.integers(1, PERIOD), st.booleans()), max_size=30))
def test_d2_9_keys_are_due_at_most_once_a_period_and_never_while_somebody_matches(
    seen: list[tuple[int, bool]],
) -> None:
    now, since, last = 0, None, -PERIOD
    for step, matched in seen:
        now += step
        since, due = absence(rule(), since, matched, now)
        assert not (due and matched)
        if due:
            assert now - last >= PERIOD
            last = now
