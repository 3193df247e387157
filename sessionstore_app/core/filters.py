"""The session filter language (parity §2.7): text in, something that tells whether a session's properties match.

A cursor over the text and one function for each rule of the grammar. Depth, length and the work of all patterns are
bounded, because whoever may ask writes the text. Nothing here knows where sessions are kept or who asks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Protocol, TypeAlias

import re2  # type: ignore[import-untyped]  # it has no stubs; `Regex` is all that we use of it

from sessionstore_app.core.errors import FilterError, InvalidFilter
from sessionstore_app.core.properties import parse_roles

# What keeps the worst filter far below 50 ms; decision 9 has the measurements.
PATTERN_LENGTH: Final = 256
PATTERNS: Final = 8
# `\p{L}` and the like: short to write, long to compile.
UNICODE_CLASSES: Final = 8
# Instructions of all compiled patterns together: matching costs up to their number for each byte of the value.
PROGRAM_SIZE: Final = 1_500

ROLES: Final = "$Roles"
_COMPARISONS: Final = frozenset({"is", "eq", "ne", "matches", "in"})
_ROLE_KEYWORDS: Final = frozenset({"hasroles", "hasanyrole"})
_NOT_WHITE = re.compile(r"[^ \t\r\n]")
_NO_KEY = re.compile(r"""[ \t\r\n"'()]""")
_STRING = re.compile(r""""[^"\\]*+(?:\\.[^"\\]*+)*+"|'[^'\\]*+(?:\\.[^'\\]*+)*+'""", re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_QUOTES: Final = ('"', "'")
# No property holds these, and no database takes them as a parameter.
_NO_TEXT = re.compile("[\x00\ud800-\udfff]")


# --- what a filter means


class Regex(Protocol):
    """A compiled pattern."""

    @property
    def programsize(self) -> int: ...
    def fullmatch(self, text: bytes, /) -> object | None: ...


@dataclass(frozen=True, slots=True)
class All:
    """Every session."""

    def matches(self, properties: Mapping[str, str]) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class Has:
    """The property exists, whatever its value."""

    key: str

    def matches(self, properties: Mapping[str, str]) -> bool:
        return self.key in properties


@dataclass(frozen=True, slots=True)
class OneOf:
    """The property exists and has one of these values."""

    key: str
    values: frozenset[str]

    def matches(self, properties: Mapping[str, str]) -> bool:
        return properties.get(self.key) in self.values


@dataclass(frozen=True, slots=True)
class Matches:
    """The property exists and its whole value matches a pattern."""

    key: str
    pattern: str
    regex: Regex = field(compare=False, repr=False)

    def matches(self, properties: Mapping[str, str]) -> bool:
        value = properties.get(self.key)
        return value is not None and self.regex.fullmatch(value.encode("utf-8", "surrogatepass")) is not None


@dataclass(frozen=True, slots=True)
class HasRoles:
    """The session has all of these roles."""

    roles: frozenset[str]

    def matches(self, properties: Mapping[str, str]) -> bool:
        return self.roles <= (_roles_in(properties) or frozenset())


@dataclass(frozen=True, slots=True)
class HasAnyRole:
    """The session has at least one of these roles."""

    roles: frozenset[str]

    def matches(self, properties: Mapping[str, str]) -> bool:
        return not self.roles.isdisjoint(_roles_in(properties) or frozenset())


@dataclass(frozen=True, slots=True)
class RolesAre:
    """The session's roles are exactly one of these sets."""

    sets: frozenset[frozenset[str]]

    def matches(self, properties: Mapping[str, str]) -> bool:
        return _roles_in(properties) in self.sets


@dataclass(frozen=True, slots=True)
class Not:
    """What the part does not match."""

    part: Node

    def matches(self, properties: Mapping[str, str]) -> bool:
        return not self.part.matches(properties)


@dataclass(frozen=True, slots=True)
class And:
    """What all parts match."""

    parts: tuple[Node, ...]

    def matches(self, properties: Mapping[str, str]) -> bool:
        return all(part.matches(properties) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Or:
    """What one part or more matches."""

    parts: tuple[Node, ...]

    def matches(self, properties: Mapping[str, str]) -> bool:
        return any(part.matches(properties) for part in self.parts)


Clause: TypeAlias = All | Has | OneOf | Matches | HasRoles | HasAnyRole | RolesAre
Node: TypeAlias = Clause | Not | And | Or


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter that was read. `names` are the keys of all properties that it looks at. Equal texts are equal."""

    text: str
    names: frozenset[str] = field(compare=False)
    root: Node = field(compare=False, repr=False)

    def matches(self, properties: Mapping[str, str]) -> bool:
        """Does a session with these properties, all that it has, match? What else answers this must agree."""
        return self.root.matches(properties)


def _roles_in(properties: Mapping[str, str]) -> frozenset[str] | None:
    text = properties.get(ROLES)
    return None if text is None else parse_roles(text)


# --- reading


def parse(text: str, *, max_length: int = 4096, max_depth: int = 32) -> Filter:
    """Read a filter, or raise InvalidFilter. `max_length` is in characters.

    `max_depth` bounds the nesting of parentheses and `not`, and with it Python's stack: a hundred is safe.
    """
    return _parsed(text, max_length, max_depth)


def quote(value: str) -> str:
    """Write a value as a string of the language."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


@lru_cache(maxsize=128)
def _parsed(text: str, max_length: int, max_depth: int) -> Filter:
    return _Parser(text, max_depth).parse(max_length)


class _Parser:
    def __init__(self, text: str, max_depth: int) -> None:
        self._text = text
        self._at = 0
        self._depth = 0
        self._max_depth = max_depth
        self._names: set[str] = set()
        self._patterns: list[str] = []
        self._program_size = 0

    def parse(self, max_length: int) -> Filter:
        self._limit("The filter is too long.", max_length, len(self._text), at=max_length)
        no_text = _NO_TEXT.search(self._text)
        if no_text:
            raise self._error("This character is no text.", no_text.start())
        root = self._either()
        if self._at < len(self._text):
            raise self._error("Expected `and`, `or` or the end.", self._at)
        return Filter(self._text, frozenset(self._names), root)

    # --- rules of the grammar

    def _either(self) -> Node:
        parts = [self._both()]
        while self._takes("or"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _both(self) -> Node:
        parts = [self._clause()]
        while self._takes("and"):
            parts.append(self._clause())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _clause(self) -> Node:
        start = self._skip()
        if self._eats("("):
            return self._group(start)
        word = self._word()
        self._at += len(word)
        operator = self._operator()
        if operator:
            return self._comparison(word, operator)
        keyword = _cut(word, _ROLE_KEYWORDS)
        self._at = start + len(keyword)
        match keyword.lower():
            case "all":
                return All()
            case "has":
                return self._existence()
            case "hasroles":
                return HasRoles(self._roles())
            case "hasanyrole":
                return HasAnyRole(self._roles())
            case "not":
                return Not(self._deeper(self._clause, start))
        wanted = "`is`, `eq`, `ne`, `in` or `matches` after a key" if word else 'a clause, such as `key is "value"`'
        raise self._error(f"Expected {wanted}.", self._skip())

    def _group(self, start: int) -> Node:
        inner = self._deeper(self._either, start)
        if not self._eats(")"):
            raise self._error("Expected `and`, `or` or `)`.", self._at)
        return inner

    def _deeper(self, rule: Callable[[], Node], start: int) -> Node:
        self._depth += 1
        self._limit("The filter is nested too deep.", self._max_depth, self._depth, at=start)
        inner = rule()
        self._depth -= 1
        return inner

    def _existence(self) -> Node:
        start = self._skip()
        key = self._word()
        if not key:
            raise self._error("Expected a property's key.", start)
        self._at += len(key)
        self._names.add(key)
        return Has(key)

    def _comparison(self, key: str, operator: str) -> Node:
        self._names.add(key)
        if operator == "matches":
            return self._match(key)
        values = self._list() if operator == "in" else [self._string()]
        same = _one_of(key, values)
        # A property that is missing is not equal to anything, so it differs from everything.
        return Not(same) if operator == "ne" else same

    def _match(self, key: str) -> Node:
        start = self._skip()
        pattern = self._string()
        self._patterns.append(pattern)
        self._limit("The pattern is too long.", PATTERN_LENGTH, len(pattern), at=start)
        self._limit("The filter has too many patterns.", PATTERNS, len(self._patterns), at=start)
        classes = sum(pattern.lower().count(r"\p") for pattern in self._patterns)
        self._limit(r"The patterns have too many classes such as `\pL`.", UNICODE_CLASSES, classes, at=start)
        try:
            regex = _compile(pattern)
        except ValueError as error:
            raise self._error(f"This is no pattern that can be used: {error}.", start) from None
        self._program_size += regex.programsize
        self._limit("The patterns are too large together.", PROGRAM_SIZE, self._program_size, at=start)
        return Matches(key, pattern, regex)

    def _roles(self) -> frozenset[str]:
        self._names.add(ROLES)
        return frozenset(self._list() if self._text.startswith("[", self._skip()) else self._strings())

    def _list(self) -> list[str]:
        if not self._eats("["):
            raise self._error("Expected a list of strings in brackets.", self._at)
        values = self._strings()
        if not self._eats("]"):
            raise self._error("Expected a comma, a string or `]`.", self._at)
        return values

    def _strings(self) -> list[str]:
        values = [self._string()]
        while self._eats(",") or self._text.startswith(_QUOTES, self._at):
            values.append(self._string())
        return values

    def _string(self) -> str:
        start = self._skip()
        found = _STRING.match(self._text, start)
        if not found:
            is_open = self._text.startswith(_QUOTES, start)
            raise self._error("This quote is not closed." if is_open else "Expected a string in quotes.", start)
        self._at = found.end()
        return _ESCAPE.sub(r"\1", found[0][1:-1])

    # --- the cursor

    def _skip(self) -> int:
        """Go on to the next sign that is not white, and say where that is."""
        self._at = self._next(_NOT_WHITE)
        return self._at

    def _word(self) -> str:
        """The word that begins here, not taken yet; empty at a quote, a parenthesis and the end."""
        return self._text[self._at : self._next(_NO_KEY)]

    def _next(self, sign: re.Pattern[str]) -> int:
        found = sign.search(self._text, self._at)
        return found.start() if found else len(self._text)

    def _eats(self, sign: str) -> bool:
        is_there = self._text.startswith(sign, self._skip())
        self._at += is_there
        return is_there

    def _takes(self, connector: str) -> bool:
        self._skip()
        is_there = self._word().lower() == connector
        self._at += is_there * len(connector)
        return is_there

    def _operator(self) -> str | None:
        """Take the comparison operator that comes next: before one, a word is a key, even one that reads `all`."""
        before = self._at
        self._skip()
        operator = _cut(self._word(), ("in",))
        if operator.lower() not in _COMPARISONS:
            self._at = before
            return None
        self._at += len(operator)
        return operator.lower()

    def _limit(self, message: str, limit: int, actual: int, *, at: int) -> None:
        if actual > limit:
            raise self._error(message, at, limit=limit, actual=actual)

    def _error(self, message: str, at: int, **figures: int) -> InvalidFilter:
        before = self._text[:at].replace("\r\n", "\n").replace("\r", "\n")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        return InvalidFilter(errors=(FilterError(message, line, column),), **figures)


def _cut(word: str, keywords: Collection[str]) -> str:
    """The part of a word before a bracket, if that is one of these keywords, which take a list; else all of it."""
    head = word.partition("[")[0]
    return head if head.lower() in keywords else word


def _one_of(key: str, values: Collection[str]) -> Node:
    if key != ROLES:
        return OneOf(key, frozenset(values))
    # A text that lists no roles equals no session's roles.
    return RolesAre(frozenset(roles for roles in map(parse_roles, values) if roles is not None))


def _compile(pattern: str) -> Regex:
    """Raises ValueError, with the reason."""
    options = re2.Options()
    options.max_mem = 1 << 15
    options.log_errors = False
    # Nobody asks what a group matched; without that, matching is quicker.
    options.never_capture = True
    try:
        regex: Regex = re2.compile(pattern, options)
    except re2.error as error:
        raise ValueError(error.args[0].decode(errors="replace")) from None
    return regex
