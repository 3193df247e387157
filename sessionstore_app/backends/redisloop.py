"""Redis from the event loop that serves sockets: no thread is woken, and what comes of a job is told in the same turn
of the loop in which its reply came.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError, RedisError, ResponseError

from sessionstore_app.backends.redisconnection import Connection
from sessionstore_app.backends.redisexchange import Batch, Exchange, Reply, Scripts, is_refused_whole, together
from sessionstore_app.backends.redisjobs import Away, Outcome, Rounds
from sessionstore_app.backends.waiting import Pending
from sessionstore_app.core.errors import Unavailable


class OnLoop:
    """Does jobs on one loop, a round trip at a time; all methods are called on it. `told` is called with outcomes."""

    def __init__(self, pool: Any, scripts: Scripts, away: Away, told: Callable[[list[Outcome]], None]) -> None:
        self.loop = asyncio.get_running_loop()
        self._pool = pool
        self._scripts = scripts
        self._away = away
        self._told = told
        self._rounds = Rounds()
        self._is_busy = False
        self._is_closed = False
        self._connection: Connection | None = None
        self._opening: asyncio.Task[Connection] | None = None

    def put(self, pending: Pending) -> None:
        """Hand over a job; it is sent with the next round trip."""
        self._rounds.waiting.append(pending)
        if not self._is_busy:
            self._go()

    def close(self) -> None:
        """Let go of the connection for good. What is under way is told that it may have happened or not, what waits is
        refused; harmless twice.
        """
        self._is_closed = True
        if self._opening is not None:
            self._opening.cancel()
        if self._connection is not None:
            self._connection.close()

    def _go(self) -> None:
        """Begin the next round, if there is something to do."""
        groups = self._rounds.begin()
        while groups and (self._is_closed or self._away):
            self._rounds.take([[Unavailable("Redis is out of reach.")]] * len(groups))
            groups = self._rounds.begin()
        self._is_busy = bool(groups)
        done = self._rounds.done()
        if groups:
            self._talk(together(groups, self._scripts), len(groups))
        if done:
            self._told(done)

    def _end(self, replies: list[list[Reply]]) -> None:
        if self._connection is not None and any(isinstance(reply, ReadOnlyError) for told in replies for reply in told):
            # It was the master, and is another's replica now: whoever watches them knows the new one.
            self._connection.close()
        try:
            self._rounds.take(replies)
        finally:
            # Whatever goes wrong with one round, the next begins.
            self._go()

    def _talk(self, exchange: Exchange, groups: int) -> None:
        if self._connection is not None and self._connection.is_open:
            self._say(exchange, next(exchange), groups)
        else:
            self._opening = self.loop.create_task(self._open())
            self._opening.add_done_callback(partial(self._opened, exchange, groups))

    async def _open(self) -> Connection:
        connection = Connection(lost=self._lost)
        await connection.open(self._pool)
        return connection

    def _opened(self, exchange: Exchange, groups: int, opening: asyncio.Task[Connection]) -> None:
        self._opening = None
        failure = RedisConnectionError("It was closed.") if opening.cancelled() else opening.exception()
        if isinstance(failure, Exception):
            if not opening.cancelled():
                self._away.note(failure)
            self._end([[failure]] * groups)
            return
        self._connection = opening.result()
        if self._is_closed:
            self._connection.close()
        self._say(exchange, next(exchange), groups)

    def _lost(self, error: Exception) -> None:
        # One that nobody needs at the moment may come and go.
        if self._is_busy:
            self._away.note(error)

    def _say(self, exchange: Exchange, batch: Batch, groups: int) -> None:
        """Send what the conversation wants to be sent, and go on with it when the replies are there."""
        connection, commands = self._connection, batch.commands
        if not commands or connection is None:
            self._hear(exchange, [], groups)
            return
        is_alone = len(commands) == 1
        asked = commands if is_alone else [("MULTI",), *commands, ("EXEC",)]
        try:
            connection.ask(
                asked, lambda replies: self._hear(exchange, replies if is_alone else _executed(replies), groups)
            )
        except (TypeError, ValueError) as error:  # nothing of it was sent: one of the commands cannot be spelt
            self._end([[error]] * groups)

    def _hear(self, exchange: Exchange, replies: list[Reply] | Exception, groups: int) -> None:
        try:
            batch = exchange.throw(replies) if isinstance(replies, Exception) else exchange.send(replies)
        except StopIteration as stop:
            self._end(stop.value)
        except Exception as error:  # the connection's end, or a fault of ours: it must not end what all others wait for
            self._end([[error]] * groups)
        else:
            self._say(exchange, batch, groups)


def _executed(replies: list[Reply]) -> list[Reply] | Exception:
    """The replies to the commands of a transaction, or why there are none."""
    told: list[Reply] | Exception = replies[-1]
    if isinstance(told, ResponseError) and (isinstance(replies[0], Exception) or not is_refused_whole(told)):
        return RedisError(str(told))
    return told
