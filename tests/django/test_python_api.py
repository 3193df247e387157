"""`rooms` from server code: sync and async, in and out of transactions, in threads and tests."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
import time_machine
from django.db import connection, transaction
from django.test import TestCase, TransactionTestCase

from sessionstore_app import errors, rooms
from sessionstore_app.models import Room
from sessionstore_app.signals import room_changed, room_cleared


class Heard:
    """Collects what a signal tells."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []

    def __call__(self, **told: Any) -> None:
        self.told.append(told)


class RoomsInATransaction(TestCase):
    """A test's own transaction: writes are made on its connection, and go with it."""

    def test_what_is_set_is_read_back(self) -> None:
        entry = rooms.set("standup", "topic", {"title": "retro", "votes": [1, 2.5, True, None]})
        assert entry.version == 1
        assert entry.by is None
        assert rooms.get("standup", "topic") == {"title": "retro", "votes": [1, 2.5, True, None]}

    async def test_async_calls_share_the_tests_transaction(self) -> None:
        await rooms.aset("standup", "topic", "retro")
        assert await rooms.asnapshot("standup") == {"topic": "retro"}
        assert await Room.objects.acount() == 1

    def test_a_room_never_used_reads_as_empty_and_is_not_made(self) -> None:
        assert rooms.get("nowhere", "key") is None
        assert rooms.get_entry("nowhere", "key").version == 0
        assert rooms.snapshot("nowhere") == {}
        assert rooms.peers("nowhere") == []
        assert rooms.count("nowhere") == 0
        assert not Room.objects.exists()

    def test_h42_none_deletes(self) -> None:
        rooms.set("standup", "topic", "retro")
        assert rooms.set("standup", "topic", None).value is None
        assert rooms.get("standup", "topic") is None
        assert rooms.delete("standup", "never").value is None

    def test_p6_falsy_values_are_values(self) -> None:
        falsy: list[Any] = [0, False, "", [], {}]
        for value in falsy:
            rooms.set("standup", "key", value)
            assert rooms.get_entry("standup", "key").exists
            assert rooms.get("standup", "key") == value

    def test_a_stale_guard_is_refused_with_the_present_entry(self) -> None:
        rooms.set("standup", "topic", "one")
        rooms.set("standup", "topic", "two")
        with pytest.raises(errors.VersionConflict) as refused:
            rooms.set("standup", "topic", "three", if_version=1)
        assert refused.value.current is not None
        assert refused.value.current.value == "two"
        assert rooms.get("standup", "topic") == "two"

    def test_operations_are_computed_by_the_server(self) -> None:
        assert rooms.update("r", "count", do="increment").value == 1
        assert rooms.update("r", "count", do="increment", by=-2.5).value == -1.5
        for number in range(5):
            rooms.update("r", "pins", do="append", item={"id": number}, cap=3, unique="id")
        assert rooms.get("r", "pins") == [{"id": 2}, {"id": 3}, {"id": 4}]
        assert rooms.update("r", "pins", do="remove", where={"id": 3}).value == [{"id": 2}, {"id": 4}]
        assert rooms.update("r", "state", do="merge", patch={"a": 1, "b": None}).value == {"a": 1}
        assert rooms.update("r", "nulls", do="append").value == [None]

    def test_arguments_of_another_operation_are_refused(self) -> None:
        with pytest.raises(errors.InvalidParams):
            rooms.update("r", "k", do="increment", item=1)
        with pytest.raises(errors.InvalidParams):
            rooms.update("r", "k", do="append", item=1, cap=0)
        with pytest.raises(errors.InvalidParams):
            rooms.update("r", "k", do="explode")  # type: ignore[arg-type]
        assert rooms.get("r", "k") is None

    def test_several_keys_are_written_together_or_not_at_all(self) -> None:
        entries = rooms.write("r", [{"key": "a", "value": 1}, {"key": "b", "value": 2}])
        assert [entry.version for entry in entries] == [1, 1]
        with pytest.raises(errors.VersionConflict):
            rooms.write("r", [{"key": "a", "value": 9}, {"key": "b", "value": 9, "if_version": 7}])
        with pytest.raises(errors.InvalidParams):
            rooms.write("r", [{"key": "a", "value": 9}, {"key": "a", "value": 8}])
        with pytest.raises(errors.InvalidParams):
            rooms.write("r", [])
        assert rooms.snapshot("r") == {"a": 1, "b": 2}

    def test_p36_what_is_not_strict_json_is_refused(self) -> None:
        deep: list[Any] = []
        for _ in range(40):
            deep = [deep]
        hostile: list[Any] = [float("nan"), float("inf"), 2**53, "nul\0", "\ud800", {1: 2}, object(), {"a": {3}}, deep]
        for value in hostile:
            with pytest.raises(errors.InvalidValue):
                rooms.set("r", "k", value)
        assert rooms.get("r", "k") is None

    def test_bad_names_are_refused(self) -> None:
        for key in ("", "a*", "tab\t", "__proto__", "k" * 129):
            with pytest.raises(errors.InvalidKey):
                rooms.set("r", key, 1)
        with pytest.raises(errors.InvalidParams):
            rooms.set("", "k", 1)
        with pytest.raises(errors.LimitExceeded):
            rooms.set("r" * 129, "k", 1)

    def test_clear_gives_a_new_epoch_and_an_empty_store(self) -> None:
        rooms.set("r", "k", 1)
        epoch = Room.objects.get(name="r").epoch
        assert rooms.clear("r") != epoch
        assert rooms.snapshot("r") == {}
        assert rooms.set("r", "k", 2).version == 1

    def test_peers_hear_after_commit_only(self) -> None:
        heard = Heard()
        room_changed.connect(heard)
        try:
            with self.captureOnCommitCallbacks(execute=True):
                rooms.set("r", "k", 1)
                assert heard.told == []
            assert [told["entries"][0].value for told in heard.told] == [1]
        finally:
            room_changed.disconnect(heard)


