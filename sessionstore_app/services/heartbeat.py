"""Heartbeats: the server asks every client whether it lives, and finds those that cannot keep up.

Connections are dealt into slots that take turns, so that a full house is not asked in one tick.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Iterable

from sessionstore_app import conf
from sessionstore_app.core import clock
from sessionstore_app.core.close import CloseReason
from sessionstore_app.protocol import frames
from sessionstore_app.services.connection import Connection

SLOTS = 10


class Heartbeat:
    """Asks each connection once an interval; one timer for all."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        # Not the context of whoever opened the first socket.
        self._context = contextvars.Context()
        self._slots: list[dict[Connection, None]] = [{} for _ in range(SLOTS)]
        self._turn = 0
        self._dealt = 0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin, or go on with the next slot."""
        seconds = conf.current().heartbeat_seconds / SLOTS
        self._timer = self._loop.call_later(seconds, self._take_turn, context=self._context)

    def stop(self) -> None:
        """Ask nobody any more."""
        if self._timer is not None:
            self._timer.cancel()

    def add(self, connection: Connection) -> None:
        """Ask this one too."""
        self._dealt += 1
        connection.beat_slot = self._dealt % SLOTS
        self._slots[connection.beat_slot][connection] = None

    def remove(self, connection: Connection) -> None:
        """Ask it no longer."""
        self._slots[connection.beat_slot].pop(connection, None)

    def _take_turn(self) -> None:
        self.start()
        self._turn = (self._turn + 1) % SLOTS
        # Half an interval after a question: who left two unanswered is found in two and a half intervals, not three.
        self._close_lost(self._slots[(self._turn - SLOTS // 2) % SLOTS])
        due = self._slots[self._turn]
        self._close_lost(due, unanswered=False)
        text = frames.heartbeat(clock.now_ms())
        for connection in list(due):
            if connection.session is not None:
                connection.beat(text)

    def _close_lost(self, connections: Iterable[Connection], *, unanswered: bool = True) -> None:
        stalled_seconds = conf.current().stalled_seconds
        for connection in list(connections):
            if connection.stalled_for(self._loop.time()) > stalled_seconds:
                connection.close(CloseReason.MESSAGE_QUEUE_LIMIT_REACHED)
            elif unanswered and connection.unanswered >= 2:
                connection.close(CloseReason.CLIENT_UNRESPONSIVE)
