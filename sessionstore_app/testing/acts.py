# ruff: noqa: S101  # a contract asserts
"""The vocabulary of the contract: changes, writes and readings in as few words as a promise needs."""

from __future__ import annotations

from collections.abc import Iterable

from sessionstore_app.backends.base import Backend, Reading
from sessionstore_app.core import jsontext
from sessionstore_app.core.entries import Author, Change, Entry, Fence, SessionId, Space, Tally, Write, WriteResult
from sessionstore_app.core.jsontext import Json, JsonInput
from sessionstore_app.core.limits import StoreLimits
from sessionstore_app.core.operations import Operation
from sessionstore_app.core.patterns import pattern_set

AT_MS = 1_750_000_000_000
ROOM = Space("room:standup:5f3a")
OTHER = Space("room:retro:77c0")
# Room enough for whatever a promise about something else needs.
AMPLE = StoreLimits(value_bytes=100_000, keys=10_000, store_bytes=10_000_000)
ANN = Author(SessionId("s-ann"), "ann")
BO = Author(SessionId("s-bo"), "bo")


def setting(
    key: str,
    value: JsonInput,
    *,
    if_version: int | None = None,
    ttl_ms: int | None = None,
    owner: SessionId | None = None,
) -> Change:
    """Set a key; None deletes."""
    text = None if value is None else jsontext.dumps(value)
    return Change(key=key, text=text, if_version=if_version, ttl_ms=ttl_ms, owner=owner)


def deleting(key: str, *, if_version: int | None = None) -> Change:
    """Delete a key."""
    return Change(key=key, if_version=if_version)


def doing(key: str, operation: Operation) -> Change:
    """Let the server compute the new value."""
    return Change(key=key, operation=operation)


async def write(
    backend: Backend,
    *changes: Change,
    space: Space = ROOM,
    by: Author | None = None,
    op: int | None = None,
    fence: Fence | None = None,
    at_ms: int = AT_MS,
    limits: StoreLimits = AMPLE,
) -> WriteResult:
    """One write of one or more changes."""
    wanted = Write(changes=changes, by=by, at_ms=at_ms, op=op, fence=fence)
    return await backend.write(space, wanted, limits)


async def write_one(backend: Backend, change: Change, *, space: Space = ROOM, limits: StoreLimits = AMPLE) -> Entry:
    """One write of one change; its entry."""
    (entry,) = (await write(backend, change, space=space, limits=limits)).entries
    return entry


async def read(backend: Backend, *patterns: str, space: Space = ROOM, since: int | None = None) -> Reading:
    """Read what matches, everything by default."""
    return await backend.read(space, pattern_set(frozenset(patterns or ("*",))), since)


async def read_one(backend: Backend, key: str, *, space: Space = ROOM) -> Entry:
    """What is known of one key."""
    found = (await read(backend, key, space=space)).entries
    return found[0] if found else Entry(key=key)


async def contents(backend: Backend, *, space: Space = ROOM) -> dict[str, Json]:
    """Every key that has a value."""
    return {entry.key: entry.value for entry in (await read(backend, space=space)).entries}


async def tallies(backend: Backend) -> dict[Space, Tally]:
    """Every space that holds something. A space listed twice is an error."""
    found: dict[Space, Tally] = {}
    async for space, tally in backend.spaces():
        assert space not in found
        found[space] = tally
    return found


def held_bytes(entries: Iterable[Entry]) -> int:
    """What these entries count towards the store, counted anew."""
    return sum(len(entry.key.encode()) + len(entry.text.encode()) for entry in entries if entry.text is not None)


async def assert_counts_right(backend: Backend, space: Space = ROOM) -> None:
    """The tally that limits are checked against is what the space really holds."""
    reading = await read(backend, space=space)
    tally = (await tallies(backend)).get(space, Tally())
    assert (tally.version, tally.keys) == (reading.version, len(reading.entries))
    assert tally.size_bytes == held_bytes(reading.entries)
