"""Redis from the event loop that serves sockets: no thread is woken, and what comes of a job is told in the same turn
of the loop in which its reply came.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError

from sessionstore_app.backends.redisconnection import Connection
from sessionstore_app.backends.redisexchange import Batch, Exchange, Reply, Scripts, together
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
        self._connection: Connection | None = None
        self._opening: asyncio.Task[None] | None = None

    def put(self, pending: Pending) -> None:
        """Hand over a job; it is sent with the next round trip."""
        self._rounds.waiting.append(pending)
        if not self._is_busy:
            self._go()

    def close(self) -> None:
        """Let go of the connection. What is under way is told that it may have happened or not; harmless twice."""
        if self._opening is not None:
            self._opening.cancel()
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _go(self) -> None:
        """Begin the next round, if there is something to do."""
        groups = self._rounds.begin()
        while groups and self._away:
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
            self._opening = self.loop.create_task(self._open(exchange, groups))

    async def _open(self, exchange: Exchange, groups: int) -> None:
        connection = Connection(lost=self._lost)
        failure: Exception | None = None
        try:
            await connection.open(self._pool)
        except asyncio.CancelledError:
            failure = RedisConnectionError("The connection was closed.")
            raise
        except Exception as error:  # redis-py's, the system's, or of the options
            self._away.note(error)
            failure = error
        finally:
            self._opening = None
            self._connection = None if failure else connection
            if failure:
                self._end([[failure]] * groups)
            else:
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
        elif len(commands) == 1:
            connection.ask(commands, lambda replies: self._hear(exchange, replies, groups))
        else:
            transaction = [("MULTI",), *commands, ("EXEC",)]
            connection.ask(transaction, lambda replies: self._hear(exchange, replies[-1], groups))

    def _hear(self, exchange: Exchange, replies: list[Reply] | Exception, groups: int) -> None:
        try:
            batch = exchange.throw(replies) if isinstance(replies, Exception) else exchange.send(replies)
        except StopIteration as stop:
            self._end(stop.value)
        except Exception as error:  # the connection's end, or a fault of ours: it must not end what all others wait for
            self._end([[error]] * groups)
        else:
            self._say(exchange, batch, groups)
