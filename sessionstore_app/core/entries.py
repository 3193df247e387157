"""Entries, and what a write to a space means.

`decide` is the one meaning of a write: duplicates, fences, guards, limits, counts and versions. The memory backend runs
it on its dicts, the database backend on the rows a transaction has locked; a script in another language is held to it
by tests. It knows no clock (times are milliseconds since the epoch, handed in), no storage, no rights and no locks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, NewType

from sessionstore_app.core import errors, jsontext
from sessionstore_app.core.jsontext import Json
from sessionstore_app.core.limits import TOMBSTONES_KEPT, StoreLimits
from sessionstore_app.core.operations import Operation

SessionId = NewType("SessionId", str)
RoomName = NewType("RoomName", str)
Epoch = NewType("Epoch", str)
# `room:<name>:<epoch>` or `session:<id>`: what a backend knows of where entries live.
Space = NewType("Space", str)


class Lifetime(StrEnum):
    """Until when an entry lives: its room is cleared, or the session that wrote it ends."""

    ROOM = "room"
    SESSION = "session"


@dataclass(frozen=True, slots=True)
class Author:
    """Who wrote: a session, or a principal without one (HTTP). The server itself is no author (None)."""

    session_id: SessionId | None
    principal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One key of a space. `text` is the value as compact JSON, None where there is none.

    `version` is the space's write counter when the entry was last written, 0 for a key never written;
    `at_ms` and `expires_at_ms` are milliseconds since the epoch; `owner` is the session it dies with.
    """

    key: str
    text: str | None = None
    version: int = 0
    by: Author | None = None
    at_ms: int | None = None
    expires_at_ms: int | None = None
    owner: SessionId | None = None

    @property
    def value(self) -> Json:
        """The value as Python objects, made anew at each call; None where there is none."""
        return None if self.text is None else jsontext.loads(self.text)

    @property
    def at(self) -> datetime | None:
        """When it was written, in UTC; None for a key never written."""
        return None if self.at_ms is None else datetime.fromtimestamp(self.at_ms / 1000, UTC)

    @property
    def exists(self) -> bool:
        """True if the key has a value."""
        return self.text is not None

    @property
    def size_bytes(self) -> int:
        """What it counts towards the store: key and value; 0 where it has no value."""
        return 0 if self.text is None else jsontext.size_bytes(self.key) + jsontext.size_bytes(self.text)

    def is_expired(self, now_ms: int) -> bool:
        """True once its time to live has passed."""
        return self.text is not None and self.expires_at_ms is not None and self.expires_at_ms <= now_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One key's part of a write: a new value (`text`, None deletes) or an `operation` on the present one."""

    key: str
    text: str | None = None
    operation: Operation | None = None
    if_version: int | None = None
    ttl_ms: int | None = None
    owner: SessionId | None = None


