"""What a declared key may hold, and what becomes of a change of it."""

from __future__ import annotations

import dataclasses
import datetime
import enum
from typing import Annotated, Any, Literal, TypedDict

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessionstore_app.core.entries import Author, Change, Entry, SessionId, Tally, Write, decide
from sessionstore_app.core.errors import InvalidValue, ValueTooLarge
from sessionstore_app.core.jsontext import Json, dumps
from sessionstore_app.core.keyrules import KeyRule, bounded
from sessionstore_app.core.limits import StoreLimits
from sessionstore_app.core.operations import Append, Increment, Merge, Operation, Remove, same
from sessionstore_app.core.rules import EVERYONE, rule
from tests.unit.generated import MANY, json_values

ANN = Author(SessionId("ann-1"), "ann")
OVER_HTTP = Author(None, "ann")
NOW = 1_000


class Item(msgspec.Struct):
    """A struct."""

    id: str
    n: int = 0


class Strict(msgspec.Struct, forbid_unknown_fields=True):
    """A struct that takes nothing else."""

    id: str


class Row(TypedDict):
    """A typed dictionary."""

    name: str


class Colour(enum.Enum):
    """Names."""

    RED = "red"


@dataclasses.dataclass
class Fussy:
    """A class whose own code fails as it likes."""

    n: int

    def __post_init__(self) -> None:
        if self.n:
            raise KeyError("what the project keeps to itself")


def made(value_type: Any = Any, **options: Any) -> KeyRule:
    """A rule for the key `k`."""
    decoder = None if value_type is Any else msgspec.json.Decoder(value_type)
    everybody = rule(EVERYONE)
    return KeyRule(name="k", pattern="k", position=0, read=everybody, write=everybody, decoder=decoder, **options)


def shaped(key: KeyRule, value: Json, *, by: Author | None = ANN, **given_: Any) -> Change:
    """A set, as the key takes it."""
    return key.shape("k", Change(key="k", text=None if value is None else dumps(value), **given_), by)


def after(key: KeyRule, operation: Operation, value: Json) -> Json:
    """What an operation makes of a value, None where there is none."""
    done = key.shape("k", Change(key="k", operation=operation), ANN).operation
    assert done is not None
    return done.apply(value)


# --- types

TYPES: list[tuple[Any, list[Json], list[Json]]] = [
    (str, ["", "x"], [1, [], {}, True]),
    (int, [0, -5], ["1", 1.5, True, []]),
    (float, [1, 1.5], ["1", True]),
    (bool, [True, False], [0, 1, "true"]),
    (list[Item], [[], [{"id": "a"}], [{"id": "a", "more": 1}]], [{}, [1], [{"id": 1}], [{}], [{"id": "a", "n": "x"}]]),
    (Strict, [{"id": "a"}], [{"id": "a", "more": 1}, {}, "a"]),
    (Row, [{"name": "x"}], [{}, {"name": 1}]),
    (Literal["a", 1], ["a", 1], ["b", 2, True]),
    (int | None, [1], ["x"]),
    (dict[str, int], [{}, {"a": 1}], [{"a": "b"}, []]),
    (Fussy, [{"n": 0}], [{"n": "0"}, {"n": 1}]),
    (Colour, ["red"], ["RED", "blue", 1]),
    (datetime.datetime, ["2026-01-01T00:00:00Z"], ["yesterday", 5]),
    (Annotated[str, msgspec.Meta(max_length=2)], ["ab"], ["abc"]),
    (Annotated[int, msgspec.Meta(ge=0, le=9)], [0, 9], [-1, 10]),
    (int | str, [1, "x"], [1.5, [], True]),
    (msgspec.Raw, [1, "x", {"a": [1]}], []),
    (Any, [1, "x", {"a": [1]}], []),
    (set[int], [[1, 2]], [["a"], {}]),
    # No set holds a list: that is the value's fault, not the server's.
    (set[Any], [[1]], [[[1]], [{}]]),
]


