"""Databases that the tests of crashes share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.postgres import temporary_postgres
from tests.support.server import database, manage


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    with temporary_postgres() as url:
        manage("migrate", "--verbosity", "0", database_url=url)
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A migrated database: each test's own SQLite file, or the module's PostgreSQL."""
    if request.param == "postgres":
        yield request.getfixturevalue("postgres")
        return
    with database() as url:
        yield url
