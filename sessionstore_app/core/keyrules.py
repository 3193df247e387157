"""One declared key as the rest of the package uses it: what a value must be, and what becomes of a change.

`KeyRule.shape` holds a change to the key's type, cap, lifetime and size; it is asked of every write, the server's own
too. Who may write is not its business.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, ClassVar

import msgspec

from sessionstore_app.core import jsontext
from sessionstore_app.core.entries import Author, Change, SessionId
from sessionstore_app.core.errors import InvalidValue, ValueTooLarge
from sessionstore_app.core.jsontext import Json, size_bytes
from sessionstore_app.core.operations import Append, Operation, same
from sessionstore_app.core.rules import Rule


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KeyRule:
    """A key, or the keys of a pattern. `position` is its place among those of its type, from 0."""

    name: str
    pattern: str
    position: int
    read: Rule
    write: Rule
    # As it was declared.
    type: Any = Any
    decoder: msgspec.json.Decoder[object] | None = None
    default: Json = None
    dies_with_session: bool = False
    ttl_ms: int | None = None
    names_session: bool = False
    cap: int | None = None
    unique: str = ""
    skip_equal: bool = False
    value_bytes: int | None = None

    def check(self, key: str, text: str) -> None:
        """Raise InvalidValue or ValueTooLarge for a value that the key may not have."""
        if self.value_bytes is not None and size_bytes(text) > self.value_bytes:
            raise ValueTooLarge(limit=self.value_bytes, actual=size_bytes(text))
        if self.decoder is not None:
            try:
                self.decoder.decode(text)
            except msgspec.ValidationError as error:
                declared = _described(self.decoder.type)
                raise InvalidValue(f"{key}: {error}.", hint=f"The room's type declares {key} as {declared}.") from None
            except Exception as error:  # sets of what has no hash, and whatever a class of the project raises
                raise InvalidValue(f"{key} cannot hold this value.") from error
        if self.cap is not None or self.unique:
            self._check_list(key, jsontext.loads(text))

    def _check_list(self, key: str, value: Json) -> None:
        if not isinstance(value, list):
            raise InvalidValue(f"{key} holds a list.")
        if self.cap is not None and len(value) > self.cap:
            raise InvalidValue(
                f"{key} holds {self.cap} items at the most.",
                hint="Append to it, and the oldest drop out.",
                limit=self.cap,
                actual=len(value),
            )
        if self.unique and _repeats([_member(item, self.unique) for item in value]):
            raise InvalidValue(f"Two items of {key} have the same {self.unique}.")

    def shape(self, key: str, change: Change, by: Author | None) -> Change:
        """The change as this key takes it. Raises InvalidValue or ValueTooLarge."""
        operation = change.operation
        if operation is not None:
            operation = Ruled(self._own(operation), key, self)
        elif change.text is None:
            return change
        else:
            self.check(key, change.text)
            operation = Replacement(change.text) if self.skip_equal else None
        owner = change.owner
        if self.names_session:
            owner = self._named(key, change)
        elif self.dies_with_session and by is not None:
            owner = by.session_id
        return replace(change, operation=operation, owner=owner, ttl_ms=self._ttl_ms(change))

    def _named(self, key: str, change: Change) -> SessionId:
        value = None if change.text is None else jsontext.loads(change.text)
        if not isinstance(value, str):
            raise InvalidValue(f"{key} is the id of a peer.", hint="Set it; it is not computed.")
        return SessionId(value)

    def _ttl_ms(self, change: Change) -> int | None:
        """The shorter of what was asked for and what is declared."""
        given = [ttl_ms for ttl_ms in (change.ttl_ms, self.ttl_ms) if ttl_ms is not None]
        return min(given, default=None)

    def _own(self, operation: Operation) -> Operation:
        """What is appended is held to the declared cap and member, whatever the caller says."""
        if not isinstance(operation, Append) or (self.cap is None and not self.unique):
            return operation
        if self.unique and _member(operation.item, self.unique) is None:
            raise InvalidValue(f"Each item of this list has its {self.unique}.")
        caps = [cap for cap in (operation.cap, self.cap) if cap is not None]
        return replace(operation, cap=min(caps, default=None), unique=self.unique or operation.unique)


@lru_cache(maxsize=1_024)
def bounded(rule: KeyRule, value_bytes: int) -> KeyRule:
    """The rule of a key that names no limit of its own, with this one."""
    return replace(rule, value_bytes=value_bytes)


@dataclass(frozen=True, slots=True)
class Ruled:
    """An operation on a declared key: it begins at the key's default, and what comes of it is held to the key."""

    keeps_life: ClassVar[bool] = True

    operation: Operation
    key: str
    rule: KeyRule

    def apply(self, value: Json) -> Json:
        """Raises what the operation raises, InvalidValue or ValueTooLarge."""
        after = self.operation.apply(self.rule.default if value is None else value)
        if after is not None:
            self.rule.check(self.key, jsontext.dumps(after))
        return after


@dataclass(frozen=True, slots=True)
class Replacement:
    """A set that is no write where the value is the same."""

    keeps_life: ClassVar[bool] = False

    text: str

    def apply(self, value: Json) -> Json:
        """The new value; the present one where they are equal as JSON."""
        after = jsontext.loads(self.text)
        return value if same(value, after) else after


def _described(value_type: object) -> str:
    """A type as one reads it in the declaration."""
    text = value_type.__name__ if isinstance(value_type, type) else repr(value_type)
    return re.sub(r"(?<!['\"\w.])(?:[A-Za-z_]\w*\.)+", "", text)


def _member(item: Json, name: str) -> Json:
    return item.get(name) if isinstance(item, dict) else None


def _repeats(members: Sequence[Json]) -> bool:
    seen = [_hashable(member) for member in members if member is not None]
    return len(set(seen)) < len(seen)


def _hashable(value: Json) -> Hashable:
    """Equal for values that are the same as JSON, and for no others: comparing each with each takes too long."""
    if isinstance(value, list):
        return tuple(map(_hashable, value))
    if isinstance(value, dict):
        return frozenset((name, _hashable(member)) for name, member in value.items())
    return (bool, value) if isinstance(value, bool) else value
