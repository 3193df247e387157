"""`site_sessions` from server code, on SQLite and on PostgreSQL, row by row of parity §3."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import time_machine
from django.db import connections
from django.http import QueryDict
from django.utils.safestring import mark_safe

from sessionstore_app import errors
from sessionstore_app.models import SiteSession
from sessionstore_app.services.site import SiteStats, site_sessions
from tests.support.sites import ALIAS, age, configured, site_alias, site_url  # noqa: F401  # fixtures

HOUR = 3_600


def rows() -> int:
    return SiteSession.objects.count()


# --- G1–G10: what there is


FAITHFUL: dict[str, Any] = {
    "z": 1,
    "a": {"__proto__": None, "": [], "é": "\U0001f600 'quoted' \\ \"twice\" %s"},
    "numbers": [0, -1, 1.0, 1.5e300, 2**53 - 1, -(2**53 - 1), 0.1, 5e-324],
    "truths": [True, False, None],
}


def test_g1_an_object_comes_back_as_it_was_given() -> None:
    saved = site_sessions.get(site_sessions.create(FAITHFUL).key)
    assert saved is not None
    assert saved.data == FAITHFUL
    # An integer is no float, and true is no integer.
    assert repr(saved.data) == repr(FAITHFUL)


def test_g2_a_session_is_kept_with_all_that_is_told_of_it() -> None:
    created = site_sessions.create({"a": 1}, "APISERVER", "1")
    assert created.update_count == 0
    assert created.key == f"{created.uuid}_0"
    assert created.created == created.updated
    assert (created.platform, created.platform_version) == ("APISERVER", "1")
    assert site_sessions.load(created.uuid) == {created.uuid: created}


def test_g3_every_call_takes_a_key_with_or_without_its_suffix() -> None:
    uuid = site_sessions.create({}).uuid
    for key in (uuid, f"{uuid}_0", uuid.upper(), UUID(uuid)):
        assert site_sessions.load(key).keys() == {uuid}
        assert site_sessions.update(key, {}).uuid == uuid
    assert site_sessions.delete(f"{uuid}_3") == [uuid]


def test_g4_times_are_the_databases_in_utc() -> None:
    created = site_sessions.create({})
    assert created.created.utcoffset() == timedelta(0)
    assert abs((datetime.now(UTC) - created.created).total_seconds()) < HOUR
    # What was returned is what was stored, to the last digit.
    assert SiteSession.objects.get().updated_at == created.updated


@pytest.mark.parametrize("value", ["x" * 257, "nul\0", "\ud800", 7, None])
def test_g5_a_platform_that_cannot_be_kept_is_refused(value: Any) -> None:
    with pytest.raises(errors.InvalidParams, match="platform"):
        site_sessions.create({}, value)
    with pytest.raises(errors.InvalidParams, match="platform_version"):
        site_sessions.create({}, "x" * 256, value)
    assert rows() == 0


def test_g6_each_session_has_a_random_key_of_its_own() -> None:
    keys = {site_sessions.create({}).uuid for _ in range(20)}
    assert len(keys) == 20
    assert {UUID(key).version for key in keys} == {4}


def test_g7_an_update_advances_the_count_and_its_time_alone() -> None:
    created = site_sessions.create({"a": 1}, "WEB", "2")
    age(created.key, 60)
    updated = site_sessions.update(created.key, {"b": 2})
    assert updated.data == {"b": 2}
    assert (updated.update_count, updated.key) == (1, f"{created.uuid}_1")
    assert updated.created == created.created
    assert updated.updated >= created.updated
    assert (updated.platform, updated.platform_version) == ("WEB", "2")
    assert site_sessions.get(created.key) == updated


def test_g8_several_are_loaded_at_once_in_the_order_asked_for() -> None:
    keys = [site_sessions.create({"n": number}).uuid for number in range(12)]
    asked = [*reversed(keys), str(uuid4()), f"{keys[0]}_7"]
    loaded = site_sessions.load(*asked)
    assert list(loaded) == keys[::-1]
    assert [info.data["n"] for info in loaded.values()] == list(range(11, -1, -1))


def test_g9_several_are_deleted_at_once_and_unknown_ones_are_no_error() -> None:
    keys = [site_sessions.create({}).uuid for _ in range(3)]
    assert site_sessions.delete(keys[2], str(uuid4()), keys[0], f"{keys[0]}_0") == [keys[2], keys[0]]
    assert site_sessions.load(*keys).keys() == {keys[1]}
    assert site_sessions.delete(keys[0]) == []


def test_no_key_at_all_is_nothing() -> None:
    assert site_sessions.load() == {}
    assert site_sessions.delete() == []


def test_g10_active_ones_are_counted_within_a_period_beside_all() -> None:
    for seconds in (0, 100, 1_000):
        age(site_sessions.create({}).key, seconds)
    assert site_sessions.stats() == SiteStats(3, 3, HOUR)
    assert site_sessions.stats(500) == SiteStats(2, 3, 500)
    assert site_sessions.stats(50.5) == SiteStats(1, 3, 50.5)
    assert site_sessions.stats(0) == SiteStats(0, 3, 0)


# --- G11–G15: how long it lives, and where


def test_g11_reads_do_not_extend_a_life() -> None:
    key = site_sessions.create({}).key
    age(key, HOUR - 60)
    for _ in range(3):
        assert site_sessions.get(key) is not None
    age(key, 60)
    assert site_sessions.get(key) is None


@pytest.mark.parametrize("mode", ["replace", "merge"])
def test_g11_an_update_begins_a_life_anew(mode: Any) -> None:
    key = site_sessions.create({}).key
    age(key, HOUR - 60)
    site_sessions.update(key, {"a": 1}, mode)
    age(key, HOUR - 60)
    assert site_sessions.get(key) is not None


def test_g12_only_what_is_past_its_life_is_removed() -> None:
    keys = [site_sessions.create({}).uuid for _ in range(3)]
    for key, seconds in zip(keys, (0, HOUR - 60, HOUR), strict=True):
        age(key, seconds)
    assert site_sessions.expire() == 1
    assert site_sessions.load(*keys).keys() == set(keys[:2])
    assert rows() == 2


def test_g12_the_lifetime_is_the_settings() -> None:
    key = site_sessions.create({}).key
    age(key, 90)
    with configured(SITE_SESSION_LIFETIME_SECONDS=150.5):
        assert site_sessions.get(key) is not None
        assert site_sessions.stats() == SiteStats(1, 1, 150.5)
    with configured(SITE_SESSION_LIFETIME_SECONDS=90):
        assert site_sessions.get(key) is None
        assert site_sessions.stats() == SiteStats(0, 1, 90)
        assert site_sessions.expire() == 1


def test_g13_another_database_may_be_named() -> None:
    site_sessions.create({})
    assert SiteSession.objects.using(ALIAS).count() == 1
    # The model's own manager looks there too, for an admin and a project's queries.
    assert SiteSession.objects.all().db == ALIAS
    assert SiteSession.objects.db_manager("default").all().db == "default"


def test_g15_the_table_is_made_by_migrations() -> None:
    assert "sessionstore_app_sitesession" in connections[ALIAS].introspection.table_names()


def test_p12_a_wrong_clock_of_the_application_changes_nothing() -> None:
    key = site_sessions.create({}).key
    age(key, HOUR - 60)
    for wrong in (datetime.now(UTC) + timedelta(days=1), datetime.now(UTC) - timedelta(days=1)):
        with time_machine.travel(wrong):
            assert site_sessions.get(key) is not None
            assert site_sessions.expire() == 0
            assert site_sessions.stats() == SiteStats(1, 1, HOUR)
            assert abs((site_sessions.create({}).created - wrong).total_seconds()) > HOUR
        site_sessions.delete(*(str(pk) for pk in SiteSession.objects.exclude(pk=key[:36]).values_list("pk", flat=True)))


# --- G20–G27: what is refused, and how


@pytest.mark.parametrize("data", [None, [], "text", 1, {"a": float("nan")}, {"a": {1, 2}}, {"a": "\0"}])
def test_g20_what_is_no_json_object_is_refused_and_changes_nothing(data: Any) -> None:
    kept = site_sessions.create({"kept": True})
    acts: list[Callable[[], object]] = [
        lambda: site_sessions.create(data),
        lambda: site_sessions.update(kept.key, data),
        lambda: site_sessions.update(kept.key, data, "merge"),
    ]
    for act in acts:
        with pytest.raises(errors.InvalidValue):
            act()
    assert site_sessions.get(kept.key) == kept
    assert rows() == 1


def test_g20_what_a_form_sent_is_checked_as_it_is_kept() -> None:
    """A form's data shows the last of several values, and keeps them all."""
    assert site_sessions.create(QueryDict("a=1&a=2")).data == {"a": ["1", "2"]}
    hostile: Any
    for hostile in (float("nan"), "\0", "\ud800"):
        form = QueryDict(mutable=True)
        form.setlist("a", [hostile, "1"])
        with pytest.raises(errors.InvalidValue):
            site_sessions.create(form)
    assert rows() == 1


