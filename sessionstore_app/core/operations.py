"""Server-computed operations on one value: what a race cannot lose (protocol §3, `room.update`).

Pure functions from the present value (None where there is none) to the next.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Protocol

from sessionstore_app.core.errors import InvalidParams, InvalidValue
from sessionstore_app.core.jsontext import MAX_INTEGER, Json


@dataclass(frozen=True, slots=True)
class Increment:
    """Add a number; a missing value counts as 0."""

    keeps_life: ClassVar[bool] = True

    by: int | float = 1

    def apply(self, value: Json) -> Json:
        """Raises InvalidValue where the value is no number or the sum cannot be told to a browser."""
        if value is None:
            value = 0
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InvalidValue("Only a number can be incremented.")
        total = value + self.by
        too_big = abs(total) > MAX_INTEGER if isinstance(total, int) else not math.isfinite(total)
        if too_big:
            raise InvalidValue("The sum is beyond what a browser can count.")
        return total


@dataclass(frozen=True, slots=True)
class Append:
    """Add an item to the end of a list; a missing value counts as an empty one.

    `unique` names a member: an item whose member equals an existing item's is not added twice.
    Over `cap` items the oldest drop out.
    """

    keeps_life: ClassVar[bool] = True

    item: Json
    cap: int | None = None
    unique: str | None = None

    def __post_init__(self) -> None:
        if self.unique is not None and not (isinstance(self.item, dict) and self.unique in self.item):
            raise InvalidParams("`unique` names a member that the item does not have.")

    def apply(self, value: Json) -> Json:
        """Raises InvalidValue where the value is no list."""
        items = _list(value)
        if self.unique is not None and any(
            _has(item, {self.unique: _member(self.item, self.unique)}) for item in items
        ):
            return value
        items = [*items, self.item]
        return items if self.cap is None else items[-self.cap :]


@dataclass(frozen=True, slots=True)
class Remove:
    """Drop every item of a list whose members equal all of `where`."""

    keeps_life: ClassVar[bool] = True

    where: dict[str, Json]

    def __post_init__(self) -> None:
        if not self.where:
            raise InvalidParams("`where` names at least one member.")

    def apply(self, value: Json) -> Json:
        """Raises InvalidValue where the value is no list. A missing value stays missing."""
        if value is None:
            return None
        return [item for item in _list(value) if not _has(item, self.where)]


@dataclass(frozen=True, slots=True)
class Merge:
    """Apply a JSON Merge Patch (RFC 7396)."""

    keeps_life: ClassVar[bool] = True

    patch: Json

    def apply(self, value: Json) -> Json:
        """Members of the patch replace, null removes; a patch that is no object replaces the value."""
        return _merge(value, self.patch)


class Operation(Protocol):
    """A rule that makes the next value of the present one. `keeps_life`: the entry lives as long as it would have."""

    keeps_life: ClassVar[bool]

    def apply(self, value: Json) -> Json:
        """The next value; None is no value. Raises InvalidValue or ValueTooLarge."""


def same(left: Json, right: Json) -> bool:
    """Equal as JSON: true is not 1, member order does not matter, 1 equals 1.0."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[name], right[name]) for name in left)
    return left == right


def _list(value: Json) -> list[Json]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise InvalidValue("Only a list can be appended to or removed from.")
    return value


def _member(item: Json, name: str) -> Json:
    return item[name] if isinstance(item, dict) else None


def _has(item: Json, members: dict[str, Json]) -> bool:
    return isinstance(item, dict) and all(name in item and same(item[name], members[name]) for name in members)


def _merge(target: Json, patch: Json) -> Json:
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _merge(merged.get(name), value)
    return merged
