"""How fast one socket may write, a room be written to and a user join; and how much nonsense a socket may send."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessionstore_app import conf, ratelimit
from sessionstore_app.conf import Settings
from sessionstore_app.core.errors import LimitExceeded, RateLimited
from sessionstore_app.ratelimit import (
    PRINCIPAL,
    REFUSED_FRAMES,
    REFUSED_SECONDS,
    Buckets,
    RefusedFrames,
    TokenBucket,
    WriteBucket,
    room_buckets,
    take_join,
    take_writes,
)
from tests.unit.generated import MANY

RATE, BURST = 20.0, 100
# What a room and a user may, where a test says nothing else.
ROOM_RATE, ROOM_BURST = 40.0, 150
JOINS_RATE, JOINS_BURST = 60.0, 5
START = 5_000.0


@pytest.fixture(autouse=True)
def _known_limits(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    limited(monkeypatch)
    yield
    ratelimit.room_buckets.clear()
    ratelimit.join_buckets.clear()


def limited(monkeypatch: pytest.MonkeyPatch, *, rate: float = RATE, burst: int = BURST) -> None:
    settings = Settings(
        writes_per_second=rate,
        writes_burst=burst,
        room_writes_per_second=ROOM_RATE,
        room_writes_burst=ROOM_BURST,
        joins_per_minute=JOINS_RATE,
        joins_burst=JOINS_BURST,
    )
    monkeypatch.setattr(conf, "current", lambda: settings)


def accepted(bucket: WriteBucket, writes: int, now: float, *, room: str | None = None) -> bool:
    try:
        take_writes(bucket, writes, now, room=room)
    except RateLimited:
        return False
    return True


def wait_for(bucket: WriteBucket, writes: int, now: float, *, room: str | None = None) -> float | None:
    """How long a refusal says to wait; None where the writes pass."""
    try:
        take_writes(bucket, writes, now, room=room)
    except RateLimited as refused:
        return refused.retry_after_seconds
    return None


def emptied() -> WriteBucket:
    bucket = WriteBucket()
    take_writes(bucket, BURST, START)
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
        take_writes(emptied(), 10, START)
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
    bucket = WriteBucket()
    with pytest.raises(LimitExceeded) as refused:
        take_writes(bucket, BURST + 1, START)
    # Nor does it count for who goes on regardless.
    assert bucket.refused == 0
    assert (refused.value.limit, refused.value.actual) == (BURST, BURST + 1)
    assert refused.value.retry_after_seconds is None


def test_without_a_rate_nobody_says_when(monkeypatch: pytest.MonkeyPatch) -> None:
    limited(monkeypatch, rate=0)
    with pytest.raises(RateLimited) as refused:
        take_writes(emptied(), 1, START + 1_000)
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


@pytest.mark.parametrize(("burst", "warned_at"), [(BURST, 51), (10, 6), (1, 1)])
def test_t16_half_way_to_the_cut_a_warning_is_due_once(
    monkeypatch: pytest.MonkeyPatch, burst: int, warned_at: int
) -> None:
    limited(monkeypatch, burst=burst)
    bucket, due = WriteBucket(), []
    take_writes(bucket, burst, START)
    while not bucket.is_ignored:
        assert not accepted(bucket, 1, START)
        due += [bucket.refused] * bucket.is_warning_due
    assert (due, bucket.refused) == ([warned_at], burst + 1)


# --- any bucket


RATES = st.floats(0.01, 1_000)
BURSTS = st.integers(1, 1_000)
ASKED = st.lists(st.tuples(st.floats(0, 20), st.integers(1, 200)), max_size=40)


@MANY
@given(RATES, BURSTS, ASKED)
def test_t16_any_bucket_gives_what_a_tally_in_plain_fractions_gives(
    per_second: float, burst: int, asked: list[tuple[float, int]]
) -> None:
    """The same sums done another way: from what was spent so far, not from what is left."""
    rate, bucket, now = (per_second, burst), TokenBucket(), START
    spent: list[tuple[float, int]] = []
    for pause, tokens in asked:
        now += pause
        # Every stretch of time up to now must hold it.
        room = min([burst, *(burst + per_second * (now - at) - _since(spent, at) for at, _ in spent)])
        wait = bucket.wait_for(tokens, now, *rate)
        if abs(tokens - room) > 1e-4:
            assert (wait == 0) is (tokens <= room)
        if wait == 0:
            bucket.spend(tokens)
            spent.append((now, tokens))
        else:
            assert (wait is None) is (tokens > burst)


def _since(spent: list[tuple[float, int]], at: float) -> int:
    return sum(tokens for then, tokens in spent if then >= at)


@MANY
@given(RATES, BURSTS, ASKED)
def test_t16_any_bucket_lets_in_who_waits_as_told_and_hardly_sooner(
    per_second: float, burst: int, asked: list[tuple[float, int]]
) -> None:
    rate, bucket, now = (per_second, burst), TokenBucket(), START
    for pause, tokens in asked:
        now += pause
        wait = bucket.wait_for(tokens, now, *rate)
        if wait:
            # What is told is rounded up to a millisecond, which may be much of a fast rate.
            assert bucket.wait_for(tokens, now + wait * 0.99 - 0.002, *rate) != 0 or wait < 0.003
            now += wait
            assert bucket.wait_for(tokens, now, *rate) == 0
        if wait is not None:
            bucket.spend(tokens)


def test_a_clock_that_seems_to_go_back_gives_and_takes_nothing() -> None:
    """Threads look at the clock before they take their turns."""
    rate, bucket = (1, 10), TokenBucket()
    assert bucket.wait_for(10, START, *rate) == 0
    bucket.spend(10)
    assert bucket.wait_for(1, START - 5, *rate) == 1
    assert bucket.wait_for(1, START + 1, *rate) == 0


def test_t16_as_many_buckets_as_are_kept_and_those_asked_for_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ratelimit, "BUCKETS_KEPT", 2)
    buckets = Buckets(TokenBucket)
    first = buckets.of("a")
    for name in ("b", "a", "c"):
        buckets.of(name)
    assert list(buckets) == ["a", "c"]
    assert buckets.of("a") is first


# --- writes to a room


def test_t16_all_who_write_to_a_room_share_its_bucket() -> None:
    one, two = WriteBucket(), WriteBucket()
    assert accepted(one, 100, START, room="r")
    assert not accepted(two, 51, START, room="r")
    assert accepted(two, 50, START, room="r")
    # Other rooms, and what is no write to a room, have nothing to do with it.
    assert accepted(two, 25, START, room="other")
    assert accepted(two, 25, START)


def test_t16_a_refusal_says_that_it_is_the_rooms() -> None:
    take_writes(WriteBucket(), BURST, START, room="r")
    for words in ({}, {"words": PRINCIPAL}):
        with pytest.raises(RateLimited, match="room") as refused:
            take_writes(WriteBucket(), 90, START, room="r", **words)
        assert (refused.value.limit, refused.value.retry_after_seconds) == (ROOM_RATE, 1)
        assert "room" in refused.value.advice


def test_t16_what_the_room_refuses_costs_its_writer_nothing_and_closes_no_socket() -> None:
    writer = WriteBucket()
    take_writes(WriteBucket(), BURST, START, room="r")
    for _ in range(BURST * 2):
        assert not accepted(writer, 60, START, room="r")
    assert writer.refused == 0
    assert accepted(writer, BURST, START)


def test_t16_what_the_writer_may_not_costs_its_room_nothing() -> None:
    take_writes(WriteBucket(), ROOM_BURST - BURST, START, room="r")
    assert not any(accepted(emptied(), 90, START, room="r") for _ in range(10))
    assert wait_for(WriteBucket(), BURST, START, room="r") is None


def test_t16_a_room_that_is_full_does_not_make_up_for_refusals_before() -> None:
    writer = emptied()
    for _ in range(3):
        accepted(writer, 1, START)
    take_writes(WriteBucket(), BURST, START + 10, room="r")
    assert not accepted(writer, 60, START + 10, room="r")
    assert writer.refused == 3


def test_a_write_that_no_room_can_take_is_not_told_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    limited(monkeypatch, burst=1_000)
    with pytest.raises(LimitExceeded) as refused:
        take_writes(WriteBucket(), ROOM_BURST + 1, START, room="r")
    assert (refused.value.limit, refused.value.actual) == (ROOM_BURST, ROOM_BURST + 1)


WRITERS = st.lists(
    st.tuples(st.floats(0, 2), st.integers(0, 2), st.sampled_from(["r", "s", None]), st.integers(1, BURST)), max_size=60
)


@MANY
@given(WRITERS)
def test_t16_both_buckets_or_none_whoever_writes_where(asked: list[tuple[float, int, str | None, int]]) -> None:
    """Each write passes just where both would take it, asked one by one, and then counts in both."""
    room_buckets.clear()
    callers = [WriteBucket() for _ in range(4)]
    mine = [TokenBucket() for _ in callers]
    theirs = {"r": TokenBucket(), "s": TokenBucket()}
    now = START
    for pause, who, room, writes in asked:
        now += pause
        wants = [(mine[who], (RATE, BURST))] + ([(theirs[room], (ROOM_RATE, ROOM_BURST))] if room else [])
        passes = all(bucket.wait_for(writes, now, *rate) == 0 for bucket, rate in wants)
        assert accepted(callers[who], writes, now, room=room) is passes
        for bucket, _ in wants if passes else []:
            bucket.spend(writes)


@MANY
@given(WRITERS)
def test_t16_who_waits_as_the_room_says_is_let_in(asked: list[tuple[float, int, str | None, int]]) -> None:
    """By the room; it may have its own to wait for then."""
    room_buckets.clear()
    callers, now = [WriteBucket() for _ in range(4)], START
    for pause, who, room, writes in asked:
        now += pause
        for _ in range(3):
            wait = wait_for(callers[who], writes, now, room=room)
            if wait is None:
                break
            now += wait
        assert wait is None


# --- joins


def joined(principal: str, session_id: str, now: float) -> bool:
    try:
        take_join(principal, session_id, now)
    except RateLimited:
        return False
    return True


def test_t5_a_user_joins_so_often_with_all_its_sessions_together() -> None:
    assert all(joined("ann", f"s{number}", START) for number in range(JOINS_BURST))
    assert not joined("ann", "another", START)
    assert joined("bob", "s0", START)


def test_t5_anonymous_sessions_each_have_their_own() -> None:
    assert all(joined("", "s1", START) for _ in range(JOINS_BURST))
    assert not joined("", "s1", START)
    assert joined("", "s2", START)
    # Nor is one taken for a user of that name.
    assert joined("s1", "", START)


def test_t5_a_refusal_says_how_many_a_minute_and_when_to_come_back() -> None:
    for _ in range(JOINS_BURST):
        take_join("ann", "s", START)
    with pytest.raises(RateLimited, match="joins") as refused:
        take_join("ann", "s", START)
    assert (refused.value.limit, refused.value.retry_after_seconds) == (JOINS_RATE, 1)
    assert not joined("ann", "s", START + 0.9)
    assert joined("ann", "s", START + 1)


def test_refusals_are_counted_by_kind() -> None:
    before = dict(ratelimit.refusals)
    accepted(emptied(), 1, START)
    take_writes(WriteBucket(), BURST, START, room="r")
    accepted(WriteBucket(), 60, START, room="r")
    for _ in range(JOINS_BURST + 3):
        joined("ann", "s", START)
    told = {kind: ratelimit.refusals[kind] - before.get(kind, 0) for kind in ratelimit.KINDS}
    assert told == {"writes": 1, "room_writes": 1, "joins": 3, "sockets": 0}


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
