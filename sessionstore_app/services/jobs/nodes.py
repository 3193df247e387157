"""The life of a server process, and what is forgotten in the end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Exists, Model, OuterRef
from django.db.models.functions import Now

from sessionstore_app.models import Lock, LockRequest, Membership, Node, Session, SessionEvent, SessionState
from sessionstore_app.services.batch import Batch
from sessionstore_app.services.jobs.base import OfNone
from sessionstore_app.services.record import from_now
from sessionstore_app.services.rows import lockable

# A lock that nobody has wanted for so long is forgotten; its next sequence goes on by the clock.
_FREE_LOCK_KEPT = timedelta(hours=1)
# Locks that are forgotten at a time: nothing hangs on them, and a client may make many.
_LOCKS = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """What a process does in a second: writes of rooms, and changes told, each times the peers it told."""

    writes: float
    deliveries: float


@dataclass(frozen=True, kw_only=True)
class RenewLease(OfNone):
    """This process lives: false if its lease had lapsed and somebody took its sessions for lost."""

    node_id: str
    lease_seconds: float
    # What it did a second since the time before; None leaves what is known.
    rates: Rates | None = None

    def run(self, batch: Batch) -> bool:
        said: dict[str, Any] = {"lease_until": from_now(self.lease_seconds)}
        if self.rates is not None:
            said |= {"writes_per_second": self.rates.writes, "deliveries_per_second": self.rates.deliveries}
        if Node.objects.filter(id=self.node_id).update(**said):
            return True
        Node.objects.create(id=self.node_id, **said)
        return False


@dataclass(frozen=True, kw_only=True)
class EndLease(OfNone):
    """This process stops in order."""

    node_id: str

    def run(self, batch: Batch) -> None:
        Node.objects.filter(id=self.node_id).delete()


@dataclass(frozen=True, kw_only=True)
class LapseNodes(OfNone):
    """Other processes whose lease has run out are gone; returns id and generation of sessions that nobody serves."""

    limit: int
    node_id: str

    def run(self, batch: Batch) -> list[tuple[str, int]]:
        Node.objects.filter(lease_until__lt=Now()).exclude(id=self.node_id).delete()
        lost = Session.objects.filter(state=SessionState.ACTIVE).exclude(node_id__in=Node.objects.values("id"))
        return list(lost.values_list("id", "generation")[: self.limit])


@dataclass(frozen=True, kw_only=True)
class Forget(OfNone):
    """Delete at most `limit` sessions that closed longer ago than `history_seconds`, with all that hangs on them, and
    locks that are free; returns the ids of those sessions.
    """

    history_seconds: float
    limit: int

    def run(self, batch: Batch) -> list[str]:
        self._forget_locks()
        # Locked: of several that forget at once, each counts what it deletes itself.
        old = lockable(Session.objects).filter(
            state=SessionState.CLOSED, closed_at__lte=Now() - timedelta(seconds=self.history_seconds)
        )
        ids = list(old.values_list("id", flat=True)[: self.limit])
        hanging: tuple[type[Model], ...] = (SessionEvent, Membership, LockRequest)
        for model in hanging if ids else ():
            model._default_manager.filter(session_id__in=ids).delete()
        if ids:
            Session.objects.filter(id__in=ids).delete()
        return ids

    def _forget_locks(self) -> None:
        # Locked before they are deleted: one that is acquired at this moment is in use again.
        free = lockable(Lock.objects).filter(session=None, changed_at__lt=Now() - _FREE_LOCK_KEPT)
        unwanted = free.filter(~Exists(LockRequest.objects.filter(lock=OuterRef("id"))))
        ids = list(unwanted.values_list("id", flat=True)[:_LOCKS])
        Lock.objects.filter(id__in=ids).delete()
