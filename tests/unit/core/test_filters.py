"""The session filter language: what each operator means, and what is refused and where."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessionstore_app.core import filters as f
from sessionstore_app.core.errors import FilterError, InvalidFilter
from sessionstore_app.core.properties import format_roles
from tests.unit.filtertexts import KEYWORDS, Writer, many, names, nodes, values
from tests.unit.generated import MANY

FRED = {
    "$Principal": "Fred",
    "$Country": "FR",
    "Status": "Active",
    "Note": 'a"b\\c',
    "$Roles": format_roles(("operator", "client")),
}
NOBODY = {"$Principal": "", "$Country": "", "$Roles": ""}


def matched(text: str, properties: dict[str, str] | None = None) -> bool:
    return f.parse(text).matches(FRED if properties is None else properties)


def refused(text: str, **limits: int) -> InvalidFilter:
    with pytest.raises(InvalidFilter) as caught:
        f.parse(text, **limits)
    return caught.value


def place(text: str) -> tuple[int, int]:
    (error,) = refused(text).errors
    return error.line, error.column


# --- the table of examples

EXAMPLES = [
    ('$Principal is "Fred"', True),
    ('$PRINCIPAL is "Fred"', False),
    ("$Principal IS 'fred'", False),
    ("Status eq 'Active' and $Country ne \"US\"", True),
    ('Status is "X" or Status is "Active" and $Country is "FR"', True),
    ('(Status is "X" or Status is "Active") and $Country is "US"', False),
    ('not Status is "Active" or $Country is "FR"', True),
    ('not (Status is "Active" and $Country is "FR")', False),
    ("not not all", True),
    (r'Note is "a\"b\\c"', True),
    (r"""Note is 'a"b\\c'""", True),
    ('$Country in ["US","FR"]', True),
    ("$Country in ['US' 'FR']", True),
    ("has Status", True),
    ("has Missing", False),
    ("not has Missing", True),
    ('hasRoles ["operator"]', True),
    ('hasroles "operator" "client"', True),
    ('hasRoles ["operator","admin"]', False),
    ("""$Roles eq '"client","operator"'""", True),
    ("""$Roles eq '"client"'""", False),
    ('$Principal matches "F.*"', True),
    ('$Principal matches "re"', False),
    ('$Principal is ""', False),
]


@pytest.mark.parametrize(("text", "expected"), EXAMPLES, ids=[text for text, _ in EXAMPLES])
def test_f1_to_f9_each_example_of_the_table(text: str, expected: bool) -> None:
    assert matched(text) is expected


def test_f1_an_anonymous_session_has_an_empty_principal() -> None:
    assert matched('$Principal is ""', NOBODY)


# --- operators


@pytest.mark.parametrize("operator", ["is", "eq", "IS", "Eq"])
def test_f1_is_and_eq_compare_exactly(operator: str) -> None:
    assert matched(f'Status {operator} "Active"')
    assert not any(matched(f'Status {operator} "{other}"') for other in ("active", "Active ", "Activ", ""))


def test_f2_ne_is_not_equal() -> None:
    assert matched('Status ne "active"')
    assert not matched('Status NE "Active"')


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [("Act.*", True), ("ctiv", False), ("Activ", False), ("ctive", False), ("A|Active", True), ("(?i)ACTIVE", True)],
)
def test_f3_a_pattern_describes_the_whole_value(pattern: str, expected: bool) -> None:
    assert matched(f'Status matches "{pattern}"') is expected


def test_f3_patterns_count_characters_not_bytes() -> None:
    assert matched('name matches "..\\\\pL."', {"name": "\U0001f600é日x"})
    assert not matched('name matches "."', {"name": "ab"})


def test_f3_a_value_that_is_no_unicode_is_no_failure() -> None:
    assert not matched('name matches "a."', {"name": "b\ud800"})


def test_f4_in_is_one_of_a_list() -> None:
    assert matched('Status in ["Idle" , "Active"]')
    assert not matched('Status in ["Idle", "active"]')


def test_f5_has_asks_for_user_and_fixed_properties() -> None:
    assert matched("has Note and has $Country and not has $ExpiryTime")


@pytest.mark.parametrize(
    ("roles", "expected"), [(("a", "b"), True), (("a", "b", "c"), True), (("a",), False), ((), False)]
)
def test_f6_has_roles_wants_all_of_them(roles: tuple[str, ...], expected: bool) -> None:
    assert matched('hasRoles ["a", "b"]', {"$Roles": format_roles(roles)}) is expected


@pytest.mark.parametrize(
    ("roles", "expected"), [(("a",), True), (("b", "c"), True), (("c",), False), ((), False), (("A",), False)]
)
def test_f6_has_any_role_wants_one_of_them(roles: tuple[str, ...], expected: bool) -> None:
    assert matched('hasAnyRole "a" "b"', {"$Roles": format_roles(roles)}) is expected


@pytest.mark.parametrize(
    "text",
    [
        """$Roles eq '"operator" "client"'""",
        r"""$Roles is "\"client\",\"operator\"" """,
        """$Roles in ['"admin"' '"client", "operator"']""",
        """$Roles ne '"client"'""",
        """not $Roles is ''""",
    ],
)
def test_f7_roles_compare_as_sets(text: str) -> None:
    assert matched(text)


def test_f7_nobody_has_no_roles() -> None:
    assert matched("$Roles is ''", NOBODY)
    assert not matched("$Roles ne ''", NOBODY)


@pytest.mark.parametrize("text", ["client,operator", '"client', '"client"x', '"client"  ,', "("])
def test_f7_what_lists_no_roles_equals_nothing(text: str) -> None:
    for session in (FRED, NOBODY, {"$Roles": text}, {}):
        assert not matched(f"$Roles is {f.quote(text)}", session)
        assert matched(f"$Roles ne {f.quote(text)}", session)


def test_f8_all_is_every_session() -> None:
    assert matched("all", {})
    assert matched("ALL")


@pytest.mark.parametrize("keyword", ["hasRoles", "HASROLES", "hasAnyRole", "hasanyrole"])
@pytest.mark.parametrize(
    "listed", ['["client"]', ' ["client"]', ' [ "client" ]', ' "client"', '"client"', "['client' , 'operator']"]
)
def test_f9_roles_with_and_without_brackets(keyword: str, listed: str) -> None:
    assert matched(f"{keyword}{listed}")


@pytest.mark.parametrize("listed", ['"a" "b" "c"', '"a","b","c"', '"a", "b" "c"', '"a""b"\t,\n"c"'])
def test_f9_separators_mix(listed: str) -> None:
    roles = {"$Roles": format_roles(("a", "b", "c"))}
    assert matched(f"hasRoles {listed}", roles)
    assert matched(f"hasRoles [{listed}] and all", roles)
    assert not matched(f"hasRoles {listed} and all", {"$Roles": format_roles(("a", "b"))})


# --- edge cases


@pytest.mark.parametrize("clause", ['k is ""', 'k eq ""', 'k in ["", "a"]', 'k matches ".*"', "has k", 'hasRoles "a"'])
def test_a_missing_property_equals_and_matches_nothing(clause: str) -> None:
    assert not matched(clause, {})
    assert matched(f"not {clause}", {})


def test_p24_a_missing_property_differs_from_everything() -> None:
    assert matched('k ne "v"', {})
    assert matched('not k is "v"', {})


def test_an_empty_value_is_not_a_missing_one() -> None:
    assert matched('has $Country and $Country is "" and $Country matches ""', NOBODY)
    assert not matched("has $City", NOBODY)


def test_there_are_no_numbers() -> None:
    assert matched('k ne "1"', {"k": "01"})
    assert place("k is 1") == (1, 6)
    assert place('k < "1"') == (1, 3)


REFUSED = [
    ("", (1, 1)),
    (" \t ", (1, 4)),
    ("\n\r\n \r", (4, 1)),
    ("k in []", (1, 7)),
    ("hasRoles []", (1, 11)),
    ("hasRoles", (1, 9)),
    ('k in ["a",]', (1, 11)),
    ('k in ["a" "b"', (1, 14)),
    ('k in ["a" b]', (1, 11)),
    ('k in "a"', (1, 6)),
    ('hasRoles "a",', (1, 14)),
    ('k is "a', (1, 6)),
    ("k is 'a\"", (1, 6)),
    ('k is "a\\"', (1, 6)),
    ("(all", (1, 5)),
    ("(all all", (1, 6)),
    ("all)", (1, 4)),
    ("()", (1, 2)),
    ('"k" is "a"', (1, 1)),
    ('k like "a"', (1, 3)),
    ("k exists", (1, 3)),
    ("has k exists", (1, 7)),
    ("true", (1, 5)),
    ("has", (1, 4)),
    ('has "k"', (1, 5)),
    ("not", (1, 4)),
    ("all and", (1, 8)),
    ("or all", (1, 4)),
    ("all all", (1, 5)),
    ('all "x"', (1, 5)),
    ('k is "a" "b"', (1, 10)),
    ('k is "a" k is "b"', (1, 10)),
    ('k is "\x00"', (1, 7)),
    ('all or\r\n\U0001f600 is \ud800"', (2, 6)),
    ('all or\r\n  k is "é" or\rİ? x', (3, 4)),
]


@pytest.mark.parametrize(("text", "expected"), REFUSED, ids=[ascii(text) for text, _ in REFUSED])
def test_a_refusal_says_where(text: str, expected: tuple[int, int]) -> None:
    assert place(text) == expected


@pytest.mark.parametrize("key", KEYWORDS)
@pytest.mark.parametrize("rest", [' is "x"', ' EQ "x"', ' in["x"]', " matches 'x'", "\nin ['x']", ' is"x"'])
def test_before_a_comparison_a_keyword_is_a_key(key: str, rest: str) -> None:
    assert matched(f"{key}{rest}", {key: "x"})
    assert matched(f"all and({key}{rest})and all", {key: "x"})
    assert not matched(f"{key}{rest}", {key: "y"})


@pytest.mark.parametrize("text", ["not(all)", "not\tall", 'not k is "x"', "NOT has k", "not\n(all)or not all"])
def test_not_is_a_keyword_elsewhere(text: str) -> None:
    assert not matched(text, {"k": "x", "not": "x"})


@pytest.mark.parametrize(
    "key", ["$a.b", "a-b:c/d", "[a],b[0]", "[", "]", "é", "日本", "\U0001f600", "0", "\\", "\xa0", "İs"]
)
def test_keys_may_hold_signs_and_any_letters(key: str) -> None:
    assert matched(f'{key} is "x" and has {key} and {key} in["x"]', {key: "x"})


@pytest.mark.parametrize(
    ("text", "expected"), [('k is"a"and all', True), ('(k is "a")or(not all)', True), ('k in["a"]and has k', True)]
)
def test_white_space_may_be_missing_beside_quotes_and_brackets(text: str, expected: bool) -> None:
    assert matched(text, {"k": "a"}) is expected


def test_escapes_yield_the_character_itself() -> None:
    assert matched(r'k is "\n\'\"\\"', {"k": "n'\"\\"})
    assert matched("k is 'a\nb'", {"k": "a\nb"})


def test_the_error_has_message_line_and_column_and_goes_to_the_wire() -> None:
    error = refused('all and\n k == "v"')
    found = FilterError("Expected `is`, `eq`, `ne`, `in` or `matches` after a key.", 2, 4)
    assert error.errors == (found,)
    assert str(error) == f"{found.message} (Line 2, column 4.)"
    assert error.data == {
        "reason": "INVALID_FILTER",
        "hint": "See `errors` for line and column.",
        "errors": [{"message": found.message, "line": 2, "column": 4}],
    }


# --- limits


def limits(error: InvalidFilter) -> tuple[object, object]:
    return error.data["limit"], error.data["actual"]


def test_a_filters_length_counts_characters() -> None:
    longest = "k is " + f.quote("é" * 4089)
    assert matched(longest, {"k": "é" * 4089})
    assert limits(refused(longest + " ")) == (4096, 4097)
    assert limits(refused("all\nor all", max_length=5)) == (5, 10)
    assert refused("all\nor all", max_length=5).errors[0].line == 2


def test_parentheses_and_not_nest_so_deep_and_no_deeper() -> None:
    deepest = "not (" * 16 + "all" + ")" * 16
    assert matched(deepest)
    error = refused(f"all or (all and {deepest})")
    assert limits(error) == (32, 33)
    assert error.errors[0].column == 17 + 5 * 15 + 4
    assert limits(refused("not not all", max_depth=1)) == (1, 2)
    assert matched("(all) and (not all or (all))" + " and (all)" * 100, FRED)


@pytest.mark.parametrize(
    "pattern", ["(", "a{1001}", "(?=a)", r"\\1", "[b-a]", r"\\p{Nonsense}", "(?P<a>", "é(", r"\\pL{100}"]
)
def test_p25_a_pattern_that_cannot_be_used_is_an_error_where_it_stands(pattern: str) -> None:
    error = refused(f'all or\nk matches "{pattern}"')
    assert (error.errors[0].line, error.errors[0].column) == (2, 11)
    assert "no pattern that can be used" in str(error)


def test_p25_patterns_are_bounded_in_length() -> None:
    assert matched(f'k matches "{"é" * 256}"', {"k": "é" * 256})
    assert limits(refused(f'k matches "{"é" * 257}"')) == (256, 257)


def test_p25_patterns_are_bounded_in_number_and_work() -> None:
    assert matched(many('k matches "a"', 8), {"k": "a"})
    assert limits(refused(many('k matches "a"', 9))) == (8, 9)
    assert matched('k matches "[\\\\pL\\\\pN _-]+"', {"k": "Ünï 1"})
    assert limits(refused(many(r'k matches "[\\pN\\PN\\pN]"', 3))) == (8, 9)
    assert refused(many('k matches ".{100}"', 2)).data["limit"] == f.PROGRAM_SIZE


# --- reading back what was written


@MANY
@given(nodes, st.randoms(use_true_random=False))
def test_what_is_written_is_read_back(node: f.Node, chance: random.Random) -> None:
    read = f.parse(Writer(chance).text(node), max_length=100_000)
    assert read.root == node
    assert read.names == names(node)


@MANY
@given(values, values)
def test_a_quoted_value_is_that_value(value: str, other: str) -> None:
    assert matched(f"k is {f.quote(value)}", {"k": value})
    assert matched(f"k is {f.quote(value)}", {"k": other}) is (value == other)


def test_equal_texts_are_read_once_and_are_equal() -> None:
    assert f.parse("has k") is f.parse("has k")
    assert f.parse("has k") == f.parse("has k", max_length=5)
    assert f.parse("has k") != f.parse("has  k")


@pytest.mark.parametrize("connector", ["or", "and"])
def test_a_flat_chain_of_any_length_does_not_recurse(connector: str) -> None:
    chain = f.parse(f" {connector} ".join(["not has k"] * 20_000), max_length=1_000_000)
    assert chain.matches({})


def test_p26_the_id_of_a_session_is_no_filter() -> None:
    assert place("b6c2f0e4a1d84f0c") == (1, 17)
