"""The contract of a backend.

A **space** holds entries. A backend keeps them and promises:

1. A write is atomic: duplicates, fences, guards, limits, all values and the version together, or nothing. What it
   means is `core.entries.decide`, no more and no less.
2. Versions of a space only grow. `read` gives one instant: entries and version belong together.
3. Whoever was told a version may later ask for what came `since`, deletions included, or is told that this is
   no longer known (`complete`).
4. A wiped space is empty, and stays closed: a late write to it raises SpaceWiped.
5. Values are text, so none is ever shared. Only `core.errors` are raised; a lost connection is Unavailable.
6. Of each lock it was written under, a space remembers the highest sequence, as long as it lives. A write under a lower
   one raises LockNotHeld: between the look at the lock and the write, the lock went on.

It does not publish, authorise, log or know what a room is or who holds a lock. Writes handed over in order by one task
are applied in that order, and a read handed over after a write sees it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from sessionstore_app.core.entries import Entry, SessionId, Space, Tally, Write, WriteResult
from sessionstore_app.core.limits import StoreLimits
from sessionstore_app.core.patterns import PatternSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a space holds at one instant.

    `complete` is true where `entries` are all that match, not only what came since the version asked for.
    """

    version: int
    entries: tuple[Entry, ...]
    complete: bool


@dataclass(frozen=True, slots=True)
class Due:
    """An entry whose time to live has passed."""

    space: Space
    key: str
    version: int


def is_told(entry: Entry, patterns: PatternSet, since: int | None) -> bool:
    """Does a read for `patterns` give this entry? `since` is None for a complete one."""
    if since is not None:
        return entry.version > since and patterns.matches(entry.key)
    return (entry.exists and patterns.matches(entry.key)) or entry.key in patterns.exact


class Backend(ABC):
    """Base of all backends. `options` are the alias's OPTIONS in settings."""

    # Does an acknowledged write survive a kill -9 of this process?
    survives_process: ClassVar[bool] = False
    # Does a write made inside a caller's database transaction belong to it?
    joins_transactions: ClassVar[bool] = False
    # Peers are told of such a write once the transaction on this database alias has committed.
    using: str = "default"
    # Called on the event loop with a write that was done for a caller that had gone by then, or had been told that it
    # took too long: others must hear of it all the same. Only for backends whose callers can go while they write.
    orphaned: Callable[[Space, WriteResult], None] | None = None

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        if options:
            raise TypeError(f"{type(self).__name__} takes no options, but got {', '.join(sorted(options))}.")

    @abstractmethod
    async def read(self, space: Space, patterns: PatternSet, since: int | None = None) -> Reading:
        """Entries that match, in the order of their versions; deleted ones only where a pattern names their key.

        With `since`, only those written later, deleted ones too; where that is no longer known, or `since` is ahead of
        the space, all that match and `complete`. Never raises SpaceWiped: a wiped space reads as empty.
        """

    @abstractmethod
    async def write(self, space: Space, write: Write, limits: StoreLimits) -> WriteResult:
        """Apply `write`. Raises what `decide` raises, SpaceWiped, or Unavailable (then it may have happened or not)."""

    @abstractmethod
    async def wipe(self, space: Space) -> None:
        """Empty the space for good. Doing it twice is harmless."""

    @abstractmethod
    async def versions(self, spaces: Collection[Space]) -> dict[Space, int]:
        """The version of each space, 0 for one never written, in one read."""

    async def tallies(self, spaces: Collection[Space]) -> dict[Space, Tally]:
        """How much each space holds, nothing for one that is not there, in one read where a backend can do that."""
        wanted = set(spaces)
        found = {space: tally async for space, tally in self.spaces() if space in wanted} if wanted else {}
        return {space: found.get(space, Tally()) for space in spaces}

    @abstractmethod
    async def owned(self, space: Space, owners: Collection[SessionId]) -> list[Entry]:
        """Entries with a value that die with one of the sessions `owners`."""

    @abstractmethod
    async def due(self, now_ms: int, limit: int) -> list[Due]:
        """At most `limit` entries of any space whose time has passed."""

    @abstractmethod
    def spaces(self) -> AsyncIterator[tuple[Space, Tally]]:
        """Every space that holds something, with what it holds."""

    async def mark(self) -> str | None:
        """What this store has for good, and one that lost everything has not; None where that need not be told: entries
        are as durable as the record, or do not outlive the process.
        """
        return None

    async def forget_wiped(self, before_ms: int) -> None:  # noqa: B027  # not every backend keeps marks
        """Drop the marks of spaces wiped before that time."""

    def live_on_this_loop(self) -> None:  # noqa: B027  # not every backend cares
        """The running loop serves sockets: what is asked on it may be done on it."""

    def leave_loop(self) -> None:  # noqa: B027
        """It does so no longer."""

    def close(self) -> None:  # noqa: B027  # not every backend holds anything
        """Let go of threads and connections; the next call opens them again."""