@pytest.mark.parametrize(("value_type", "good", "bad"), TYPES, ids=[str(row[0]) for row in TYPES])
def test_a_value_is_of_its_keys_type_or_refused(value_type: Any, good: list[Json], bad: list[Json]) -> None:
    key = made(value_type)
    for value in good:
        assert shaped(key, value) == Change(key="k", text=dumps(value))
    for value in bad:
        with pytest.raises(InvalidValue, match=r"^k"):
            shaped(key, value)


def test_a_refusal_says_where_in_the_value_it_is_and_nothing_of_the_projects_own_failures() -> None:
    with pytest.raises(InvalidValue, match=r"k: Expected `str`, got `int` - at `\$\[0\]\.id`\."):
        shaped(made(list[Item]), [{"id": 1}])
    with pytest.raises(InvalidValue) as refused:
        shaped(made(Fussy), {"n": 1})
    assert "keeps to itself" not in str(refused.value)


@pytest.mark.parametrize("key", [made(int), made(int, cap=1), made(str, names_session=True), made(value_bytes=1)])
def test_a_deletion_is_held_to_nothing(key: KeyRule) -> None:
    assert shaped(key, None) == Change(key="k")


# --- lists


@MANY
@given(
    st.lists(st.fixed_dictionaries({}, optional={"id": json_values, "x": st.none()}) | st.integers(0, 2), max_size=5)
)
def test_no_two_items_have_an_equal_member(items: list[Json]) -> None:
    """Compared each with each."""
    members = [item["id"] for item in items if isinstance(item, dict) and item.get("id") is not None]
    repeats = any(same(one, other) for at, one in enumerate(members) for other in members[:at])
    if repeats:
        with pytest.raises(InvalidValue, match="same id"):
            shaped(made(unique="id"), items)
    else:
        assert shaped(made(unique="id"), items).text == dumps(items)


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (1, 1.0, True),
        (0, -0.0, True),
        (1, True, False),
        (0, False, False),
        ("1", 1, False),
        ([1], [1.0], True),
        ([1], [True], False),
        ({"a": 1, "b": [2]}, {"b": [2], "a": 1.0}, True),
        ([], {}, False),
        ([["a", 1]], {"a": 1}, False),
        ([True, 1], [True, 1], True),
    ],
)
def test_members_are_compared_as_json(one: Json, other: Json, equal: bool) -> None:
    try:
        shaped(made(unique="id"), [{"id": one}, {"id": other}])
    except InvalidValue:
        assert equal
    else:
        assert not equal


def test_members_of_a_long_list_are_compared_in_no_time() -> None:
    """Each with each would be fifty million comparisons, on the server's event loop."""
    items: list[Json] = [{"id": [number]} for number in range(10_000)]
    assert shaped(made(unique="id"), items).text == dumps(items)


def test_a_list_holds_as_many_as_its_cap() -> None:
    key = made(list[int], cap=2)
    assert shaped(key, [1, 2]).text == "[1,2]"
    with pytest.raises(InvalidValue) as refused:
        shaped(key, [1, 2, 3])
    assert (refused.value.limit, refused.value.actual) == (2, 3)


@pytest.mark.parametrize("value", [{}, "x", 1])
def test_what_has_a_cap_or_unique_items_is_a_list(value: Json) -> None:
    for key in (made(cap=2), made(unique="id")):
        with pytest.raises(InvalidValue, match="holds a list"):
            shaped(key, value)


@pytest.mark.parametrize(("asked", "held"), [(None, [2, 3]), (1, [3]), (9, [2, 3])])
def test_appending_keeps_the_smaller_cap(asked: int | None, held: list[Json]) -> None:
    assert after(made(cap=2), Append(3, cap=asked), [1, 2]) == held


def test_appending_to_a_list_without_a_cap_keeps_what_is_asked() -> None:
    assert after(made(), Append(3, cap=1), [1, 2]) == [3]
    assert after(made(unique="id"), Append({"id": 2}), [{"id": 1}]) == [{"id": 1}, {"id": 2}]


