"""The record: which sessions exist and which rooms they are in, kept in the database.

Jobs that wait share one transaction (see `backends.groupcommit`) and one `Batch` of locked rows: a thousand clients
that come back at once are a few statements, not a thousand transactions. What they did is handed back as `Events`, to
be told once it is committed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol, TypeVar

from django.db import DatabaseError, InterfaceError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.expressions import Combinable
from django.db.models.functions import Now

from sessionstore_app.backends.groupcommit import GroupCommit, Locked, Outcome, unavailable
from sessionstore_app.core.errors import SessionStoreError
from sessionstore_app.services.batch import Batch
from sessionstore_app.services.news import Events

USING = "default"

T = TypeVar("T")


class Job(Protocol):
    """One thing to record. It names the sessions, rooms and locks it touches, so that they can be locked first; of
    the sessions, those that it may end. One that `waits` touches so many that they are hardly ever free all at once.
    """

    @property
    def sessions(self) -> Collection[str]: ...
    @property
    def rooms(self) -> Collection[str]: ...
    @property
    def locks(self) -> Collection[str]: ...
    @property
    def ending(self) -> Collection[str]: ...
    @property
    def waits(self) -> bool: ...
    @property
    def touches(self) -> Collection[str]: ...

    def run(self, batch: Batch) -> Any:
        """Do it, on the batch's rows. Raises SessionStoreError before it changed anything, or not at all."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Something to read with the ORM, after whatever waits was recorded."""

    question: Callable[[], Any]
    touches: Collection[str] = ()


class _Work:
    """How jobs of the record are done; see `groupcommit.Work`."""

    def is_read(self, job: Job | Ask) -> bool:
        return isinstance(job, Ask)

    def change(self, connection: BaseDatabaseWrapper, jobs: Sequence[Job]) -> list[Outcome]:
        batch = Batch(
            sessions={session_id for job in jobs for session_id in job.sessions},
            rooms={name for job in jobs for name in job.rooms},
            locks={name for job in jobs for name in job.locks},
            ending={session_id for job in jobs for session_id in job.ending},
            waits=any(job.waits for job in jobs),
        )
        outcomes = [_run_job(job, batch) for job in jobs]
        batch.save()
        return outcomes

    def read(self, connection: BaseDatabaseWrapper, job: Ask) -> Outcome:
        try:
            return job.question(), None
        except Exception as error:  # one read's fault is no other's
            return unavailable(error) if isinstance(error, DatabaseError | InterfaceError) else error


def _run_job(job: Job, batch: Batch) -> Outcome:
    if not batch.holds(job.sessions, job.rooms, job.locks):
        return Locked()
    try:
        return job.run(batch), batch.events
    except SessionStoreError as error:
        return error


_commit = GroupCommit(USING, _Work())
# Threads and connections of their own: for what may take long, and for what whoever asks can make take long.
_looks = GroupCommit(USING, _Work())
_searches = GroupCommit(USING, _Work(), reads_at_once=1)


async def run(job: Job) -> tuple[Any, Events]:
    """Record one job, together with whatever else waits. Raises what it raised, or Unavailable."""
    outcome: tuple[Any, Events] = await _commit.run(job)
    return outcome


async def ask(question: Callable[[], T], touches: Collection[str] = ()) -> T:
    """Read something with the ORM, after the changes that were asked for before and touch the same.

    Raises Unavailable.
    """
    answer: T = (await _commit.run(Ask(question, touches)))[0]
    return answer


async def look(question: Callable[[], T]) -> T:
    """Read something with the ORM that may take long, as all sessions may; nothing that is recorded waits for it, and
    it sees what was recorded before. Raises Unavailable.
    """
    answer: T = (await _looks.run(Ask(question)))[0]
    return answer


async def search(question: Callable[[], T]) -> T:
    """As `look`, where somebody's filter decides how long it takes: only other searches wait for it."""
    answer: T = (await _searches.run(Ask(question)))[0]
    return answer


def when_orphaned(tell: Callable[[Events], None]) -> None:
    """Hand on what was recorded for a caller that is gone: others must hear of it all the same."""
    _commit.orphaned = lambda _, outcome: None if outcome[1] is None else tell(outcome[1])


def close() -> None:
    """Let go of the threads and their connections."""
    _commit.close()
    _looks.close()
    _searches.close()


def from_now(seconds: float) -> Combinable:
    """A time by the database's clock: leases of several machines are compared by one clock."""
    return Now() + timedelta(seconds=seconds)
