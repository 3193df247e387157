"""Entries in the database, SQLite or PostgreSQL: durable without any further server.

Writes that wait are done together in one transaction (see `groupcommit`): the spaces are locked, the touched rows
read, each write decided by `core.entries.decide` in the order it came, and what changed is written with a few
statements. The statements are plain SQL, written once for both databases; the ORM's Python would cost more than the
commit.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from django.db import DatabaseError, InterfaceError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from sessionstore_app.backends.base import Backend, Due, Reading, is_told
from sessionstore_app.backends.groupcommit import GroupCommit, Locked, Outcome, stand_in_line, unavailable
from sessionstore_app.backends.tables import (
    ENTRY,
    ENTRY_COLUMNS,
    ENTRY_FIELDS,
    FENCE,
    FENCE_KEY,
    OP,
    OP_KEY,
    READ,
    SKIP,
    SPACE,
    TALLY_COLUMNS,
    UPDATE_TALLY,
    UPDATE_WIPED,
    chunks,
    entry_of,
    entry_row,
    insert,
    marks,
    overwrite,
    select_pairs,
    tally_of,
    tally_row,
)
from sessionstore_app.core import clock
from sessionstore_app.core.entries import (
    Entry,
    SessionId,
    Space,
    Tally,
    Write,
    WriteResult,
    decide,
)
from sessionstore_app.core.errors import SessionStoreError, SpaceWiped
from sessionstore_app.core.limits import TOMBSTONES_KEPT, StoreLimits
from sessionstore_app.core.patterns import PatternSet


@dataclass(frozen=True, slots=True)
class _WriteJob:
    space: Space
    write: Write
    limits: StoreLimits

    @property
    def touches(self) -> Collection[str]:
        return (self.space,)


@dataclass(frozen=True, slots=True)
class _WipeJob:
    space: Space
    at_ms: int

    @property
    def touches(self) -> Collection[str]:
        return (self.space,)


_Change: TypeAlias = _WriteJob | _WipeJob


@dataclass(frozen=True, slots=True)
class _Query:
    """A read: done after the changes that came before it, so that it sees them."""

    ask: Callable[..., Any]
    arguments: tuple[Any, ...]
    touches: Collection[str] = ()


@dataclass(slots=True)
class _Held:
    """A space whose row this transaction has locked, with the contents that the batch touches."""

    id: int
    tally: Tally
    wiped: bool
    entries: dict[str, Entry] = field(default_factory=dict)
    ops: dict[SessionId, int] = field(default_factory=dict)
    fences: dict[str, int] = field(default_factory=dict)
    # What must be written back; a key may change several times in one batch and is written once.
    dirty_keys: set[str] = field(default_factory=set)
    dirty_ops: set[SessionId] = field(default_factory=set)
    dirty_fences: set[str] = field(default_factory=set)
    wiped_at_ms: int | None = None

    def wipe(self, at_ms: int) -> None:
        """Empty it; what the batch wrote before goes with the rest."""
        self.wiped = True
        self.wiped_at_ms = at_ms
        self.tally = Tally()
        self.dirty_keys.clear()
        self.dirty_ops.clear()
        self.dirty_fences.clear()

    def apply(self, job: _WriteJob) -> WriteResult:
        if self.wiped:
            raise SpaceWiped
        write = job.write
        author = write.by.session_id if write.by else None
        last_op = None if author is None else self.ops.get(author)
        last_fence = None if write.fence is None else self.fences.get(write.fence.lock)
        decision = decide(write, self.entries, self.tally, job.limits, last_op, last_fence)
        if author is not None and write.op is not None and not decision.result.duplicate:
            self.ops[author] = write.op
            self.dirty_ops.add(author)
        # A holder writes many times under one sequence: only the first of them costs a row.
        if write.fence is not None and write.fence.sequence != last_fence and not decision.result.duplicate:
            self.fences[write.fence.lock] = write.fence.sequence
            self.dirty_fences.add(write.fence.lock)
        if decision.result.changed:
            self.tally = decision.tally
            for entry in decision.result.entries:
                self.entries[entry.key] = entry
                self.dirty_keys.add(entry.key)
        return decision.result


class DatabaseBackend(Backend):
    """`{"BACKEND": "sessionstore_app.backends.database.DatabaseBackend", "OPTIONS": {"using": "default"}}`."""

    survives_process = True
    joins_transactions = True

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        rest = dict(options or {})
        self.using: str = rest.pop("using", "default")
        super().__init__(rest)
        self._commit = GroupCommit(self.using, _Work())
        self._commit.orphaned = self._tell_orphaned

    async def read(self, space: Space, patterns: PatternSet, since: int | None = None) -> Reading:
        reading: Reading = await self._ask(_read, space, patterns, since, touches=(space,))
        return reading

    async def write(self, space: Space, write: Write, limits: StoreLimits) -> WriteResult:
        result: WriteResult = await self._commit.run(_WriteJob(space, write, limits))
        return result

    async def wipe(self, space: Space) -> None:
        await self._commit.run(_WipeJob(space, clock.now_ms()))

    async def versions(self, spaces: Collection[Space]) -> dict[Space, int]:
        return {space: tally.version for space, tally in (await self.tallies(spaces)).items()}

    async def tallies(self, spaces: Collection[Space]) -> dict[Space, Tally]:
        found: dict[Space, Tally] = await self._ask(_tallies, list(spaces), touches=spaces)
        return {space: found.get(space, Tally()) for space in spaces}

    async def owned(self, space: Space, owners: Collection[SessionId]) -> list[Entry]:
        entries: list[Entry] = await self._ask(_owned, space, frozenset(owners), touches=(space,))
        return entries

    async def due(self, now_ms: int, limit: int) -> list[Due]:
        due: list[Due] = await self._ask(_due, now_ms, limit)
        return due

    async def spaces(self) -> AsyncIterator[tuple[Space, Tally]]:
        after = ""
        while page := await self._ask(_spaces_page, after):
            for space, tally in page:
                yield space, tally
            after = page[-1][0]

    async def forget_wiped(self, before_ms: int) -> None:
        await self._ask(_forget_wiped, before_ms)

    def close(self) -> None:
        self._commit.close()

    def _tell_orphaned(self, job: _Change | _Query, outcome: Outcome) -> None:
        if self.orphaned is not None and isinstance(job, _WriteJob):
            self.orphaned(job.space, outcome)

    async def _ask(self, ask: Callable[..., Any], *arguments: Any, touches: Collection[str] = ()) -> Any:
        return await self._commit.run(_Query(ask, arguments, touches))


class _Work:
    """How the jobs of this backend are done; see `groupcommit.Work`."""

    def is_read(self, job: _Change | _Query) -> bool:
        return isinstance(job, _Query)

    def change(self, connection: BaseDatabaseWrapper, jobs: Sequence[_Change]) -> list[Outcome]:
        writes = [job for job in jobs if isinstance(job, _WriteJob)]
        with connection.cursor() as cursor:
            held = _hold_spaces(cursor, connection, {job.space for job in jobs})
            _load_entries(cursor, held, writes)
            _load_ops(cursor, held, writes)
            _load_fences(cursor, held, writes)
            outcomes = [_apply(held.get(job.space), job) for job in jobs]
            _store(cursor, list(held.values()))
        return outcomes

    def read(self, connection: BaseDatabaseWrapper, job: _Query) -> Outcome:
        try:
            with connection.cursor() as cursor:
                return job.ask(cursor, *job.arguments)
        except Exception as error:  # one read's fault is no other's
            return unavailable(error) if isinstance(error, DatabaseError | InterfaceError) else error


def _apply(held: _Held | None, job: _Change) -> Outcome:
    if held is None:
        return Locked()
    try:
        return held.wipe(job.at_ms) if isinstance(job, _WipeJob) else held.apply(job)
    except SessionStoreError as error:
        return error


def _hold_spaces(
    cursor: CursorWrapper, connection: BaseDatabaseWrapper, spaces: Collection[Space]
) -> dict[Space, _Held]:
    """Lock the rows of the spaces, made where missing. What another transaction has locked is left out, but where a
    caller stands in line for it.
    """
    # Whoever does more than one at a time is the thread, which does not wait.
    waits = stand_in_line(connection, min(spaces))
    held = _select_spaces(cursor, connection, sorted(spaces), waits=waits)
    missing = [space for space in sorted(spaces) if space not in held]
    if missing:
        # Either new, or locked elsewhere; inserting the latter would wait for whoever changes them.
        there = _tallies(cursor, missing)
        new = [space for space in missing if space not in there]
        insert(cursor, SPACE, ("name", *TALLY_COLUMNS), [(space, 0, 0, 0, 0, 0) for space in new], SKIP)
        held |= _select_spaces(cursor, connection, new, waits=waits)
    return held


def _select_spaces(
    cursor: CursorWrapper, connection: BaseDatabaseWrapper, names: Sequence[Space], *, waits: bool
) -> dict[Space, _Held]:
    # SQLite has no row locks and needs none: the transaction began with the database's write lock.
    lock = ""
    if connection.features.has_select_for_update_skip_locked:
        lock = " ORDER BY id FOR UPDATE" + ("" if waits else " SKIP LOCKED")
    held: dict[Space, _Held] = {}
    for chunk in chunks(names):
        cursor.execute(
            f"SELECT id, name, wiped_at_ms, {', '.join(TALLY_COLUMNS)} FROM {SPACE} "
            f"WHERE name IN ({marks(len(chunk))}){lock}",
            chunk,
        )
        for space_id, name, wiped_at_ms, *tally in cursor.fetchall():
            held[Space(name)] = _Held(space_id, tally_of(tally), wiped_at_ms is not None)
    return held


def _load_entries(cursor: CursorWrapper, held: Mapping[Space, _Held], jobs: Iterable[_WriteJob]) -> None:
    touched = {(held[job.space].id, change.key) for job in jobs if job.space in held for change in job.write.changes}
    by_id = {space.id: space for space in held.values()}
    for space_id, *row in select_pairs(cursor, ENTRY, ENTRY_COLUMNS, ("space_id", "key"), touched):
        entry = entry_of(row)
        by_id[space_id].entries[entry.key] = entry


def _load_ops(cursor: CursorWrapper, held: Mapping[Space, _Held], jobs: Iterable[_WriteJob]) -> None:
    touched = {
        (held[job.space].id, str(job.write.by.session_id))
        for job in jobs
        if job.space in held and job.write.op is not None and job.write.by is not None and job.write.by.session_id
    }
    by_id = {space.id: space for space in held.values()}
    for space_id, session_id, op in select_pairs(cursor, OP, ("space_id", "session_id", "op"), OP_KEY, touched):
        by_id[space_id].ops[session_id] = op


def _load_fences(cursor: CursorWrapper, held: Mapping[Space, _Held], jobs: Iterable[_WriteJob]) -> None:
    touched = {(held[job.space].id, job.write.fence.lock) for job in jobs if job.space in held and job.write.fence}
    by_id = {space.id: space for space in held.values()}
    for space_id, lock, sequence in select_pairs(cursor, FENCE, (*FENCE_KEY, "sequence"), FENCE_KEY, touched):
        by_id[space_id].fences[lock] = sequence


def _store(cursor: CursorWrapper, spaces: Sequence[_Held]) -> None:
    for space in spaces:
        if space.wiped_at_ms is not None:
            for table in (ENTRY, OP, FENCE):
                cursor.execute(f"DELETE FROM {table} WHERE space_id = %s", (space.id,))
            cursor.execute(UPDATE_WIPED, (*tally_row(space.tally), space.wiped_at_ms, space.id))
    entries = [entry_row(space.id, space.entries[key]) for space in spaces for key in sorted(space.dirty_keys)]
    insert(cursor, ENTRY, ENTRY_COLUMNS, entries, overwrite(ENTRY_COLUMNS, ("space_id", "key")))
    ops = [(space.id, session_id, space.ops[session_id]) for space in spaces for session_id in sorted(space.dirty_ops)]
    insert(cursor, OP, (*OP_KEY, "op"), ops, overwrite((*OP_KEY, "op"), OP_KEY))
    fences = [(space.id, lock, space.fences[lock]) for space in spaces for lock in sorted(space.dirty_fences)]
    insert(cursor, FENCE, (*FENCE_KEY, "sequence"), fences, overwrite((*FENCE_KEY, "sequence"), FENCE_KEY))
    changed = [space for space in spaces if space.dirty_keys]
    for space in changed:
        if space.tally.prune_due:
            _prune(cursor, space)
    for space in changed:
        cursor.execute(UPDATE_TALLY, (*tally_row(space.tally), space.id))


def _prune(cursor: CursorWrapper, space: _Held) -> None:
    """Forget the older deletions. Those of one write share a version and go together."""
    cursor.execute(
        f"SELECT version FROM {ENTRY} WHERE space_id = %s AND text IS NULL ORDER BY version DESC LIMIT 1 OFFSET %s",
        (space.id, TOMBSTONES_KEPT),
    )
    (floor,) = cursor.fetchone()
    cursor.execute(f"DELETE FROM {ENTRY} WHERE space_id = %s AND text IS NULL AND version <= %s", (space.id, floor))
    kept = space.tally.tombstones - cursor.rowcount
    space.tally = replace(space.tally, floor=floor, tombstones=kept)


def _read(cursor: CursorWrapper, space: Space, patterns: PatternSet, since: int | None) -> Reading:
    # One statement is one instant: the version and the entries belong together without a transaction.
    named = sorted(patterns.exact) if patterns.patterns == patterns.exact else []
    only = f"AND e.key IN ({marks(len(named))})" if named else ""
    cursor.execute(READ.format(only=only), (*named, space))
    rows = cursor.fetchall()
    if not rows:
        return Reading(version=0, entries=(), complete=since is None or since > 0)
    version, floor = rows[0][:2]
    complete = since is None or since < floor or since > version
    found = (entry_of(row[2:]) for row in rows if row[2] is not None)
    entries = [entry for entry in found if is_told(entry, patterns, None if complete else since)]
    entries.sort(key=lambda entry: (entry.version, entry.key))
    return Reading(version=version, entries=tuple(entries), complete=complete)


def _tallies(cursor: CursorWrapper, names: Sequence[Space]) -> dict[Space, Tally]:
    found: dict[Space, Tally] = {}
    columns = ", ".join(TALLY_COLUMNS)
    for chunk in chunks(names):
        cursor.execute(f"SELECT name, {columns} FROM {SPACE} WHERE name IN ({marks(len(chunk))})", chunk)
        found |= {Space(name): tally_of(tally) for name, *tally in cursor.fetchall()}
    return found


def _owned(cursor: CursorWrapper, space: Space, owners: frozenset[SessionId]) -> list[Entry]:
    # A space holds a bounded number of keys; the owners may be any number.
    cursor.execute(
        f"SELECT {ENTRY_FIELDS} FROM {ENTRY} e JOIN {SPACE} s ON s.id = e.space_id "
        "WHERE s.name = %s AND e.owner IS NOT NULL",
        (space,),
    )
    return [entry for entry in map(entry_of, cursor.fetchall()) if entry.owner in owners]


def _due(cursor: CursorWrapper, now_ms: int, limit: int) -> list[Due]:
    cursor.execute(
        f"SELECT s.name, e.key, e.version FROM {ENTRY} e JOIN {SPACE} s ON s.id = e.space_id "
        "WHERE e.expires_at_ms IS NOT NULL AND e.expires_at_ms <= %s ORDER BY e.expires_at_ms LIMIT %s",
        (now_ms, limit),
    )
    return [Due(Space(name), key, version) for name, key, version in cursor.fetchall()]


def _spaces_page(cursor: CursorWrapper, after: str) -> list[tuple[Space, Tally]]:
    cursor.execute(
        f"SELECT name, {', '.join(TALLY_COLUMNS)} FROM {SPACE} "
        "WHERE name > %s AND wiped_at_ms IS NULL AND version > 0 ORDER BY name LIMIT 500",
        (after,),
    )
    return [(Space(name), tally_of(tally)) for name, *tally in cursor.fetchall()]


def _forget_wiped(cursor: CursorWrapper, before_ms: int) -> None:
    cursor.execute(f"DELETE FROM {SPACE} WHERE wiped_at_ms < %s", (before_ms,))


# --- rows and statements -------------------------------------------------------------------------------------------
