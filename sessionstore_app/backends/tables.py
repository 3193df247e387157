"""The database backend's tables: names, statements, and rows as values and back. Plain SQL, the same for SQLite and
PostgreSQL; values are always parameters.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final, TypeAlias

from django.db.backends.utils import CursorWrapper

from sessionstore_app import models
from sessionstore_app.core.entries import Author, Entry, Tally

# Rows a statement: SQLite takes at least 999 parameters, and an entry has nine.
CHUNK: Final = 100
ENTRY_COLUMNS: Final = (
    "space_id",
    "key",
    "text",
    "version",
    "by_session",
    "by_principal",
    "at_ms",
    "expires_at_ms",
    "owner",
)
TALLY_COLUMNS: Final = ("version", "keys", "size_bytes", "tombstones", "floor")

SPACE: Final = models.Space._meta.db_table
ENTRY: Final = models.Entry._meta.db_table
OP: Final = models.AppliedOp._meta.db_table
OP_KEY: Final = ("space_id", "session_id")
FENCE: Final = models.Fence._meta.db_table
FENCE_KEY: Final = ("space_id", "lock")
ENTRY_FIELDS: Final = ", ".join(f"e.{name}" for name in ENTRY_COLUMNS[1:])
READ: Final = (
    f"SELECT s.version, s.floor, {ENTRY_FIELDS} FROM {SPACE} s LEFT JOIN {ENTRY} e ON e.space_id = s.id {{only}} "
    "WHERE s.name = %s AND s.wiped_at_ms IS NULL"
)
UPDATE_TALLY: Final = f"UPDATE {SPACE} SET {', '.join(f'{name} = %s' for name in TALLY_COLUMNS)} WHERE id = %s"
UPDATE_WIPED: Final = UPDATE_TALLY.replace(" WHERE", ", wiped_at_ms = %s WHERE")
SKIP: Final = "ON CONFLICT DO NOTHING"

Row: TypeAlias = Sequence[Any]


def overwrite(columns: Sequence[str], key: Sequence[str]) -> str:
    """The clause that lets an insert write over the row that has the key."""
    updates = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in key)
    return f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {updates}"


def marks(count: int) -> str:
    """So many parameters."""
    return ", ".join(["%s"] * count)


def chunks(items: Sequence[Any]) -> Iterable[Sequence[Any]]:
    """The items, as many at a time as one statement takes."""
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]


def insert(cursor: CursorWrapper, table: str, columns: Sequence[str], rows: Sequence[Row], conflict: str) -> None:
    """Insert rows; `conflict` says what becomes of one whose key is taken."""
    for chunk in chunks(rows):
        values = ", ".join([f"({marks(len(columns))})"] * len(chunk))
        cursor.execute(
            f"INSERT INTO {table} ({', '.join(columns)}) VALUES {values} {conflict}",
            [cell for row in chunk for cell in row],
        )


def select_pairs(
    cursor: CursorWrapper, table: str, columns: Sequence[str], key: Sequence[str], pairs: Collection[tuple[int, str]]
) -> list[Row]:
    """The rows whose two key columns have one of these pairs of values."""
    rows: list[Row] = []
    for chunk in chunks(sorted(pairs)):
        values = ", ".join(["(%s, %s)"] * len(chunk))
        cursor.execute(
            f"SELECT {', '.join(columns)} FROM {table} WHERE ({', '.join(key)}) IN (VALUES {values})",
            [cell for pair in chunk for cell in pair],
        )
        rows += cursor.fetchall()
    return rows


def tally_of(row: Row) -> Tally:
    """A space's tally, from its columns."""
    return Tally(**dict(zip(TALLY_COLUMNS, row, strict=True)))


def tally_row(tally: Tally) -> Row:
    """The columns of a tally."""
    return tuple(getattr(tally, name) for name in TALLY_COLUMNS)


def entry_of(row: Row) -> Entry:
    """An entry, from its columns but the first."""
    key, text, version, by_session, by_principal, at_ms, expires_at_ms, owner = row
    by = None if by_principal is None else Author(by_session, by_principal)
    return Entry(key=key, text=text, version=version, by=by, at_ms=at_ms, expires_at_ms=expires_at_ms, owner=owner)


def entry_row(space_id: int, entry: Entry) -> Row:
    """The columns of an entry."""
    session_id, principal = (None, None) if entry.by is None else (entry.by.session_id, entry.by.principal)
    return (
        space_id,
        entry.key,
        entry.text,
        entry.version,
        session_id,
        principal,
        entry.at_ms,
        entry.expires_at_ms,
        entry.owner,
    )
