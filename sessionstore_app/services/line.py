"""The hub's line to the bus: what is told waits in a queue and leaves in batches, what comes is heard without end.

What the bus did not take is stored all the same; other processes find it when they compare versions.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from sessionstore_app.core.errors import Unavailable
from sessionstore_app.services.bus import Bus, Deliver, Message, Told

logger = logging.getLogger("sessionstore_app")

# After the bus failed, it is opened again after so long.
REOPEN_SECONDS = 0.5
# Who wants to hear a group tries so long, and so often.
JOIN_SECONDS = 1.0
RETRY_SECONDS = 0.05
# A process says something to itself so often, and takes the bus for deaf if it does not hear it within that time.
ECHO_SECONDS = 0.5
_ECHO: Message = {"type": "echo"}
# Messages that go to the bus together, and that may wait for one that is busy; those beyond are found by comparing.
AT_A_TIME = 200
MOST_WAITING = 10_000


@dataclass(slots=True)
class Counters:
    """What the bus did to this process since it started, and what was done about it."""

    # Messages that the bus did not take, and readings of it that failed.
    bus_failures: int = 0
    # Places on the bus that were taken anew after one.
    bus_reopenings: int = 0
    # Times that our own word did not come back.
    missed_echoes: int = 0
    # Messages that were none of ours.
    dropped_messages: int = 0
    # Changes of entries and rosters that came again, that came before an earlier one, and gaps that nothing filled.
    repeated_changes: int = 0
    early_changes: int = 0
    lost_changes: int = 0
    # Rooms, and the sessions that somebody listens to, that were read because something was missed.
    healed_rooms: int = 0
    healed_sessions: int = 0
    # Rooms that began anew because their store was gone or older than what was known of it.
    lost_stores: int = 0
    # Writes of rooms that this process took in first, and changes that it told peers, each times the peers.
    writes: int = 0
    deliveries: int = 0


class Line:
    """A process's place on the bus, if there is one."""

    def __init__(self, bus: Bus | None, counters: Counters) -> None:
        self._bus = bus
        # What comes of a message must not happen in the context of whoever caused it.
        self._context = contextvars.Context()
        self._now = asyncio.get_running_loop().time
        self._counters = counters
        self._echo = asyncio.Event()
        self._waiting: deque[Told] = deque()
        self._sending: asyncio.Future[None] | None = None

    @property
    def is_alone(self) -> bool:
        """True where no other process can be heard."""
        return self._bus is None

    async def open(self, groups: Iterable[str]) -> None:
        """Take a place, and hear these groups. Raises Unavailable where the bus is out of reach."""
        if self._bus is None:
            return
        try:
            await self._bus.open()
            for group in groups:
                await self._bus.join(group)
        except Exception as error:  # each layer has errors of its own
            raise Unavailable("The channel layer is out of reach.") from error

    async def join(self, group: str) -> None:
        """Hear a group; a bus that is just being opened again is waited for. Raises Unavailable where it stays out of
        reach.
        """
        give_up_at = self._now() + JOIN_SECONDS
        while self._bus is not None:
            try:
                await self._bus.join(group)
                return
            except Exception as error:  # each layer has errors of its own
                if self._now() >= give_up_at:
                    raise Unavailable("The channel layer is out of reach.") from error
            await asyncio.sleep(RETRY_SECONDS)

    async def leave(self, group: str) -> None:
        """Hear it no longer; where the bus is out of reach, what still comes is passed over."""
        if self._bus is not None:
            try:
                await self._bus.leave(group)
            except Exception as error:  # each layer has errors of its own
                self._counters.bus_failures += 1
                logger.warning("The channel layer failed: %r", error)

    def publish(self, messages: Sequence[Told]) -> None:
        """Tell groups, in order, and wait for nothing: what is told is stored. What a bus does not take is counted."""
        if self._bus is None:
            return
        room = max(MOST_WAITING - len(self._waiting), 0)
        self._waiting.extend(messages[:room])
        self._counters.bus_failures += len(messages[room:])
        if self._waiting and self._sending is None:
            self._send(self._bus)

    def _send(self, bus: Bus) -> None:
        """Hand over what waits; what comes while the bus is busy goes together."""
        told = [self._waiting.popleft() for _ in range(min(len(self._waiting), AT_A_TIME))]
        self._sending = bus.publish(told)
        self._sending.add_done_callback(partial(self._sent, bus, len(told)), context=self._context)

    def _sent(self, bus: Bus, count: int, sending: asyncio.Future[None]) -> None:
        self._sending = None
        error = None if sending.cancelled() else sending.exception()
        if error is not None or sending.cancelled():
            # What waits behind is stored too; and a message that is told late is worse than one that is not.
            lost = count + len(self._waiting)
            self._waiting.clear()
            self._counters.bus_failures += lost
            logger.warning("The channel layer did not take %s messages: %r", lost, error)
        elif self._waiting:
            self._send(bus)

    def close(self) -> None:
        """Leave the bus."""
        if self._bus is not None:
            self._bus.close()

    async def flush(self, seconds: float) -> None:
        """Wait, no longer than this, until the bus has what was told so far."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._sending is not None:
                    await asyncio.wait([self._sending])

    async def listen(self, deliver: Deliver, reopen: Callable[[], Awaitable[None]]) -> None:
        """Hand on what comes, for ever; after a failure, `reopen`."""
        while self._bus is not None:
            try:
                await self._bus.listen(partial(self._take, deliver))
            except Exception as error:  # the layer is out of reach: try again, then compare all versions
                self._counters.bus_failures += 1
                logger.warning("The channel layer failed: %r", error)
                await asyncio.sleep(REOPEN_SECONDS)
                self._counters.bus_reopenings += await _try(reopen)

    def _take(self, deliver: Deliver, message: Message) -> None:
        if message.get("type") == _ECHO["type"]:
            self._echo.set()
            return
        try:
            deliver(message)
        except Exception:  # whatever was wrong with this one, the next must be heard
            logger.exception("A message of the channel layer could not be taken in.")

    async def echo(self, group: str, hear_again: Callable[[], Awaitable[None]]) -> None:
        """Say something to ourselves, for ever, in a group that is ours. A layer may lose its server and find it again
        without a word: where the echo failed to come and then came, what was said meanwhile is lost, so `hear_again`,
        until that can be done.
        """
        has_missed = False
        while self._bus is not None:
            await asyncio.sleep(ECHO_SECONDS)
            if not await self._is_heard(self._bus, group):
                self._counters.missed_echoes += 1
                has_missed = True
            elif has_missed:
                has_missed = not await _try(hear_again)

    async def _is_heard(self, bus: Bus, group: str) -> bool:
        self._echo.clear()
        try:
            async with asyncio.timeout(ECHO_SECONDS):
                await bus.publish([(group, _ECHO)])
                await self._echo.wait()
        except Exception:  # each layer has errors of its own
            return False
        return True


async def _try(act: Callable[[], Awaitable[None]]) -> bool:
    try:
        await act()
    except Exception as error:  # the layer, or what is to be read, is still out of reach
        logger.warning("What the channel layer has lost cannot be read yet: %r", error)
        return False
    return True
