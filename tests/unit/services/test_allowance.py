"""Filters that take long use an allowance up; filters as people write them do not."""

from __future__ import annotations

import pytest

from sessionstore_app.core.errors import LimitExceeded
from sessionstore_app.services.allowance import BURST_SECONDS, FREE_SECONDS, SECONDS_A_SECOND, FilterAllowance


def test_t17_quick_evaluations_are_free_however_many() -> None:
    allowance = FilterAllowance()
    for _ in range(100_000):
        allowance.spend(FREE_SECONDS, now=5.0)
    allowance.spend(BURST_SECONDS, now=5.0)


def test_t17_slow_ones_are_refused_when_the_burst_is_used_up() -> None:
    allowance = FilterAllowance()
    allowance.spend(BURST_SECONDS, now=5.0)
    with pytest.raises(LimitExceeded, match="too long") as refused:
        allowance.spend(0.001, now=5.0)
    assert refused.value.limit == SECONDS_A_SECOND


def test_t17_what_was_used_comes_back_with_time_and_never_more_than_the_burst() -> None:
    allowance = FilterAllowance()
    allowance.spend(BURST_SECONDS, now=5.0)
    allowance.spend(SECONDS_A_SECOND, now=6.0)
    allowance.spend(BURST_SECONDS, now=100_000.0)
    with pytest.raises(LimitExceeded):
        allowance.spend(0.001, now=100_000.0)
