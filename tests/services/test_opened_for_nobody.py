"""A session that is opened or resumed for a socket that has just gone: everybody hears of both, once (I9)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.dispatch import Signal

from sessionstore_app import signals
from sessionstore_app.core.close import CloseReason
from sessionstore_app.core.errors import NotOpen
from sessionstore_app.models import Session
from tests.services.processes import Client, Process
from tests.support.wire import eventually

Pair = tuple[Process, Process]
Heard = list[tuple[str, str]]
NAMES = ("session_opened", "session_disconnected", "session_returned", "session_closed", "peer_left")


@pytest.fixture
def heard() -> Iterator[Heard]:
    """Signals of sessions, in the order sent: name and session."""
    told: Heard = []
    receivers: list[tuple[Signal, Any]] = []
    for name in NAMES:

        async def receive(session_id: str, *, name: str = name, **_: Any) -> None:
            told.append((name, session_id))

        signal: Signal = getattr(signals, name)
        signal.connect(receive)
        receivers.append((signal, receive))
    yield told
    for signal, receive in receivers:
        signal.disconnect(receive)


async def _until_told(heard: Heard, number: int) -> None:
    async def told() -> bool:
        return len(heard) >= number

    await eventually(told, f"{number} signals are sent")


async def test_i9_one_that_opens_for_a_socket_that_went_is_told_of(pair: Pair, heard: Heard) -> None:
    client = Client(pair[0])
    client.connection.close_reason = CloseReason.CONNECTION_LOST
    with pytest.raises(NotOpen):
        await client.open()
    await _until_told(heard, 2)
    session_id = (await Session.objects.aget()).id
    assert heard == [("session_opened", session_id), ("session_disconnected", session_id)]


async def test_i9_one_that_returns_over_a_socket_that_went_is_told_of(pair: Pair, heard: Heard) -> None:
    first, second = Client(pair[0]), Client(pair[0])
    opened = await first.open()
    await pair[0].lose(first, CloseReason.CONNECTION_LOST)
    second.connection.close_reason = CloseReason.CONNECTION_LOST
    with pytest.raises(NotOpen):
        await second.resume(opened)
    await _until_told(heard, 4)
    assert [name for name, _ in heard] == [
        "session_opened",
        "session_disconnected",
        "session_returned",
        "session_disconnected",
    ]
