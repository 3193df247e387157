"""A connection to Redis on an event loop: what is asked in one turn of the loop is sent at once, replies are handed out
as they are parsed, and messages of channels with them (RESP3, so Redis 6 or later).

redis-py finds the server, connects and proves who we are; from then on its transport speaks to us. Its own way costs a
task, a lock and a pipeline for each command; here a command costs a call.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import hiredis
from redis import exceptions

from sessionstore_app.backends.redisexchange import Command, Reply

logger = logging.getLogger("sessionstore_app")

# Beyond these Redis is out of reach, in seconds; who asked is told within two.
CONNECT_SECONDS = 1.0
ANSWER_SECONDS = 1.75

Told: TypeAlias = Callable[[list[Reply]], None]
Heard: TypeAlias = Callable[[bytes, bytes], None]


@dataclass(slots=True)
class _Question:
    """Commands that wait for their replies."""

    count: int
    told: Told
    asked_at: float
    replies: list[Reply] = field(default_factory=list)


class Connection(asyncio.Protocol):
    """Open until it is closed or lost; then whoever waits is told ConnectionError or TimeoutError as each reply, and
    `lost` is called. `heard` is called with the channel and the data of each message.
    """

    def __init__(self, heard: Heard | None = None, lost: Callable[[Exception], None] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._heard = heard
        self._lost = lost
        # What is called later is called in nobody's context: whoever asked first may be a view.
        self._context = contextvars.Context()
        self._reader: Any = hiredis.Reader(replyError=_error, notEnoughData=_NOTHING)
        self._transport: Any = None
        # Owns the transport's socket, and would close it if nobody held it.
        self._opened: Any = None
        self._questions: deque[_Question] = deque()
        self._unsent: list[bytes] = []
        self._looks = False
        self._failure: Exception | None = None

    @property
    def is_open(self) -> bool:
        return self._transport is not None and self._failure is None

    async def open(self, pool: Any) -> None:
        """Connect as a pool of `redis.asyncio` would. Raises what redis-py raises, and TimeoutError."""
        # Messages and replies on one connection: that is what the third version of the protocol is for.
        pool.connection_kwargs["protocol"] = 3
        made = pool.make_connection()
        async with asyncio.timeout(CONNECT_SECONDS):
            await made.connect()
        if self._failure is not None:
            # Closed while it was being opened.
            await made.disconnect(nowait=True)
            raise self._failure
        self._opened = made
        self._transport = made._writer.transport
        self._transport.set_protocol(self)

    def ask(self, commands: Sequence[Command], told: Told) -> None:
        """Send commands, whose parts are bytes, strings and numbers; `told` is called once, with a reply to each."""
        if not self.is_open:
            error = self._failure or exceptions.ConnectionError("The connection is not open.")
            told([error] * len(commands))
            return
        # First of all: what cannot be packed leaves nothing behind.
        packed = [hiredis.pack_command(command) for command in commands]
        if not self._unsent:
            self._loop.call_soon(self._send, context=self._context)
        self._unsent += packed
        self._questions.append(_Question(len(commands), told, self._loop.time()))
        if not self._looks:
            self._look_in(ANSWER_SECONDS)

    def close(self, reason: Exception | None = None) -> None:
        """Let go of it; harmless where it is closed."""
        self._fail(reason or exceptions.ConnectionError("The connection was closed."))

    def _send(self) -> None:
        unsent, self._unsent = self._unsent, []
        if self.is_open:
            self._transport.write(b"".join(unsent))

    def _look_in(self, seconds: float) -> None:
        """One timer for all questions, running only while there are any."""
        self._looks = True
        self._loop.call_later(seconds, self._look, context=self._context)

    def _look(self) -> None:
        self._looks = False
        if self._questions:
            left = self._questions[0].asked_at + ANSWER_SECONDS - self._loop.time()
            if left > 0:
                self._look_in(left)
            else:
                self._fail(exceptions.TimeoutError("Redis did not answer in time."))

    # --- asyncio.Protocol

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        try:
            self._reader.feed(data)
            while (reply := self._reader.gets()) is not _NOTHING:
                self._take(reply)
        except hiredis.ProtocolError as error:
            self._fail(exceptions.InvalidResponse(str(error)))

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._fail(exceptions.ConnectionError("Redis closed the connection.") if exc is None else exc)

    def _take(self, reply: Reply) -> None:
        if type(reply) is hiredis.PushNotification:
            if reply[0] == b"message":
                if self._heard is not None:
                    self._heard(reply[1], reply[2])
                return
            if reply[0] not in _CONFIRMATIONS:
                # The server's own news, of its maintenance for example.
                return
        if not self._questions:
            self._fail(exceptions.InvalidResponse("Redis answered what nobody asked."))
            return
        question = self._questions[0]
        question.replies.append(reply)
        if len(question.replies) == question.count:
            self._questions.popleft()
            question.told(question.replies)

    def _fail(self, error: Exception) -> None:
        if self._failure is not None:
            return
        self._failure = error
        if self._transport is not None:
            self._transport.abort()
            self._loop.create_task(self._opened.disconnect(nowait=True), context=self._context.copy())
        questions, self._questions = self._questions, deque()
        if self._lost is not None:
            self._lost(error)
        for question in questions:
            try:
                question.told(question.replies + [error] * (question.count - len(question.replies)))
            except Exception:  # one's fault keeps no other from being told
                logger.exception("What a lost connection means could not be told.")


_NOTHING: Final = object()
# They come as messages of the server do, and answer a command all the same.
_CONFIRMATIONS = (b"subscribe", b"unsubscribe")
_ERRORS: dict[str, type[exceptions.RedisError]] = {
    "LOADING": exceptions.BusyLoadingError,
    "NOSCRIPT": exceptions.NoScriptError,
    "READONLY": exceptions.ReadOnlyError,
}


def _error(text: str) -> exceptions.RedisError:
    """The class by the first word, as redis-py has it."""
    return _ERRORS.get(text.split(" ", 1)[0], exceptions.ResponseError)(text)
