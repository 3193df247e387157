"""Group commit: one writer thread a process and database, and one transaction for all that waits.

While a transaction runs, further jobs queue; the next one takes them all, in the order they came. So the cost of a
commit is shared by whoever writes at the same time, and a slow query elsewhere in the process holds nothing up. The
thread and its connection live only while there is work.

A caller that is itself inside a transaction (a view under `atomic`, a test) must not be committed by somebody else:
its jobs run at once, on its own connection.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from functools import partial
from typing import Any, Protocol, TypeAlias

from asgiref.sync import sync_to_async
from django.db import DatabaseError, InterfaceError, OperationalError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from sessionstore_app.backends.waiting import (
    MAX_READS,
    PATIENCE_SECONDS,
    RETRY_SECONDS,
    Attempted,
    Caller,
    Direct,
    Pending,
    Waiting,
    leave,
    resolve,
)
from sessionstore_app.backends.worker import Worker
from sessionstore_app.core.errors import Unavailable

# For how long PostgreSQL waits for a row that another transaction holds; then the job is put off.
_LOCK_TIMEOUT_MS = 20
# PostgreSQL's code for a lock that was not had in time.
_LOCK_NOT_AVAILABLE = "55P03"
_HELD_TOO_LONG = "Another transaction holds the data for too long."

# Set by the synchronous API: run on the calling thread's connection, inside its transaction if it has one.
ON_CALLERS_CONNECTION: ContextVar[bool] = ContextVar("sessionstore_on_callers_connection", default=False)
# Until when whoever does a job on its own connection waits for it, by `time.monotonic`.
_GIVES_UP_AT: ContextVar[float] = ContextVar("sessionstore_gives_up_at")


class Locked(Exception):
    """The job's rows are locked by a transaction elsewhere: try it again soon."""


Outcome: TypeAlias = Any


class Job(Protocol):
    """Something to do. `touches` names what it works on: jobs that share a name are done in the order they came."""

    @property
    def touches(self) -> Collection[str]: ...


class Work(Protocol):
    """How jobs are done; an outcome is a result or an exception, `Locked` among them."""

    def is_read(self, job: Any) -> bool:
        """True for a job that changes nothing. Reads wait for the changes before them and go a few at a time."""

    def change(self, connection: BaseDatabaseWrapper, jobs: Sequence[Any]) -> list[Outcome]:
        """Do changes together; the transaction is begun."""

    def read(self, connection: BaseDatabaseWrapper, job: Any) -> Outcome:
        """Answer one read."""


