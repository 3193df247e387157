"""Hooks of room types where server code writes: after the commit, once, in threads and loops without a server."""

from __future__ import annotations

from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import transaction
from django.test import TestCase, TransactionTestCase

from sessionstore_app import Key, RoomType, rooms
from sessionstore_app.models import Room
from sessionstore_app.services.roomtypes import declaring
from tests.support.kinds import kind

ROOM = "heard/1"


class Told:
    """What hooks were told; each also looks whether it may use the ORM."""

    def __init__(self) -> None:
        self.changes: list[Any] = []
        self.fails = False

    def kind(self, *, is_async: bool) -> type[RoomType]:
        """A room type that is there while a test declares it."""

        def on_change(_: Any, room: str, entries: Any) -> None:
            self._take(room, entries, Room.objects.filter(name=room).exists())

        async def on_change_later(_: Any, room: str, entries: Any) -> None:
            self._take(room, entries, await Room.objects.filter(name=room).aexists())

        hook = on_change_later if is_async else on_change
        return kind("Heard", "heard/*", topic=Key(), on_change=hook)

    def _take(self, room: str, entries: Any, exists: bool) -> None:
        self.changes += [(room, entry.key, entry.value, exists) for entry in entries]
        if self.fails:
            raise LookupError("the project's own")


def _told(*values: Any) -> list[Any]:
    return [(ROOM, "topic", value, True) for value in values]


class HooksAndCommits(TransactionTestCase):
    """Outside of a test's transaction."""

    def test_a_write_is_told_before_the_call_returns(self) -> None:
        for is_async in (False, True):
            told = Told()
            with declaring(told.kind(is_async=is_async)):
                rooms.set(ROOM, "topic", 1)
                assert told.changes == _told(1)
                async_to_sync(rooms.aset)(ROOM, "topic", 2)
                assert told.changes == _told(1, 2)

    def test_p37_a_commit_is_told_once_it_is_made_and_a_rollback_never(self) -> None:
        for is_async in (False, True):
            told = Told()
            with declaring(told.kind(is_async=is_async)):
                with transaction.atomic():
                    rooms.set(ROOM, "topic", 1)
                    assert told.changes == []
                assert told.changes == _told(1)
                with transaction.atomic():
                    rooms.set(ROOM, "topic", 2)
                    transaction.set_rollback(True)
                assert told.changes == _told(1)
            rooms.clear(ROOM)

    def test_one_that_fails_is_logged_and_the_write_stands(self) -> None:
        for is_async in (False, True):
            told = Told()
            told.fails = True
            with declaring(told.kind(is_async=is_async)):
                with self.assertLogs("sessionstore_app", "ERROR") as logged:
                    assert rooms.set(ROOM, "topic", 1).value == 1
                assert "Heard.on_change failed" in logged.output[0]
                with self.assertLogs("sessionstore_app", "ERROR"), transaction.atomic():
                    rooms.set(ROOM, "topic", 2)
                assert rooms.get(ROOM, "topic") == 2


class HooksInATestsTransaction(TestCase):
    """As projects' own tests have it."""

    def test_a_commit_that_is_captured_is_told(self) -> None:
        told = Told()
        with declaring(told.kind(is_async=False)):
            with self.captureOnCommitCallbacks(execute=True):
                rooms.set(ROOM, "topic", 1)
                assert told.changes == []
            assert told.changes == _told(1)


@pytest.mark.django_db
def test_a_type_without_hooks_is_told_nothing() -> None:
    told = Told()
    other = told.kind(is_async=False)
    with declaring(other):
        rooms.set("of no type", "topic", 1)
    assert told.changes == []
