"""Hostile filters: every text is refused or answered; how fast, decision 9 has measured."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessionstore_app.core import filters as f
from sessionstore_app.core.errors import InvalidFilter
from sessionstore_app.core.properties import format_roles
from tests.unit.filtertexts import many
from tests.unit.generated import MANY

WORDS = ["all", "has", "not", "and", "or", "is", "in", "ne", "matches", "hasRoles", "k", "$Roles", "é", "İ"]
SIGNS = ['"', "'", "\\", "(", ")", "[", "]", ",", " ", "\n", "\r\n", '"a"', "'b'", '"(a*)*"', "\0", "\ud800"]
pieces = st.lists(st.sampled_from([*WORDS, *SIGNS]), max_size=12)


@settings(MANY, max_examples=500)
@given(pieces.map(" ".join) | pieces.map("".join))
def test_t17_any_text_is_read_or_refused_at_a_place_in_it(text: str) -> None:
    try:
        read = f.parse(text)
    except InvalidFilter as error:
        (found,) = error.errors
        lines = re.split("\r\n|\r|\n", text)
        assert 1 <= found.column <= len(lines[found.line - 1]) + 1
    else:
        assert read.matches({"k": "a", "$Roles": "x"}) in (True, False)


LONG = 4096
HOSTILE = {
    "parentheses": "(" * LONG,
    "closed parentheses": "(" * 2000 + "all" + ")" * 2000,
    "nots": "not " * 1024,
    "groups": "(all) and " * 400 + "(all)",
    "clauses": "all or " * 584 + "all",
    "nested lists": "k in [" * 600,
    "strings": "k in [" + '""' * 2000 + "]",
    "roles": "hasRoles " + "''" * 2000,
    "role sets": "$Roles in [" + "'\"a\"' " * 600 + "]",
    "one role set": "$Roles is '" + '"a"' * 1300 + "'",
    "backslashes": "k is '" + "\\" * 4080,
    "escapes": "k is '" + r"\'" * 2040 + "'",
    "quote": "k is '" + "a" * 4080,
    "quotes": '"' * LONG,
    "word": "k" * LONG,
    "brackets": "hasRoles" + "[" * 4080,
    "white": " " * LONG,
    "lines": "\r\n" * 2048,
    "no text": "\ud800" * LONG,
    "too long": "all or " * 100_000,
    "patterns": many('k matches ""', 250),
}
PATTERNS = [
    "(a+)+$",
    "(a|a)*b",
    "(.*)*x",
    ".*a.{99}",
    "(?:.*a){30}b",
    "(?:(?:[ab]+[ab]*?){30,}){1,9}b",
    "(?i)" + r"\\PL" * 8,
    "a{0,200}" * 32,
    "(((a{30}){30}){30}){30}",
    "(" * 128 + ")" * 128,
    r"\\C*" * 60,
    "é|" * 128,
]
VALUES = ["a" * 1024, "ab" * 512, "é" * 512, "日" * 341, "\U0001f600" * 256]


@pytest.mark.parametrize("text", HOSTILE.values(), ids=list(HOSTILE))
def test_t17_hostile_texts_are_refused_or_answered(text: str) -> None:
    ends(text, {"k": "a" * 1024, "$Roles": format_roles(tuple(map(str, range(300))))})


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("value", VALUES, ids=ascii)
def test_p25_hostile_patterns_are_refused_or_answered(pattern: str, value: str) -> None:
    ends(many(f'k matches "{pattern}"', 8), {"k": value})
    ends(f'k matches "{pattern}"', {"k": value})


def ends(text: str, properties: dict[str, str]) -> None:
    try:
        read = f.parse(text)
    except InvalidFilter:
        return
    assert read.matches(properties) in (True, False)
