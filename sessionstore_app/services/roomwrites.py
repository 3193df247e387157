"""Writing to a room, whoever writes: held to the room's type, then stored and told.

Rights are asked first, then each change is shaped by its key's rule; what depends on who wrote the present value is
made sure of by a guard, so that nothing can come between. Writers are answered with nothing that they may not read.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from sessionstore_app import conf
from sessionstore_app.core.definitions import Definition
from sessionstore_app.core.entries import Author, Change, Entry, Epoch, Fence, WriteResult
from sessionstore_app.core.errors import (
    InvalidValue,
    SessionStoreError,
    StoreTooLarge,
    TooManyKeys,
    Unavailable,
    ValueTooLarge,
    VersionConflict,
)
from sessionstore_app.core.jsontext import MAX_INTEGER
from sessionstore_app.core.patterns import compiled
from sessionstore_app.core.rules import Standing
from sessionstore_app.core.sights import Sight, sight
from sessionstore_app.protocol import frames
from sessionstore_app.services import entrylog, questions, record, roomrights, roomtypes
from sessionstore_app.services.entrylog import Written

# Others write the same key between the look at its owner and the write: more often than this is no accident.
_ATTEMPTS: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Who writes, as rules see it and as whom others are told, and what `entrylog.write` is to be given beside."""

    who: Standing
    by: Author | None
    # It is in the room: what dies with its session is removed when that ends.
    is_inside: bool = False
    op: int | None = None
    fenced: Callable[[], Awaitable[Fence]] | None = None
    refresh: Callable[[], object] | None = None


def check(room: str, changes: Sequence[Change], who: Standing) -> None:
    """Raise AccessDenied where it may not write one of the keys, as far as that does not depend on whose they are, and
    InvalidKey for one that there is not.
    """
    definition = roomtypes.of(room)
    if definition is not None:
        _allowed(definition, changes, who)


def _allowed(definition: Definition, changes: Sequence[Change], who: Standing) -> list[str]:
    """The keys for which it depends on whose they are; raises what `check` does."""
    for change in changes:
        # What an earlier version of the type left behind, only the server may take away.
        is_taken = change.text is None and change.operation is None and who.is_server
        if definition.key(change.key) is None and not is_taken:
            raise definition.no_such_key(change.key)
    return [change.key for change in changes if roomrights.require_write(definition, change.key, who)]


def write(room: str, epoch: Epoch, changes: tuple[Change, ...], writer: Writer) -> Awaitable[Written]:
    """Write to a room as somebody.

    Raises AccessDenied, InvalidKey, InvalidValue and the limits where the room's type refuses it, and what
    `entrylog.write` raises, once it is awaited.
    """
    definition = roomtypes.of(room)
    if definition is None:
        return _store(room, epoch, changes, writer)
    return _write_typed(room, epoch, changes, writer, definition)


async def write_from_outside(room: str, changes: tuple[Change, ...], writer: Writer) -> Written:
    """The same of somebody who is not in the room; it is made if it is new."""
    return await write(room, await entrylog.room_epoch(room), changes, writer)


async def _write_typed(
    room: str, epoch: Epoch, changes: tuple[Change, ...], writer: Writer, definition: Definition
) -> Written:
    owned = _allowed(definition, changes, writer.who)
    most = definition.limits.get("value_bytes", conf.current().store_limits.value_bytes)
    shaped = tuple(definition.shape(change, writer.by if writer.is_inside else None, most) for change in changes)
    await _check_named(room, definition, shaped)
    seen = sight(definition, writer.who)
    try:
        if owned:
            written = await _store_own(room, epoch, shaped, writer, definition, owned)
        else:
            written = await _store(room, epoch, shaped, writer, definition)
    except SessionStoreError as error:
        if seen is not None:
            _hide(error, seen)
        raise
    await _drop_named(room, definition, written)
    return written if seen is None else _shown(written, seen, shaped)


def _store(
    room: str, epoch: Epoch, changes: tuple[Change, ...], writer: Writer, definition: Definition | None = None
) -> Awaitable[Written]:
    limits = conf.current().store_limits
    return entrylog.write(
        room,
        epoch,
        changes,
        by=writer.by,
        op=writer.op,
        fenced=writer.fenced,
        refresh=writer.refresh,
        limits=limits if definition is None else definition.store_limits(limits, changes),
    )


