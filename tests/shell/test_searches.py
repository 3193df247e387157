"""Filters that take long: whoever asks by one keeps waiting nobody but those who ask by one too (T17)."""

from __future__ import annotations

from tests.support.guests import Guests
from tests.support.wire import within

# About as slow as a filter can be: some 10 ms for each session with such a value.
SLOW = 'big matches ".*(?:[a-m]*?){700}.*"'
LARGE = "a" * 1_024
# So many of these that all together take longer than anybody waits.
SEARCHES = 24
# What those may be told who ask for too much, or at the same time as others who do.
TOO_LONG = {"UNAVAILABLE", "LIMIT_EXCEEDED"}


async def test_t17_slow_filters_keep_no_session_from_opening(guests: Guests) -> None:
    staff = await guests.staff()
    for _ in range(20):
        await guests.open()
    await staff.call("session.set_properties_by_filter", filter="all", properties={"big": LARGE})
    searches = [staff.start("session.list", filter=SLOW) for _ in range(SEARCHES)]
    later = [await guests.open(), await guests.open()]
    assert not all(search.done() for search in searches)
    await later[0].call("room.join", room="elsewhere")
    answers = [await within(search, "the answer to a search") for search in searches]
    assert {answer["error"]["data"]["reason"] for answer in answers if "error" in answer} <= TOO_LONG
