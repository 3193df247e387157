"""Server-computed operations: what a race cannot lose."""

from __future__ import annotations

import copy
from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessionstore_app.core.errors import InvalidParams, InvalidValue
from sessionstore_app.core.jsontext import MAX_INTEGER, Json
from sessionstore_app.core.operations import Append, Increment, Merge, Operation, Remove, same
from tests.unit.generated import MANY, SOME, integers, json_values, objects

Item: TypeAlias = dict[str, Json]

# --- increment


@pytest.mark.parametrize(
    ("value", "by", "after"),
    [(None, 1, 1), (0, 1, 1), (5, -7, -2), (1.5, 1, 2.5), (1, 0.5, 1.5), (MAX_INTEGER - 1, 1, MAX_INTEGER), (3, 0, 3)],
)
def test_p1_increment_adds(value: Json, by: float, after: Json) -> None:
    assert Increment(by).apply(value) == after


@pytest.mark.parametrize("value", [True, False, "1", [], {}, [1]])
def test_p6_only_a_number_is_incremented(value: Json) -> None:
    with pytest.raises(InvalidValue):
        Increment().apply(value)


@pytest.mark.parametrize(("value", "by"), [(MAX_INTEGER, 1), (-MAX_INTEGER, -1), (1e308, 1e308), (-1e308, -1e308)])
def test_p36_a_sum_that_a_browser_would_round_is_refused(value: Json, by: float) -> None:
    with pytest.raises(InvalidValue):
        Increment(by).apply(value)


@SOME
@given(st.lists(st.integers(-1000, 1000)))
def test_p1_increments_in_any_order_add_up(steps: list[int]) -> None:
    value: Json = None
    for step in reversed(steps):
        value = Increment(step).apply(value)
    assert (value or 0) == sum(steps)


# --- append


@SOME
@given(st.lists(json_values, max_size=6), st.integers(1, 4))
def test_h71_over_the_cap_the_oldest_drop_out(items: list[Json], cap: int) -> None:
    value: Json = None
    for item in items:
        value = Append(item, cap).apply(value)
    assert (value or []) == items[-cap:]


@SOME
@given(st.lists(st.integers(0, 3), max_size=8))
def test_h71_an_item_whose_unique_member_is_there_already_is_not_added_twice(ids: list[int]) -> None:
    value: Json = []
    for order, id_ in enumerate(ids):
        value = Append({"id": id_, "order": order}, unique="id").apply(value)
    assert isinstance(value, list)
    assert [item["id"] for item in value if isinstance(item, dict)] == list(dict.fromkeys(ids))


def test_h71_unique_looks_past_items_of_other_forms() -> None:
    assert Append({"id": 1}, unique="id").apply([1, "id", {"other": 1}]) == [1, "id", {"other": 1}, {"id": 1}]


def test_a_unique_member_may_be_null() -> None:
    assert Append({"id": None}, unique="id").apply([{"id": None}]) == [{"id": None}]
    assert Append({"id": None}, unique="id").apply([{}]) == [{}, {"id": None}]


def test_append_leaves_the_present_list_alone() -> None:
    present: list[Json] = [1]
    assert Append(2).apply(present) == [1, 2]
    assert present == [1]


@pytest.mark.parametrize("value", [0, False, "", {}])
def test_p6_only_a_list_is_appended_to(value: Json) -> None:
    with pytest.raises(InvalidValue):
        Append(1).apply(value)


@pytest.mark.parametrize("item", [1, None, [], {"other": 1}])
def test_a_unique_member_that_the_item_lacks_is_a_mistake(item: Json) -> None:
    with pytest.raises(InvalidParams):
        Append(item, unique="id")


# --- remove


def test_p2_remove_is_by_member_not_by_index() -> None:
    items: list[Json] = [{"id": 1}, {"id": 2, "text": "b"}, 3, {"id": 2, "text": "c"}]
    assert Remove({"id": 2}).apply(items) == [{"id": 1}, 3]
    assert Remove({"id": 2, "text": "c"}).apply(items) == [{"id": 1}, {"id": 2, "text": "b"}, 3]


def test_removing_what_is_not_there_changes_nothing() -> None:
    assert Remove({"id": 9}).apply([{"id": 1}]) == [{"id": 1}]
    assert Remove({"id": 9}).apply(None) is None


def test_remove_wants_at_least_one_member() -> None:
    with pytest.raises(InvalidParams):
        Remove({})


def test_only_a_list_has_something_to_remove() -> None:
    with pytest.raises(InvalidValue):
        Remove({"id": 1}).apply({"id": 1})


# --- merge: the table of RFC 7396, appendix A

RFC_7396: list[tuple[Json, Json, Json]] = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("target", "patch", "after"), RFC_7396)
def test_merge_does_what_rfc_7396_says(target: Json, patch: Json, after: Json) -> None:
    assert Merge(patch).apply(target) == after


@SOME
@given(objects, objects)
def test_merging_twice_is_merging_once(target: Item, patch: Item) -> None:
    once = Merge(patch).apply(target)
    assert Merge(patch).apply(once) == once


@SOME
@given(json_values, json_values, st.sampled_from(["merge", "append"]))
def test_an_operation_does_not_touch_the_present_value(value: Json, argument: Json, do: str) -> None:
    before = copy.deepcopy(value)
    operation: Operation = Merge(argument) if do == "merge" else Append(argument)
    try:
        operation.apply(value)
    except InvalidValue:
        assert not isinstance(value, list)
    assert repr(value) == repr(before)


# --- equality


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        (True, 1, False),
        (0, False, False),
        (True, True, True),
        (1, 1.0, True),
        ("1", 1, False),
        (None, None, True),
        (None, 0, False),
        ([], {}, False),
        ([1, [True]], [1, [True]], True),
        ([1, [True]], [1, [1]], False),
        ([1], [1, 2], False),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ({"a": 1}, {"a": True}, False),
        ({"a": 1}, {"b": 1}, False),
    ],
)
def test_p6_equality_is_jsons_not_pythons(left: Json, right: Json, equal: bool) -> None:
    assert same(left, right) is equal
    assert same(right, left) is equal


@MANY
@given(json_values)
def test_every_value_equals_itself(value: Json) -> None:
    assert same(value, copy.deepcopy(value))


@SOME
@given(integers)
def test_an_integer_equals_no_boolean(number: int) -> None:
    assert not same(number, True)
    assert not same([number], [False])
