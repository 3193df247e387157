"""Two processes on one channel layer, over the memory backend."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest
from channels.layers import get_channel_layer

from sessionstore_app.services import hub
from tests.services.processes import Process
from tests.support.layers import DeafLayer, LossyLayer

if TYPE_CHECKING:
    from pytest_django import Settings

MEMORY = {"default": {"BACKEND": "sessionstore_app.backends.memory.MemoryBackend"}}


async def _two_processes() -> AsyncIterator[tuple[Process, Process]]:
    first, second = Process(), Process()
    await first.start()
    await second.start()
    yield first, second
    hub.set_running(None)
    await first.stop()
    await second.stop()


@pytest.fixture(autouse=True)
def _memory(transactional_db: None, settings: Settings) -> None:
    settings.SESSIONSTORE = {"BACKENDS": MEMORY, "ALLOW_ANONYMOUS": True, "RECONNECT_SECONDS": 30}


@pytest.fixture
def lossy_layer(settings: Settings) -> LossyLayer:
    """The project's layer, and it is lossy."""
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "tests.support.layers.LossyLayer"}}
    layer = get_channel_layer()
    assert isinstance(layer, LossyLayer)
    return layer


@pytest.fixture
def deaf_layer(settings: Settings) -> DeafLayer:
    """The project's layer, and it can be put out of reach."""
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "tests.support.layers.DeafLayer"}}
    layer = get_channel_layer()
    assert isinstance(layer, DeafLayer)
    return layer


@pytest.fixture
async def lossy(lossy_layer: LossyLayer) -> AsyncIterator[tuple[Process, Process]]:
    """Two processes that cannot rely on each other's messages."""
    async for pair in _two_processes():
        yield pair


@pytest.fixture
async def process() -> AsyncIterator[Process]:
    """The only server process, which acts for this one."""
    started = Process()
    await started.start()
    started.acts()
    yield started
    hub.set_running(None)
    await started.stop()


@pytest.fixture
async def pair(deaf_layer: DeafLayer) -> AsyncIterator[tuple[Process, Process]]:
    """Two processes that hear each other, as long as the layer is in reach."""
    async for both in _two_processes():
        yield both
