"""Filters for tests: what Hypothesis draws, and how they are written down."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence

from hypothesis import strategies as st

from sessionstore_app.core import filters as f

KEYWORDS = ["all", "has", "not", "and", "or", "hasRoles", "hasAnyRole", "is", "in", "matches", "hasRoles[0]", "notable"]


def many(clause: str, count: int) -> str:
    return " or ".join([clause] * count)


class Unused:
    """Stands in for a compiled pattern in filters that are only compared or written."""

    programsize = 0

    def fullmatch(self, text: bytes, /) -> None:
        raise AssertionError


letters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
values = st.text(letters | st.sampled_from("\"'\\ "), max_size=6)
words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0 \t\r\n\"'()"), min_size=1, max_size=5)
words |= st.sampled_from([*KEYWORDS, "HAS", "in[", "eq", "ne", "$Country"])
OPERATOR = re.compile(r"(is|eq|ne|matches|in)\Z|in\[", re.IGNORECASE)
roles = st.frozensets(values, min_size=1, max_size=3)
clauses: st.SearchStrategy[f.Node] = st.one_of(
    st.just(f.All()),
    st.builds(f.Has, words.filter(lambda key: not OPERATOR.match(key))),
    st.builds(f.OneOf, words, st.frozensets(values, min_size=1, max_size=3)),
    st.builds(f.Matches, words, st.sampled_from(["", "a.*", "é|x", r'[a\\"]+']), st.just(Unused())),
    st.builds(f.HasRoles, roles),
    st.builds(f.HasAnyRole, roles),
    st.builds(f.RolesAre, st.frozensets(st.frozensets(values, max_size=3), min_size=1, max_size=2)),
)
nodes: st.SearchStrategy[f.Node] = st.recursive(
    clauses,
    lambda inner: (
        st.builds(f.Not, inner)
        | st.builds(f.And, st.lists(inner, min_size=2, max_size=3).map(tuple))
        | st.builds(f.Or, st.lists(inner, min_size=2, max_size=3).map(tuple))
    ),
    max_leaves=6,
)


class Writer:
    """Writes a filter in one of the many ways that mean the same."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance

    def white(self, least: int = 0) -> str:
        return "".join(self.chance.choices(" \t\r\n", k=self.chance.randint(least, 2)))

    def keyword(self, *ways: str) -> str:
        word = self.chance.choice(ways)
        return "".join(self.chance.choice((letter.upper(), letter.lower())) for letter in word)

    def string(self, value: str) -> str:
        sign = self.chance.choice("\"'")
        escaped = (f"\\{c}" if c in (sign, "\\") or self.chance.random() < 0.1 else c for c in value)
        return f"{sign}{''.join(escaped)}{sign}"

    def bare(self, values: Iterable[str]) -> str:
        separator = self.chance.choice((" ", "", ",")) + self.white()
        return separator.join(map(self.string, values))

    def listed(self, values: Iterable[str]) -> str:
        return f"[{self.white()}{self.bare(values)}{self.white()}]"

    def roles(self, roles: Iterable[str]) -> str:
        return self.bare(roles) if self.chance.random() < 0.5 else self.listed(roles)

    def compared(self, key: str, values: Sequence[str]) -> str:
        head = f"{key}{self.white(1)}"
        if len(values) == 1 and self.chance.random() < 0.7:
            return f"{head}{self.keyword('is', 'eq')}{self.white()}{self.string(values[0])}"
        return f"{head}{self.keyword('in')}{self.white()}{self.listed(values)}"

    def inner(self, node: f.Node) -> str:
        text = self.text(node)
        is_plain = not isinstance(node, f.And | f.Or) and not OPERATOR.match(re.split("[ \t\r\n]", text)[0])
        if is_plain and self.chance.random() < 0.7:
            return f"{self.white(1)}{text}{self.white(1)}"
        return f"{self.white()}({self.white()}{text}{self.white()}){self.white()}"

    def text(self, node: f.Node) -> str:
        match node:
            case f.Not(part):
                return f"{self.keyword('not')}{self.inner(part)}"
            case f.And(parts):
                return self.keyword("and").join(map(self.inner, parts))
            case f.Or(parts):
                return self.keyword("or").join(map(self.inner, parts))
            case _:
                return self.clause(node)

    def clause(self, node: f.Node) -> str:
        match node:
            case f.Has(key):
                return f"{self.keyword('has')}{self.white(1)}{key}"
            case f.OneOf(key, values):
                return self.compared(key, sorted(values))
            case f.RolesAre(sets):
                separator = self.chance.choice((" ", ",", ", "))
                return self.compared(f.ROLES, sorted(separator.join(map(f.quote, sorted(roles))) for roles in sets))
            case f.Matches(key, pattern):
                return f"{key}{self.white(1)}{self.keyword('matches')}{self.white()}{self.string(pattern)}"
            case f.HasRoles(roles):
                return f"{self.keyword('hasRoles')}{self.white()}{self.roles(sorted(roles))}"
            case f.HasAnyRole(roles):
                return f"{self.keyword('hasAnyRole')}{self.white()}{self.roles(sorted(roles))}"
            case _:
                return self.keyword("all")


def names(node: f.Node) -> frozenset[str]:
    match node:
        case f.And(parts) | f.Or(parts):
            return frozenset[str]().union(*map(names, parts))
        case f.Not(part):
            return names(part)
        case f.Has(key) | f.OneOf(key) | f.Matches(key):
            return frozenset({key})
        case f.All():
            return frozenset()
        case _:
            return frozenset({f.ROLES})
