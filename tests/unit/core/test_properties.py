"""Properties of sessions: their keys, values and forms, how they are selected, and how a change merges in."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessionstore_app.core import properties as p
from sessionstore_app.core.errors import InvalidKey, InvalidParams, LimitExceeded
from tests.unit.generated import MANY, texts

LENGTH = 20
SESSION = {"$Principal": "ann", "$Country": "CH", "role": "host", "seat": "7"}


# --- keys: D21, D22


@pytest.mark.parametrize("key", ["role", "a.b-c:d/e[f],g", "é", "\U0001f600", "Role", "*", "k" * LENGTH])
def test_d22_a_key_is_text_without_spaces_quotes_and_parentheses(key: str) -> None:
    assert p.check_property_key(key, LENGTH) == key


@pytest.mark.parametrize(
    "key", ["", " ", "a b", "a\t", "a\r", "a\n", 'a"', "a'", "(a", "a)", "a\0", "a\x7f", "a\ud800"]
)
def test_d22_any_other_key_is_refused(key: str) -> None:
    with pytest.raises(InvalidKey):
        p.check_property_key(key, LENGTH)


def test_a_keys_length_counts_characters() -> None:
    assert p.check_property_key("é" * LENGTH, LENGTH)
    with pytest.raises(InvalidKey) as refused:
        p.check_property_key("é" * (LENGTH + 1), LENGTH)
    assert (refused.value.limit, refused.value.actual) == (LENGTH, LENGTH + 1)


def test_d21_keys_with_a_dollar_are_fixed() -> None:
    assert all(map(p.is_fixed, p.FIXED))
    assert not p.is_fixed("role")
    assert not p.is_fixed("a$")


def test_d21_what_can_be_set_is_among_the_fixed_ones() -> None:
    assert p.SETTABLE.keys() == {"$Country", "$Language", "$Latitude", "$Longitude"}
    assert p.SETTABLE.keys() < p.FIXED


# --- allowed values: D23, P25


def test_d23_a_list_allows_its_values() -> None:
    assert p.is_allowed("red", ("red", "blue"))
    assert not p.is_allowed("Red", ("red", "blue"))
    assert not p.is_allowed("re", ("red", "blue"))


@pytest.mark.parametrize(
    ("value", "is_allowed"), [("a1", True), ("ä1", True), ("a12", False), ("xa1", False), ("a1\n", False), ("", False)]
)
def test_d23_p25_a_regular_expression_matches_the_whole_value(value: str, is_allowed: bool) -> None:
    assert p.is_allowed(value, "[a-zä][0-9]") is is_allowed


@pytest.mark.parametrize("expression", ["(", "(?=a)", r"(a)\1", "a{9999}", "\ud800"])
def test_p25_what_takes_more_than_linear_time_is_no_regular_expression(expression: str) -> None:
    with pytest.raises(InvalidParams, match="RE2"):
        p.whole_value(expression)


def test_p25_an_expression_that_stalls_others_ends_at_once() -> None:
    assert not p.is_allowed("a" * 1_000 + "!", "(a+)+(a|aa)+(a*)*")


# --- roles' names


@pytest.mark.parametrize("role", ["host", "two words", 'a"b', "é" * 4])
def test_d40_a_role_is_any_text_that_can_be_shown(role: str) -> None:
    assert p.check_role(role, 9) == role


@pytest.mark.parametrize("role", ["", "a\n", "\0", "a\x85", "\ud800"])
def test_d40_a_role_without_text_is_none(role: str) -> None:
    with pytest.raises(InvalidParams):
        p.check_role(role, 9)


def test_d40_a_roles_size_counts_bytes() -> None:
    with pytest.raises(LimitExceeded) as refused:
        p.check_role("é" * 5, 9)
    assert (refused.value.limit, refused.value.actual) == (9, 10)


# --- fixed properties' forms (parity §2.3)


def test_d20_roles_are_quoted_names_in_order() -> None:
    assert p.format_roles(("host", 'a"b\\c', "host")) == r'"a\"b\\c","host"'
    assert p.format_roles(()) == ""


@pytest.mark.parametrize(
    ("text", "roles"),
    [
        ("", set()),
        ('"a"', {"a"}),
        ('"b","a"', {"a", "b"}),
        ('"a" "b"', {"a", "b"}),
        ('"a" , "b"', {"a", "b"}),
        (r'"a\"b\\c"', {'a"b\\c'}),
        ('""', {""}),
        ('"two words"', {"two words"}),
    ],
)
def test_f7_roles_are_read_whatever_their_order_and_separators(text: str, roles: AbstractSet[str]) -> None:
    assert p.parse_roles(text) == roles


@pytest.mark.parametrize("text", ["a", '"a', '"a""b"', '"a",', ',"a"', '"a" b', '"a\\'])
def test_f7_other_texts_are_no_roles(text: str) -> None:
    assert p.parse_roles(text) is None


@MANY
@given(st.frozensets(texts))
def test_f7_what_is_formatted_is_read_back(roles: frozenset[str]) -> None:
    assert p.parse_roles(p.format_roles(tuple(roles))) == roles


@pytest.mark.parametrize("text", ["0", "47.4", "-90", "+8.5", "90.", ".5", "1e1", "8.5E-3", "89.999999999999999"])
def test_a_coordinate_is_a_decimal_number(text: str) -> None:
    assert p.SETTABLE["$Latitude"](text) == text


@pytest.mark.parametrize(
    "text",
    ["", "north", "90.1", "-91", "1e9", "nan", "inf", "1_0", " 1", "1 ", "0x1", "٤", "1" * 400, "1,5", "1" * 9 + "_1"],
)
def test_an_invalid_coordinate_becomes_nan(text: str) -> None:
    assert p.SETTABLE["$Latitude"](text) == "NaN"


def test_a_longitude_goes_further_than_a_latitude() -> None:
    assert p.SETTABLE["$Longitude"]("-180") == "-180"
    assert p.SETTABLE["$Longitude"]("180.01") == "NaN"


# --- reading: D24


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        ([], []),
        (["role"], ["role"]),
        (["missing"], []),
        (["*F"], ["$Country", "$Principal"]),
        (["*U"], ["role", "seat"]),
        (["*F", "*U"], ["$Country", "$Principal", "role", "seat"]),
        (["*F", "role", "$Country"], ["$Country", "$Principal", "role"]),
        (["ROLE", "$principal"], []),
    ],
)
def test_d24_keys_and_wildcards_select(keys: list[str], found: list[str]) -> None:
    assert list(p.select(SESSION, keys)) == found


def test_d24_a_key_is_selected_alone_or_by_its_wildcard() -> None:
    assert p.is_selected("role", ["role"])
    assert p.is_selected("role", ["*U"])
    assert not p.is_selected("role", ["*F", "seat"])
    assert p.is_selected("$Country", ["*F"])


# --- changing: D31, D32


def check(changes: dict[str, str | None]) -> None:
    p.check_changes(changes, key_length=LENGTH, value_bytes=8)


def test_d22_a_change_is_checked_key_by_key() -> None:
    check({"role": "host", "seat": None, "$Anything at all": "x", "tab": "a\tb", "é": "éééé"})
    with pytest.raises(InvalidKey):
        check({"a b": None})


@pytest.mark.parametrize("value", ["a\0", "\ud800"])
def test_a_value_that_is_no_text_is_refused(value: str) -> None:
    with pytest.raises(InvalidParams):
        check({"role": value})


@pytest.mark.parametrize("key", ["role", "$Country"])
def test_p34_a_values_size_counts_bytes(key: str) -> None:
    with pytest.raises(LimitExceeded) as refused:
        check({key: "éééé" + "x"})
    assert (refused.value.limit, refused.value.actual) == (8, 9)


def merge(changes: dict[str, str | None], max_user: int = 9) -> p.Merged:
    return p.merge(SESSION, changes, max_user=max_user)


def test_d31_listed_keys_change_and_others_stay() -> None:
    assert merge({"role": "guest"}).properties == {**SESSION, "role": "guest"}


def test_d32_changed_are_the_old_values_of_what_changed() -> None:
    merged = merge({"role": "guest", "seat": "7", "new": "x", "$Country": "ch", "$Language": "DE"})
    assert merged.changed == {"role": "host", "new": None, "$Language": None}
    assert merged.properties["$Language"] == "de"


def test_d31_none_removes_a_user_property() -> None:
    merged = merge({"role": None, "missing": None})
    assert "role" not in merged.properties
    assert merged.changed == {"role": "host"}


def test_d31_p28_other_fixed_ones_are_ignored_and_named() -> None:
    merged = merge({"$Principal": "bo", "$Roles": "x", "$Country": None, "$Mine": "x"})
    assert merged.properties == SESSION
    assert merged.changed == {}
    assert merged.ignored == ("$Principal", "$Roles", "$Country", "$Mine")


def test_what_was_given_is_not_changed() -> None:
    before = dict(SESSION)
    merge({"role": None, "new": "x"})
    assert before == SESSION


def test_d31_user_properties_are_counted_and_fixed_ones_are_not() -> None:
    assert merge({"new": "x", "$Language": "de"}, max_user=3)
    with pytest.raises(LimitExceeded) as refused:
        merge({"new": "x"}, max_user=2)
    assert (refused.value.limit, refused.value.actual) == (2, 3)


def test_a_session_that_has_too_many_already_may_have_fewer_or_others() -> None:
    assert merge({"role": "guest"}, max_user=1).changed == {"role": "host"}
    assert merge({"role": None, "new": "x"}, max_user=1).changed == {"role": "host", "new": None}
    assert merge({"role": None}, max_user=0).properties["seat"] == "7"
