"""Keys, room names and the patterns that name several keys."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessionstore_app.core import patterns as p
from sessionstore_app.core.errors import InvalidKey, InvalidParams, LimitExceeded, SessionStoreError
from tests.unit.generated import MANY, keys, patterns, texts

LENGTH = 128
CONTROLS = [chr(code) for code in (*range(0x20), *range(0x7F, 0xA0))]


@pytest.mark.parametrize("key", ["a", "hand/1", "é", "\U0001f600", " ", "__proto", "proto__", "a b", "\u2028", "0"])
def test_a_key_is_any_text(key: str) -> None:
    assert p.check_key(key, LENGTH) == key


def test_h57_default_is_an_ordinary_key() -> None:
    assert p.check_key("default", LENGTH) == "default"


@pytest.mark.parametrize("key", ["", "*", "a*", "*a", "a*b", "__proto__", "prototype", "constructor", "a\ud800"])
def test_t9_a_key_that_names_several_or_a_prototype_is_refused(key: str) -> None:
    with pytest.raises(InvalidKey):
        p.check_key(key, LENGTH)


@pytest.mark.parametrize("control", CONTROLS, ids=[f"{ord(c):#04x}" for c in CONTROLS])
def test_t23_control_characters_are_refused_in_keys_and_rooms(control: str) -> None:
    with pytest.raises(InvalidKey):
        p.check_key(f"a{control}b", LENGTH)
    with pytest.raises(InvalidParams):
        p.check_room_name(f"a{control}b", LENGTH)


@pytest.mark.parametrize("letter", ["a", "é", "\U0001f600"])
def test_a_keys_length_counts_characters(letter: str) -> None:
    assert p.check_key(letter * LENGTH, LENGTH) == letter * LENGTH
    with pytest.raises(InvalidKey) as refused:
        p.check_key(letter * (LENGTH + 1), LENGTH)
    assert (refused.value.limit, refused.value.actual) == (LENGTH, LENGTH + 1)


@pytest.mark.parametrize("name", ["standup", "meeting/7", "*", "é" * LENGTH, "__proto__"])
def test_a_rooms_name_is_any_text(name: str) -> None:
    assert p.check_room_name(name, LENGTH) == name


def test_an_empty_room_name_is_no_name() -> None:
    with pytest.raises(InvalidParams):
        p.check_room_name("", LENGTH)


def test_a_room_name_that_is_too_long_exceeds_a_limit() -> None:
    with pytest.raises(LimitExceeded) as refused:
        p.check_room_name("a" * (LENGTH + 1), LENGTH)
    assert (refused.value.limit, refused.value.actual) == (LENGTH, LENGTH + 1)


@pytest.mark.parametrize("pattern", ["*", "a", "hand/*", "*/vote", "a" * LENGTH + "*", "*" + "a" * LENGTH])
def test_h61_a_pattern_is_exact_a_prefix_a_suffix_or_all(pattern: str) -> None:
    assert p.check_pattern(pattern, LENGTH) == pattern


@pytest.mark.parametrize("pattern", ["a*b", "**", "***", "*a*", "a**", "**a", "a*b*"])
def test_h61_a_star_elsewhere_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidParams):
        p.check_pattern(pattern, LENGTH)


@pytest.mark.parametrize("pattern", ["", "a\n*", "__proto__", "a" * (LENGTH + 1), "a" * (LENGTH + 1) + "*"])
def test_a_pattern_holds_what_a_key_may_hold(pattern: str) -> None:
    with pytest.raises(InvalidKey):
        p.check_pattern(pattern, LENGTH)


@pytest.mark.parametrize("pattern", ["prototype*", "constructor*", "*constructor"])
def test_h61_a_pattern_may_begin_like_a_reserved_name(pattern: str) -> None:
    # It names `prototypes/1`, not the reserved key: nobody can have written that one.
    assert p.check_pattern(pattern, LENGTH) == pattern


@MANY
@given(st.text("ab*\0", max_size=5) | texts)
def test_h61_a_checked_pattern_has_one_star_at_most_and_at_an_end(pattern: str) -> None:
    try:
        p.check_pattern(pattern, LENGTH)
    except SessionStoreError:
        return
    assert pattern.count("*") <= 1
    assert "*" not in pattern[1:-1]


@MANY
@given(st.frozensets(patterns, max_size=4), keys)
def test_h61_matching_agrees_with_a_naive_reading(chosen: frozenset[str], key: str) -> None:
    assert p.pattern_set(chosen).matches(key) is any(_names(pattern, key) for pattern in chosen)


def _names(pattern: str, key: str) -> bool:
    if pattern == "*":
        return True
    if pattern.endswith("*"):
        return key[: len(pattern) - 1] == pattern[:-1]
    if pattern.startswith("*"):
        return key[-(len(pattern) - 1) :] == pattern[1:]
    return pattern == key


def test_the_same_patterns_are_compiled_once() -> None:
    assert p.pattern_set(frozenset({"a", "b*"})) is p.pattern_set(frozenset({"b*", "a"}))


def test_nothing_matches_nothing_and_everything_all() -> None:
    assert not p.NOTHING.matches("a")
    assert p.EVERYTHING.matches("a")
    assert p.EVERYTHING.matches_all
    assert not p.pattern_set(frozenset({"a*"})).matches_all


def test_a_pattern_without_a_star_is_exact() -> None:
    assert p.is_exact("a")
    assert not p.is_exact("a*")
    assert not p.is_exact("*")


@MANY
@given(patterns, patterns)
def test_two_patterns_overlap_where_some_text_matches_both(one: str, other: str) -> None:
    """Over the letters that these patterns have, the shortest such text is no longer than both of them together."""
    longest = max(1, len(one.strip("*")) + len(other.strip("*")))
    words = ("".join(word) for length in range(1, longest + 1) for word in product("ab/", repeat=length))
    assert p.overlap(one, other) is any(_names(one, word) and _names(other, word) for word in words)
    assert p.overlap(one, other) is p.overlap(other, one)


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        ("a", "a", True),
        ("a", "b", False),
        ("a", "*", True),
        ("*", "*", True),
        ("a*", "ab*", True),
        ("ab*", "ac*", False),
        ("*a", "*ba", True),
        ("*ab", "*bb", False),
        ("a*", "*b", True),
        ("ab*", "*bc", True),
        ("hand/1", "hand/*", True),
        ("hand", "hand/*", False),
        ("hand/", "hand/*", True),
    ],
)
def test_patterns_that_name_the_same_keys(one: str, other: str, meet: bool) -> None:
    assert p.overlap(one, other) is meet
    assert p.overlap(other, one) is meet
