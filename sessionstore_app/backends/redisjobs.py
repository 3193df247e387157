"""Jobs on Redis and their turns, whoever carries what they say.

A job is a generator: it yields commands, is sent their replies, and returns its result. Jobs that touch the same are
done in the order they came, so a key that many change by operations is computed by one after the other in a process.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Generator, Sequence
from typing import Any, Protocol, TypeAlias

from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeout

from sessionstore_app.backends.redisexchange import Command, Groups, Reply
from sessionstore_app.backends.waiting import MAX_BATCH, Pending
from sessionstore_app.core.errors import SessionStoreError, Unavailable

logger = logging.getLogger("sessionstore_app")

# What took too long to answer is not asked for so long: who wants something of it is refused at once.
AWAY_SECONDS = 0.25

Steps: TypeAlias = Generator[Sequence[Command], Sequence[Reply], Any]
# A job's result or the exception it ended with.
Outcome: TypeAlias = tuple[Pending, Any]


class Job(Protocol):
    """Something to do. `touches` names what it works on; `takes_turns` says that it may need more than one step."""

    @property
    def touches(self) -> Collection[str]: ...
    @property
    def takes_turns(self) -> bool: ...
    def steps(self) -> Steps:
        """What is sent, and what comes of the replies. Raises SessionStoreError."""


class Away:
    """Whether Redis took too long a moment ago."""

    def __init__(self) -> None:
        self._until = 0.0

    def __bool__(self) -> bool:
        return time.monotonic() < self._until

    def note(self, error: Exception) -> None:
        """Something was not answered."""
        logger.warning("Redis is out of reach: %s", error)
        if isinstance(error, RedisTimeout | TimeoutError):
            self._until = time.monotonic() + AWAY_SECONDS


class Rounds:
    """The jobs of one who carries: those under way say what is to be sent next, the others wait for them."""

    def __init__(self) -> None:
        self.waiting: list[Pending] = []
        # Those under way, and what each wants to be sent.
        self._running: list[tuple[Pending, Steps]] = []
        self._wanted: list[Sequence[Command]] = []
        self._done: list[Outcome] = []

    def __bool__(self) -> bool:
        return bool(self._running or self.waiting)

    def begin(self) -> Groups:
        """Begin what need not wait for another; returns what each under way wants to be sent."""
        if self.waiting:
            waiting, self.waiting = self.waiting, []
            self._begin(waiting)
        return self._wanted

    def take(self, replies: Sequence[Sequence[Reply]]) -> None:
        """Hand the replies to each."""
        running, self._running, self._wanted = self._running, [], []
        for (pending, steps), told in zip(running, replies, strict=True):
            self._go_on(pending, steps, told)

    def done(self) -> list[Outcome]:
        """What came of those that have ended since it was asked last."""
        done, self._done = self._done, []
        return done

    def _begin(self, waiting: list[Pending]) -> None:
        held = {name for pending, _ in self._running for name in pending.job.touches}
        most = len(self._running) + MAX_BATCH
        for pending in waiting:
            job = pending.job
            if not pending.is_wanted:
                continue
            if len(self._running) >= most:
                # A round must not keep others from the server for long; these are the next.
                self.waiting.append(pending)
            elif held and not held.isdisjoint(job.touches):
                held.update(job.touches)
                self.waiting.append(pending)
            elif pending.begin() and self._start(pending) and job.takes_turns:
                held.update(job.touches)

    def _start(self, pending: Pending) -> bool:
        """Have it say what it wants; false if it ended at once."""
        try:
            steps = pending.job.steps()
            wanted = _spelt(next(steps))
        except Exception as error:  # a fault in one job must not end what all others wait for
            self._done.append((pending, error))
            return False
        self._running.append((pending, steps))
        self._wanted.append(wanted)
        return True

    def _go_on(self, pending: Pending, steps: Steps, replies: Sequence[Reply]) -> None:
        try:
            for reply in replies:
                if isinstance(reply, Exception):
                    steps.close()
                    raise _unavailable(reply)
            wanted = _spelt(steps.send(replies))
            if pending.is_late:
                raise Unavailable("Others change the same all the time.")
        except StopIteration as stop:
            self._done.append((pending, stop.value))
        except SessionStoreError as error:
            self._done.append((pending, error))
        except Exception as error:  # a fault in one job must not end what all others wait for
            logger.exception("A job on Redis failed.")
            self._done.append((pending, error))
        else:
            self._running.append((pending, steps))
            self._wanted.append(wanted)


def _spelt(commands: Sequence[Command]) -> Sequence[Command]:
    """The same. Raises UnicodeEncodeError: what is no Unicode is a fault of its own job, not of all sent with it."""
    for command in commands:
        for part in command:
            if type(part) is str and not part.isascii():
                part.encode()
    return commands


def _unavailable(error: Exception) -> Unavailable:
    if isinstance(error, Unavailable):
        return error
    if isinstance(error, ResponseError):
        # Full, a replica, a key of another kind: that is the database's state.
        logger.error("Redis refused a command: %s", error)
    told = Unavailable()
    told.__cause__ = error
    return told
