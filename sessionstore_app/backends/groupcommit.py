"""Group commit: one writer thread a process and database, and one transaction for all that waits.

While a transaction runs, further jobs queue; the next one takes them all, in the order they came. So the cost of a
commit is shared by whoever writes at the same time, and a slow query elsewhere in the process holds nothing up. The
thread and its connection live only while there is work.

A caller that is itself inside a transaction (a view under `atomic`, a test) must not be committed by somebody else:
its jobs run at once, on its own connection.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
import weakref
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from asgiref.sync import sync_to_async
from django.db import DatabaseError, OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from sessionstore_app.core.errors import Unavailable

MAX_BATCH = 256
# The thread ends, and gives its connection back, when nothing came for so long.
IDLE_SECONDS = 5.0
# A job whose rows are locked elsewhere is tried again for so long.
PATIENCE_SECONDS = 2.0
RETRY_SECONDS = 0.005
_HELD_TOO_LONG = "Another transaction holds the room for too long."

# Set by the synchronous API: run on the calling thread's connection, inside its transaction if it has one.
ON_CALLERS_CONNECTION: ContextVar[bool] = ContextVar("sessionstore_on_callers_connection", default=False)


class Locked(Exception):
    """The job's rows are locked by a transaction elsewhere: try it again soon."""


Outcome: TypeAlias = Any
# Runs jobs in one transaction on the given connection; an outcome is a result or an exception.
RunBatch: TypeAlias = Callable[[BaseDatabaseWrapper, Sequence[Any]], list[Outcome]]


@dataclass(slots=True, eq=False)
class _Pending:
    job: Any
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    started_at: float = field(default_factory=time.monotonic)


