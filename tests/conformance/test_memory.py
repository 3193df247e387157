"""Entries in this process's memory keep the contract."""

from __future__ import annotations

import pytest

from sessionstore_app.backends.base import Backend
from sessionstore_app.backends.memory import MemoryBackend
from sessionstore_app.testing.contract import BackendContract


class TestMemory(BackendContract):
    @pytest.fixture
    def backend(self) -> Backend:
        return MemoryBackend()
