"""Draining: a process that is told to stop closes its sockets first, some at a time, and lets no new ones in.

Servers close all of them in one moment, or none: then all clients would come back at once, or only when they miss
something. What SIGTERM meant before happens afterwards.
"""

from __future__ import annotations

import asyncio
import math
import signal
import threading
from itertools import islice
from types import FrameType

from sessionstore_app import conf
from sessionstore_app.core import clock
from sessionstore_app.core.close import CloseReason
from sessionstore_app.services.hub import Hub

# So many sockets are closed a second, or as many more as DRAIN_SECONDS ask for.
PER_SECOND = 500
_PORTION_SECONDS = 0.05
# As long as the record may take.
_OPENING_SECONDS = 2.0
# Who tells a whole group, and its first process, which tells its workers again, means it once.
SAME_SECONDS = 1.0

_draining: Drain | None = None


class Drain:
    """What SIGTERM means to the process of a hub, until it is handed over to whoever had it before."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self._before = signal.getsignal(signal.SIGTERM)
        self._told_at = 0.0
        self._is_handed_over = False
        signal.signal(signal.SIGTERM, self._told)

    def remove(self) -> None:
        """Let the signal mean what it did before."""
        # Somebody else may have it now, and hand it on to us.
        if signal.getsignal(signal.SIGTERM) == self._told:
            signal.signal(signal.SIGTERM, self._before)

    def _told(self, _number: int, _frame: FrameType | None) -> None:
        now = clock.monotonic()
        if self._is_handed_over or not self.hub.loop.is_running():
            self._hand_over()
        elif self.hub.is_draining:
            if now - self._told_at > SAME_SECONDS:
                self._hand_over()
        else:
            self.hub.is_draining, self._told_at = True, now
            self.hub.loop.call_soon_threadsafe(lambda: self.hub.spawn(self._drain()))

    async def _drain(self) -> None:
        try:
            await close_some_at_a_time(self.hub)
        finally:
            if not self._is_handed_over:
                self._hand_over()

    def _hand_over(self) -> None:
        self._is_handed_over = True
        self.remove()
        if callable(self._before):
            self._before(signal.SIGTERM, None)
        else:
            signal.signal(signal.SIGTERM, self._before)
            signal.raise_signal(signal.SIGTERM)


def at_sigterm(hub: Hub) -> None:
    """Drain this hub when the process is told to stop; where DRAIN_SECONDS is 0, or another thread has the signals,
    that is left to the server.
    """
    global _draining  # noqa: PLW0603  # a process has one SIGTERM
    if threading.current_thread() is not threading.main_thread():
        return
    if _draining is not None:
        leave_sigterm(_draining.hub)
    # None: somebody has it whom Python does not know.
    if signal.getsignal(signal.SIGTERM) not in (None, signal.SIG_IGN) and conf.current().drain_seconds:
        _draining = Drain(hub)


def leave_sigterm(hub: Hub) -> None:
    """This hub is draining no more, or never will."""
    global _draining  # noqa: PLW0603
    if _draining is not None and _draining.hub is hub:
        _draining.remove()
        _draining = None


async def close_some_at_a_time(hub: Hub) -> None:
    """Close all sockets of a hub with 1012, evenly over DRAIN_SECONDS or faster, and wait until that is recorded."""
    seconds = min(conf.current().drain_seconds, len(hub.connections) / PER_SECOND)
    portion = math.ceil(len(hub.connections) * _PORTION_SECONDS / max(seconds, _PORTION_SECONDS))
    while closing := list(islice(hub.connections, portion)):
        for connection in closing:
            connection.close(CloseReason.SERVER_SHUTDOWN)
        await asyncio.sleep(_PORTION_SECONDS)
    until = clock.monotonic() + _OPENING_SECONDS
    while hub.in_transit and clock.monotonic() < until:  # noqa: ASYNC110  # nobody is told of it
        # Opened for a socket that is closed by now: that too is still recorded.
        await asyncio.sleep(_PORTION_SECONDS)
    await hub.settle()
