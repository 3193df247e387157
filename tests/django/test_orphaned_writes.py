"""Writes whose caller does not stay until they are done: they are in the store, so everybody hears of them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

import pytest
from django.db.backends.base.base import BaseDatabaseWrapper

from sessionstore_app import rooms
from sessionstore_app.backends import database
from sessionstore_app.signals import room_changed
from tests.support.wire import eventually

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.usefixtures("running_hub")
async def test_a_write_of_a_caller_that_was_cancelled_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """As an async view's that Django cancels, because its client hung up."""
    begun, go_on = threading.Event(), threading.Event()
    change = database._Work.change

    def held(self: Any, connection: BaseDatabaseWrapper, jobs: Sequence[Any]) -> list[Any]:
        begun.set()
        assert go_on.wait(10)
        return change(self, connection, jobs)

    told: list[tuple[str, str, Any]] = []

    async def receive(room: str, entries: Any, **_: Any) -> None:
        told.extend((room, entry.key, entry.value) for entry in entries)

    room_changed.connect(receive)
    try:
        await rooms.aset("standup", "before", 1)
        monkeypatch.setattr(database._Work, "change", held)
        writing = asyncio.create_task(rooms.aset("standup", "topic", "Retro"))
        await asyncio.to_thread(begun.wait, 10)
        writing.cancel()
        await asyncio.wait({writing})
        assert writing.cancelled()
        go_on.set()

        async def both_are_told() -> bool:
            return told == [("standup", "before", 1), ("standup", "topic", "Retro")]

        await eventually(both_are_told, "both writes are told")
        assert await rooms.aget("standup", "topic") == "Retro"
    finally:
        room_changed.disconnect(receive)