# --- keys that are their writer's


async def _store_own(
    room: str,
    epoch: Epoch,
    changes: tuple[Change, ...],
    writer: Writer,
    definition: Definition,
    owned: Sequence[str],
) -> Written:
    """Write where the present values of the `owned` keys are the writer's, or there are none."""
    own_guards = {change.key for change in changes if change.if_version is not None}
    for attempt in range(_ATTEMPTS):
        if attempt:
            # It may have been cleared, too: whoever remembers its epoch for a moment asks again.
            if writer.refresh is not None:
                writer.refresh()
            epoch = await entrylog.room_epoch(room, fresh=True)
        reading = await entrylog.read(room, epoch, compiled(frozenset(owned)))
        present = {entry.key: entry for entry in reading.entries if entry.exists}
        others = [key for key in owned if key in present and not writer.who.owns(present[key].by)]
        if others:
            return await _repeated(room, epoch, changes, writer, definition, others[0])
        guarded = tuple(_guarded(change, present) if change.key in owned else change for change in changes)
        try:
            return await _store(room, epoch, guarded, writer, definition)
        except VersionConflict as error:
            if error.current is None or error.current.key in own_guards or error.current.key not in owned:
                raise
    raise Unavailable("Others write this key all the time.")


def _guarded(change: Change, present: dict[str, Entry]) -> Change:
    seen = present[change.key].version if change.key in present else 0
    if change.if_version in (None, seen):
        return replace(change, if_version=seen)
    # Whose value has that version by the time it is written, nobody has looked at: let it conflict.
    return replace(change, if_version=MAX_INTEGER)


async def _repeated(
    room: str, epoch: Epoch, changes: tuple[Change, ...], writer: Writer, definition: Definition, key: str
) -> Written:
    """Another's value is there. That is no refusal of a write that was applied before and is only repeated: the store
    knows its `op`, and what no version can be keeps it from being written now.
    """
    if writer.op is not None:
        try:
            never = tuple(replace(change, if_version=MAX_INTEGER) for change in changes)
            return await _store(room, epoch, never, writer, definition)
        except VersionConflict:
            pass
    raise roomrights.write_refusal(definition, key, writer.who)


# --- keys that name a peer


def _names(definition: Definition, key: str) -> bool:
    found = definition.key(key)
    return found is not None and found.names_session


async def _check_named(room: str, definition: Definition, changes: Sequence[Change]) -> None:
    for change in changes:
        named = change.owner
        if named is not None and _names(definition, change.key) and not await _is_peer(room, named):
            raise InvalidValue(f"{change.key} names a peer of the room.", hint="Nobody of this id is in the room.")


async def _drop_named(room: str, definition: Definition, written: Written) -> None:
    """Who left while it was written is named no longer: whoever removes what names a leaver could not see it yet."""
    for entry in written.result.entries if written.result.changed else ():
        named = entry.owner
        if named is not None and _names(definition, entry.key) and not await _is_peer(room, named):
            await entrylog.remove(room, written.epoch, [entry])


async def _is_peer(room: str, session_id: str) -> bool:
    return await record.ask(partial(questions.is_peer, room, session_id))


# --- what a writer may not read


def _hide(error: SessionStoreError, seen: Sight) -> None:
    if error.current is not None and not seen.shows_entry(error.current):
        error.current = None
    if isinstance(error, TooManyKeys | StoreTooLarge | ValueTooLarge) and (seen.hidden or seen.own):
        # How much others have stored where it may not look.
        error.actual = None


def _shown(written: Written, seen: Sight, changes: Sequence[Change]) -> Written:
    """Without what the writer may not read and has not said itself in this write."""
    result: WriteResult = written.result
    said = {change.key for change in changes if change.text is not None} if result.changed else frozenset()
    hidden = {
        entry.key
        for entry in result.entries
        if not (entry.key in said and entry.version == result.version) and not seen.shows_entry(entry)
    }
    if not hidden:
        return written
    entries = tuple(
        replace(entry, text=None, by=None, at_ms=None) if entry.key in hidden else entry for entry in result.entries
    )
    texts = {
        entry.key: frames.withdrawn(entry.key, entry.version) if entry.key in hidden else written.texts[entry.key]
        for entry in result.entries
    }
    return Written(written.epoch, replace(result, entries=entries), texts)