class GroupCommit:
    """Does jobs on the database alias `using`, as `work` says. Reads that are done at once are answered together; a job
    that has not begun after `patience_seconds`, PATIENCE_SECONDS if None, is given up.
    """

    def __init__(
        self, using: str, work: Work, *, reads_at_once: int = MAX_READS, patience_seconds: float | None = None
    ) -> None:
        self._using = using
        self._work = work
        self._reads_at_once = reads_at_once
        self._patience_seconds = patience_seconds
        self._worker = Worker("sessionstore-writer", self._serve)
        # Called on the loop with a job and what came of it, where the caller has gone or was told it took too long.
        self.orphaned: Callable[[Any, Outcome], None] = lambda job, outcome: None

    async def run(self, job: Any) -> Any:
        """Do one job and return its result. Raises what it raised, or Unavailable.

        Unavailable after its patience says that it was not done; after more, the connection was cut or stood still
        while it was being done, and it may have happened or not.
        """
        if ON_CALLERS_CONNECTION.get():
            return await self._run_here(job)
        loop = asyncio.get_running_loop()
        caller = self._worker.caller(loop, self._begin)
        if caller.isolated:
            return await self._run_here(job)
        pending = Pending(job, loop.create_future(), loop, self._patience_seconds)
        caller.wait_for(pending)
        if caller.isolated is None:
            caller.undecided.append(pending)
        else:
            self._worker.put(pending)
        try:
            return await pending.future
        except asyncio.CancelledError:
            leave(pending, self.orphaned)
            raise

    def _begin(self, caller: Caller) -> None:
        caller.deciding = asyncio.get_running_loop().create_task(self._decide(caller))

    async def _decide(self, caller: Caller) -> None:
        """Find out whether the loop is a test's, and hand on what has come meanwhile, in its order."""
        isolated = await hop(self._using, self._is_isolated)
        for pending in caller.undecided if isolated else ():
            try:
                resolve([(pending, await self._run_here(pending.job))], self.orphaned)
            except Exception as error:  # it is the caller's
                resolve([(pending, error)], self.orphaned)
        caller.isolated = isolated
        if not isolated:
            self._worker.put(*caller.undecided)

    def close(self) -> None:
        """End the thread and close its connection; jobs already queued are done first."""
        self._worker.close()

    def _is_isolated(self) -> bool:
        connection = connections[self._using]
        in_memory = getattr(connection, "is_in_memory_db", lambda: False)
        return connection.in_atomic_block or bool(in_memory())

    async def _run_here(self, job: Any) -> Any:
        return await hop(self._using, self._run_one, job)

    def _run_one(self, job: Any) -> Any:
        deadline = time.monotonic() + PATIENCE_SECONDS
        token = _GIVES_UP_AT.set(deadline)
        try:
            while isinstance(outcome := self._attempt(connections[self._using], [Direct(job)], own=False)[0], Locked):
                if time.monotonic() > deadline:
                    raise Unavailable(_HELD_TOO_LONG)
                time.sleep(RETRY_SECONDS)
        finally:
            _GIVES_UP_AT.reset(token)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def _serve(self) -> None:
        connection = connections[self._using]
        waiting = Waiting(self._reads_at_once)
        try:
            while self._worker.take(partial(self._add, waiting), pause=waiting.pause(), is_busy=bool(waiting)):
                waiting.locked.extendleft(reversed(self._do(connection, waiting.next_changes())))
                self._do(connection, waiting.next_reads())
        finally:
            connection.close()

    def _do(self, connection: BaseDatabaseWrapper, batch: list[Pending]) -> list[Pending]:
        """Do these; return what must be tried again. Who was told that it took too long has no use for it any more."""
        batch = [pending for pending in batch if not pending.future.done()]
        return self._settle(batch, self._attempt(connection, batch, own=True)) if batch else []

    def _add(self, waiting: Waiting, pending: Pending) -> None:
        (waiting.reads if self._work.is_read(pending.job) else waiting.changes).append(pending)

    def _attempt(self, connection: BaseDatabaseWrapper, batch: Sequence[Attempted], *, own: bool) -> list[Outcome]:
        """Do jobs, changes together; if one breaks the transaction, one by one, so that only the culprit fails."""
        try:
            if not connection.in_atomic_block:
                _make_ready(connection, own=own)
            if self._work.is_read(batch[0].job):
                # Those before may have taken long.
                return [self._work.read(connection, each.job) if each.is_wanted else None for each in batch]
            return self._change(connection, batch, own=own)
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", None) == _LOCK_NOT_AVAILABLE:
                return [Locked()] if len(batch) == 1 else self._one_by_one(connection, batch, own=own)
            # Full, gone, busy: that is the database's state, not one job's fault.
            return [unavailable(error)] * len(batch)
        except Exception as error:  # a fault in one job must not end the thread all others wait for
            if len(batch) > 1:
                return self._one_by_one(connection, batch, own=own)
            return [unavailable(error) if isinstance(error, DatabaseError | InterfaceError) else error]

    def _change(self, connection: BaseDatabaseWrapper, batch: Sequence[Attempted], *, own: bool) -> list[Outcome]:
        with transaction.atomic(using=connection.alias), nullcontext() if own else _hardly_waiting(connection):
            if own and connection.vendor == "postgresql":
                with connection.cursor() as cursor:
                    cursor.execute("SELECT")
            # SQLite has waited for its lock by now, PostgreSQL has shown that it answers: who was given up meanwhile is
            # left out, and nothing of it is done.
            begun = {position for position, attempted in enumerate(batch) if attempted.begin()}
            outcomes = iter(self._work.change(connection, [batch[position].job for position in sorted(begun)]))
            return [next(outcomes) if position in begun else None for position in range(len(batch))]

    def _one_by_one(self, connection: BaseDatabaseWrapper, batch: Sequence[Attempted], *, own: bool) -> list[Outcome]:
        outcomes: list[Outcome] = []
        held: set[str] = set()
        for attempted in batch:
            # Behind one that waits for a lock wait all that touch the same: they keep their order.
            touches = attempted.job.touches
            outcome = self._attempt(connection, [attempted], own=own)[0] if held.isdisjoint(touches) else Locked()
            if isinstance(outcome, Locked):
                held.update(touches)
            outcomes.append(outcome)
        return outcomes

    def _settle(self, batch: list[Pending], outcomes: list[Outcome]) -> list[Pending]:
        """Hand out the outcomes, one call into each loop; return what must be tried again."""
        again: list[Pending] = []
        done: defaultdict[asyncio.AbstractEventLoop, list[tuple[Pending, Outcome]]] = defaultdict(list)
        for pending, outcome in zip(batch, outcomes, strict=True):
            if not isinstance(outcome, Locked):
                done[pending.loop].append((pending, outcome))
            elif not pending.is_late:
                pending.put_off()
                again.append(pending)
            else:
                done[pending.loop].append((pending, Unavailable(_HELD_TOO_LONG)))
        for loop, results in done.items():
            try:
                loop.call_soon_threadsafe(resolve, results, self.orphaned)
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