def test_appending_keeps_the_declared_member_apart() -> None:
    key = made(unique="id")
    assert after(key, Append({"id": 1, "n": 2}, unique="n"), [{"id": 1}]) == [{"id": 1}]
    assert after(made(cap=9), Append({"n": 1}, unique="n"), [{"n": 1}]) == [{"n": 1}]
    nameless: list[Json] = [{"n": 1}, {"id": None}, 1]
    for item in nameless:
        with pytest.raises(InvalidValue, match="has its id"):
            after(key, Append(item), [])


# --- operations


def test_an_operation_begins_at_the_default() -> None:
    key = made(int, default=10)
    assert after(key, Increment(1), None) == 11
    assert after(key, Increment(1), 1) == 2
    assert after(made(list, default=[1]), Append(2), None) == [1, 2]


def test_what_an_operation_makes_is_held_to_the_key() -> None:
    refused: list[tuple[KeyRule, Operation, Json]] = [
        (made(int), Increment(0.5), 1),
        (made(Annotated[int, msgspec.Meta(le=3)]), Increment(1), 3),
        (made(list[int]), Append("x"), [1]),
        (made(cap=2), Merge([1, 2, 3]), None),
        (made(dict[str, int]), Merge({"a": "b"}), {}),
    ]
    for key, operation, value in refused:
        with pytest.raises(InvalidValue):
            after(key, operation, value)
    with pytest.raises(ValueTooLarge):
        after(made(value_bytes=5), Append("xx"), [1])


def test_what_an_operation_takes_away_needs_no_type() -> None:
    assert after(made(int), Merge(None), 5) is None
    assert after(made(list[int]), Remove({"a": 1}), None) is None


def test_an_operation_that_the_value_does_not_take_is_refused() -> None:
    with pytest.raises(InvalidValue):
        after(made(), Increment(1), "x")


# --- size, life and names


def test_a_key_without_a_limit_of_its_own_can_be_given_one() -> None:
    key = made(int)
    given_one = bounded(key, 3)
    assert shaped(given_one, 999).text == "999"
    with pytest.raises(ValueTooLarge):
        shaped(given_one, 9_999)
    with pytest.raises(InvalidValue):
        shaped(given_one, "x")
    assert shaped(key, 9_999).text == "9999"
    assert bounded(key, 3) is given_one


@pytest.mark.parametrize(("value", "size"), [("x" * 8, 10), ("é" * 4, 10), ("\U0001f600" * 2, 10)])
def test_a_values_size_is_counted_in_bytes(value: str, size: int) -> None:
    assert shaped(made(value_bytes=size), value).text == dumps(value)
    with pytest.raises(ValueTooLarge) as refused:
        shaped(made(value_bytes=size - 1), value)
    assert (refused.value.limit, refused.value.actual) == (size - 1, size)


@pytest.mark.parametrize(
    ("asked", "declared", "lives"), [(None, None, None), (5, None, 5), (None, 7, 7), (5, 7, 5), (9, 7, 7)]
)
def test_a_key_lives_for_the_shorter_time(asked: int | None, declared: int | None, lives: int | None) -> None:
    assert shaped(made(ttl_ms=declared), 1, ttl_ms=asked).ttl_ms == lives


@pytest.mark.parametrize(
    ("dies", "by", "asked", "owner"),
    [
        (True, ANN, None, "ann-1"),
        (True, ANN, "other", "ann-1"),
        # Nobody whose end could be waited for.
        (True, None, None, None),
        (True, OVER_HTTP, None, None),
        (False, ANN, None, None),
        (False, ANN, "ann-1", "ann-1"),
    ],
)
def test_a_key_goes_with_the_session_that_wrote_it(
    dies: bool, by: Author | None, asked: Any, owner: str | None
) -> None:
    assert shaped(made(dies_with_session=dies), 1, by=by, owner=asked).owner == owner


