"""What happens to locks (parity §2.8)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sessionstore_app import conf
from sessionstore_app.core.errors import AccessDenied, LimitExceeded
from sessionstore_app.models import SessionState
from sessionstore_app.services.batch import Batch
from sessionstore_app.services.jobs.base import OfNone, OfSession


class _OfLock(OfNone):
    __slots__ = ()
    name: str

    @property
    def locks(self) -> Collection[str]:
        return (self.name,)


@dataclass(frozen=True, slots=True)
class Asked:
    """The answer to who wants a lock. Who does not hold it waits, until it is granted under a greater sequence."""

    is_held: bool
    sequence: int


@dataclass(frozen=True, kw_only=True)
class Acquire(OfSession):
    """A session wants a lock, and gets it or waits.

    With a `generation`, only the socket that serves it may ask. Raises AccessDenied or LimitExceeded.
    """

    session_id: str
    name: str
    scope: str
    generation: int | None = None

    @property
    def locks(self) -> Collection[str]:
        return (self.name,)

    def run(self, batch: Batch) -> Asked:
        session = batch.session(self.session_id)
        is_ours = session is not None and self.generation in (None, session.generation)
        if session is None or session.state != SessionState.ACTIVE or not is_ours:
            raise AccessDenied("The session has ended, or goes on over another socket.", hint="Open a new session.")
        if not batch.locks.concerns(self.name, session.id):
            limit = conf.current().locks_per_session
            count = batch.locks.count(session.id)
            if count >= limit:
                raise LimitExceeded("The session holds or awaits too many locks.", limit=limit, actual=count + 1)
        is_held = batch.locks.acquire(self.name, session, self.scope)
        return Asked(is_held, batch.locks.last_sequence(self.name))


@dataclass(frozen=True, kw_only=True)
class CancelWait(_OfLock):
    """A session waits no longer: the sequence of the lock, if it was granted meanwhile."""

    session_id: str
    name: str

    def run(self, batch: Batch) -> int | None:
        sequence = batch.locks.sequence(self.name, self.session_id)
        if sequence is None:
            batch.locks.cancel(self.name, self.session_id)
        return sequence


@dataclass(frozen=True, kw_only=True)
class Release(_OfLock):
    """A lock is given back, or taken: from whoever has it, `only` from that session, or as it was given under that
    `sequence`. True if it was held.

    Whose lock it was is told, unless it is the session itself that gives it back.
    """

    name: str
    only: str | None = None
    sequence: int | None = None
    told: bool = True

    def run(self, batch: Batch) -> bool:
        return batch.locks.release(self.name, only=self.only, sequence=self.sequence, told=self.told)
