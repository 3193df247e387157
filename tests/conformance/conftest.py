"""Databases of this folder's own: a SQLite file and a PostgreSQL, migrated once, emptied for each test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import DjangoDbBlocker

from sessionstore_app.backends import cache, groupcommit, redisaddress, redisconnection, waiting
from sessionstore_app.backends.database import DatabaseBackend
from tests.support.aliases import alias_for, empty, migrate
from tests.support.postgres import temporary_postgres
from tests.support.redis import RedisServer, temporary_redis

# Longer than the slowest machine needs.
_PATIENCE_SECONDS = 120.0


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Backends do what they are asked to, however long it takes: told to try again, it may have happened or not."""
    for module in (waiting, groupcommit, cache):
        monkeypatch.setattr(module, "PATIENCE_SECONDS", _PATIENCE_SECONDS)
    for module in (redisaddress, redisconnection):
        monkeypatch.setattr(module, "ANSWER_SECONDS", _PATIENCE_SECONDS)


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker) -> Path:
    """A SQLite file with all tables, to be copied."""
    file = tmp_path_factory.mktemp("sqlite") / "migrated.sqlite3"
    with django_db_blocker.unblock(), alias_for("template", f"sqlite:///{file}") as alias:
        migrate(alias)
    return file


@pytest.fixture(scope="session")
def postgres_url(django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """A PostgreSQL database with all tables."""
    with temporary_postgres() as url:
        with django_db_blocker.unblock(), alias_for("template", url) as alias:
            migrate(alias)
        yield url


@pytest.fixture
def sqlite_url(migrated_file: Path, tmp_path: Path) -> str:
    """A SQLite file of the test's own."""
    return f"sqlite:///{shutil.copy(migrated_file, tmp_path / 'entries.sqlite3')}"


@pytest.fixture
def sqlite(sqlite_url: str, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """The alias of that file."""
    with django_db_blocker.unblock(), alias_for("file", sqlite_url) as alias:
        yield alias


@pytest.fixture
def postgres(postgres_url: str, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """The alias of the PostgreSQL database, emptied."""
    with django_db_blocker.unblock(), alias_for("postgres", postgres_url) as alias:
        empty(alias)
        yield alias


@pytest.fixture(scope="session")
def running_redis() -> Iterator[RedisServer]:
    """A Redis server."""
    with temporary_redis() as server:
        yield server


@pytest.fixture
def redis_server(running_redis: RedisServer) -> RedisServer:
    """The same, emptied."""
    with running_redis.client() as client:
        client.flushall()
    return running_redis


@pytest.fixture(scope="session")
def cluster() -> Iterator[RedisServer]:
    """A Redis Cluster of one node."""
    with temporary_redis("--cluster-enabled", "yes") as server, server.client() as client:
        client.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)
        while client.execute_command("CLUSTER INFO")["cluster_state"] != "ok":
            pass
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest) -> str:
    """The alias of either, one after the other."""
    alias: str = request.getfixturevalue(request.param)
    return alias


@pytest.fixture
def backend(database: str) -> Iterator[DatabaseBackend]:
    """The database backend on either."""
    made = DatabaseBackend({"using": database})
    yield made
    made.close()
