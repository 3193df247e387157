"""Values as compact UTF-8 JSON: the one form in which they are counted, kept and sent."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import msgspec

from sessionstore_app.core.errors import InvalidValue

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
# What callers may hand in: anything that reads like JSON.
JsonInput: TypeAlias = "bool | int | float | str | Sequence[JsonInput] | Mapping[str, JsonInput] | None"

NULL = "null"
# Integers beyond this are rounded by browsers.
MAX_INTEGER = 2**53 - 1
_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Json] = msgspec.json.Decoder()


def dumps(value: JsonInput) -> str:
    """Encode to compact JSON text, members in the order given. Raises TypeError for what is not JSON."""
    return _encoder.encode(value).decode()


def loads(text: str) -> Json:
    """Decode text that `dumps` made; a new object each time, so nobody shares it."""
    return _decoder.decode(text)


def size_bytes(text: str) -> int:
    """Length of `text` in UTF-8 bytes."""
    return len(text) if text.isascii() else len(text.encode())


def check(value: object, max_depth: int) -> None:
    """Raise InvalidValue for a Python object that is not strict JSON: what the wire's gate refuses, from server code.

    NaN and infinities, integers beyond ±(2^53−1), NUL characters, lone surrogates, names that are no strings,
    other types, and containers nested deeper than `max_depth`.
    """
    if value is None or isinstance(value, bool):
        return
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, int):
        if abs(value) > MAX_INTEGER:
            raise InvalidValue(
                "An integer is beyond ±(2^53−1); a browser would round it.", hint="Store it as a string."
            )
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise InvalidValue("NaN and infinities are not JSON.", hint="Store null or a string.")
    elif isinstance(value, list | tuple | dict):
        _check_container(value, max_depth)
    else:
        raise InvalidValue(
            f"{type(value).__name__} is not JSON.", hint="Store dict, list, str, int, float, bool or None."
        )


def _check_text(text: str) -> None:
    if "\0" in text:
        raise InvalidValue("A string holds a NUL character.", hint="Not every database can keep it.")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise InvalidValue("A string holds a lone surrogate.", hint="It is not valid Unicode.") from None


def _check_container(value: list[object] | tuple[object, ...] | dict[object, object], max_depth: int) -> None:
    if max_depth <= 0:
        raise InvalidValue("Nested too deep.", hint="Keep fewer levels of lists and objects.")
    if isinstance(value, dict):
        for name in value:
            if not isinstance(name, str):
                raise InvalidValue("Names of an object's members are strings.", hint="Use str keys.")
            _check_text(name)
        value = list(value.values())
    for item in value:
        check(item, max_depth - 1)