def test_g20_text_that_is_marked_safe_is_text() -> None:
    saved = site_sessions.create({"a": mark_safe("<b>")}, platform=mark_safe("WEB"))
    assert (saved.data, saved.platform) == ({"a": "<b>"}, "WEB")


def test_g20_data_may_have_its_limit_and_no_byte_more() -> None:
    with configured(SITE_SESSION_BYTES=20):
        kept = site_sessions.create({"a": "x" * 12})
        for data, mode in (({"a": "x" * 13}, "replace"), ({"b": 1}, "merge")):
            with pytest.raises(errors.ValueTooLarge) as refused:
                site_sessions.update(kept.key, data, mode)  # type: ignore[arg-type]
            assert refused.value.limit == 20
        with pytest.raises(errors.ValueTooLarge):
            site_sessions.create({"a": "x" * 13})
    assert site_sessions.get(kept.key) == kept


def test_g20_a_key_may_be_given_where_no_session_lives_under_it() -> None:
    mine = str(uuid4())
    assert site_sessions.create({"n": 1}, session_key=f"{mine.upper()}_9").key == f"{mine}_0"
    with pytest.raises(errors.VersionConflict):
        site_sessions.create({"n": 2}, session_key=mine)
    assert site_sessions.load(mine)[mine].data == {"n": 1}
    site_sessions.update(mine, {"n": 3})
    age(mine, HOUR)
    renewed = site_sessions.create({"n": 4}, "WEB", "", mine)
    assert (renewed.key, renewed.platform) == (f"{mine}_0", "WEB")
    assert site_sessions.get(mine) == renewed
    assert rows() == 1