@dataclass(frozen=True, slots=True)
class Fence:
    """The lock under which a write was asked for. Its `sequence` grows with each acquisition."""

    lock: str
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One write: its changes happen together, under one version, or not at all.

    `op` is a number that grows with each write of one session; one not above the last is a repeat.
    With a `fence` it is refused once the space was written under a later acquisition of the same lock.
    """

    changes: tuple[Change, ...]
    by: Author | None
    at_ms: int
    op: int | None = None
    fence: Fence | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What a space holds: its version, keys and bytes, and the deletions it remembers.

    Deletions up to `floor` are forgotten: who is behind it needs everything anew.
    """

    version: int = 0
    keys: int = 0
    size_bytes: int = 0
    tombstones: int = 0
    floor: int = 0

    @property
    def prune_due(self) -> bool:
        """True when the older half of the remembered deletions should be forgotten."""
        return self.tombstones > 2 * TOMBSTONES_KEPT


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteResult:
    """`entries` are the written keys as they are now, in the order asked; `version` is the space's.

    `changed` is false for a repeat (`duplicate`) and for an operation that changed nothing: then nobody is told.
    """

    version: int
    entries: tuple[Entry, ...]
    changed: bool = True
    duplicate: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The result, and the tally that goes with it."""

    result: WriteResult
    tally: Tally


def decide(
    write: Write,
    stored: Mapping[str, Entry],
    tally: Tally,
    limits: StoreLimits,
    last_op: int | None = None,
    last_fence: int | None = None,
) -> Decision:
    """Say what `write` does to a space whose touched keys are `stored` (keys never written may be missing).

    `last_op` is the author's last `op` there, `last_fence` the highest sequence of the write's lock: both are to be
    remembered of each write that passes and is no duplicate, even if it changes nothing.
    Raises LockNotHeld, VersionConflict, InvalidValue, ValueTooLarge, TooManyKeys or StoreTooLarge; then nothing has
    changed.
    """
    present = [stored.get(change.key) or Entry(key=change.key) for change in write.changes]
    if write.op is not None and last_op is not None and write.op <= last_op:
        result = WriteResult(version=tally.version, entries=tuple(present), changed=False, duplicate=True)
        return Decision(result=result, tally=tally)
    # After the repeats, for they write nothing; before the guards, for a lost lock is the reason that they fail.
    if write.fence is not None and last_fence is not None and write.fence.sequence < last_fence:
        raise errors.LockNotHeld(hint=LOCK_WENT_ON)
    version = tally.version + 1
    texts = [_new_text(change, entry, write.at_ms) for change, entry in zip(write.changes, present, strict=True)]
    if _changes_nothing(write, present, texts):
        return Decision(result=WriteResult(version=tally.version, entries=tuple(present), changed=False), tally=tally)
    written = tuple(
        _written(write, change, old, text, version)
        for change, old, text in zip(write.changes, present, texts, strict=True)
    )
    after = _tally_after(tally, present, written, version)
    _check_limits(written, tally, after, limits)
    return Decision(result=WriteResult(version=version, entries=written), tally=after)


LOCK_WENT_ON: Final = "The lock has been given to another since; acquire it again, and read before you write."


def _new_text(change: Change, entry: Entry, now_ms: int) -> str | None:
    """The value after the change; checks the guard first."""
    if change.if_version is not None:
        # An entry whose time has passed is gone, even if nobody has swept it yet.
        alive = entry.exists and not (change.if_version == 0 and entry.is_expired(now_ms))
        if change.if_version != (entry.version if alive else 0):
            raise errors.VersionConflict(current=entry)
    if change.operation is None:
        return change.text
    value = None if entry.is_expired(now_ms) else entry.value
    try:
        after = change.operation.apply(value)
    except errors.InvalidValue as error:
        error.current = entry
        raise
    return None if after is None else jsontext.dumps(after)


def _changes_nothing(write: Write, present: Sequence[Entry], texts: Sequence[str | None]) -> bool:
    """Every accepted set is a write, an equal value too; an operation that leaves the value as it is is none."""
    return all(
        change.operation is not None and text == entry.text and not entry.is_expired(write.at_ms)
        for change, entry, text in zip(write.changes, present, texts, strict=True)
    )


def _written(write: Write, change: Change, old: Entry, text: str | None, version: int) -> Entry:
    expires_at_ms = None if change.ttl_ms is None else write.at_ms + change.ttl_ms
    owner = change.owner
    if change.operation is not None and change.operation.keeps_life and old.exists and not old.is_expired(write.at_ms):
        # Such an operation changes the value, not how long the entry lives.
        expires_at_ms, owner = old.expires_at_ms, old.owner
    if text is None:
        expires_at_ms = owner = None
    return Entry(
        key=change.key,
        text=text,
        version=version,
        by=write.by,
        at_ms=write.at_ms,
        expires_at_ms=expires_at_ms,
        owner=owner,
    )


def _tally_after(tally: Tally, present: Sequence[Entry], written: Sequence[Entry], version: int) -> Tally:
    keys, size_bytes, tombstones = tally.keys, tally.size_bytes, tally.tombstones
    for old, new in zip(present, written, strict=True):
        keys += new.exists - old.exists
        size_bytes += new.size_bytes - old.size_bytes
        tombstones += is_tombstone(new) - is_tombstone(old)
    return Tally(version=version, keys=keys, size_bytes=size_bytes, tombstones=tombstones, floor=tally.floor)


def is_tombstone(entry: Entry) -> bool:
    """True for a key that was written and deleted."""
    return entry.text is None and entry.version > 0


def _check_limits(written: Sequence[Entry], before: Tally, after: Tally, limits: StoreLimits) -> None:
    """Refuse what is too large. A write that shrinks an overfull space passes: deleting always succeeds."""
    for entry in written:
        size = 0 if entry.text is None else jsontext.size_bytes(entry.text)
        if size > limits.value_bytes:
            raise errors.ValueTooLarge(limit=limits.value_bytes, actual=size)
    if after.keys > limits.keys and after.keys > before.keys:
        raise errors.TooManyKeys(limit=limits.keys, actual=after.keys)
    if after.size_bytes > limits.store_bytes and after.size_bytes > before.size_bytes:
        raise errors.StoreTooLarge(limit=limits.store_bytes, actual=after.size_bytes)
