"""Room types that a test declares are gone with it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sessionstore_app.core import roomtypes


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = dict(roomtypes.declared)
    yield
    roomtypes.declared.clear()
    roomtypes.declared.update(before)
