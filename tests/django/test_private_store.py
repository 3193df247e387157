"""Private stores of sessions and shared maps, as a project's own code uses them, on every kind of backend."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.core.exceptions import ImproperlyConfigured
from django.test import TestCase, override_settings
from django.utils.safestring import mark_safe
from hypothesis import given

from sessionstore_app import backends, errors
from sessionstore_app.backends.cache import CacheStore
from sessionstore_app.backends.database import DatabaseBackend
from sessionstore_app.backends.memory import MemoryBackend
from sessionstore_app.core.jsontext import Json
from sessionstore_app.models import Session, SessionState
from sessionstore_app.services.private import create_map, private_store
from tests.support.stores import ROOMY_CACHES, WatchedStore, keeping_in, new_session, new_store
from tests.unit.generated import SOME, json_values


class _Uses:
    """What holds on every backend."""

    def test_s1_what_is_set_is_read_back_and_the_last_one_wins(self) -> None:
        store = new_store()
        store.set("cart", {"items": [1, 2.5, True, None]})
        assert store.get("cart") == {"items": [1, 2.5, True, None]}
        store.set("cart", [])
        assert store.get("cart") == []

    def test_s1_p5_null_is_refused_and_the_value_stays(self) -> None:
        store = new_store()
        store.set("k", 1)
        with pytest.raises(errors.InvalidValue):
            store.set("k", None)
        assert store.get("k") == 1

    def test_p6_text_that_is_marked_safe_is_text(self) -> None:
        store = new_store()
        store.set("k", {mark_safe("a"): mark_safe("<b>")})
        assert store.get("k") == {"a": "<b>"}
        store.set("k", mark_safe("<i>"))
        assert store.get("k") == "<i>"

    def test_p6_falsy_values_are_values(self) -> None:
        store = new_store()
        falsy: list[Any] = [0, False, "", [], {}, 0.0]
        for value in falsy:
            store.set("k", value)
            assert store.has("k")
            assert repr(store.get("k")) == repr(value)

    def test_s2_s3_a_key_never_set_is_none_and_not_there(self) -> None:
        store = new_store()
        assert store.get("k") is None
        assert not store.has("k")
        assert store.items() == {}

    def test_s4_delete_removes_one_and_what_is_absent_is_no_error(self) -> None:
        store = new_store()
        store.set("a", 1)
        store.set("b", 2)
        store.delete("a")
        store.delete("a")
        store.delete("never")
        assert store.items() == {"b": 2}

    def test_s5_after_destroy_every_use_is_refused(self) -> None:
        session_id = new_session()
        store = private_store(session_id)
        store.set("a", 1)
        store.destroy()
        store.destroy()
        self.assert_destroyed(session_id)

    def test_s5_a_store_never_used_can_be_destroyed_too(self) -> None:
        session_id = new_session()
        private_store(session_id).destroy()
        self.assert_destroyed(session_id)

    def test_s6_every_handle_of_a_session_is_the_same_store(self) -> None:
        session_id = new_session()
        private_store(session_id).set("a", 1)
        private_store(session_id).set("b", 2)
        assert private_store(session_id).items() == {"a": 1, "b": 2}

    async def test_s6_async_and_sync_code_share_it(self) -> None:
        store = await sync_to_async(new_store)()
        await store.aset("a", 1)
        assert await store.aget("a") == 1
        assert await store.ahas("a")
        assert await sync_to_async(store.get)("a") == 1
        await store.adelete("a")
        assert await store.aitems() == {}
        await store.adestroy()
        with pytest.raises(errors.StoreDestroyed):
            await store.aget("a")

    def test_s7_i12_two_sessions_never_see_each_others_keys(self) -> None:
        one, other = new_store(), new_store()
        one.set("k", "canary")
        assert other.get("k") is None
        other.set("k", "own")
        other.destroy()
        assert one.items() == {"k": "canary"}

    def test_s8_types_are_kept(self) -> None:
        store = new_store()

        @SOME
        @given(value=json_values.filter(lambda value: value is not None))
        def keep(value: Json) -> None:
            store.set("k", value)
            assert repr(store.get("k")) == repr(value)
            assert repr(store.items()) == repr({"k": value})

        keep()

    def test_s8_what_is_handed_out_is_nobody_elses(self) -> None:
        store, mine = new_store(), {"a": [1]}
        store.set("k", mine)
        mine["a"].append(2)
        got: Any = store.get("k")
        got["a"].append(3)
        assert store.get("k") == {"a": [1]}

    def test_s12_a_value_at_the_limit_and_one_beyond(self) -> None:
        store = new_store()
        store.set("k", "x" * 1_022)
        with pytest.raises(errors.ValueTooLarge) as refused:
            store.set("k", "x" * 1_023)
        assert (refused.value.limit, refused.value.actual) == (1_024, 1_025)
        assert store.get("k") == "x" * 1_022

    def test_p36_what_is_not_strict_json_is_refused(self) -> None:
        store = new_store()
        hostile: list[Any] = [float("nan"), 2**53, "nul\0", "\ud800", {1: 2}, object(), b"bytes", {3}]
        for value in hostile:
            with pytest.raises(errors.InvalidValue):
                store.set("k", value)
        assert store.items() == {}

    def test_a_bad_key_is_refused_by_every_method(self) -> None:
        store = new_store()
        for key in ("", "a*", "tab\t", "__proto__", "k" * 129):
            with pytest.raises(errors.InvalidKey):
                store.set(key, 1)
            for act in (store.get, store.has, store.delete):
                with pytest.raises(errors.InvalidKey):
                    act(key)

    def test_an_unknown_session_has_no_store(self) -> None:
        for session_id in ("unknown", "", "nul\0", "é", "x" * 1_000):
            store = private_store(session_id)
            with pytest.raises(errors.NoSuchSession):
                store.set("k", 1)
            with pytest.raises(errors.NoSuchSession):
                store.get("k")
            with pytest.raises(errors.NoSuchSession):
                store.destroy()

    def test_s21_a_session_that_has_ended_has_none_either(self) -> None:
        session_id = new_session(SessionState.CLOSED)
        private_store(session_id).destroy()
        self.assert_destroyed(session_id)

    def test_s20_one_that_waits_to_be_resumed_has_its_store(self) -> None:
        session_id = new_session()
        private_store(session_id).set("k", 1)
        Session.objects.filter(id=session_id).update(state=SessionState.DISCONNECTED)
        assert private_store(session_id).get("k") == 1

    def test_s36_a_map_is_the_same_for_everybody_who_asks_for_it(self) -> None:
        name = f"map {secrets.token_hex(4)}"
        create_map(name).set("k", 1)
        assert create_map(name).get("k") == 1
        assert create_map(f"{name} 2").get("k") is None
        create_map(name).delete("k")
        assert not create_map(name).has("k")

    def test_s36_a_destroyed_map_is_empty_and_of_use_again(self) -> None:
        shared = create_map(f"map {secrets.token_hex(4)}")
        shared.set("a", 1)
        shared.set("b", 2)
        shared.destroy()
        assert shared.items() == {}
        shared.set("c", 3)
        assert shared.items() == {"c": 3}

    def test_s36_a_map_and_a_session_of_the_same_name_are_apart(self) -> None:
        session_id = new_session()
        private_store(session_id).set("k", "canary")
        assert create_map(session_id).get("k") is None

    def test_a_map_has_a_name_that_a_room_could_have(self) -> None:
        with pytest.raises(errors.InvalidParams):
            create_map("")
        with pytest.raises(errors.LimitExceeded):
            create_map("m" * 129)

    @staticmethod
    def assert_destroyed(session_id: str) -> None:
        store = private_store(session_id)
        with pytest.raises(errors.StoreDestroyed):
            store.set("k", 1)
        for act in (store.get, store.has, store.delete):
            with pytest.raises(errors.StoreDestroyed):
                act("k")
        with pytest.raises(errors.StoreDestroyed):
            store.items()


@override_settings(CACHES=ROOMY_CACHES)
class InACache(_Uses, TestCase):
    """The default."""

    def test_the_default_is_a_cache(self) -> None:
        assert isinstance(backends.store(), CacheStore)


@keeping_in(MemoryBackend)
class InMemory(_Uses, TestCase):
    """A backend of entries, named by its path."""


@keeping_in(DatabaseBackend)
class InTheDatabase(_Uses, TestCase):
    """On the test's own connection."""


@keeping_in(WatchedStore)
class InSomebodysOwn(_Uses, TestCase):
    """A store backend that does not come with the app."""

    def setUp(self) -> None:
        WatchedStore.reset()

    def test_a_store_keeps_no_rooms(self) -> None:
        assert isinstance(backends.store(), WatchedStore)
        with pytest.raises(ImproperlyConfigured, match="keeps private stores, not rooms"):
            backends.backend("private")

    def test_s20_an_open_session_costs_its_store_nothing_until_it_is_used(self) -> None:
        new_session()
        assert WatchedStore.calls == []

    def test_the_record_is_asked_at_the_first_use_only(self) -> None:
        store = new_store()
        store.set("k", 1)
        with self.assertNumQueries(0):
            store.set("k", 2)
            assert store.get("k") == 2
