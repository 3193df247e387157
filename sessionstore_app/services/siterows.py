"""Site sessions in the database: what waits is done together, on locked rows (see `backends.groupcommit`).

`core.site` says what each job makes of a session. Rows that another transaction holds are passed over and tried again
by whoever may hold locks already: nobody waits for one while holding another. Times are compared by the database's
clock alone, which is read once the rows are locked.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, Protocol, TypeVar
from uuid import UUID

from django.db import DatabaseError, IntegrityError, InterfaceError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import F, QuerySet

from sessionstore_app import conf
from sessionstore_app.backends.groupcommit import GroupCommit, Locked, Outcome, stand_in_line, unavailable
from sessionstore_app.core import site
from sessionstore_app.core.errors import SessionStoreError, VersionConflict
from sessionstore_app.core.site import SiteSessionInfo
from sessionstore_app.models import SiteSession
from sessionstore_app.services import sitecache
from sessionstore_app.services.rows import chunks

T = TypeVar("T")

# A row as `info_of` reads it; the data is the last, and may be left out.
FIELDS: Final = ("id", "update_count", "created_at", "updated_at", "platform", "platform_version", "data")
_NOBODY: Final = UUID(int=0)
# The time of the statement, not of the caller's transaction.
_CLOCKS: Final = {
    "postgresql": "SELECT STATEMENT_TIMESTAMP()",
    "sqlite": "SELECT STRFTIME('%Y-%m-%d %H:%M:%f', 'NOW')",
}


def clock(connection: BaseDatabaseWrapper) -> datetime:
    """The database's time. Written back as a value, not as its function: SQLite compares times as text of one form."""
    with connection.cursor() as cursor:
        cursor.execute(_CLOCKS.get(connection.vendor, "SELECT CURRENT_TIMESTAMP"))
        (told,) = cursor.fetchone()
    at: datetime = datetime.fromisoformat(told) if isinstance(told, str) else told
    return at if at.tzinfo else at.replace(tzinfo=UTC)


# --- jobs


