"""Entries in PostgreSQL keep the contract."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from sessionstore_app.backends.base import Backend
from sessionstore_app.backends.database import DatabaseBackend
from sessionstore_app.testing.contract import BackendContract, Outage, OutageContract
from tests.support.aliases import cut_off

pytestmark = pytest.mark.postgres


@pytest.mark.usefixtures("patient")
class TestPostgres(BackendContract, OutageContract):
    @pytest.fixture
    def backend(self, postgres: str) -> Iterator[Backend]:
        made = DatabaseBackend({"using": postgres})
        yield made
        made.close()

    @pytest.fixture
    def outage(self, postgres_url: str) -> Outage:
        return partial(cut_off, postgres_url)
