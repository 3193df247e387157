"""Properties of sessions: what keys and values may be, which of them can be set, and how a change merges in.

A session's properties are one mapping of strings. Fixed ones begin with `$` and belong to the server; all others are
user properties. Nothing here knows where they are stored or who asks.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import re2  # type: ignore[import-untyped]  # has no types

from sessionstore_app.core.errors import InvalidKey, InvalidParams, LimitExceeded
from sessionstore_app.core.jsontext import size_bytes

# Selecting keys to read: all fixed ones, all user ones (parity D24).
ALL_FIXED: Final = "*F"
ALL_USER: Final = "*U"

# Every fixed key there can be (parity §2.3), but those of gateways and MQTT, which have no sessions here.
FIXED: Final = frozenset(
    {
        "$ClientIP",
        "$ClientType",
        "$Connector",
        "$Country",
        "$Environment",
        "$ExpiryTime",
        "$Language",
        "$Latitude",
        "$Longitude",
        "$Principal",
        "$Roles",
        "$ServerName",
        "$SessionId",
        "$StartTime",
        "$Transport",
    }
)

# Parity D22. Controls and lone surrogates no transport or database would carry.
_FORBIDDEN = re.compile("[ \"'()\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_NOT_IN_ROLES = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_NOT_IN_VALUES = re.compile("[\x00\ud800-\udfff]")
_ROLE = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ROLES = re.compile(r'(?:"(?:[^"\\]|\\.)*"(?:[\s,]+(?=")|\Z))*', re.DOTALL)


def is_fixed(key: str) -> bool:
    """True for a key that belongs to the server."""
    return key.startswith("$")


def check_property_key(key: str, max_length: int) -> str:
    """Return a user property's key, or raise InvalidKey. `max_length` is in characters."""
    if len(key) > max_length:
        raise InvalidKey("The property's key is too long.", limit=max_length, actual=len(key))
    if not key or _FORBIDDEN.search(key):
        raise InvalidKey(
            f"{key[:64]!r} cannot be a property's key.",
            hint="A key is non-empty text without spaces, quotes, parentheses and control characters.",
        )
    return key


# --- values that a project allows


@lru_cache(maxsize=256)
def whole_value(expression: str) -> Callable[[str], bool]:
    """Does a value match this regular expression as a whole? In linear time. Raises InvalidParams for what is none."""
    options = re2.Options()
    options.log_errors = False
    try:
        pattern = re2.compile(expression, options)
    except (re2.error, UnicodeEncodeError) as error:
        why = error.args[0].decode() if isinstance(error, re2.error) else "it is no text"
        raise InvalidParams(f"{expression[:64]!r} is no regular expression that RE2 understands: {why}") from error
    return lambda value: pattern.fullmatch(value) is not None


def is_allowed(value: str, allowed: Collection[str] | str) -> bool:
    """Is the value one of those allowed, or does it match the one regular expression?"""
    return whole_value(allowed)(value) if isinstance(allowed, str) else value in allowed


def check_role(role: str, max_bytes: int) -> str:
    """Return a role's name, or raise InvalidParams or LimitExceeded. `max_bytes` is in UTF-8."""
    if not role or _NOT_IN_ROLES.search(role):
        raise InvalidParams("A role's name is non-empty text without control characters.")
    size = size_bytes(role)
    if size > max_bytes:
        raise LimitExceeded("The role's name is too long.", limit=max_bytes, actual=size)
    return role


# --- fixed properties


def _coordinate(bound: float) -> Callable[[str], str]:
    def normal(text: str) -> str:
        try:
            number = float(text)
        except ValueError:
            return "NaN"
        # A number, not an expression of one: what float() takes beyond that (underscores, blanks) is no decimal.
        is_plain = re.fullmatch(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", text, re.ASCII)
        return text if is_plain and math.isfinite(number) and abs(number) <= bound else "NaN"

    return normal


# Fixed properties that may be set after a session was opened, and how a value is brought into form (parity §2.3).
SETTABLE: Final[Mapping[str, Callable[[str], str]]] = {
    "$Country": str.upper,
    "$Language": str.lower,
    "$Latitude": _coordinate(90),
    "$Longitude": _coordinate(180),
}


@lru_cache(maxsize=1_024)
def format_roles(roles: tuple[str, ...]) -> str:
    """`$Roles`: the names in order, quoted, joined by commas; a backslash escapes quotes and backslashes."""
    return ",".join('"' + role.replace("\\", "\\\\").replace('"', '\\"') + '"' for role in sorted(set(roles)))


@lru_cache(maxsize=1_024)
def parse_roles(text: str) -> frozenset[str] | None:
    """The names in a `$Roles` value, whatever their order and separators; None if it is none."""
    if not _ROLES.fullmatch(text):
        return None
    return frozenset(re.sub(r"\\(.)", r"\1", name, flags=re.DOTALL) for name in _ROLE.findall(text))


# --- reading


def select(properties: Mapping[str, str], keys: Iterable[str]) -> dict[str, str]:
    """The properties that `keys` name and that there are, in the order of their names."""
    wanted = frozenset(keys)
    return {key: properties[key] for key in sorted(properties) if is_selected(key, wanted)}


def is_selected(key: str, keys: Collection[str]) -> bool:
    """Do `keys`, wildcards among them, name this one?"""
    return key in keys or (ALL_FIXED if is_fixed(key) else ALL_USER) in keys


# --- changing


@dataclass(frozen=True, slots=True)
class Merged:
    """What setting properties made of them: all as they are now, the old values of those that changed (None for one
    that is new), and the keys that were ignored.
    """

    properties: Mapping[str, str]
    changed: Mapping[str, str | None]
    ignored: tuple[str, ...]


def check_changes(changes: Mapping[str, str | None], *, key_length: int, value_bytes: int) -> None:
    """Raise InvalidKey, InvalidParams or LimitExceeded for properties that nobody could have."""
    for key, value in changes.items():
        if not is_fixed(key):
            check_property_key(key, key_length)
        if value is None:
            continue
        if _NOT_IN_VALUES.search(value):
            raise InvalidParams(f"The value of {key[:64]!r} holds a character that is no text.")
        size = size_bytes(value)
        if size > value_bytes:
            raise LimitExceeded(f"The value of {key[:64]!r} is too large.", limit=value_bytes, actual=size)


def merge(properties: Mapping[str, str], changes: Mapping[str, str | None], *, max_user: int) -> Merged:
    """Set properties (parity D31, D32): listed keys change, others stay, None removes a user property.

    Fixed ones that cannot be set are ignored, and so is removing a fixed one. Raises LimitExceeded where there would
    be more than `max_user` user properties.
    """
    after = dict(properties)
    ignored: list[str] = []
    for key, value in changes.items():
        if not is_fixed(key):
            _put(after, key, value)
        elif key in SETTABLE and value is not None:
            after[key] = SETTABLE[key](value)
        else:
            ignored.append(key)
    changed = {key: properties.get(key) for key in changes if properties.get(key) != after.get(key)}
    count = sum(not is_fixed(key) for key in after)
    if count > max_user and count > sum(not is_fixed(key) for key in properties):
        raise LimitExceeded("The session has as many properties as it may.", limit=max_user, actual=count)
    return Merged(after, changed, tuple(ignored))


def _put(properties: dict[str, str], key: str, value: str | None) -> None:
    if value is None:
        properties.pop(key, None)
    else:
        properties[key] = value