def test_g21_with_check_a_stale_suffix_is_a_conflict_and_nothing_is_written() -> None:
    first = site_sessions.create({"n": 0})
    second = site_sessions.update(first.key, {"n": 1}, check=True)
    for key in (first.key, f"{first.uuid}_2"):
        for mode in ("replace", "merge"):
            with pytest.raises(errors.VersionConflict) as refused:
                site_sessions.update(key, {"n": 9}, mode, check=True)
            assert second.key in refused.value.advice
            assert refused.value.current is None
    assert site_sessions.get(first.key) == second


def test_g21_a_key_without_suffix_has_nothing_to_check() -> None:
    uuid = site_sessions.create({}).uuid
    site_sessions.update(uuid, {})
    assert site_sessions.update(uuid, {}, check=True).update_count == 2


def test_g21_a_merge_keeps_what_it_does_not_name() -> None:
    key = site_sessions.create({"a": {"b": 1, "c": 2}, "d": [1]}).key
    assert site_sessions.update(key, {"a": {"b": None}, "e": None}, "merge").data == {"a": {"c": 2}, "d": [1]}


def test_g21_another_mode_is_refused() -> None:
    key = site_sessions.create({}).key
    with pytest.raises(errors.InvalidParams, match="upsert"):
        site_sessions.update(key, {}, mode="upsert")  # type: ignore[arg-type]


