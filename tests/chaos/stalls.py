"""Stopping a server where it holds nothing that others wait for.

A process that is stopped in the middle of a transaction keeps its locks, and then it is the database that stands still
for everybody, which is another fault than the one meant here.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing

import psycopg

from tests.support.server import Server
from tests.support.wire import eventually

_ATTEMPTS = 10


async def pause_between_transactions(server: Server) -> None:
    """Stop it with SIGSTOP while none of its transactions is open."""
    if server.database_url.startswith("postgresql"):
        await _pause_on_postgres(server)
        return
    path = server.database_url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path, isolation_level=None, timeout=10)) as own:
        # Whoever holds the only write lock knows that nobody else does.
        own.execute("BEGIN IMMEDIATE")
        server.pause()
        own.execute("ROLLBACK")


async def _pause_on_postgres(server: Server) -> None:
    async def nothing_open() -> bool:
        with psycopg.connect(server.database_url) as postgres:
            others = "SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND state LIKE 'idle in%'"
            row = postgres.execute(others).fetchone()
        return row == (0,)

    for _ in range(_ATTEMPTS):
        server.pause()
        try:
            await eventually(nothing_open, "no transaction is open", 0.5)
        except AssertionError:
            server.resume()
        else:
            return
    raise AssertionError("the server was in a transaction each time it was stopped")
