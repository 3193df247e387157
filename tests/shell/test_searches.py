"""Filters that take long: whoever asks by one keeps waiting nobody but those who ask by one too (T17)."""

from __future__ import annotations

from tests.support.guests import Guests
from tests.support.hearing import only
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
    crowd = [staff, *[await guests.open() for _ in range(20)]]
    # No others: one that another test has left may have as many properties as it may.
    await staff.call("session.set_properties_by_filter", filter=only(*crowd), properties={"big": LARGE})
    searches = [staff.start("session.list", filter=SLOW) for _ in range(SEARCHES)]
    later = [await guests.open(), await guests.open()]
    assert not all(search.done() for search in searches)
    await later[0].call("room.join", room="elsewhere")
    answers = [await within(search, "the answer to a search") for search in searches]
    assert {answer["error"]["data"]["reason"] for answer in answers if "error" in answer} <= TOO_LONG
    # Nothing stays in the way of a search that the database narrows down.
    narrowed = await staff.call("session.list", filter=f"$SessionId is '{staff.id}' and {SLOW}")
    assert (narrowed["total"], narrowed["sessions"][0]["session_id"]) == (1, staff.id)


async def test_t17_slow_filters_of_listeners_are_given_up_and_others_hear_on(guests: Guests) -> None:
    """Each keeps within its bound; what counts is how long all of a client keep the event loop busy."""
    staff, honest = await guests.staff(), await guests.staff()
    talker = await guests.open()
    listening = await honest.call("session.listen", filter=f"$SessionId is '{talker.id}'", properties=["n"])
    await honest.expect("session.listening", listener_id=listening["listener_id"])
    await honest.call("session.set_properties", session_id=talker.id, properties={"big": LARGE})
    for _ in range(16):
        await staff.call("session.listen", filter=f"{SLOW} and n is 'never'")
    number = 0
    while not any(name == "session.listener_closed" for name, _ in staff.notifications):
        number += 1
        assert number <= 200, "the filters go on and on"
        await honest.call("session.set_properties", session_id=talker.id, properties={"n": str(number)})
        await staff.call("session.ping")
    assert (await staff.expect("session.listener_closed"))["reason"] == "LIMIT_EXCEEDED"
    told = await honest.expect("session.event", lambda event: event["properties"].get("n") == str(number))
    assert told["session_id"] == talker.id
