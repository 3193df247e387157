"""Values as compact UTF-8 JSON: the one form in which they are counted, kept and sent."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import msgspec

from sessionstore_app.core.errors import InvalidValue

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
# What callers may hand in: anything that reads like JSON.
JsonInput: TypeAlias = "bool | int | float | str | Sequence[JsonInput] | Mapping[str, JsonInput] | None"

NULL = "null"
# Integers beyond this are rounded by browsers.
MAX_INTEGER = 2**53 - 1
_HINT = "Store dict, list, str, int, float, bool or None."
_CONTAINERS: Final = (dict, list, tuple)
_decoder: msgspec.json.Decoder[Json] = msgspec.json.Decoder()
# What a subclass of text or of a number says as its base, whatever it says of itself.
_BASES: Final[Mapping[type, Callable[[Any], str | int | float]]] = {
    str: str.__str__,
    int: int.__int__,
    float: float.__float__,
}


def _as_base(value: Any) -> str | int | float:
    """A value of a subclass of text or of a number as that. Raises TypeError for what is neither."""
    for base, say in _BASES.items():
        # Not isinstance: a proxy says that it is one, too.
        if issubclass(type(value), base):
            return say(value)
    raise TypeError(f"{type(value).__name__} is not JSON.")


# Asked only for types that it does not know.
_encoder = msgspec.json.Encoder(enc_hook=_as_base)


def dumps(value: JsonInput) -> str:
    """Encode to compact JSON text, members in the order given. Raises InvalidValue for what is not JSON.

    Subclasses of JSON's own types are taken for their bases.
    """
    try:
        return _encoder.encode(value).decode()
    except (TypeError, UnicodeEncodeError) as error:
        raise InvalidValue(f"That is not JSON: {error}", hint=_HINT) from error


def loads(text: str) -> Json:
    """Decode text that `dumps` made; a new object each time, so nobody shares it."""
    return _decoder.decode(text)


def size_bytes(text: str) -> int:
    """Length of `text` in UTF-8 bytes."""
    return len(text) if text.isascii() else len(text.encode())


def check(value: object, max_depth: int) -> None:
    """Raise InvalidValue for a Python object that is not strict JSON: what the wire's gate refuses, from server code.

    NaN and infinities, integers beyond ±(2^53−1), NUL characters, lone surrogates, names that are no strings,
    other types, and containers nested deeper than `max_depth`. It looks at what `dumps` encodes, so that nothing hides
    behind the methods of a subclass.
    """
    if value is None or value is True or value is False:
        return
    if type(value) is str:
        _check_text(value)
    elif issubclass(type(value), _CONTAINERS):
        _check_container(value, max_depth)
    elif type(value) is int or type(value) is float:
        _check_number(value)
    else:
        check(_plain(value), max_depth)


def _plain(value: object) -> str | int | float:
    try:
        plain = _as_base(value)
    except TypeError as error:
        raise InvalidValue(str(error), hint=_HINT) from error
    # An enumeration of floats is encoded as something else than the float it is.
    if dumps(value) != dumps(plain):  # type: ignore[arg-type]  # it is of a subclass of a JSON type
        raise InvalidValue(f"{type(value).__name__} is not JSON.", hint=_HINT)
    return plain


def _check_number(value: float) -> None:
    if type(value) is int:
        if abs(value) > MAX_INTEGER:
            raise InvalidValue(
                "An integer is beyond ±(2^53−1); a browser would round it.", hint="Store it as a string."
            )
    elif not math.isfinite(value):
        raise InvalidValue("NaN and infinities are not JSON.", hint="Store null or a string.")


def _check_text(text: str) -> None:
    if "\0" in text:
        raise InvalidValue("A string holds a NUL character.", hint="Not every database can keep it.")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise InvalidValue("A string holds a lone surrogate.", hint="It is not valid Unicode.") from None


def _plain_name(name: object) -> str:
    if not issubclass(type(name), str):
        raise InvalidValue("Names of an object's members are strings.", hint="Use str keys.")
    return str.__str__(name)


def _check_container(value: Any, max_depth: int) -> None:
    """The value is a list, a tuple or a dict, maybe of a subclass, whose own methods tell what they like."""
    if max_depth <= 0:
        raise InvalidValue("Nested too deep.", hint="Keep fewer levels of lists and objects.")
    if issubclass(type(value), dict):
        for name in dict.keys(value):
            _check_text(name if type(name) is str else _plain_name(name))
        items = iter(dict.values(value))
    else:
        items = list.__iter__(value) if issubclass(type(value), list) else tuple.__iter__(value)
    for item in items:
        check(item, max_depth - 1)
