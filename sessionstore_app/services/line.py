"""The hub's line to the bus: publishing with patience, hearing without end.

What could not be published is stored all the same; other processes find it when they compare versions.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence

from sessionstore_app.core.errors import Unavailable
from sessionstore_app.services.bus import Bus, Message

logger = logging.getLogger("sessionstore_app")

# The bus must not hold up a write that is already stored.
PUBLISH_SECONDS = 2.0
# After the bus failed, it is opened again after so long.
REOPEN_SECONDS = 0.5
# A process says something to itself so often, and takes the bus for deaf if it does not hear it within that time.
ECHO_SECONDS = 0.5
_ECHO: Message = {"type": "echo"}


class Counters:
    """How often the bus failed, brought nonsense or did not bring our own word, and how often a room or the sessions
    were read to heal them.
    """

    __slots__ = ("bus_failures", "dropped_messages", "healed_rooms", "healed_sessions", "missed_echoes")

    def __init__(self) -> None:
        self.bus_failures = 0
        self.dropped_messages = 0
        self.healed_rooms = 0
        self.healed_sessions = 0
        self.missed_echoes = 0


class Line:
    """A process's place on the bus, if there is one."""

    def __init__(self, bus: Bus | None, context: contextvars.Context, counters: Counters) -> None:
        self._bus = bus
        self._context = context
        self._counters = counters
        self._echo = asyncio.Event()

    @property
    def is_alone(self) -> bool:
        """True where no other process can be heard."""
        return self._bus is None

    async def open(self, groups: Iterable[str]) -> None:
        """Take a place, and hear these groups."""
        if self._bus is not None:
            await self._bus.open()
            for group in groups:
                await self._bus.join(group)

    async def join(self, group: str) -> None:
        """Hear a group. Raises Unavailable where the bus is out of reach."""
        if self._bus is None:
            return
        try:
            await self._bus.join(group)
        except Exception as error:  # each layer has errors of its own
            raise Unavailable("The channel layer is out of reach.") from error

    async def leave(self, group: str) -> None:
        """Hear it no longer; where the bus is out of reach, what still comes is passed over."""
        if self._bus is not None:
            try:
                await self._bus.leave(group)
            except Exception as error:  # each layer has errors of its own
                self._counters.bus_failures += 1
                logger.warning("The channel layer failed: %r", error)

    async def publish(self, messages: Sequence[tuple[str, Message]]) -> None:
        """Tell groups; a bus that does not take it in time is counted and left alone."""
        if self._bus is None or not messages:
            return
        loop = asyncio.get_running_loop()
        # Tasks of their own: a caller may run outside of any task, where `asyncio.timeout` would hit somebody else's.
        tasks = {
            loop.create_task(self._bus.publish(group, message), context=self._context.copy())
            for group, message in messages
        }
        done, late = await asyncio.wait(tasks, timeout=PUBLISH_SECONDS)
        for task in late:
            task.cancel()
        failed = [task.exception() for task in done if task.exception() is not None]
        if late or failed:
            self._counters.bus_failures += len(late) + len(failed)
            logger.warning("The channel layer did not take %s messages: %r", len(late) + len(failed), failed[:1])

    async def listen(self, deliver: Callable[[Message], None], reopen: Callable[[], Awaitable[None]]) -> None:
        """Hand on what comes, for ever; after a failure, `reopen`."""
        while self._bus is not None:
            try:
                message = await self._bus.receive()
            except Exception as error:  # the layer is out of reach: try again, then compare all versions
                self._counters.bus_failures += 1
                logger.warning("The channel layer failed: %r", error)
                await asyncio.sleep(REOPEN_SECONDS)
                await _try(reopen)
            else:
                if message.get("type") == _ECHO["type"]:
                    self._echo.set()
                else:
                    _take(deliver, message)

    async def echo(self, group: str, hear_again: Callable[[], Awaitable[None]]) -> None:
        """Say something to ourselves, for ever, in a group that is ours. A layer may lose its server and find it again
        without a word: where the echo failed to come and then came, what was said meanwhile is lost, so `hear_again`,
        until that can be done.
        """
        is_deaf = False
        while self._bus is not None:
            await asyncio.sleep(ECHO_SECONDS)
            if not await self._is_heard(self._bus, group):
                self._counters.missed_echoes += 1
                is_deaf = True
            elif is_deaf:
                is_deaf = not await _try(hear_again)

    async def _is_heard(self, bus: Bus, group: str) -> bool:
        self._echo.clear()
        try:
            async with asyncio.timeout(ECHO_SECONDS):
                await bus.publish(group, _ECHO)
                await self._echo.wait()
        except Exception:  # each layer has errors of its own
            return False
        return True


def _take(deliver: Callable[[Message], None], message: Message) -> None:
    try:
        deliver(message)
    except Exception:  # whatever was wrong with this one, the next must be heard
        logger.exception("A message of the channel layer could not be taken in.")


async def _try(act: Callable[[], Awaitable[None]]) -> bool:
    try:
        await act()
    except Exception as error:  # the layer, or what is to be read, is still out of reach
        logger.warning("What the channel layer has lost cannot be read yet: %r", error)
        return False
    return True
