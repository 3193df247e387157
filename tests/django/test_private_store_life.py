"""How private stores end with their sessions, what a crash leaves, and what they share with the rest of a project."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from unittest import mock

import pytest
from django.conf import settings as project_settings
from django.core.management import call_command
from django.db import connection, transaction
from django.test import TransactionTestCase, override_settings
from django.utils import timezone

from sessionstore_app import backends, errors, rooms, sessions
from sessionstore_app.backends.cache import CacheStore
from sessionstore_app.backends.database import DatabaseBackend
from sessionstore_app.backends.memory import MemoryBackend
from sessionstore_app.core import clock
from sessionstore_app.core.jsontext import Json
from sessionstore_app.models import Session, SessionState
from sessionstore_app.services import bridge
from sessionstore_app.services.presence import Presence
from sessionstore_app.services.private import PrivateStore, create_map, private_store
from sessionstore_app.services.reaping import forget_history
from tests.support.stores import (
    ROOMY_CACHES,
    Heard,
    WatchedStore,
    in_threads,
    keeping_in,
    listed,
    new_session,
    new_store,
    path_of,
    sweep,
)

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


@contextmanager
def a_minute_later() -> Iterator[None]:
    """What is written now is a minute old to whoever looks within."""
    with mock.patch.object(clock, "now_ms", return_value=clock.now_ms() + 61_000):
        yield


class AtTheEnd(TransactionTestCase):
    """A session ends: its store goes after everybody was told (S20 to S23, P20)."""

    def setUp(self) -> None:
        WatchedStore.reset()
        self.enterContext(keeping_in(WatchedStore))
        self.session_id = new_session()
        self.store = private_store(self.session_id)

    def test_s22_p20_receivers_are_handed_the_last_entries(self) -> None:
        self.store.set("cart", [1, {"n": 2}])
        self.store.set("name", "Ann")
        with Heard() as heard:
            sessions.terminate(session_id=self.session_id)
        (told,) = heard.told
        assert told["store"] == {"cart": [1, {"n": 2}], "name": "Ann"}
        assert (told["session_id"], told["reason"]) == (self.session_id, "CLOSED_BY_CONTROLLER")

    def test_s22_p20_a_receiver_still_finds_the_store_and_nobody_after_it(self) -> None:
        self.store.set("k", 1)
        found: list[Json] = []
        with Heard(lambda session_id: found.append(private_store(session_id).get("k"))):
            sessions.terminate(session_id=self.session_id)
        assert found == [1]
        with pytest.raises(errors.StoreDestroyed):
            self.store.get("k")

    def test_s21_a_receiver_that_raises_keeps_no_store(self) -> None:
        self.store.set("k", 1)

        def fail(session_id: str) -> None:
            raise ZeroDivisionError

        with Heard(fail) as heard, self.assertLogs("django.dispatch", "ERROR"):
            sessions.terminate(session_id=self.session_id)
        assert len(heard.told) == 1
        with pytest.raises(errors.StoreDestroyed):
            self.store.items()

    def test_s21_without_receivers_it_goes_too(self) -> None:
        self.store.set("k", 1)
        sessions.terminate(session_id=self.session_id)
        with pytest.raises(errors.StoreDestroyed):
            self.store.get("k")

    def test_s20_a_session_that_never_used_its_store_costs_one_look(self) -> None:
        sessions.terminate(session_id=self.session_id)
        assert WatchedStore.calls == ["destroy"]
        WatchedStore.calls.clear()
        with Heard() as heard:
            sessions.terminate(session_id=new_session())
        assert WatchedStore.calls == ["items"]
        assert heard.told[0]["store"] == {}

    def test_s22_in_a_transaction_it_goes_with_the_commit(self) -> None:
        self.store.set("k", 1)
        with Heard() as heard:
            with transaction.atomic():
                sessions.terminate(session_id=self.session_id)
                assert heard.told == []
            assert [told["store"] for told in heard.told] == [{"k": 1}]
        with pytest.raises(errors.StoreDestroyed):
            self.store.get("k")

    def test_s22_a_rollback_leaves_it(self) -> None:
        self.store.set("k", 1)
        with Heard() as heard, transaction.atomic():
            sessions.terminate(session_id=self.session_id)
            transaction.set_rollback(True)
        assert heard.told == []
        assert self.store.get("k") == 1

    def test_s21_a_destruction_that_fails_is_logged_and_done_by_the_upkeep(self) -> None:
        self.store.set("k", "canary")
        WatchedStore.fails.add("destroy")
        with Heard() as heard, self.assertLogs("sessionstore_app", "WARNING") as logs:
            sessions.terminate(session_id=self.session_id)
        assert [told["store"] for told in heard.told] == [{"k": "canary"}]
        assert "canary" not in "".join(logs.output)
        WatchedStore.fails.clear()
        sweep()
        assert listed() == set()

    def test_p51_entries_that_cannot_be_read_do_not_keep_receivers_from_hearing(self) -> None:
        self.store.set("k", 1)
        WatchedStore.fails.add("items")
        with Heard() as heard, self.assertLogs("sessionstore_app", "WARNING"):
            sessions.terminate(session_id=self.session_id)
        assert [told["store"] for told in heard.told] == [{}]
        assert listed() == set()

    def test_s21_a_first_use_that_races_the_end_leaves_no_store(self) -> None:
        async def end() -> None:
            await sessions.aterminate(session_id=self.session_id)

        WatchedStore.between = end
        with pytest.raises(errors.StoreDestroyed):
            self.store.set("k", 1)
        assert listed() == set()

    def test_s36_maps_outlive_sessions(self) -> None:
        shared = create_map("lobby")
        shared.set("k", 1)
        self.store.set("k", 1)
        sessions.terminate(session_id=self.session_id)
        assert shared.get("k") == 1


class AfterACrash(TransactionTestCase):
    """A process died between the end of a session and that of its store (S23, P21)."""

    def setUp(self) -> None:
        self.enterContext(keeping_in(DatabaseBackend))
        self.open, self.ended, self.forgotten = new_session(), new_session(), new_session()
        for session_id in (self.open, self.ended, self.forgotten):
            private_store(session_id).set("k", session_id)
        create_map("lobby").set("k", 1)
        Session.objects.filter(id=self.ended).update(state=SessionState.CLOSED, closed_at=timezone.now() - MINUTE)
        Session.objects.filter(id=self.forgotten).delete()

    def test_s23_what_belongs_to_no_open_session_is_swept_and_nothing_else(self) -> None:
        with a_minute_later():
            sweep()
        assert listed() == {f"session:{self.open}", "map:lobby"}
        assert private_store(self.open).get("k") == self.open

    def test_s23_a_young_store_is_left_because_its_session_may_just_open(self) -> None:
        """However often anybody looks."""
        for _ in range(3):
            sweep()
        assert len(listed()) == 4
        Session.objects.create(id=self.forgotten)
        with a_minute_later():
            sweep()
        assert private_store(self.forgotten).get("k") == self.forgotten

    def test_s22_a_store_whose_session_has_just_ended_is_left_for_its_receivers(self) -> None:
        Session.objects.filter(id=self.ended).update(closed_at=timezone.now())
        with a_minute_later():
            sweep()
        assert f"session:{self.ended}" in listed()

    def test_s23_the_upkeep_of_every_process_sweeps(self) -> None:
        with a_minute_later():
            bridge.run(Presence().forget())
        assert f"session:{self.ended}" not in listed()

    def test_s23_a_single_run_of_the_command_sweeps(self) -> None:
        with a_minute_later():
            call_command("expire_sessions", verbosity=0)
        assert listed() == {f"session:{self.open}", "map:lobby"}


class AfterACrashInACache(TransactionTestCase):
    """A cache cannot say which stores it holds: they go when their sessions are forgotten (S23, S24)."""

    def setUp(self) -> None:
        WatchedStore.reset()
        self.enterContext(mock.patch.object(WatchedStore, "can_list", new=False))
        self.enterContext(keeping_in(WatchedStore))
        self.ended, self.closed = new_session(), new_session()
        for session_id in (self.ended, self.closed):
            private_store(session_id).set("k", 1)
        Session.objects.filter(id=self.ended).update(state=SessionState.CLOSED, closed_at=timezone.now() - 365 * DAY)
        Session.objects.filter(id=self.closed).update(state=SessionState.CLOSED, closed_at=timezone.now() - MINUTE)

    def test_s23_a_store_goes_when_its_session_is_forgotten(self) -> None:
        call_command("expire_sessions", verbosity=0)
        assert listed() == {f"session:{self.closed}"}
        with pytest.raises(errors.NoSuchSession):
            private_store(self.ended).get("k")

    def test_s23_what_could_not_be_destroyed_then_is_destroyed_later(self) -> None:
        Session.objects.update(closed_at=timezone.now() - 365 * DAY)
        WatchedStore.calls.clear()
        WatchedStore.fails.add("destroy")
        with self.assertLogs("sessionstore_app", "WARNING"):
            bridge.run(forget_history())
        # Out of reach for one is out of reach for all.
        assert WatchedStore.calls == ["destroy"]
        WatchedStore.fails.clear()
        sweep()
        assert listed() == set()


class Elsewhere(TransactionTestCase):
    """Threads, transactions, and what a store shares with the rest of the project."""

    def test_s9_threads_that_set_at_once_lose_nothing(self) -> None:
        for cls in (DatabaseBackend, MemoryBackend, CacheStore):
            with override_settings(CACHES=ROOMY_CACHES), keeping_in(cls):
                store = new_store()

                def work(number: int, store: PrivateStore = store) -> None:
                    for step in range(10):
                        store.set(f"{number}/{step}", step)

                assert in_threads(work, 8) == []
                assert store.items() == {f"{number}/{step}": step for number in range(8) for step in range(10)}

    def test_in_the_database_it_belongs_to_the_callers_transaction(self) -> None:
        with keeping_in(DatabaseBackend):
            store = new_store()
            store.set("k", "before")
            with transaction.atomic():
                store.set("k", "inside")
                new = new_store()
                new.set("k", 1)
                assert store.get("k") == "inside"
                transaction.set_rollback(True)
            assert store.get("k") == "before"
            with pytest.raises(errors.NoSuchSession):
                new.get("k")

    def test_s34_what_is_closed_is_the_stores_own(self) -> None:
        with keeping_in(DatabaseBackend):
            store = new_store()
            store.set("k", 1)
            held = connection.connection
            backends.close_all()
            assert connection.connection is held
            assert store.get("k") == 1

    def test_s35_rooms_and_private_stores_are_kept_in_different_backends(self) -> None:
        both = {"default": {"BACKEND": path_of(MemoryBackend)}, "private": {"BACKEND": path_of(DatabaseBackend)}}
        with override_settings(SESSIONSTORE={**project_settings.SESSIONSTORE, "BACKENDS": both}):
            store = new_store()
            store.set("k", "private")
            rooms.set("standup", "k", "shared")
            assert (store.get("k"), rooms.get("standup", "k")) == ("private", "shared")
            assert not any(space.startswith("room:") for space in listed())

    async def test_a_sync_call_in_async_code_is_refused(self) -> None:
        with pytest.raises(RuntimeError):
            private_store("any").get("k")
