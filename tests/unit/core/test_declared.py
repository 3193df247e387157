"""What may stand in a declaration: figures, and types by what their values are in JSON."""

from __future__ import annotations

from typing import Annotated, Any, NewType

import msgspec
import pytest
from msgspec import inspect

from sessionstore_app.core import declared as d


class Plain:
    """A class that no JSON is."""


@pytest.mark.parametrize("given", [1, 0.001, 3_600, 1e9])
def test_seconds_are_a_number_above_0(given: object) -> None:
    assert d.is_seconds(given)
    assert d.in_ms(given) == max(1, round(float(str(given)) * 1_000))


@pytest.mark.parametrize("given", [0, -1, True, "5", None, float("nan"), float("inf"), 1e10, [], 10**400])
def test_anything_else_is_none(given: object) -> None:
    assert not d.is_seconds(given)
    assert d.in_ms(given) is None


def test_a_time_too_short_to_be_told_is_a_millisecond() -> None:
    assert d.in_ms(1e-9) == 1


@pytest.mark.parametrize("given", [0, -1, True, 1.0, 2.5, "1", None, float("nan")])
def test_a_count_is_an_integer_above_0(given: object) -> None:
    assert not d.is_count(given)
    assert d.is_count(1)


@pytest.mark.parametrize(
    ("value_type", "lists"),
    [
        (Any, True),
        (object, True),
        (msgspec.Raw, True),
        (list, True),
        (list[int] | None, True),
        (tuple[int, ...], True),
        (set[int], True),
        (Annotated[list[int], msgspec.Meta(max_length=3)], True),
        (NewType("Names", list), True),
        # What is no type at all is said by the decoder.
        (5, True),
        (str, False),
        (dict[str, int], False),
        (int | str, False),
    ],
)
def test_whether_values_may_be_lists(value_type: Any, lists: bool) -> None:
    assert d.may_be(value_type, inspect.CollectionType) is lists


@pytest.mark.parametrize(
    ("value_type", "comes"), [(object, True), (int, True), (list[Plain], True), (Plain, False), (complex, False)]
)
def test_a_class_that_no_json_is_is_known(value_type: Any, comes: bool) -> None:
    assert d.is_from_json(value_type) is comes
