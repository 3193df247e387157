"""Keys and the patterns that name several of them (protocol §3, parity H61).

A pattern is exact, `prefix*`, `*suffix` or `*`; a star elsewhere is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from sessionstore_app.core.errors import InvalidKey, InvalidParams, LimitExceeded

# C0 and C1 controls and DEL; lone surrogates cannot be encoded as UTF-8.
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
# Names that would reach a JavaScript object's prototype if a careless client used plain objects.
RESERVED_KEYS = frozenset({"__proto__", "prototype", "constructor"})


def check_key(key: str, max_length: int) -> str:
    """Return `key`, or raise InvalidKey. `max_length` is in characters."""
    if len(key) > max_length:
        raise InvalidKey("The key is too long.", limit=max_length, actual=len(key))
    if not key or "*" in key or key in RESERVED_KEYS or _FORBIDDEN.search(key):
        raise InvalidKey
    return key


def check_room_name(name: str, max_length: int) -> str:
    """Return `name`, or raise InvalidParams or, where only its length is wrong, LimitExceeded."""
    if not name or _FORBIDDEN.search(name):
        raise InvalidParams("A room's name is non-empty text without control characters.")
    if len(name) > max_length:
        raise LimitExceeded("The room's name is too long.", limit=max_length, actual=len(name))
    return name


def check_pattern(pattern: str, max_length: int) -> str:
    """Return `pattern`, or raise InvalidParams or InvalidKey. `max_length` counts the key, not the star."""
    if pattern == "*":
        return pattern
    text = pattern.removesuffix("*") if pattern.endswith("*") else pattern.removeprefix("*")
    if "*" in text:
        raise InvalidParams("A pattern has one star, at its start or its end.", hint="Use `hand/*`, `*/vote` or `*`.")
    if text == pattern:
        return check_key(pattern, max_length)
    if len(text) > max_length or _FORBIDDEN.search(text):
        raise InvalidKey(limit=max_length, actual=len(text))
    return pattern


def is_exact(pattern: str) -> bool:
    """True if the pattern names one key."""
    return "*" not in pattern


def overlap(one: str, other: str) -> bool:
    """Is there a text that both patterns name?"""
    if is_exact(one):
        return pattern_set(frozenset({other})).matches(one)
    if is_exact(other):
        return overlap(other, one)
    starts = [pattern[:-1] for pattern in (one, other) if pattern.endswith("*")]
    ends = [pattern[1:] for pattern in (one, other) if not pattern.endswith("*")]
    # One that says how a text starts and one that says how it ends always meet.
    if len(starts) == 1:
        return True
    return _agree(*starts) if starts else _agree(*(end[::-1] for end in ends))


def _agree(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


@dataclass(frozen=True, slots=True)
class PatternSet:
    """Several patterns, ready to match. Equal sets are equal objects' values: they share encodings."""

    patterns: frozenset[str]
    exact: frozenset[str]
    prefixes: tuple[str, ...]
    suffixes: tuple[str, ...]

    @property
    def matches_all(self) -> bool:
        """True if every key matches."""
        return "*" in self.patterns

    def matches(self, key: str) -> bool:
        """True if one of the patterns names `key`."""
        return (
            key in self.exact
            or (bool(self.prefixes) and key.startswith(self.prefixes))
            or (bool(self.suffixes) and key.endswith(self.suffixes))
        )


@lru_cache(maxsize=1_024)
def pattern_set(patterns: frozenset[str]) -> PatternSet:
    """Compile checked patterns that are observed; the same set is compiled once."""
    return compiled(patterns)


def compiled(patterns: frozenset[str]) -> PatternSet:
    """Compile checked patterns for a single read; nothing is remembered."""
    return PatternSet(
        patterns=patterns,
        exact=frozenset(pattern for pattern in patterns if is_exact(pattern)),
        prefixes=tuple(sorted(p[:-1] for p in patterns if p.endswith("*"))),
        suffixes=tuple(sorted(p[1:] for p in patterns if p.startswith("*") and p != "*")),
    )


NOTHING = pattern_set(frozenset())
EVERYTHING = pattern_set(frozenset({"*"}))