class GroupCommit:
    """Runs jobs by `run_batch`, on the database alias `using`."""

    def __init__(self, using: str, run_batch: RunBatch) -> None:
        self._using = using
        self._run_batch = run_batch
        self._queue: queue.SimpleQueue[_Pending | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        # Does this loop's ORM connection sit inside a test's transaction? Asked once a loop.
        self._isolated: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, bool] = weakref.WeakKeyDictionary()

    async def run(self, job: Any) -> Any:
        """Run one job and return its result. Raises what it raised, or Unavailable."""
        loop = asyncio.get_running_loop()
        if ON_CALLERS_CONNECTION.get():
            return await self._run_here(job)
        isolated = self._isolated.get(loop)
        if isolated is None:
            isolated = self._isolated[loop] = await hop(self._using, self._is_isolated)
        if isolated:
            return await self._run_here(job)
        pending = _Pending(job, loop.create_future(), loop)
        self._queue.put(pending)
        self._ensure_thread()
        return await pending.future

    def close(self) -> None:
        """End the thread and close its connection; jobs already queued are done first."""
        with self._lock:
            thread, self._thread = self._thread, None
            if thread is not None:
                self._queue.put(None)
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _is_isolated(self) -> bool:
        connection = connections[self._using]
        in_memory = getattr(connection, "is_in_memory_db", lambda: False)
        return connection.in_atomic_block or bool(in_memory())

    async def _run_here(self, job: Any) -> Any:
        return await hop(self._using, self._run_one, job)

    def _run_one(self, job: Any) -> Any:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            outcome = self._attempt(connections[self._using], [job])[0]
            if not isinstance(outcome, Locked):
                break
            if time.monotonic() > deadline:
                raise Unavailable(_HELD_TOO_LONG)
            time.sleep(RETRY_SECONDS)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def _ensure_thread(self) -> None:
        if self._thread is not None and self._thread.is_alive():
            return
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._work, name="sessionstore-writer", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        connection = connections[self._using]
        try:
            waiting: list[_Pending] = []
            while True:
                batch = self._next_batch(waiting)
                if batch is None:
                    return
                waiting = self._settle(batch, self._attempt(connection, [pending.job for pending in batch]))
        finally:
            connection.close()

    def _next_batch(self, waiting: list[_Pending]) -> list[_Pending] | None:
        """Those still waiting for a lock, then what is queued; None when the thread should end."""
        batch = list(waiting)
        timeout = RETRY_SECONDS if batch else IDLE_SECONDS
        while len(batch) < MAX_BATCH:
            try:
                pending = self._queue.get(timeout=timeout) if timeout else self._queue.get_nowait()
            except queue.Empty:
                if batch:
                    return batch
                if self._retire():
                    return None
                continue
            if pending is None:
                return batch or None
            batch.append(pending)
            timeout = 0
        return batch

    def _retire(self) -> bool:
        """Stop being the thread, unless something came in the meantime: then nobody else would be started for it."""
        with self._lock:
            if not self._queue.empty():
                return False
            if self._thread is threading.current_thread():
                self._thread = None
            return True

    def _attempt(self, connection: BaseDatabaseWrapper, jobs: list[Any]) -> list[Outcome]:
        """Run jobs together; if one of them breaks the transaction, one by one, so that only the culprit fails."""
        try:
            if not connection.in_atomic_block:
                _make_ready(connection)
            return self._run_batch(connection, jobs)
        except OperationalError as error:
            # Locked, full, gone: that is the database's state, not one job's fault.
            return [unavailable(error)] * len(jobs)
        except Exception as error:  # a fault in one job must not end the thread all others wait for
            if len(jobs) > 1:
                return [self._attempt(connection, [job])[0] for job in jobs]
            return [unavailable(error) if isinstance(error, DatabaseError) else error]

    def _settle(self, batch: list[_Pending], outcomes: list[Outcome]) -> list[_Pending]:
        """Hand out the outcomes, one call into each loop; return what must be tried again."""
        again: list[_Pending] = []
        done: defaultdict[asyncio.AbstractEventLoop, list[tuple[_Pending, Outcome]]] = defaultdict(list)
        for pending, outcome in zip(batch, outcomes, strict=True):
            if not isinstance(outcome, Locked):
                done[pending.loop].append((pending, outcome))
            elif time.monotonic() - pending.started_at < PATIENCE_SECONDS:
                again.append(pending)
            else:
                done[pending.loop].append((pending, Unavailable(_HELD_TOO_LONG)))
        for loop, results in done.items():
            try:
                loop.call_soon_threadsafe(_resolve, results)
            except RuntimeError:
                # The loop was closed while its job ran: nobody waits for the answer any more.
                continue
        return again


async def hop(using: str, act: Callable[..., Any], *arguments: Any) -> Any:
    """Run `act` in the thread whose connection counts: a synchronous caller's own, else the one for all async code.

    Not `channels.db.database_sync_to_async`: that closes a connection which is inside a transaction.
    """
    return await sync_to_async(_tidily)(using, act, arguments)


def _tidily(using: str, act: Callable[..., Any], arguments: Sequence[Any]) -> Any:
    connection = connections[using]
    opened_here = connection.connection is None
    try:
        return act(*arguments)
    finally:
        # A connection that the caller had open is the caller's to close.
        if opened_here and not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()


def _make_ready(connection: BaseDatabaseWrapper) -> None:
    """Drop a connection that failed and is dead.

    SQLite: take the write lock at the start of a transaction; one that reads first may be refused in the middle.
    """
    if connection.errors_occurred:
        if connection.is_usable():
            connection.errors_occurred = False
        else:
            connection.close()
    if connection.vendor == "sqlite":
        connection.ensure_connection()
        connection.transaction_mode = "IMMEDIATE"  # type: ignore[attr-defined]  # of SQLite's wrapper only


def unavailable(error: DatabaseError) -> Unavailable:
    """What callers are told when the database fails them."""
    told = Unavailable()
    told.__cause__ = error
    return told


def _resolve(results: list[tuple[_Pending, Outcome]]) -> None:
    for pending, outcome in results:
        if pending.future.done():
            continue
        if isinstance(outcome, BaseException):
            pending.future.set_exception(outcome)
        else:
            pending.future.set_result(outcome)
