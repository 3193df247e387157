"""What a group commit has to do: jobs handed over, the callers that wait for them, and the order of it all.

Knows threads and time, nothing of databases: `groupcommit` does the jobs.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeAlias

from sessionstore_app.core.errors import Unavailable

MAX_BATCH = 256
MAX_READS = 16
# The thread ends, and gives its connection back, when nothing came for so long.
IDLE_SECONDS = 5.0
# A job that has not begun, or whose rows are locked elsewhere, is given up after so long; its caller is told a moment
# later, within two seconds, unless the process or its loop stood still.
PATIENCE_SECONDS = 1.75
RETRY_SECONDS = 0.005


@dataclass(slots=True, eq=False)
class Pending:
    job: Any
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    # None: PATIENCE_SECONDS.
    own_patience_seconds: float | None = None
    started_at: float = field(default_factory=time.monotonic)
    _has_begun: bool = False
    _was_given_up: bool = False

    @property
    def patience_seconds(self) -> float:
        return PATIENCE_SECONDS if self.own_patience_seconds is None else self.own_patience_seconds

    @property
    def is_late(self) -> bool:
        return time.monotonic() - self.started_at > self.patience_seconds

    @property
    def is_wanted(self) -> bool:
        """False once the caller was told that it took too long."""
        return not self.future.done()

    def begin(self) -> bool:
        """Called in the thread, when nothing is in the way any more; false if the caller was told it took too long."""
        with _turns:
            self._has_begun = not (self._was_given_up or self.future.done())
            return self._has_begun

    def put_off(self) -> None:
        """It was not done after all."""
        with _turns:
            self._has_begun = False

    def give_up(self) -> bool:
        """Called on the loop: true if it is not to be done. One that has begun has twice the time and a second for each
        thousand rows that it works on; then it is open whether it was done.
        """
        with _turns:
            waited = time.monotonic() - self.started_at
            more = self.patience_seconds + len(self.job.touches) / 1_000 if self._has_begun else 0.0
            self._was_given_up = waited > self.patience_seconds + more
            return self._was_given_up


@dataclass(slots=True)
class Direct:
    """A job of a caller that does it itself."""

    job: Any
    is_wanted = True

    def begin(self) -> bool:
        return True


# Between the thread that begins a job and the loop that gives it up.
_turns = threading.Lock()


Attempted: TypeAlias = Pending | Direct


class Caller:
    """What a loop that hands over jobs waits for, in the order it came.

    `isolated` says that the loop's ORM connection is inside a test's transaction; until that is known, jobs wait here.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.isolated: bool | None = None
        self.undecided: list[Pending] = []
        self.deciding: asyncio.Task[None] | None = None
        self._loop = loop
        self._waiting: deque[Pending] = deque()
        self._looks = False
        self._look_at = 0.0
        self._stood_still = False

    def wait_for(self, pending: Pending) -> None:
        """Tell the caller if it takes too long; one timer for all, running only while somebody waits."""
        waiting = self._waiting
        # Held until the timer looks, thousands of answers would outlive the garbage collector's young generations.
        while waiting and waiting[0].future.done():
            waiting.popleft()
        waiting.append(pending)
        if not self._looks:
            self._look_later()

    def _look_later(self) -> None:
        self._looks = True
        self._look_at = self._loop.time() + PATIENCE_SECONDS / 8
        self._loop.call_at(self._look_at, self._look, context=contextvars.Context())

    def _look(self) -> None:
        # Where the process stood still the database was given no time: nobody is given up before it had some. The
        # thread's own looks (`is_late`) do not know of it.
        self._stood_still = not self._stood_still and self._loop.time() - self._look_at > PATIENCE_SECONDS / 8
        if self._stood_still:
            self._look_later()
            return
        while self._waiting and (self._waiting[0].future.done() or self._waiting[0].give_up()):
            pending = self._waiting.popleft()
            if not pending.future.done():
                pending.future.set_exception(Unavailable("The database did not answer in time."))
        self._looks = False
        if self._waiting:
            self._look_later()


class Waiting:
    """What the thread has taken and not done: changes, reads, and changes whose rows are locked elsewhere.

    Jobs that touch the same keep their order: behind one that is locked wait the changes and reads that came after it.
    """

    def __init__(self, reads_at_once: int = MAX_READS) -> None:
        self._reads_at_once = reads_at_once
        self.changes: deque[Pending] = deque()
        self.reads: deque[Pending] = deque()
        self.locked: deque[Pending] = deque()
        self._next_try = 0.0

    def __bool__(self) -> bool:
        return bool(self.changes or self.reads or self.locked)

    def pause(self) -> float:
        """How long to wait for more: not at all while something can be done."""
        if self.changes or self._ready_reads():
            return 0.0
        return RETRY_SECONDS if self else IDLE_SECONDS

    def next_changes(self) -> list[Pending]:
        """Those to be tried together now."""
        tried: list[Pending] = []
        if self.locked and time.monotonic() >= self._next_try:
            self._next_try = time.monotonic() + RETRY_SECONDS
            tried = _first(self.locked, MAX_BATCH)
        held = {name for pending in self.locked for name in pending.job.touches}
        for pending in _first(self.changes, MAX_BATCH):
            (tried if held.isdisjoint(pending.job.touches) else self.locked).append(pending)
        return tried

    def next_reads(self) -> list[Pending]:
        """Some of those that wait for no change."""
        ready = self._ready_reads()
        for pending in ready:
            self.reads.remove(pending)
        return ready

    def _ready_reads(self) -> list[Pending]:
        held = {name for waiting in (self.locked, self.changes) for pending in waiting for name in pending.job.touches}
        free = (pending for pending in self.reads if held.isdisjoint(pending.job.touches))
        return list(islice(free, self._reads_at_once))


def _first(items: deque[Pending], count: int) -> list[Pending]:
    return [items.popleft() for _ in range(min(count, len(items)))]


def resolve(results: list[tuple[Pending, Any]], orphaned: Callable[[Any, Any], None]) -> None:
    """Hand out outcomes, on their loop; `orphaned` hears of a job and its result where nobody waits any more."""
    for pending, outcome in results:
        if not pending.future.done():
            if isinstance(outcome, BaseException):
                pending.future.set_exception(outcome)
            else:
                pending.future.set_result(outcome)
        elif outcome is not None and not isinstance(outcome, BaseException):
            orphaned(pending.job, outcome)


def leave(pending: Pending, orphaned: Callable[[Any, Any], None]) -> None:
    """Its caller was cancelled; `orphaned` hears of the result where it was there before the caller could take it."""
    if pending.future.done() and not pending.future.cancelled() and pending.future.exception() is None:
        orphaned(pending.job, pending.future.result())