def test_a_key_that_names_a_session_goes_with_the_one_it_names() -> None:
    key = made(str, names_session=True)
    assert shaped(key, "bob-1").owner == "bob-1"
    assert shaped(key, "bob-1", owner=SessionId("ann-1")).owner == "bob-1"
    values: list[Json] = [5, ["bob-1"], {}]
    for value in values:
        with pytest.raises(InvalidValue, match="id of a peer"):
            shaped(made(names_session=True), value)
    with pytest.raises(InvalidValue, match="id of a peer"):
        key.shape("k", Change(key="k", operation=Merge("bob-1")), ANN)


# --- a set that is no write


def stored(key: KeyRule, before: Entry, value: Json, **given_: Any) -> Entry:
    """What a set makes of an entry."""
    write = Write(changes=(shaped(key, value, **given_),), by=ANN, at_ms=NOW)
    decision = decide(write, {"k": before}, Tally(version=before.version, keys=1), StoreLimits())
    return decision.result.entries[0]


@MANY
@given(json_values, json_values)
def test_a_set_to_the_present_value_is_no_write_where_the_key_says_so(before: Json, value: Json) -> None:
    if value is None or before is None:
        return
    entry = Entry(key="k", text=dumps(before), version=5)
    assert (stored(made(skip_equal=True), entry, value) == entry) is same(before, value)
    assert stored(made(), entry, value).version == 6


def test_a_set_that_is_no_write_does_not_make_the_key_live_longer() -> None:
    """Nobody is told of it: who holds the entry still knows when it ends."""
    entry = Entry(key="k", text="1", version=5, expires_at_ms=NOW + 10)
    assert stored(made(skip_equal=True, ttl_ms=60_000), entry, 1).expires_at_ms == NOW + 10
    assert stored(made(skip_equal=True, ttl_ms=60_000), entry, 2).expires_at_ms == NOW + 60_000
    assert stored(made(ttl_ms=60_000), entry, 1).expires_at_ms == NOW + 60_000


def test_a_set_after_the_end_of_the_present_value_is_a_write() -> None:
    entry = Entry(key="k", text="1", version=5, expires_at_ms=NOW)
    assert stored(made(skip_equal=True, ttl_ms=60_000), entry, 1) == Entry(
        key="k", text="1", version=6, by=ANN, at_ms=NOW, expires_at_ms=NOW + 60_000
    )


def test_a_guard_holds_though_the_value_is_the_same() -> None:
    entry = Entry(key="k", text="1", version=5)
    with pytest.raises(Exception, match="version"):
        stored(made(skip_equal=True), entry, 1, if_version=4)
    assert stored(made(skip_equal=True), entry, 1, if_version=5) == entry


# --- all of it together


@MANY
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "cap": st.integers(1, 2),
            "unique": st.just("id"),
            "value_bytes": st.integers(1, 20),
            "ttl_ms": st.integers(1, 9),
            "dies_with_session": st.booleans(),
            "skip_equal": st.booleans(),
        },
    ),
    st.lists(st.fixed_dictionaries({"id": st.integers(0, 2)}), max_size=3) | st.integers(0, 9),
)
def test_a_set_passes_where_a_plain_reading_of_the_key_says_so(options: dict[str, Any], value: Json) -> None:
    key = made(**options)
    text = dumps(value)
    is_listed = "cap" in options or "unique" in options
    good = len(text) <= options.get("value_bytes", 99)
    if is_listed:
        good = good and isinstance(value, list) and len(value) <= options.get("cap", 99)
    if good and "unique" in options and isinstance(value, list):
        good = len({str(item) for item in value}) == len(value)
    try:
        change = shaped(key, value)
    except (InvalidValue, ValueTooLarge):
        assert not good
        return
    assert good
    assert (change.text, change.ttl_ms) == (text, options.get("ttl_ms"))
    assert change.owner == ("ann-1" if options.get("dies_with_session") else None)
    assert (change.operation is not None) is bool(options.get("skip_equal"))
