"""Locks inside a batch: locked rows, who holds them and who waits (parity §2.8).

A lock is free, or held by one open session. Whoever waits is ACTIVE: a session that loses its socket waits no longer,
for nobody would hear that it was granted. Who came first is served first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime

from django.utils import timezone

from sessionstore_app.models import Lock, LockRequest, LockScope, Session
from sessionstore_app.services.news import LockNews
from sessionstore_app.services.rows import chunks, lockable, overwrite


class LockRows:
    """The locks of one batch."""

    def __init__(self, news: list[LockNews], names: Collection[str], ending: Collection[str]) -> None:
        """Lock the named locks, made where missing, and those that the sessions `ending` hold or wait for."""
        self.now: datetime = timezone.now()
        self.busy_sessions: set[str] = set()
        self._news = news
        self._rows: dict[str, Lock] = {}
        self._requests: defaultdict[int, list[LockRequest]] = defaultdict(list)
        self._changed: dict[str, Lock] = {}
        wanted = set(names)
        concerned = self._concerning(ending) if ending else []
        wanted.update(name for _, name in concerned)
        if wanted:
            self._lock(wanted, make=set(names))
            self.busy_sessions = {session_id for session_id, name in concerned if name not in self._rows}

    def __contains__(self, name: str) -> bool:
        return name in self._rows

    def _concerning(self, sessions: Collection[str]) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        for ids in chunks(sessions):
            found += Lock.objects.filter(session_id__in=ids).values_list("session_id", "name")
            found += LockRequest.objects.filter(session_id__in=ids).values_list("session_id", "lock__name")
        return found

    def _lock(self, names: set[str], make: set[str]) -> None:
        self._rows = _locked(names)
        missing = make - self._rows.keys()
        if missing:
            # Either new, or locked elsewhere; inserting the latter would wait for whoever changes them.
            new = sorted(missing - set(Lock.objects.filter(name__in=missing).values_list("name", flat=True)))
            Lock.objects.bulk_create([Lock(name=name) for name in new], ignore_conflicts=True)
            self._rows |= _locked(new)
        for request in LockRequest.objects.filter(lock__in=self._rows.values()).order_by("id"):
            self._requests[request.lock_id].append(request)

    # --- what there is

    def sequence(self, name: str, session_id: str) -> int | None:
        """The sequence under which the session holds the lock; None if it does not."""
        lock = self._rows[name]
        return lock.sequence if lock.session_id == session_id else None

    def last_sequence(self, name: str) -> int:
        """The sequence under which the lock was given last, to whomever."""
        return self._rows[name].sequence

    def concerns(self, name: str, session_id: str) -> bool:
        """True if the session holds the lock or waits for it."""
        lock = self._rows[name]
        return lock.session_id == session_id or self._request(lock, session_id) is not None

    def _request(self, lock: Lock, session_id: str) -> LockRequest | None:
        return next((request for request in self._requests[lock.id] if request.session_id == session_id), None)

    def count(self, session_id: str) -> int:
        """How many locks the session holds or waits for, what this batch did included."""
        here = [lock.id for lock in self._rows.values()]
        elsewhere = Lock.objects.filter(session_id=session_id).exclude(id__in=here).count()
        waits = LockRequest.objects.filter(session_id=session_id).count()
        return len(self.held_by(session_id)) + elsewhere + waits

    def held_by(self, session_id: str) -> list[Lock]:
        """What the session holds of the locked rows."""
        return [lock for lock in self._rows.values() if lock.session_id == session_id]

    # --- what happens

    def acquire(self, name: str, session: Session, scope: str) -> bool:
        """Give the session the lock, or let it wait (false). Asking again changes nothing but the scope: the weaker
        one counts (D71, D72).
        """
        lock = self._rows[name]
        if lock.session_id is None:
            self._grant(lock, session.id, scope)
        elif lock.session_id != session.id:
            self._wait(lock, session, scope)
        elif scope == LockScope.CONNECTION and lock.scope != scope:
            lock.scope = scope
            self._changed[name] = lock
        return lock.session_id == session.id

    def _wait(self, lock: Lock, session: Session, scope: str) -> None:
        mine = self._request(lock, session.id)
        if mine is None:
            request = LockRequest.objects.create(lock=lock, session=session, scope=scope, requested_at=self.now)
            self._requests[lock.id].append(request)
        elif scope == LockScope.CONNECTION and mine.scope != scope:
            mine.scope = scope
            mine.save(update_fields=["scope"])

    def cancel(self, name: str, session_id: str) -> None:
        """The session waits no longer."""
        self._drop_requests([self._rows[name]], session_id)

    def release(self, name: str, *, only: str | None = None, sequence: int | None = None, told: bool = False) -> bool:
        """Free the lock and give it to who waits longest; true if it was held, `only` by that session, and under that
        `sequence`.

        The holder is `told` where it did not give it back itself.
        """
        lock = self._rows[name]
        if lock.session_id is None or only not in (None, lock.session_id) or sequence not in (None, lock.sequence):
            return False
        if told:
            self._tell(lock, is_lost=True)
        self._pass_on(lock)
        return True

    def release_all(self, session_id: str, *, connection_only: bool, told: bool = False) -> None:
        """The session's socket is gone, or all of it: it waits for nothing, and holds what outlives that.

        It is `told` where its socket may live after all.
        """
        for lock in self.held_by(session_id):
            if not connection_only or lock.scope == LockScope.CONNECTION:
                self.release(lock.name, told=told)
        self._drop_requests(self._rows.values(), session_id)

    def _drop_requests(self, locks: Iterable[Lock], session_id: str) -> None:
        for lock in locks:
            for request in [request for request in self._requests[lock.id] if request.session_id == session_id]:
                self._requests[lock.id].remove(request)
                request.delete()

    def _pass_on(self, lock: Lock) -> None:
        waiting = self._requests[lock.id]
        lock.session_id = None
        lock.changed_at = self.now
        self._changed[lock.name] = lock
        if waiting:
            request = waiting.pop(0)
            self._grant(lock, request.session_id, request.scope)
            request.delete()
            self._tell(lock)

    def _grant(self, lock: Lock, session_id: str, scope: str) -> None:
        lock.session_id, lock.scope, lock.changed_at = session_id, scope, self.now
        # By the clock, so that a lock that was forgotten goes on with greater numbers (D73).
        lock.sequence = max(lock.sequence + 1, round(self.now.timestamp() * 1000))
        self._changed[lock.name] = lock

    def _tell(self, lock: Lock, *, is_lost: bool = False) -> None:
        session_id = lock.session_id
        assert session_id is not None  # noqa: S101  # a lock that is free concerns nobody
        node_id = Session.objects.filter(id=session_id).values_list("node_id", flat=True).first() or ""
        self._news.append(
            LockNews(session_id=session_id, node_id=node_id, name=lock.name, sequence=lock.sequence, is_lost=is_lost)
        )

    def save(self) -> None:
        """Write back what changed."""
        overwrite(Lock, self._changed.values(), ("session", "scope", "sequence", "changed_at"))


def _locked(names: Collection[str]) -> dict[str, Lock]:
    return {lock.name: lock for lock in lockable(Lock.objects).filter(name__in=sorted(names)).order_by("id")}
