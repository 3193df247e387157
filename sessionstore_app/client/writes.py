"""Writes that wait: their order, their numbers, and what became of them.

One write is under way at a time. Only so can order, retries and exactly-once hold together: a write that the server put
off and that is overtaken by the next would be taken for a repeat. Knows no store: a room is something that is entered.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from sessionstore_app.client.connection import Accept, Params
from sessionstore_app.client.errors import ClosedError, Disconnected, OutcomeUnknown
from sessionstore_app.client.link import Link
from sessionstore_app.core.errors import SessionStoreError, VersionConflict


class Place(Protocol):
    """Where a write goes."""

    @property
    def is_joined(self) -> bool:
        """True while the server takes writes for it."""


@dataclass(slots=True, kw_only=True, eq=False)
class Write:
    """One write. `replaces` names the key of a plain set: what waits behind it may take its place."""

    place: Place
    method: str
    params: Params
    accept: Accept
    is_repeatable: bool
    replaces: str | None = None
    op: int = 0
    is_sent: bool = False
    # Sent again in a session that knows nothing of the first time.
    is_repeated_blindly: bool = False
    # Its room was left while it was under way: it is not sent again.
    is_abandoned: bool = False
    callers: list[asyncio.Future[Any]] = field(default_factory=list)

    def settle(self, act: Callable[[asyncio.Future[Any]], None]) -> None:
        """Tell those who still wait."""
        for caller in self.callers:
            if not caller.done():
                act(caller)


class Writes:
    """The writes of one session, in the order of the calls. `run` sends them."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._waiting: deque[Write] = deque()
        self._wake = asyncio.Event()
        self._under_way: Write | None = None
        self._last_op = 0

    def __len__(self) -> int:
        return len(self._waiting)

    async def do(self, write: Write) -> Any:
        """Put a write in line, and wait for its result. Who stops waiting takes it back if it was not sent yet."""
        if self._link.end_error is not None:
            raise self._link.closed()
        caller: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        held = self._replaced(write)
        if held is None:
            self._last_op += 1
            write.op = self._last_op
            self._waiting.append(write)
            held = write
        held.callers.append(caller)
        self.wake()
        try:
            return await caller
        finally:
            if not held.is_sent and all(each.cancelled() for each in held.callers):
                self._remove(held)

    def wake(self) -> None:
        """A room was entered, a connection is open: look again."""
        self._wake.set()

    def reopened(self, *, resumed: bool) -> None:
        """The session is open again. A new one does not know the numbers of the old one's writes."""
        for write in [] if resumed else [each for each in self._waiting if each.is_sent]:
            if write.is_repeatable:
                write.is_repeated_blindly = True
            else:
                self._refuse(write, OutcomeUnknown("The session was lost before the answer came."))
        self.wake()

    def abandon(self, place: Place, error: Exception) -> None:
        """A room was left: what was not sent will not be, and what waits to be sent again would wait for ever."""
        for write in [each for each in self._waiting if each.place is place]:
            if write is self._under_way:
                write.is_abandoned = True
            else:
                self._refuse(write, _unknown_after(error) if write.is_sent else error)
        self.wake()

    def end(self, error: Callable[[], ClosedError]) -> None:
        """The session has ended. What was sent and not answered may have been applied."""
        for write in list(self._waiting):
            closed = error()
            unknown = OutcomeUnknown(f"The session ended: {closed.reason}.")
            unknown.__cause__ = closed
            self._refuse(write, unknown if write.is_sent else closed)

    async def run(self) -> None:
        """Send one after the other."""
        while True:
            await self._send(await self._next())

    async def _next(self) -> Write:
        while not (self._waiting and self._waiting[0].place.is_joined and self._link.state == "open"):
            self._wake.clear()
            await self._wake.wait()
        return self._waiting[0]

    async def _send(self, write: Write) -> None:
        write.is_sent = True
        self._under_way = write
        try:
            result = await self._link.ask(write.method, {**write.params, "op": write.op}, write.accept)
        except Disconnected as lost:
            # It stays, and goes again under the same number.
            if write.is_abandoned:
                self._refuse(write, _unknown_after(lost))
        except ClosedError:
            return  # `end` tells.
        except VersionConflict as conflict:
            # The conflict may be with our own first try.
            blind = write.is_repeated_blindly
            self._refuse(write, OutcomeUnknown("Another session cannot tell.") if blind else conflict)
        except SessionStoreError as error:
            self._refuse(write, error)
        else:
            self._remove(write)
            write.settle(lambda caller: caller.set_result(result))
        finally:
            self._under_way = None

    def _replaced(self, write: Write) -> Write | None:
        """The write that waits last, if the new one may take its place."""
        last = self._waiting[-1] if self._waiting else None
        if last is None or last.is_sent or write.replaces is None:
            return None
        if last.replaces != write.replaces or last.place is not write.place:
            return None
        last.params, last.accept = write.params, write.accept
        return last

    def _refuse(self, write: Write, error: Exception) -> None:
        self._remove(write)
        write.settle(lambda caller: caller.set_exception(error))

    def _remove(self, write: Write) -> None:
        with suppress(ValueError):
            self._waiting.remove(write)


def _unknown_after(error: Exception) -> OutcomeUnknown:
    unknown = OutcomeUnknown("The room was left before the answer came.")
    unknown.__cause__ = error
    return unknown
