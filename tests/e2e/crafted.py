"""A client made by hand: a raw socket that says what it likes, beside windows that are driven without a loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from tests.support.guests import Guests
from tests.support.server import Server
from tests.support.wire import Params, Wire

LIMIT_SECONDS = 30.0
Result = TypeVar("Result")


class Crafted:
    """One socket, in a room."""

    def __init__(self, loop: asyncio.AbstractEventLoop, wire: Wire) -> None:
        self._loop = loop
        self.wire = wire
        self.session_id = wire.id

    def do(self, act: Callable[[Wire], Awaitable[Result]]) -> Result:
        """Do something with the socket, and wait for what comes of it."""
        return _within(self._loop, act(self.wire))

    def call(self, method: str, **params: Any) -> Params:
        """Ask, and return the result. Raises Refused."""
        return self.do(lambda wire: wire.call(method, **params))

    def refused(self, method: str, reason: str, **params: Any) -> Params:
        """Ask for something that must be refused with `reason`; returns the error."""
        return self.do(lambda wire: wire.refused(method, reason, **params))


@contextmanager
def crafted(server: Server, room: str, **opening: Any) -> Iterator[Crafted]:
    """A raw socket whose session is open and in a room, observing all of it."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    guests = Guests(server)
    try:
        yield Crafted(loop, _within(loop, guests.join(room, **opening)))
    finally:
        _within(loop, guests.leave())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _within(loop: asyncio.AbstractEventLoop, what: Awaitable[Result]) -> Result:
    async def wait() -> Result:
        return await what

    return asyncio.run_coroutine_threadsafe(wait(), loop).result(LIMIT_SECONDS)
