"""Values as compact JSON: what is counted, kept and sent."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given

from sessionstore_app.core import jsontext
from sessionstore_app.core.errors import InvalidValue
from sessionstore_app.core.jsontext import MAX_INTEGER, Json
from tests.unit.generated import SOME, json_values, texts


@SOME
@given(json_values)
def test_p6_every_value_comes_back_equal(value: Json) -> None:
    assert repr(jsontext.loads(jsontext.dumps(value))) == repr(value)


@SOME
@given(json_values)
def test_what_strict_json_can_say_passes_the_check(value: Json) -> None:
    jsontext.check(value, 32)


@SOME
@given(texts)
def test_p34_sizes_are_utf8_bytes(text: str) -> None:
    assert jsontext.size_bytes(text) == len(text.encode())


def test_h13_json_is_compact_and_not_escaped() -> None:
    assert jsontext.dumps({"b": [1, 2.5, None], "a": "é"}) == '{"b":[1,2.5,null],"a":"é"}'


def test_loading_twice_gives_objects_that_nobody_shares() -> None:
    first, second = jsontext.loads("[1]"), jsontext.loads("[1]")
    assert first == second
    assert first is not second


def test_what_is_not_json_cannot_be_dumped() -> None:
    with pytest.raises(InvalidValue):
        jsontext.dumps(object())  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [None, True, False, 0, 0.0, -0.0, "", [], {}, (), "é\U0001f600", [(1,)]])
def test_p6_falsy_and_unusual_values_pass(value: object) -> None:
    jsontext.check(value, 2)


@pytest.mark.parametrize("value", [MAX_INTEGER, -MAX_INTEGER, [MAX_INTEGER], {"a": -MAX_INTEGER}])
def test_p36_the_largest_exact_integers_pass(value: object) -> None:
    jsontext.check(value, 2)


HOSTILE: dict[str, object] = {
    "integer beyond 2^53-1": MAX_INTEGER + 1,
    "integer below": -MAX_INTEGER - 1,
    "NaN": math.nan,
    "infinity": math.inf,
    "minus infinity": -math.inf,
    "NUL": "a\0b",
    "lone high surrogate": "\ud800",
    "lone low surrogate": "x\udfff",
    "NUL in a name": {"a\0": 1},
    "surrogate in a name": {"\ud800": 1},
    "name that is no string": {1: 2},
    "bytes": b"a",
    "set": {1},
    "object": object(),
    "hidden in a list": [1, [math.nan]],
    "hidden in an object": {"a": {"b": "\0"}},
}


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE.keys())
def test_p36_server_code_cannot_store_what_the_wire_refuses(value: object) -> None:
    with pytest.raises(InvalidValue):
        jsontext.check(value, 32)


@pytest.mark.parametrize("opening", [list, dict])
def test_p36_containers_nest_to_the_limit_and_no_deeper(opening: type[Any]) -> None:
    jsontext.check(_nested(opening, 32), 32)
    with pytest.raises(InvalidValue, match="deep"):
        jsontext.check(_nested(opening, 33), 32)


def _nested(opening: type[Any], depth: int) -> object:
    value: object = opening()
    for _ in range(depth - 1):
        value = {"a": value} if opening is dict else [value]
    return value
