"""What a server's database holds, read from outside: for what no client is told."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import psycopg

from tests.support.server import Server
from tests.support.wire import eventually


def rows(server: Server, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
    """The rows of a query, whose parameters are marked by `?`."""
    if server.database_url.startswith("postgresql"):
        with psycopg.connect(server.database_url) as postgres:
            return postgres.execute(statement.replace("?", "%s"), parameters).fetchall()
    path = server.database_url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)) as connection:
        return connection.execute(statement, parameters).fetchall()


def wiped_epochs(server: Server, room: str) -> int:
    """How often the room was cleared."""
    (row,) = rows(
        server,
        "SELECT count(*) FROM sessionstore_app_space WHERE name LIKE ? AND wiped_at_ms IS NOT NULL",
        f"room:{room}:%",
    )
    return int(row[0])


async def cleared_once(server: Server, room: str) -> None:
    """Wait until the room is cleared, which is recorded first and done then; more than once is a fault (I10)."""

    async def cleared() -> bool:
        return wiped_epochs(server, room) > 0

    await eventually(cleared, f"{room} is cleared")
    assert wiped_epochs(server, room) == 1


def session_rows(server: Server, *session_ids: str) -> list[tuple[str, str]]:
    """State and close reason of sessions, by id."""
    marks = ",".join("?" * len(session_ids))
    found = rows(
        server,
        f"SELECT state, close_reason FROM sessionstore_app_session WHERE id IN ({marks}) ORDER BY id",
        *session_ids,
    )
    return [(str(state), str(reason)) for state, reason in found]
