"""What every test shares: a run in CI that skipped something has failed; no writer thread outlives its database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from sessionstore_app import backends
from sessionstore_app.services import hub, presence, record, siterows
from sessionstore_app.services.hub import Hub

pytest_plugins = ["tests.support.skips", "tests.support.servers"]


@pytest.fixture(autouse=True)
def closed_writers() -> Iterator[None]:
    """Let go of threads and connections after each test, before its database goes."""
    yield
    record.close()
    siterows.close()
    backends.close_all()


@pytest.fixture
async def running_hub(transactional_db: None) -> AsyncIterator[Hub]:
    """A hub on the test's own loop."""
    started = await presence.running_hub()
    yield started
    await presence.stop_hub()
    hub.set_running(None)
