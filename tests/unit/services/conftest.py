"""A connection between a hub and a send that the test moves by hand."""

from __future__ import annotations

import pytest

from sessionstore_app.services.connection import Connection
from tests.unit.services.fakes import FakeHub, FakeSend, connection

# What may be unacknowledged, or wait to be sent, on the connection under test.
LIMIT = 1_000


@pytest.fixture
def hub() -> FakeHub:
    return FakeHub()


@pytest.fixture
def send() -> FakeSend:
    return FakeSend()


@pytest.fixture
def bo(hub: FakeHub, send: FakeSend) -> Connection:
    return connection(hub, send, LIMIT)