class Job(Protocol):
    """Something to do with the sessions that it touches, by UUID."""

    @property
    def touches(self) -> Collection[str]: ...

    def run(self, batch: Batch) -> Any:
        """Do it, on the batch's rows. Raises SessionStoreError before it changed anything, or not at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Create:
    """Begin a session. `is_named` says that its key is a caller's, so that there may be one already."""

    new: site.NewSession
    is_named: bool
    lifetime_seconds: float

    @property
    def touches(self) -> Collection[str]:
        return (self.new.uuid,)

    def run(self, batch: Batch) -> SiteSessionInfo:
        present = batch.sessions.get(self.new.uuid)
        return batch.put(site.begun(present, self.new, batch.now, lifetime_seconds=self.lifetime_seconds))


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """Change the data of a session; see `core.site.edited`."""

    uuid: str
    edit: site.Edit
    expected: int | None
    lifetime_seconds: float
    max_bytes: int

    @property
    def touches(self) -> Collection[str]:
        return (self.uuid,)

    def run(self, batch: Batch) -> SiteSessionInfo:
        present = batch.sessions.get(self.uuid)
        info = site.edited(
            present,
            self.edit,
            self.expected,
            batch.now,
            lifetime_seconds=self.lifetime_seconds,
            max_bytes=self.max_bytes,
        )
        return batch.put(info)


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete sessions; returns those that there were."""

    uuids: Sequence[str]

    @property
    def touches(self) -> Collection[str]:
        return self.uuids

    def run(self, batch: Batch) -> list[str]:
        return [uuid for uuid in self.uuids if batch.remove(uuid)]


@dataclass(frozen=True, slots=True)
class Expire:
    """Delete some of the sessions that were last updated at `until` or before, the oldest first; returns how many.

    One that is updated or deleted elsewhere at this moment is passed over.
    """

    until: datetime
    limit: int
    touches: Collection[str] = ()

    def run(self, batch: Batch) -> int:
        old = batch.rows.filter(updated_at__lte=self.until).order_by("updated_at").values_list("pk", "update_count")
        found = dict(_lock(old, batch.connection)[: self.limit])
        batch.forget([site.format_key(str(pk), count) for pk, count in found.items()])
        return batch.rows.filter(pk__in=found).delete()[0]


R = TypeVar("R")


def _lock(
    rows: QuerySet[SiteSession, R], connection: BaseDatabaseWrapper, *, waits: bool = False
) -> QuerySet[SiteSession, R]:
    # SQLite has no row locks and needs none.
    skips = connection.features.has_select_for_update_skip_locked and not waits
    return rows.select_for_update(skip_locked=skips)


class Batch:
    """The sessions that some jobs touch, locked, and what becomes of them.

    `sessions` are those that may be changed. Of those that are only deleted no data is read.
    """

    def __init__(self, connection: BaseDatabaseWrapper, jobs: Iterable[Job]) -> None:
        self.connection = connection
        self.rows = SiteSession.objects.using(connection.alias)
        jobs = list(jobs)
        deleted = {uuid for job in jobs if isinstance(job, Delete) for uuid in job.uuids}
        changed = {uuid for job in jobs if isinstance(job, Update) or _is_named(job) for uuid in job.touches}
        self._waits = bool(changed or deleted) and stand_in_line(connection)
        self.sessions = {info.uuid: info for info in self._locked(changed)}
        counts = {info.uuid: info.update_count for info in self.sessions.values()}
        self._before = {**counts, **self._counts(deleted - changed)}
        self._counts_now = dict(self._before)
        self._dirty: set[str] = set()
        self._elsewhere = self._held_elsewhere((changed | deleted) - self._before.keys())
        # Once all that could be in the way is locked: an update is never dated before one that it follows.
        self.now = clock(connection)

    def holds(self, uuids: Collection[str]) -> bool:
        """False if another transaction has locked one of them."""
        return self._elsewhere.isdisjoint(uuids)

    def put(self, info: SiteSessionInfo) -> SiteSessionInfo:
        """There is this session now."""
        self.sessions[info.uuid] = info
        self._counts_now[info.uuid] = info.update_count
        self._dirty.add(info.uuid)
        return info

    def remove(self, uuid: str) -> bool:
        """The session is there no longer; true if it was."""
        self.sessions.pop(uuid, None)
        self._dirty.discard(uuid)
        return self._counts_now.pop(uuid, None) is not None

    def save(self) -> None:
        """Write what changed. Raises VersionConflict where somebody else created a session under the same key."""
        gone = self._before.keys() - self._counts_now.keys()
        for some in chunks(sorted(gone)):
            self.rows.filter(pk__in=some).delete()
        changed = [_row(self.sessions[uuid]) for uuid in sorted(self._dirty) if uuid in self._before]
        self.rows.bulk_create(changed, update_conflicts=True, unique_fields=["id"], update_fields=FIELDS[1:])
        try:
            self.rows.bulk_create(
                [_row(self.sessions[uuid]) for uuid in sorted(self._dirty) if uuid not in self._before]
            )
        except IntegrityError as error:
            raise VersionConflict("A site session with this key was created at the same moment.") from error
        self.forget(
            [
                site.format_key(uuid, count)
                for uuid, count in self._before.items()
                if uuid in gone or uuid in self._dirty
            ]
        )

    def forget(self, keys: Collection[str]) -> None:
        """Once it is committed, nobody asks for the data that was under these keys."""
        cache = sitecache.current()
        if cache is not None and keys:
            transaction.on_commit(partial(cache.forget, keys), using=self.connection.alias)

    def _locked(self, uuids: Collection[str]) -> Iterable[SiteSessionInfo]:
        return map(info_of, self._lock_rows(uuids, FIELDS))

    def _counts(self, uuids: Collection[str]) -> dict[str, int]:
        return {str(uuid): count for uuid, count in self._lock_rows(uuids, ("id", "update_count"))}

    def _lock_rows(self, uuids: Collection[str], fields: Sequence[str]) -> Iterable[Sequence[Any]]:
        for some in chunks(sorted(uuids)):
            # In order: two that wait for each other's rows would wait for ever.
            rows = self.rows.filter(pk__in=some).order_by("pk").values_list(*fields)
            yield from _lock(rows, self.connection, waits=self._waits)

    def _held_elsewhere(self, missing: Collection[str]) -> set[str]:
        """Of those that could not be locked, the ones that there are."""
        held: set[str] = set()
        if self.connection.features.has_select_for_update_skip_locked:
            for some in chunks(sorted(missing)):
                held.update(map(str, self.rows.filter(pk__in=some).values_list("pk", flat=True)))
        return held


def _is_named(job: Job) -> bool:
    return isinstance(job, Create) and job.is_named


def _row(info: SiteSessionInfo) -> SiteSession:
    return SiteSession(
        id=UUID(info.uuid),
        update_count=info.update_count,
        data=info.text,
        created_at=info.created,
        updated_at=info.updated,
        platform=info.platform,
        platform_version=info.platform_version,
    )


def info_of(row: Sequence[Any]) -> SiteSessionInfo:
    """A session by its row; its `text` is empty where the data was left out."""
    uuid, update_count, created, updated, platform, version, *data = row
    return SiteSessionInfo(
        uuid=str(uuid),
        update_count=update_count,
        text=data[0] if data else "",
        created=created,
        updated=updated,
        platform=platform,
        platform_version=version,
    )


# --- how it is done


@dataclass(frozen=True, slots=True)
class Ask:
    """Something to read."""

    question: Callable[[BaseDatabaseWrapper], Any]
    touches: Collection[str] = ()


class _Work:
    """See `groupcommit.Work`."""

    def is_read(self, job: Job | Ask) -> bool:
        return isinstance(job, Ask)

    def change(self, connection: BaseDatabaseWrapper, jobs: Sequence[Job]) -> list[Outcome]:
        if connection.vendor == "sqlite":
            # A write to no row waits for the write lock. One that follows a read may be refused it at once.
            SiteSession.objects.using(connection.alias).filter(pk=_NOBODY).update(update_count=F("update_count"))
        batch = Batch(connection, jobs)
        outcomes = [_run(job, batch) for job in jobs]
        batch.save()
        return outcomes

    def read(self, connection: BaseDatabaseWrapper, job: Ask) -> Outcome:
        try:
            return job.question(connection)
        except Exception as error:  # one read's fault is no other's
            return unavailable(error) if isinstance(error, DatabaseError | InterfaceError) else error


def _run(job: Job, batch: Batch) -> Outcome:
    if not batch.holds(job.touches):
        return Locked()
    try:
        return job.run(batch)
    except SessionStoreError as error:
        return error


# How long a count of all sessions, or a portion of their removal, may take.
SWEEP_SECONDS = 30.0


class _Lanes:
    """Threads of one database: one for what callers ask, in its order, and one for what may take long."""

    def __init__(self, using: str) -> None:
        self.calls = GroupCommit(using, _Work())
        self.sweeps = GroupCommit(using, _Work(), patience_seconds=SWEEP_SECONDS)

    def close(self) -> None:
        self.calls.close()
        self.sweeps.close()


_lanes: dict[str, _Lanes] = {}


def _current() -> _Lanes:
    using = conf.current().site_session_database
    # Atomic: of two threads that come first together both get the same lanes.
    return _lanes.get(using) or _lanes.setdefault(using, _Lanes(using))


async def run(job: Job) -> Any:
    """Do one job, together with whatever else waits. Raises what it raised, or Unavailable."""
    return await _current().calls.run(job)


async def ask(question: Callable[[BaseDatabaseWrapper], T], touches: Collection[str]) -> T:
    """Read something of these sessions, after the jobs on them that were handed over before. Raises Unavailable."""
    answer: T = await _current().calls.run(Ask(question, touches))
    return answer


async def look(question: Callable[[BaseDatabaseWrapper], T]) -> T:
    """Read something that may take long. Raises Unavailable."""
    answer: T = await _current().sweeps.run(Ask(question))
    return answer


async def sweep(job: Expire) -> int:
    """Delete some of what is past its life. Raises Unavailable."""
    deleted: int = await _current().sweeps.run(job)
    return deleted


def close() -> None:
    """Let go of the threads and their connections."""
    for lanes in list(_lanes.values()):
        lanes.close()
