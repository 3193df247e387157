"""Entries in a SQLite file keep the contract."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from pytest_django import DjangoDbBlocker

from sessionstore_app.backends.base import Backend
from sessionstore_app.backends.database import DatabaseBackend
from sessionstore_app.testing.contract import BackendContract, Outage, OutageContract
from tests.support.aliases import alias_for


@pytest.mark.usefixtures("patient")
class TestSQLite(BackendContract):
    @pytest.fixture
    def backend(self, sqlite: str) -> Iterator[Backend]:
        made = DatabaseBackend({"using": sqlite})
        yield made
        made.close()


class TestSQLiteOutage(OutageContract):
    """Somebody else keeps the file locked for longer than the timeout."""

    @pytest.fixture
    def backend(self, sqlite_url: str, django_db_blocker: DjangoDbBlocker) -> Iterator[Backend]:
        with django_db_blocker.unblock(), alias_for("impatient", sqlite_url, timeout=0.1) as alias:
            made = DatabaseBackend({"using": alias})
            yield made
            made.close()

    @pytest.fixture
    def outage(self, sqlite_url: str) -> Outage:
        @contextmanager
        def locked() -> Iterator[None]:
            with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                yield
                other.execute("ROLLBACK")

        return locked
