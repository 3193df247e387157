"""What may stand in a declaration: numbers of seconds, counts, and types by what their values are in JSON.

Declarations are written by hand: nothing here trusts that what is given is of the type that it should have.
"""

from __future__ import annotations

from typing import Any, Final, TypeGuard

from msgspec import inspect

# Thirty years: what lives longer needs no end, and times stay within what databases hold.
_LONGEST_SECONDS: Final = 1e9


def is_seconds(given: object) -> TypeGuard[float]:
    """A number of seconds above 0?"""
    return isinstance(given, int | float) and not isinstance(given, bool) and 0 < given <= _LONGEST_SECONDS


def is_count(given: object) -> TypeGuard[int]:
    """An integer above 0?"""
    return isinstance(given, int) and not isinstance(given, bool) and given > 0


def in_ms(seconds: object) -> int | None:
    """In milliseconds, 1 at the least; None for what is no number of seconds."""
    return max(1, round(seconds * 1_000)) if is_seconds(seconds) else None


def may_be(value_type: Any, kind: type[inspect.Type]) -> bool:
    """Could a value of this type be of that kind? True too where that cannot be told."""
    if value_type is Any or value_type is object:
        return True
    try:
        found = inspect.type_info(value_type)
    except Exception:  # whatever a type may raise that is none; the decoder says so
        return True
    each = found.types if isinstance(found, inspect.UnionType) else (found,)
    return any(isinstance(one, kind | inspect.AnyType | inspect.RawType) for one in each)


def is_from_json(value_type: Any) -> bool:
    """False for a class of which no value can come out of JSON: msgspec takes it, and then refuses all values."""
    return value_type is object or not isinstance(inspect.type_info(value_type), inspect.CustomType)
