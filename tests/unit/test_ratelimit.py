"""How fast one socket may write, and how much nonsense it may send."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessionstore_app import conf
from sessionstore_app.conf import Settings
from sessionstore_app.core.errors import LimitExceeded, RateLimited
from sessionstore_app.ratelimit import REFUSED_FRAMES, REFUSED_SECONDS, RefusedFrames, WriteBucket
from tests.unit.generated import MANY

RATE, BURST = 20.0, 100
START = 5_000.0


@pytest.fixture(autouse=True)
def _documented_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    limited(monkeypatch)


def limited(monkeypatch: pytest.MonkeyPatch, *, rate: float = RATE, burst: int = BURST) -> None:
    settings = Settings(writes_per_second=rate, writes_burst=burst)
    monkeypatch.setattr(conf, "current", lambda: settings)


def accepted(bucket: WriteBucket, writes: int, now: float) -> bool:
    try:
        bucket.take(writes, now)
    except RateLimited:
        return False
    return True


def wait_for(bucket: WriteBucket, writes: int, now: float) -> float | None:
    """How long a refusal says to wait; None where the writes pass."""
    try:
        bucket.take(writes, now)
    except RateLimited as refused:
        return refused.retry_after_seconds
    return None


def emptied() -> WriteBucket:
    bucket = WriteBucket()
    bucket.take(BURST, START)
    return bucket


# --- writes


def test_t16_a_burst_passes_and_not_one_write_more() -> None:
    bucket = WriteBucket()
    assert all(accepted(bucket, 1, START) for _ in range(BURST))
    assert not accepted(bucket, 1, START)


def test_a_write_of_several_keys_counts_as_several() -> None:
    bucket = WriteBucket()
    assert accepted(bucket, BURST - 1, START)
    assert not accepted(bucket, 2, START)
    assert accepted(bucket, 1, START)


def test_a_refused_write_costs_nothing() -> None:
    bucket = emptied()
    assert not accepted(bucket, 40, START + 1)
    assert accepted(bucket, 20, START + 1)


def test_the_bucket_fills_by_the_rate_and_no_further_than_the_burst() -> None:
    bucket = emptied()
    assert not accepted(bucket, 41, START + 2)
    assert accepted(bucket, 40, START + 2)
    assert accepted(bucket, BURST, START + 1_000)


def test_h14_a_refusal_says_the_rate_and_when_to_come_back() -> None:
    with pytest.raises(RateLimited) as refused:
        emptied().take(10, START)
    assert refused.value.limit == RATE
    assert refused.value.retry_after_seconds == pytest.approx(0.5, abs=0.01)


@MANY
@given(st.lists(st.tuples(st.floats(0, 3), st.integers(1, 30)), max_size=60))
def test_t16_in_no_stretch_of_time_more_passes_than_burst_and_rate_allow(requests: list[tuple[float, int]]) -> None:
    bucket, now = WriteBucket(), START
    passed: list[tuple[float, int]] = []
    for pause, writes in requests:
        now += pause
        if accepted(bucket, writes, now):
            passed.append((now, writes))
    for first in range(len(passed)):
        total = 0
        for at, writes in passed[first:]:
            total += writes
            assert total <= BURST + RATE * (at - passed[first][0]) + 1e-6


@MANY
@given(st.lists(st.integers(1, BURST), min_size=1, max_size=20))
def test_t16_who_waits_as_told_is_let_through(requests: list[int]) -> None:
    bucket, now = WriteBucket(), START
    for writes in requests:
        wait = wait_for(bucket, writes, now)
        if wait is not None:
            now += wait
            assert wait_for(bucket, writes, now) is None


def test_a_write_that_can_never_pass_is_not_told_to_come_back_at_once() -> None:
    with pytest.raises(LimitExceeded) as refused:
        WriteBucket().take(BURST + 1, START)
    assert (refused.value.limit, refused.value.actual) == (BURST, BURST + 1)
    assert refused.value.retry_after_seconds is None


def test_without_a_rate_nobody_says_when(monkeypatch: pytest.MonkeyPatch) -> None:
    limited(monkeypatch, rate=0)
    with pytest.raises(RateLimited) as refused:
        emptied().take(1, START + 1_000)
    assert refused.value.retry_after_seconds is None


def test_who_goes_on_for_a_whole_burst_of_refusals_takes_no_notice() -> None:
    bucket = emptied()
    assert [accepted(bucket, 1, START) for _ in range(BURST)] == [False] * BURST
    assert not bucket.is_ignored
    assert not accepted(bucket, 1, START)
    assert bucket.is_ignored


def test_an_accepted_write_shows_that_notice_was_taken() -> None:
    bucket = emptied()
    for _ in range(BURST):
        accepted(bucket, 1, START)
    assert accepted(bucket, 1, START + 1)
    assert not accepted(bucket, BURST, START + 1)
    assert not bucket.is_ignored


# --- frames that are no requests


def test_t16_more_than_20_refused_frames_in_10_seconds_are_too_many() -> None:
    refused = RefusedFrames()
    assert not any(refused.add(START) for _ in range(REFUSED_FRAMES))
    assert refused.add(START + REFUSED_SECONDS)


def test_20_refused_frames_in_10_seconds_again_and_again_are_bearable() -> None:
    refused = RefusedFrames()
    pace = REFUSED_SECONDS / (REFUSED_FRAMES - 1)
    assert not any(refused.add(START + number * pace) for number in range(200))


@MANY
@given(st.lists(st.floats(0, 3), max_size=80))
def test_t16_refused_frames_are_counted_as_a_naive_count_does(pauses: list[float]) -> None:
    refused, now, times = RefusedFrames(), START, []
    for pause in pauses:
        now += pause
        times.append(now)
        recent = [at for at in times if now - at <= REFUSED_SECONDS]
        assert refused.add(now) is (len(recent) > REFUSED_FRAMES)
