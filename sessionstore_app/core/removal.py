"""Rules for keys that go when nobody is there who would need them (parity §2.9): what a rule says, and when it is due.

A rule counts from the moment no peer of a room matches its filter. Nothing here knows rooms, peers or a clock.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass

from sessionstore_app.core import filters
from sessionstore_app.core.errors import InvalidParams
from sessionstore_app.core.filters import Filter
from sessionstore_app.core.patterns import PatternSet, check_pattern, check_room_name, is_exact, pattern_set


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovalRule:
    """`keys` go in `rooms` once no peer has matched `filter` for `for_ms`. `name` is the same for equal contents."""

    name: str
    rooms: PatternSet
    keys: PatternSet
    filter: Filter
    for_ms: int


def removal_rule(
    *,
    rooms: str,
    keys: Collection[str],
    without: str,
    for_ms: int,
    room_length: int,
    key_length: int,
    filter_length: int,
    filter_depth: int,
) -> RemovalRule:
    """Make a rule of its texts: a pattern of rooms' names, patterns of keys, a filter.

    Raises InvalidParams, InvalidKey, InvalidFilter or LimitExceeded.
    """
    if not keys:
        raise InvalidParams("A removal rule names at least one key.")
    if is_exact(rooms):
        check_room_name(rooms, room_length)
    else:
        check_pattern(rooms, room_length)
    for key in keys:
        check_pattern(key, key_length)
    return RemovalRule(
        name=_name(rooms, keys, without, for_ms),
        rooms=pattern_set(frozenset({rooms})),
        keys=pattern_set(frozenset(keys)),
        filter=filters.parse(without, max_length=filter_length, max_depth=filter_depth),
        for_ms=for_ms,
    )


def _name(rooms: str, keys: Collection[str], without: str, for_ms: int) -> str:
    contents = ascii((rooms, sorted(set(keys)), without, for_ms))
    return hashlib.sha256(contents.encode()).hexdigest()[:16]


def absence(rule: RemovalRule, since_ms: int | None, matched: bool, now_ms: int) -> tuple[int | None, bool]:
    """Since when no peer matches, and whether the rule's keys go now.

    `since_ms` is what the last call gave, None at first. Whoever matches ends the absence. Once it has lasted long
    enough the keys go, and it is counted anew: what is written after that has another whole absence to live.
    """
    if matched:
        return None, False
    # A clock that was set back must not make an absence last longer than it may.
    since = now_ms if since_ms is None else min(since_ms, now_ms)
    if now_ms - since >= rule.for_ms:
        return now_ms, True
    return since, False