def test_g21_what_is_not_there_is_not_found() -> None:
    with pytest.raises(errors.NotFound):
        site_sessions.update(str(uuid4()), {})
    assert rows() == 0


# A key that nobody has.
KEY = "09154702-d710-4db1-80dc-a6845c3c3aa4"


@pytest.mark.parametrize("key", ["", "x", KEY[:-1], f"{KEY}_", f"{KEY}_x"])
def test_g22_g23_a_malformed_key_is_refused(key: str) -> None:
    good = site_sessions.create({}).key
    acts: list[Callable[[], object]] = [
        lambda: site_sessions.load(good, key),
        lambda: site_sessions.get(key),
        lambda: site_sessions.delete(good, key),
        lambda: site_sessions.update(key, {}),
        lambda: site_sessions.create({}, session_key=key),
    ]
    for act in acts:
        with pytest.raises(errors.InvalidKey):
            act()
    assert site_sessions.get(good) is not None
    assert rows() == 1


@pytest.mark.parametrize("period", [-1, -0.001, float("nan"), float("inf"), "60"])
def test_g24_a_period_that_is_none_is_refused(period: Any) -> None:
    with pytest.raises(errors.InvalidParams):
        site_sessions.stats(period)
    with pytest.raises(errors.InvalidParams):
        site_sessions.expire(period)


def test_g24_a_period_may_be_longer_than_there_are_dates() -> None:
    site_sessions.create({})
    assert site_sessions.stats(1e15) == SiteStats(1, 1, 1e15)


def test_g25_an_expiry_may_only_count_and_may_have_a_lifetime_of_its_own() -> None:
    for seconds in (0, 100, 1_000, HOUR):
        age(site_sessions.create({}).key, seconds)
    assert site_sessions.expire(dry_run=True) == 1
    assert site_sessions.expire(60, dry_run=True) == 3
    assert rows() == 4
    assert site_sessions.expire(60) == 3
    assert site_sessions.expire(0) == 1


@pytest.mark.parametrize("batch_size", [1, 3, 7, 10_000])
def test_g25_batches_of_any_size_remove_the_same(batch_size: int) -> None:
    for _ in range(7):
        age(site_sessions.create({}).key, HOUR)
    kept = site_sessions.create({})
    assert site_sessions.expire(batch_size=batch_size) == 7
    assert site_sessions.get(kept.key) == kept


@pytest.mark.parametrize("batch_size", [0, -1, 10_001])
def test_g25_a_batch_has_bounds(batch_size: int) -> None:
    with pytest.raises(errors.InvalidParams):
        site_sessions.expire(batch_size=batch_size)


def test_g26_t28_past_its_life_a_session_is_gone_before_it_is_removed() -> None:
    lives, gone = (site_sessions.create({}) for _ in range(2))
    age(gone.key, HOUR)
    assert site_sessions.load(lives.uuid, gone.uuid).keys() == {lives.uuid}
    for mode in ("replace", "merge"):
        with pytest.raises(errors.NotFound):
            site_sessions.update(gone.key, {}, mode)
    assert site_sessions.stats() == SiteStats(1, 2, HOUR)
    assert site_sessions.stats(10 * HOUR) == SiteStats(1, 2, 10 * HOUR)
    assert site_sessions.delete(gone.key) == [gone.uuid]
    assert rows() == 1


def test_g27_without_check_the_suffix_is_ignored() -> None:
    created = site_sessions.create({"n": 0})
    for number in (1, 2):
        assert site_sessions.update(created.key, {"n": number}).update_count == number
    assert site_sessions.update(f"{created.uuid}_99", {"n": 3}).update_count == 3
