"""What a site session is, by the rule alone: keys, life, data, and what an update makes of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessionstore_app.core import site
from sessionstore_app.core.errors import InvalidKey, InvalidValue, NotFound, ValueTooLarge, VersionConflict
from sessionstore_app.core.operations import Merge
from sessionstore_app.core.site import NewSession, Replace, SiteKey, SiteSessionInfo

UUID_TEXT = "09154702-d710-4db1-80dc-a6845c3c3aa4"
NOW = datetime(2018, 4, 17, 11, 48, 18, 987_654, tzinfo=UTC)
HOUR = 3_600


def info(text: str = '{"a":1}', *, age: float = 0, update_count: int = 0) -> SiteSessionInfo:
    at = NOW - timedelta(seconds=age)
    return SiteSessionInfo(
        uuid=UUID_TEXT,
        update_count=update_count,
        text=text,
        created=at,
        updated=at,
        platform="APISERVER",
        platform_version="1",
    )


def edited(
    present: SiteSessionInfo | None, edit: site.Edit, expected: int | None = None, *, max_bytes: int = 100
) -> SiteSessionInfo:
    return site.edited(present, edit, expected, NOW, lifetime_seconds=HOUR, max_bytes=max_bytes)


# --- keys


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        (UUID_TEXT, SiteKey(UUID_TEXT)),
        (f"{UUID_TEXT}_0", SiteKey(UUID_TEXT, 0)),
        (f"{UUID_TEXT}_120", SiteKey(UUID_TEXT, 120)),
        (f"{UUID_TEXT}_{2**63}", SiteKey(UUID_TEXT, 2**63)),
        (f"{UUID_TEXT.upper()}_7", SiteKey(UUID_TEXT, 7)),
        (UUID(UUID_TEXT), SiteKey(UUID_TEXT)),
    ],
)
def test_g3_a_key_is_read_with_or_without_its_suffix(key: str | UUID, meant: SiteKey) -> None:
    assert site.parse_key(key) == meant


MALFORMED: list[Any] = [
    "",
    "x",
    UUID_TEXT.replace("-", ""),
    f"{{{UUID_TEXT}}}",
    f"urn:uuid:{UUID_TEXT}",
    UUID_TEXT[:-1],
    f"{UUID_TEXT}_",
    f"{UUID_TEXT}_-1",
    f"{UUID_TEXT}_+1",
    f"{UUID_TEXT}_01",
    f"{UUID_TEXT}_1.0",
    f"{UUID_TEXT}_1_2",
    f"{UUID_TEXT}_\u0663",
    f"{UUID_TEXT}_{'9' * 20}",
    f"{UUID_TEXT}\n",
    f" {UUID_TEXT}",
    UUID_TEXT.replace("0", "\uff10"),
    UUID_TEXT.replace("1", "g"),
    None,
    7,
    b"09154702-d710-4db1-80dc-a6845c3c3aa4",
]


@pytest.mark.parametrize("key", MALFORMED)
def test_g22_a_malformed_key_is_refused_with_an_example(key: Any) -> None:
    with pytest.raises(InvalidKey) as refused:
        site.parse_key(key)
    assert site.parse_key(refused.value.advice.split()[-1].rstrip(".")).update_count == 0


@given(st.uuids(), st.integers(0, 10**18))
def test_g3_what_is_formatted_is_read_back(uuid: UUID, count: int) -> None:
    assert site.parse_key(site.format_key(str(uuid), count)) == SiteKey(str(uuid), count)


# --- life


@pytest.mark.parametrize(
    ("age", "expired"), [(0, False), (HOUR - 0.000_001, False), (HOUR, True), (HOUR + 0.000_001, True), (-HOUR, False)]
)
def test_i14_a_life_ends_with_the_lifetime_and_not_before(age: float, expired: bool) -> None:
    assert site.is_expired(NOW - timedelta(seconds=age), NOW, HOUR) is expired


@given(st.timedeltas(timedelta(0), timedelta(days=1_000)), st.floats(0, 1e8))
def test_i14_a_row_is_past_its_life_exactly_where_it_is_not_after_the_cutoff(age: timedelta, lifetime: float) -> None:
    updated = NOW - age
    assert site.is_expired(updated, NOW, lifetime) == (updated <= site.cutoff(NOW, lifetime))


@pytest.mark.parametrize("seconds", [1e10, 1e300, 2**53 / 1_000])
def test_a_period_longer_than_there_are_dates_reaches_back_to_the_beginning(seconds: float) -> None:
    assert site.cutoff(NOW, seconds) == site.BEGINNING


def test_g4_times_are_told_in_utc_in_whole_seconds() -> None:
    assert site.iso_second(NOW) == "2018-04-17T11:48:18Z"
    assert site.iso_second(NOW.astimezone(timezone(timedelta(hours=10)))) == "2018-04-17T11:48:18Z"


# --- data


@pytest.mark.parametrize("data", [None, 1, "text", [], [("a", 1)], True])
def test_g20_data_that_is_no_object_is_refused(data: Any) -> None:
    with pytest.raises(InvalidValue, match="object"):
        site.check_object(data, 32)


@pytest.mark.parametrize("data", [{"a": float("nan")}, {"a": 2**53}, {"a": "\0"}, {1: 2}, {"a": {"b": {}}}])
def test_p36_data_that_is_not_strict_json_is_refused(data: Any) -> None:
    with pytest.raises(InvalidValue):
        site.check_object(data, 2)


def test_an_object_may_be_empty() -> None:
    site.check_object({}, 1)
    assert site.data_text({}, 2) == "{}"


def test_g20_data_counts_as_compact_utf8_json() -> None:
    assert site.data_text({"é": 1}, 8) == '{"é":1}'
    with pytest.raises(ValueTooLarge) as refused:
        site.data_text({"é": 1}, 7)
    assert (refused.value.limit, refused.value.actual) == (7, 8)


# --- what happens to a session


NEW = NewSession(uuid=UUID_TEXT, text='{"b":2}', platform="WEB", platform_version="2")


@pytest.mark.parametrize("present", [None, info(age=HOUR, update_count=9)])
def test_g20_a_session_begins_at_count_0_also_where_one_is_past_its_life(present: SiteSessionInfo | None) -> None:
    begun = site.begun(present, NEW, NOW, lifetime_seconds=HOUR)
    assert begun == SiteSessionInfo(
        uuid=UUID_TEXT,
        update_count=0,
        text='{"b":2}',
        created=NOW,
        updated=NOW,
        platform="WEB",
        platform_version="2",
    )
    assert begun.key == f"{UUID_TEXT}_0"


def test_g20_a_key_under_which_a_session_lives_is_refused() -> None:
    with pytest.raises(VersionConflict):
        site.begun(info(age=HOUR - 1), NEW, NOW, lifetime_seconds=HOUR)


def test_g21_an_update_replaces_counts_and_renews() -> None:
    present = info(age=60, update_count=4)
    assert edited(present, Replace('{"b":2}')) == replace(present, text='{"b":2}', update_count=5, updated=NOW)


def test_g21_a_merge_is_a_json_merge_patch() -> None:
    present = info('{"a":{"b":1,"c":2},"d":[1]}')
    assert edited(present, Merge({"a": {"b": None, "e": 3}, "d": [2]})).data == {"a": {"c": 2, "e": 3}, "d": [2]}


def test_g21_a_merge_that_makes_the_data_too_large_is_refused() -> None:
    assert edited(info('{"a":1}'), Merge({"b": 2}), max_bytes=13).text == '{"a":1,"b":2}'
    with pytest.raises(ValueTooLarge):
        edited(info('{"a":1}'), Merge({"b": 22}), max_bytes=13)


@pytest.mark.parametrize("present", [None, info(age=HOUR)])
def test_g26_what_is_not_there_or_past_its_life_is_not_found(present: SiteSessionInfo | None) -> None:
    with pytest.raises(NotFound):
        edited(present, Replace("{}"))


@pytest.mark.parametrize("expected", [3, 5])
def test_g21_another_count_than_expected_is_a_conflict_that_names_the_present_key(expected: int) -> None:
    with pytest.raises(VersionConflict) as refused:
        edited(info(update_count=4), Replace("{}"), expected)
    assert f"{UUID_TEXT}_4" in refused.value.advice


def test_g21_the_count_that_is_expected_passes() -> None:
    assert edited(info(update_count=4), Replace("{}"), 4).update_count == 5


def test_data_is_a_new_object_each_time_and_no_log_shows_it() -> None:
    session = info('{"secret":[1]}')
    data = session.data
    data["secret"] = None
    assert session.data == {"secret": [1]}
    assert "secret" not in repr(session)
    assert "secret" not in repr(replace(NEW, text='{"secret":1}'))
