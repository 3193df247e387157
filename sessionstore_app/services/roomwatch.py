"""Watching a room from a process that serves no sockets: a shell, a command, a worker.

The store is what counts: each look reads what came since the last one. The channel layer, where processes share one,
only says when to look; without it, or where it loses a message, a look comes after an interval all the same.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from sessionstore_app.backends.base import Reading
from sessionstore_app.core.entries import Entry, Epoch
from sessionstore_app.core.errors import Unavailable
from sessionstore_app.core.patterns import EVERYTHING, PatternSet
from sessionstore_app.services import entrylog
from sessionstore_app.services.bus import Bus, room_group
from sessionstore_app.services.layerbus import shared_bus

logger = logging.getLogger("sessionstore_app")

# The epoch of a room that there is not.
_NOWHERE: Final = Epoch("")


@dataclass(frozen=True, slots=True)
class Emptied:
    """The room goes on under this epoch, with nothing of what it held."""

    epoch: Epoch


@dataclass(frozen=True, slots=True)
class Changes:
    """Entries written since the last look, deleted ones without a value, each as it is now, in the order written."""

    version: int
    entries: tuple[Entry, ...]


News: TypeAlias = Emptied | Changes


@dataclass(slots=True)
class RoomWatch:
    """How far one watcher of a room has come. The first look tells what there is."""

    room: str
    patterns: PatternSet = EVERYTHING
    epoch: Epoch = _NOWHERE
    version: int = 0
    _held: dict[str, int] = field(default_factory=dict)
    _has_looked: bool = False

    async def look(self) -> list[News]:
        """What is new. Raises Unavailable; then the next look tells it."""
        epoch = await entrylog.current_epoch(self.room)
        news: list[News] = []
        if epoch != self.epoch:
            if self.epoch:
                news.append(Emptied(epoch))
            self.epoch, self.version, self._held, self._has_looked = epoch, 0, {}, False
        if not epoch or (self._has_looked and await entrylog.version(self.room, epoch) == self.version):
            return news
        reading = await entrylog.read(self.room, epoch, self.patterns, self.version if self._has_looked else None)
        if reading.version < self.version:
            # It was cleared since its epoch was read, and is empty for that: the next look tells it.
            return news
        changed = self._take(reading)
        return [*news, Changes(reading.version, changed)] if changed else news

    def _take(self, reading: Reading) -> tuple[Entry, ...]:
        held = self._held
        changed = [entry for entry in reading.entries if held.get(entry.key) != entry.version]
        if reading.complete:
            # What was deleted so long ago that nobody remembers it is seen by its absence.
            present = {entry.key for entry in reading.entries}
            changed = [*(Entry(key=key) for key in held if key not in present), *changed]
        for entry in changed:
            if entry.exists:
                held[entry.key] = entry.version
            else:
                held.pop(entry.key, None)
        self.version, self._has_looked = reading.version, True
        return tuple(changed)


async def follow(watch: RoomWatch, every_seconds: float) -> AsyncGenerator[list[News]]:
    """What is new, as soon as it can be known, for ever. While the store is out of reach it waits."""
    async with _bell(watch.room, every_seconds) as bell:
        while True:
            bell.clear()
            try:
                news = await watch.look()
            except Unavailable as error:
                logger.warning("The room cannot be read at this moment: %s", error)
                news = []
            if news:
                yield news
            with suppress(TimeoutError):
                async with asyncio.timeout(every_seconds):
                    await bell.wait()


@asynccontextmanager
async def _bell(room: str, retry_seconds: float) -> AsyncIterator[asyncio.Event]:
    """An event that is set when the channel layer tells something of the room."""
    bell = asyncio.Event()
    bus = shared_bus()
    if bus is None:
        yield bell
        return
    listening = asyncio.create_task(_listen(bus, room, bell, retry_seconds))
    try:
        yield bell
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def _listen(bus: Bus, room: str, bell: asyncio.Event, retry_seconds: float) -> None:
    while True:
        try:
            await bus.open()
            await bus.join(room_group(room))
            # What was told before we could hear it.
            bell.set()
            await bus.listen(lambda _: bell.set())
        except Exception as error:  # whatever the layer's failure is called: looks go on by the clock
            logger.warning("The channel layer cannot be heard: %r", error)
            await asyncio.sleep(retry_seconds)