class RoomsAndCommits(TransactionTestCase):
    """Outside of a test's transaction."""

    def setUp(self) -> None:
        self.changed, self.cleared = Heard(), Heard()
        room_changed.connect(self.changed)
        room_cleared.connect(self.cleared)

    def tearDown(self) -> None:
        room_changed.disconnect(self.changed)
        room_cleared.disconnect(self.cleared)

    def test_p37_a_rollback_is_never_seen(self) -> None:
        rooms.set("r", "k", "before")
        with transaction.atomic():
            rooms.set("r", "k", "inside")
            assert rooms.get("r", "k") == "inside"
            transaction.set_rollback(True)
        assert rooms.get("r", "k") == "before"
        assert [told["entries"][0].value for told in self.changed.told] == ["before"]

    def test_p37_a_commit_is_told_once_it_is_made(self) -> None:
        with transaction.atomic():
            rooms.set("r", "k", "inside")
            rooms.clear("r")
            assert self.changed.told == []
        assert [told["entries"][0].value for told in self.changed.told] == ["inside"]
        assert [told["reason"] for told in self.cleared.told] == ["CLEARED"]

    def test_a_refused_write_leaves_the_callers_transaction_usable(self) -> None:
        with transaction.atomic():
            rooms.set("r", "k", 1)
            with pytest.raises(errors.ValueTooLarge):
                rooms.set("r", "k", "x" * 2_000)
            rooms.set("r", "l", 2)
        assert rooms.snapshot("r") == {"k": 1, "l": 2}

    def test_threads_write_at_once_and_none_is_lost(self) -> None:
        failures: list[BaseException] = []

        def work() -> None:
            try:
                for _ in range(20):
                    rooms.update("r", "count", do="increment")
            except BaseException as error:  # handed to the test's thread
                failures.append(error)
            finally:
                connection.close()

        _in_threads(work, 4)
        assert failures == []
        assert rooms.get("r", "count") == 80

    async def test_tasks_write_at_once_and_none_is_lost(self) -> None:
        await asyncio.gather(*(rooms.aupdate("r", "count", do="increment") for _ in range(200)))
        assert await rooms.aget("r", "count") == 200

    def test_a_sync_call_leaves_no_thread_and_no_connection(self) -> None:
        rooms.set("r", "k", 0)
        connection.close()
        before = set(threading.enumerate())
        for number in range(50):
            rooms.set("r", "k", number)
        left_behind = set(threading.enumerate()) - before
        for thread in left_behind:
            # The last call's loop thread may still be on its way out.
            thread.join(timeout=10)
        assert not any(thread.is_alive() for thread in left_behind)
        assert connection.connection is None

    async def test_a_sync_call_in_async_code_is_refused_before_anything_happens(self) -> None:
        with pytest.raises(RuntimeError):
            rooms.set("r", "k", 1)
        assert await rooms.aget("r", "k") is None

    async def test_ttl_an_entry_past_its_time_is_gone(self) -> None:
        with time_machine.travel(0, tick=False) as clock:
            await rooms.aset("r", "k", 1, ttl_seconds=10)
            clock.shift(9.999)
            assert await rooms.aget("r", "k") == 1
            clock.shift(0.001)
            assert await rooms.aget("r", "k") is None
            assert (await rooms.aget_entry("r", "k")).version == 2


def _in_threads(work: Callable[[], None], number: int) -> None:
    threads = [threading.Thread(target=work) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
