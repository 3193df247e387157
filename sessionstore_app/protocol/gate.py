"""The strict JSON gate: what passes survives every backend and every browser, and comes back equal.

Refused: duplicate member names, NaN and infinities, integers beyond ±(2^53−1), numbers beyond a double, NUL
characters, lone surrogates, a byte-order mark, nesting over the limit. msgspec refuses some of these; the rest is
found here. The costly looks are taken only where a cheap scan says that something may be there.
"""

from __future__ import annotations

import re

import msgspec

from sessionstore_app.core.errors import ParseError
from sessionstore_app.core.jsontext import MAX_INTEGER, Json

# Possessive, and it takes a string that never ends whole: no text makes it look twice at the same place.
_STRINGS = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_OPENING_OR_CLOSING = re.compile(r"[\[\]{}]")
_LONG_NUMBER = re.compile(r"\d{16}")
_decoder: msgspec.json.Decoder[Json] = msgspec.json.Decoder()


def parse(text: str, max_depth: int) -> Json:
    """Decode one frame. Raises ParseError, whose message says what is wrong and where that is known."""
    # Without its strings a text shows its structure: what is left are brackets, colons and numbers.
    skeleton = _STRINGS.sub("", text)
    if skeleton.count("[") + skeleton.count("{") > max_depth:
        _check_depth(skeleton, max_depth)
    try:
        value = _decoder.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise ParseError(f"Not strict JSON: {error}.") from None
    if skeleton.count(":") != _count_members(value):
        raise ParseError("An object has the same member name twice.")
    if "\\u0000" in text:
        _check_strings(value)
    if _LONG_NUMBER.search(skeleton):
        _check_integers(value)
    return value


def _check_depth(skeleton: str, max_depth: int) -> None:
    depth = 0
    for match in _OPENING_OR_CLOSING.finditer(skeleton):
        depth += 1 if match.group() in "[{" else -1
        if depth > max_depth:
            raise ParseError("Nested too deep.", limit=max_depth)


def _count_members(value: Json) -> int:
    members, inside = 0, [value]
    while inside:
        outer = inside.pop()
        if isinstance(outer, dict):
            members += len(outer)
            inside += outer.values()
        elif isinstance(outer, list):
            inside += outer
    return members


def _check_strings(value: Json) -> None:
    if isinstance(value, str):
        if "\0" in value:
            raise ParseError("A string holds a NUL character.")
    elif isinstance(value, dict):
        for name, item in value.items():
            _check_strings(name)
            _check_strings(item)
    elif isinstance(value, list):
        for item in value:
            _check_strings(item)


def _check_integers(value: Json) -> None:
    if isinstance(value, int):
        if abs(value) > MAX_INTEGER:
            raise ParseError("An integer is beyond ±(2^53−1); a browser would round it. Send it as a string.")
    elif isinstance(value, dict):
        for item in value.values():
            _check_integers(item)
    elif isinstance(value, list):
        for item in value:
            _check_integers(item)
