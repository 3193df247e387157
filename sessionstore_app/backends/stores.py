"""The contract of a store of private entries, and the adapter that lets any backend of entries be one.

A **space** is the private store of one session (`session:<id>`) or a shared map (`map:<name>`). It is there from
`create` to `destroy`. A store backend keeps its entries and promises:

1. What was set is read back, to the character, until it is set again or deleted.
2. Each key is a register: sets, deletions and gets of it happen in one order, each between its call and its return.
   Sets of different keys at the same time do not harm each other.
3. Spaces are apart: what happens in one is not seen in another.
4. In a space that is not there, everything but `create` and `destroy` raises StoreDestroyed.
5. A destroyed space is gone at once, for everybody. With a mark it stays closed: as long as the mark is kept, `create`
   raises StoreDestroyed too.
6. What is refused has changed nothing. Only `core.errors` are raised; out of reach is Unavailable, and a set may then
   have happened or not.

One that can list its spaces says of each since when it is there: what a crash left behind is found by that.

It does not know what a session is, how keys may be spelled, or what the texts mean.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from typing import Any, ClassVar

from sessionstore_app.backends.base import Backend, Reading
from sessionstore_app.core import clock
from sessionstore_app.core.entries import Change, Space, Write
from sessionstore_app.core.errors import SpaceWiped, StoreDestroyed
from sessionstore_app.core.limits import StoreLimits
from sessionstore_app.core.patterns import EVERYTHING, PatternSet, compiled


class StoreBackend(ABC):
    """Base of all store backends. `options` are the alias's OPTIONS in settings."""

    # Can it say which spaces there are, and since when?
    can_list: ClassVar[bool] = False

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        if options:
            raise TypeError(f"{type(self).__name__} takes no options, but got {', '.join(sorted(options))}.")

    @abstractmethod
    async def create(self, space: Space, limits: StoreLimits) -> None:
        """Make an empty space; harmless where it is there already."""

    @abstractmethod
    async def set(self, space: Space, key: str, text: str, limits: StoreLimits) -> None:
        """Give a key a value. Raises ValueTooLarge and TooManyKeys, and StoreTooLarge as far as it can tell."""

    @abstractmethod
    async def get(self, space: Space, key: str) -> str | None:
        """The value of a key, None where there is none."""

    @abstractmethod
    async def has(self, space: Space, key: str) -> bool:
        """True if the key has a value; a backend that can tell need not read it."""

    @abstractmethod
    async def delete(self, space: Space, key: str) -> None:
        """Remove a key; harmless where it has no value."""

    @abstractmethod
    async def items(self, space: Space) -> dict[str, str]:
        """All keys that have a value, with their values."""

    @abstractmethod
    async def destroy(self, space: Space, *, mark: bool = True) -> None:
        """Remove the space with all that is in it; harmless where it is not there.

        Without a `mark`, nobody will ask for this name again: nothing need stay behind, and where nothing is, one look
        is all it costs.
        """

    def spaces(self) -> AsyncIterator[Space]:
        """Every space that is there; only where `can_list`."""
        raise NotImplementedError(f"{type(self).__name__} cannot list its spaces.")

    async def made_at_ms(self, space: Space) -> int:
        """When `create` made the space, in milliseconds since the epoch, 0 where it is known no longer; only where
        `can_list`: of what no session seems to need, only the old is destroyed.
        """
        raise NotImplementedError(f"{type(self).__name__} cannot list its spaces.")

    async def forget_destroyed(self, before_ms: int) -> None:  # noqa: B027  # not every store keeps marks
        """Drop the marks of spaces destroyed before that time."""

    def close(self) -> None:  # noqa: B027  # not every store holds anything
        """Let go of threads and connections; the next call opens them again."""


# No user's key is empty: a deletion of it is the first write of a space, and says that the space is there.
_CREATED = Change(key="")


class EntriesStore(StoreBackend):
    """Private entries in a backend of entries. A space is there once it was written to; destroying it wipes it."""

    can_list = True

    def __init__(self, backend: Backend) -> None:
        super().__init__()
        self._backend = backend

    async def create(self, space: Space, limits: StoreLimits) -> None:
        if not await self._is_there(space):
            await self._write(space, _CREATED, limits)

    async def set(self, space: Space, key: str, text: str, limits: StoreLimits) -> None:
        # Whoever destroys it between the look and the write leaves a mark that refuses the write.
        if not await self._is_there(space):
            raise StoreDestroyed
        await self._write(space, Change(key=key, text=text), limits)

    async def get(self, space: Space, key: str) -> str | None:
        found = (await self._read(space, compiled(frozenset({key})))).entries
        return found[0].text if found else None

    async def has(self, space: Space, key: str) -> bool:
        return await self.get(space, key) is not None

    async def delete(self, space: Space, key: str) -> None:
        if await self.has(space, key):
            await self._write(space, Change(key=key), StoreLimits())

    async def items(self, space: Space) -> dict[str, str]:
        entries = (await self._read(space, EVERYTHING)).entries
        return {entry.key: entry.text for entry in entries if entry.text is not None}

    async def destroy(self, space: Space, *, mark: bool = True) -> None:
        if mark or await self._is_there(space):
            await self._backend.wipe(space)

    async def spaces(self) -> AsyncIterator[Space]:
        async for space, _ in self._backend.spaces():
            yield space

    async def made_at_ms(self, space: Space) -> int:
        created = (await self._read(space, compiled(frozenset({_CREATED.key})))).entries
        return (created[0].at_ms or 0) if created else 0

    async def forget_destroyed(self, before_ms: int) -> None:
        await self._backend.forget_wiped(before_ms)

    def close(self) -> None:
        self._backend.close()

    async def _is_there(self, space: Space) -> bool:
        return (await self._backend.versions([space]))[space] > 0

    async def _read(self, space: Space, patterns: PatternSet) -> Reading:
        reading = await self._backend.read(space, patterns)
        if reading.version == 0:
            raise StoreDestroyed
        return reading

    async def _write(self, space: Space, change: Change, limits: StoreLimits) -> None:
        try:
            await self._backend.write(space, Write(changes=(change,), by=None, at_ms=clock.now_ms()), limits)
        except SpaceWiped:
            raise StoreDestroyed from None