def _make_ready(connection: BaseDatabaseWrapper, *, own: bool) -> None:
    """Drop a connection that failed and is dead; `own` is the thread's, on which nothing may wait for long.

    SQLite: take the write lock at the start of a transaction; one that reads first may be refused in the middle.
    """
    if connection.errors_occurred:
        if connection.is_usable():
            connection.errors_occurred = False
        else:
            connection.close()
    if connection.connection is not None:
        return
    connection.ensure_connection()
    if connection.vendor == "sqlite":
        connection.transaction_mode = "IMMEDIATE"  # type: ignore[attr-defined]  # of SQLite's wrapper only
    elif own and connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"SET lock_timeout = '{_LOCK_TIMEOUT_MS}ms'")


def stand_in_line(connection: BaseDatabaseWrapper, line: str = "") -> bool:
    """For a job that holds nothing yet: true if it may wait for its rows, as synchronous code in no transaction may.
    If that only tried again and again it might never find a row free that many want. Rows of which it wants several are
    to be had in one order by all who wait.

    Those who name the same `line` take turns, in the order they came: who waits for a row itself is in no order, for
    all look again once it has changed.
    """
    if not ON_CALLERS_CONNECTION.get() or connection.savepoint_ids:
        return False
    if connection.vendor == "postgresql":
        # There are two waits: for the turn, then for whoever has the row.
        left_ms = max(round((_GIVES_UP_AT.get() - time.monotonic()) * 1_000 / 2), _LOCK_TIMEOUT_MS)
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, true)", [f"{left_ms}ms"])
            if line:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_number_of(line)])
    return True


def _number_of(line: str) -> int:
    """A number of 64 bits, as PostgreSQL's advisory locks have for a name; another's of the same delays, no more."""
    digest = hashlib.blake2b(line.encode(), digest_size=8, person=b"sessionstore").digest()
    return int.from_bytes(digest, "big", signed=True)


@contextmanager
def _hardly_waiting(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """On a caller's connection as on the thread's own, nothing waits long for a row, not even at the end, unless it
    stands in line. What the caller's transaction has set about that holds again afterwards, also where it is rolled
    back to here.
    """
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        (before,) = cursor.fetchone()
        cursor.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT_MS}ms'")
        yield
        if connection.savepoint_ids:
            cursor.execute("SELECT set_config('lock_timeout', %s, true)", [before])


def unavailable(error: DatabaseError | InterfaceError) -> Unavailable:
    """What callers are told when the database fails them."""
    told = Unavailable()
    told.__cause__ = error
    return told
