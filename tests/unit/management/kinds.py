"""Room types of everything that a key may hold, with names and texts that mean something to a language."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import uuid
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, TypedDict, TypeVar

import msgspec
from msgspec import Meta

from sessionstore_app import OPEN, Key, RoomType
from sessionstore_app.core import roomtypes

T = TypeVar("T")
UserId = NewType("UserId", str)


class Colour(enum.Enum):
    """Two of them."""

    RED = "red"
    BLUE = 'blue "sky"'


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Node(msgspec.Struct):
    """A tree.

    Its end is */ and \"\"\" and a backslash \\.
    """

    children: list[Node] = []


class Shape(msgspec.Struct, tag=True):
    area: float


class Line(msgspec.Struct, tag="line", rename="camel"):
    end_point: int | None = None


class Point(NamedTuple):
    x: int
    y: int = 0


class Row(msgspec.Struct, array_like=True):
    name: str
    age: int = 0


@dataclasses.dataclass
class Person:
    """Also called "somebody\""""

    name: str
    friend: Person | None = None


class Loose(TypedDict, total=False):
    list: list[int]
    strange: Annotated[str, Meta(description="What it is.")]


class Box(msgspec.Struct, Generic[T]):
    value: T


class Custom:
    """Nothing that JSON has a word for."""


# Of what msgspec says nothing itself, a project may say anything that JSON Schema can.
CONSTANT = Annotated[str, Meta(extra_json_schema={"const": "x"})]
NULLABLE = Annotated[object, Meta(extra_json_schema={"type": ["string", "null"]})]
ONE_OF = Annotated[object, Meta(extra_json_schema={"oneOf": [{"type": "integer"}, {"type": "boolean"}]})]
UNHEARD_OF = Annotated[object, Meta(extra_json_schema={"type": "strange"})]


class Odd(
    msgspec.Struct,
    rename={"a": "a-b", "b": "class", "c": "__private", "d": "sehr schön", "e": "quo'te", "f": "Any", "g": "__proto__"},
):
    a: int
    b: int
    c: int
    d: Odd | None
    e: dict[str, int]
    f: Any
    g: bool = False


class Empty(msgspec.Struct):
    pass


# One that is called as a room type is, with a member that is called as another class is.
OTHER_LINE = msgspec.defstruct("Line", [("colour", Colour)], module="elsewhere")
OTHER_BOX = msgspec.defstruct("Box2", [("side", int), ("line", OTHER_LINE)])


class Everything(RoomType):
    """Says "all" """

    match = "all/*"

    any_value = Key()
    text = Key(str, default="a\nb")
    number = Key(int, default=0)
    fraction = Key(float)
    yes = Key(bool, default=False)
    maybe = Key(int | str | None)
    numbers = Key(list[int], default=())
    loose_list = Key(list)
    loose_dict = Key(dict)
    either_list = Key(list[int | str])
    kinds = Key(set[Literal["a", "b"]])
    literal = Key(Literal["a", 1, None])
    pair = Key(tuple[int, str | None])
    numbers_after = Key(tuple[int, ...])
    nothing = Key(tuple[()])
    mapping = Key(dict[str, list[Colour]])
    by_number = Key(dict[int, Level])
    node = Key(Node)
    union = Key(Shape | Line)
    point = Key(Point)
    row = Key(Row)
    person = Key(Person)
    loose = Key(Loose)
    boxed = Key(Box[int])
    boxed_list = Key(Box[list[str]])
    other_box = Key(OTHER_BOX)
    anything = Key(object)
    custom_list = Key(list[Custom])
    odd = Key(Odd)
    empty = Key(Empty)
    when = Key(datetime.datetime)
    money = Key(decimal.Decimal)
    ident = Key(uuid.UUID)
    blob = Key(bytes)
    bounded = Key(Annotated[list[int], Meta(max_length=3, description="Three.")])
    user = Key(UserId)
    exact = Key(int, pattern="a-b/c")
    quoted = Key(int, pattern='`"${x}\\')
    hand = Key(float, pattern="hand/*")
    default = Key(bool, pattern="default/*")
    hand_ = Key(str, pattern="`${x}\\/*")
    schön = Key(int, pattern="schön/*")


class Box2(RoomType):
    match = "box"
    extra = OPEN

    node = Key(Node)


class Voting(RoomType):
    match = "*/voting"

    vote = Key(Box[int], pattern="*/vote")


class Record(RoomType):
    """Every key is a number."""

    match = "*/record"

    all = Key(int, pattern="*")


# Other tests of the same process have rooms of these names.
for kind in (Everything, Box2, Voting, Record):
    del roomtypes.declared[f"{kind.__module__}.{kind.__qualname__}"]
