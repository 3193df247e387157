"""Entries in dictionaries of this process: for tests and single processes, and the oracle for all other backends.

Nothing survives the process. A call runs to its end without giving way, which is all the atomicity it needs; calls from
several threads take turns by one lock.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sessionstore_app.backends.base import Backend, Due, Reading, is_told
from sessionstore_app.core import clock
from sessionstore_app.core.entries import Entry, SessionId, Space, Tally, Write, WriteResult, decide, is_tombstone
from sessionstore_app.core.errors import SpaceWiped
from sessionstore_app.core.limits import TOMBSTONES_KEPT, StoreLimits
from sessionstore_app.core.patterns import PatternSet


@dataclass(slots=True)
class _Contents:
    entries: dict[str, Entry] = field(default_factory=dict)
    ops: dict[SessionId, int] = field(default_factory=dict)
    fences: dict[str, int] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)
    # True once an entry had a time to live: spaces without are passed over when those due are looked for.
    expires: bool = False

    def remember(self, write: Write) -> None:
        """Note what later writes are held against; this one was accepted, though it may have changed nothing."""
        if write.op is not None and write.by is not None and write.by.session_id is not None:
            self.ops[write.by.session_id] = write.op
        if write.fence is not None:
            self.fences[write.fence.lock] = write.fence.sequence


class MemoryBackend(Backend):
    """`{"BACKEND": "sessionstore_app.backends.memory.MemoryBackend"}`."""

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(options)
        self._spaces: dict[Space, _Contents] = {}
        self._wiped: dict[Space, int] = {}
        self._lock = threading.Lock()

    async def read(self, space: Space, patterns: PatternSet, since: int | None = None) -> Reading:
        with self._lock:
            contents = self._spaces.get(space) or _Contents()
            tally = contents.tally
            complete = since is None or since < tally.floor or since > tally.version
            entries = [
                entry for entry in contents.entries.values() if is_told(entry, patterns, None if complete else since)
            ]
        entries.sort(key=lambda entry: (entry.version, entry.key))
        return Reading(version=tally.version, entries=tuple(entries), complete=complete)

    async def write(self, space: Space, write: Write, limits: StoreLimits) -> WriteResult:
        with self._lock:
            if space in self._wiped:
                raise SpaceWiped
            contents = self._spaces.get(space) or _Contents()
            author = write.by.session_id if write.by else None
            last_op = None if author is None else contents.ops.get(author)
            last_fence = None if write.fence is None else contents.fences.get(write.fence.lock)
            decision = decide(write, contents.entries, contents.tally, limits, last_op, last_fence)
            if not decision.result.duplicate:
                contents.remember(write)
            if decision.result.changed:
                contents.entries.update((entry.key, entry) for entry in decision.result.entries)
                contents.tally = decision.tally
                contents.expires = contents.expires or any(change.ttl_ms is not None for change in write.changes)
                if contents.tally.prune_due:
                    _prune(contents)
            self._spaces[space] = contents
            return decision.result

    async def wipe(self, space: Space) -> None:
        with self._lock:
            self._spaces.pop(space, None)
            self._wiped[space] = clock.now_ms()

    async def versions(self, spaces: Collection[Space]) -> dict[Space, int]:
        with self._lock:
            known = self._spaces
            return {space: known[space].tally.version if space in known else 0 for space in spaces}

    async def tallies(self, spaces: Collection[Space]) -> dict[Space, Tally]:
        with self._lock:
            known = self._spaces
            return {space: known[space].tally if space in known else Tally() for space in spaces}

    async def owned(self, space: Space, owners: Collection[SessionId]) -> list[Entry]:
        with self._lock:
            contents = self._spaces.get(space) or _Contents()
            return [entry for entry in contents.entries.values() if entry.owner in owners]

    async def due(self, now_ms: int, limit: int) -> list[Due]:
        with self._lock:
            found = (
                Due(space, entry.key, entry.version)
                for space, contents in self._spaces.items()
                if contents.expires
                for entry in contents.entries.values()
                if entry.is_expired(now_ms)
            )
            return [due for due, _ in zip(found, range(limit), strict=False)]

    async def spaces(self) -> AsyncIterator[tuple[Space, Tally]]:
        with self._lock:
            held = [(space, contents.tally) for space, contents in self._spaces.items() if contents.tally.version]
        for space, tally in held:
            yield space, tally

    async def forget_wiped(self, before_ms: int) -> None:
        with self._lock:
            for space in [space for space, at_ms in self._wiped.items() if at_ms < before_ms]:
                del self._wiped[space]


def _prune(contents: _Contents) -> None:
    """Forget the older deletions. Those of one write share a version and go together."""
    dead = sorted((entry.version for entry in contents.entries.values() if is_tombstone(entry)), reverse=True)
    floor = dead[TOMBSTONES_KEPT]
    contents.entries = {
        key: entry for key, entry in contents.entries.items() if not (is_tombstone(entry) and entry.version <= floor)
    }
    kept = sum(is_tombstone(entry) for entry in contents.entries.values())
    contents.tally = replace(contents.tally, floor=floor, tombstones=kept)
