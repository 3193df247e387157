"""Subclasses of JSON's types: what is checked is what is encoded, whatever their own methods tell."""

from __future__ import annotations

import math
from collections import OrderedDict, defaultdict, namedtuple
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, IntEnum, StrEnum
from typing import Any

import pytest

from sessionstore_app.core import jsontext
from sessionstore_app.core.errors import InvalidValue
from sessionstore_app.core.jsontext import MAX_INTEGER


class Text(str):
    """Tells another text of itself."""

    __slots__ = ()

    def __str__(self) -> str:
        return "other"

    def __contains__(self, part: object) -> bool:
        return False

    def isascii(self) -> bool:
        return True


class Whole(int):
    def __abs__(self) -> int:
        return 0


class Real(float):
    pass


class Lasts(dict[str, Any]):
    """Shows the last of several values, as the data of a form does."""

    def values(self) -> Any:
        return [kept[-1] for kept in super().values()]

    def __iter__(self) -> Iterator[str]:
        return iter(())


class Hidden(list[Any]):
    def __iter__(self) -> Iterator[Any]:
        return iter(())


class HiddenPair(tuple[Any, ...]):
    __slots__ = ()

    def __iter__(self) -> Iterator[Any]:
        return iter(())


class Level(IntEnum):
    HIGH = 3


class Colour(StrEnum):
    RED = "red"


class Rate(float, Enum):
    """Its value is not the float it is."""

    HALF = 0.5

    def __new__(cls, number: float) -> Rate:
        made = float.__new__(cls, number)
        made._value_ = math.nan
        return made


@dataclass
class Labelled(str):
    """Encoded as an object of its fields."""

    label: float


class Proxy:
    """Says that it is text."""

    __class__ = str  # type: ignore[assignment]


Pair = namedtuple("Pair", "x y")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Text("é"), '"é"'),
        (Whole(7), "7"),
        (Real(1.5), "1.5"),
        (Level.HIGH, "3"),
        (Colour.RED, '"red"'),
        (Lasts(a=[1, 2]), '{"a":[1,2]}'),
        (Hidden([1]), "[1]"),
        (HiddenPair((1,)), "[1]"),
        (Pair(1, 2), "[1,2]"),
        (OrderedDict(b=1, a=2), '{"b":1,"a":2}'),
        (defaultdict(list, a=[]), '{"a":[]}'),
        ({Text("k"): [Text("v")]}, '{"k":["v"]}'),
        ({Colour.RED: Whole(1)}, '{"red":1}'),
    ],
)
def test_a_subclass_is_taken_for_its_base(value: Any, text: str) -> None:
    jsontext.check(value, 3)
    assert jsontext.dumps(value) == text


HOSTILE = {
    "NUL": Text("a\0"),
    "surrogate": Text("\ud800"),
    "NUL in a name": {Text("a\0"): 1},
    "surrogate in a name": {Text("\ud800"): 1},
    "integer": Whole(MAX_INTEGER + 1),
    "NaN": Real("nan"),
    "NaN before the last": Lasts(a=[math.nan, 1]),
    "NaN among several values": Lasts(a=[[math.nan, 1], [1]]),
    "name that is no string": Lasts({1: [1]}),  # type: ignore[dict-item]
    "NaN in a list": Hidden([math.nan]),
    "NaN in a tuple": HiddenPair((math.nan,)),
    "enumeration of floats": Rate.HALF,
    "text with fields": Labelled(1.5),
    "proxy": Proxy(),
}


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE.keys())
def test_p36_nothing_hides_behind_the_methods_of_a_subclass(value: Any) -> None:
    with pytest.raises(InvalidValue):
        jsontext.check(value, 4)


@pytest.mark.parametrize("value", [object(), {"a": b"a", 1j: 2}, "\ud800", [Proxy()]])
def test_what_the_encoder_does_not_take_is_refused_by_name(value: Any) -> None:
    with pytest.raises(InvalidValue):
        jsontext.dumps(value)
