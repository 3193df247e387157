"""Jobs on Redis and their turns, whoever carries what they say.

A job is a generator: it yields commands, is sent their replies, and returns its result. Jobs that touch the same are
done in the order they came, so a key that many change by operations is computed by one after the other in a process.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Generator, Sequence
from dataclasses import dataclass
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


@dataclass(slots=True)
class _Running:
    pending: Pending
    steps: Steps
    commands: Sequence[Command]


class Rounds:
    """The jobs of one who carries: those under way say what is to be sent next, the others wait for them."""

    def __init__(self) -> None:
        self.waiting: list[Pending] = []
        self._running: list[_Running] = []
        self._done: list[Outcome] = []

    def __bool__(self) -> bool:
        return bool(self._running or self.waiting)

    def begin(self) -> Groups:
        """Begin what need not wait for another; returns what each under way wants to be sent."""
        self._running += self._begun()
        return [each.commands for each in self._running]

    def take(self, replies: Sequence[Sequence[Reply]]) -> None:
        """Hand the replies to each."""
        running, self._running = self._running, []
        for each, told in zip(running, replies, strict=True):
            outcome = _step(each, told)
            if outcome is not each:
                self._done.append((each.pending, outcome))
            elif each.pending.is_late:
                self._done.append((each.pending, Unavailable("Others change the same all the time.")))
            else:
                self._running.append(each)

    def done(self) -> list[Outcome]:
        """What came of those that have ended since it was asked last."""
        done, self._done = self._done, []
        return done

    def _begun(self) -> list[_Running]:
        if not self.waiting:
            return []
        held = {name for each in self._running for name in each.pending.job.touches}
        begun: list[_Running] = []
        rest: list[Pending] = []
        for pending in self.waiting:
            touches = pending.job.touches
            if not pending.is_wanted:
                continue
            if len(begun) >= MAX_BATCH:
                # A round must not keep others from the server for long; these are the next.
                rest.append(pending)
            elif held and not held.isdisjoint(touches):
                held.update(touches)
                rest.append(pending)
            elif pending.begin():
                started = self._started(pending)
                begun += started
                if started and pending.job.takes_turns:
                    held.update(touches)
        self.waiting[:] = rest
        return begun

    def _started(self, pending: Pending) -> list[_Running]:
        try:
            steps = pending.job.steps()
            return [_Running(pending, steps, _packed(next(steps)))]
        except Exception as error:  # a fault in one job must not end what all others wait for
            self._done.append((pending, error))
            return []


def _packed(commands: Sequence[Command]) -> list[Command]:
    """With text as bytes: one that is no Unicode is a fault of its own job, not of all that are sent with it."""
    return [
        (command[0], *(part.encode() if isinstance(part, str) else part for part in command[1:]))
        for command in commands
    ]


def _step(running: _Running, replies: Sequence[Reply]) -> Any:
    """What came of it: a result or an exception; the same again if it goes on."""
    failure = next((reply for reply in replies if isinstance(reply, Exception)), None)
    if failure is not None:
        running.steps.close()
        return _unavailable(failure)
    try:
        running.commands = _packed(running.steps.send(replies))
    except StopIteration as stop:
        return stop.value
    except SessionStoreError as error:
        return error
    except Exception as error:  # a fault in one job must not end what all others wait for
        logger.exception("A job on Redis failed.")
        return error
    return running


def _unavailable(error: Exception) -> Unavailable:
    if isinstance(error, Unavailable):
        return error
    if isinstance(error, ResponseError):
        # Full, a replica, a key of another kind: that is the database's state.
        logger.error("Redis refused a command: %s", error)
    told = Unavailable()
    told.__cause__ = error
    return told
