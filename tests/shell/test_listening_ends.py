"""How listeners end, how many there may be, and that they end with their socket (parity D50, D60)."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.support.guests import Guests
from tests.support.hearing import Hearing, only
from tests.support.wire import Wire


async def _set(staff: Wire, wire: Wire, **properties: str | None) -> None:
    await staff.call("session.set_properties", session_id=wire.id, properties=properties)


def _resume(wire: Wire) -> dict[str, Any]:
    return {"session_id": wire.id, "resume_token": wire.session["resume_token"]}


async def test_d60_a_listener_that_was_ended_is_told_nothing_more(any_guests: Guests, room: str) -> None:
    staff, wire = await any_guests.staff(), await any_guests.join(room)
    hearing, other = [await Hearing.begin(staff, room=room, properties=["*U"]) for _ in range(2)]
    await hearing.expect(wire.id)
    await other.expect(wire.id)
    assert await staff.call("session.unlisten", listener_id=hearing.id) == {}
    await _set(staff, wire, muted="yes")
    assert (await other.expect(wire.id))["properties"] == {"muted": "yes"}
    await staff.assert_silent("session.event", "session.listener_closed")
    for unknown in (hearing.id, "never", ""):
        await staff.refused("session.unlisten", "NOT_FOUND", listener_id=unknown)


async def test_d60_one_cannot_end_the_listener_of_another(guests: Guests, room: str) -> None:
    staff, thief, wire = await guests.staff(), await guests.staff(principal="thief"), await guests.join(room)
    hearing = await Hearing.begin(staff, filter=only(wire))
    await thief.refused("session.unlisten", "NOT_FOUND", listener_id=hearing.id)
    await wire.call("session.close")
    await hearing.until(wire.id, "CLOSED")


async def test_d60_who_unlistens_before_it_was_told_anything_may(guests: Guests, room: str) -> None:
    staff = await guests.staff()
    await guests.crowd(room, 3)
    asked = [staff.start("session.listen", room=room) for _ in range(5)]
    for reply in asked:
        await staff.call("session.unlisten", listener_id=(await reply)["result"]["listener_id"])
    await staff.forget()
    late = await guests.join(room)
    await late.call("session.close")
    await staff.assert_silent("session.event", "session.listening")


async def test_d60_listeners_end_with_their_socket_and_are_registered_anew_after_a_resume(
    guests: Guests, room: str
) -> None:
    """D3. What the new one is told first is how things are now."""
    staff, wire = await guests.staff(), await guests.join(room)
    old = await Hearing.begin(staff, filter=only(wire), properties=["muted"])
    await staff.drop()
    await _set(await guests.staff(), wire, muted="yes")
    back = await guests.staff(resume=_resume(staff))
    assert back.session["resumed"] is True
    await back.refused("session.unlisten", "NOT_FOUND", listener_id=old.id)
    again = await Hearing.begin(back, filter=only(wire), properties=["muted"])
    assert (await again.expect(wire.id))["properties"] == {"muted": "yes"}
    assert {event["listener_id"] for name, event in back.notifications if name == "session.event"} <= {again.id}


async def test_a_session_may_have_16_listeners(any_guests: Guests, room: str) -> None:
    """At the limit and one beyond; one that was ended makes place for another."""
    staff, wire = await any_guests.staff(), await any_guests.join(room)
    assert staff.session["limits"]["listeners_per_session"] == 16
    hearings = await asyncio.gather(*(Hearing.begin(staff, filter=only(wire)) for _ in range(16)))
    error = await staff.refused("session.listen", "LIMIT_EXCEEDED", filter=only(wire))
    assert (error["data"]["limit"], error["data"]["actual"]) == (16, 17)
    await staff.call("session.unlisten", listener_id=hearings[7].id)
    again = await Hearing.begin(staff, filter=only(wire))
    await staff.refused("session.listen", "LIMIT_EXCEEDED", filter=only(wire))
    await wire.call("session.close")
    for hearing in (*hearings[:7], *hearings[8:], again):
        assert [state for state, _ in hearing.brief(wire.id)][:1] == ["ACTIVE"]
        await hearing.until(wire.id, "CLOSED")
    assert hearings[7].brief(wire.id)[1:] == []
    other = await any_guests.staff(principal="other")
    await Hearing.begin(other, filter=only(wire))


async def test_one_hears_of_oneself(guests: Guests) -> None:
    staff = await guests.staff()
    hearing = await Hearing.begin(staff, filter=only(staff), properties=["*U"])
    await hearing.expect(staff.id)
    await _set(staff, staff, muted="yes")
    assert (await hearing.expect(staff.id))["changed_properties"] == {"muted": None}
