"""Locks over the wire: who gets them, how they are lost, who may, and writes that need one (parity §2.8, P48)."""

from __future__ import annotations

from typing import Any

import pytest

from project.policy import MeetingPolicy
from sessionstore_app.services.policy import Identity
from tests.support.guests import Guests
from tests.support.locking import granted, length_of_line, line_of, lock, release, resume, wait_in_line
from tests.support.server import running
from tests.support.wire import Wire, refusal_of, result_of, within


@pytest.fixture
def name(room: str) -> str:
    """A lock that no other test uses."""
    return f"lock of {room}"


# --- being granted


async def test_d70_a_free_lock_is_granted_at_once(any_guests: Guests, name: str) -> None:
    first, second = await any_guests.staff(), await any_guests.staff()
    assert await lock(first, name) > 0
    assert await lock(second, f"{name} of another name") > 0
    assert await release(first, name) is True
    assert await lock(second, name, timeout_seconds=0) > 0


async def test_d70_who_waits_is_granted_it_when_it_is_free_and_may_do_all_else_meanwhile(
    any_guests: Guests, room: str, name: str
) -> None:
    first, second = await any_guests.staff(), await any_guests.staff()
    sequence = await lock(first, name)
    asked = await wait_in_line(any_guests, second, name)
    await second.call("room.join", room=room, observe=["*"])
    await second.call("room.set", room=room, key="k", value=1)
    await lock(second, f"{name} of another name")
    assert not asked.done()
    assert await release(first, name) is True
    assert await granted(asked, name) > sequence


async def test_d70_waiting_may_be_limited(any_guests: Guests, name: str) -> None:
    """Whoever gave up is passed over: a later release wakes nobody."""
    first, second = await any_guests.staff(), await any_guests.staff()
    await lock(first, name)
    for seconds in (0, 0.05):
        await second.refused("lock.acquire", "LOCK_TIMEOUT", name=name, timeout_seconds=seconds)
        assert length_of_line(any_guests.server, name) == 0
    assert await release(first, name) is True
    assert await first.call("lock.get", name=name) is None


async def test_d70_two_waits_of_one_session_have_their_own_limits(any_guests: Guests, name: str) -> None:
    first, second = await any_guests.staff(), await any_guests.staff()
    await lock(first, name)
    patient = second.start("lock.acquire", name=name, timeout_seconds=600)
    hasty = [second.start("lock.acquire", name=name, timeout_seconds=seconds) for seconds in (0.1, 0, 0.1)]
    for asked in hasty:
        refusal_of(await within(asked, "a refusal"), "LOCK_TIMEOUT")
    assert length_of_line(any_guests.server, name) == 1
    await release(first, name)
    await granted(patient, name)


@pytest.mark.parametrize("how", ["closes", "is terminated", "drops"])
async def test_d70_who_waits_and_goes_is_passed_over(any_guests: Guests, name: str, how: str) -> None:
    first, second, third = [await any_guests.staff() for _ in range(3)]
    await lock(first, name)
    await wait_in_line(any_guests, second, name)
    asked = await wait_in_line(any_guests, third, name, 2)
    match how:
        case "closes":
            await second.call("session.close")
        case "is terminated":
            await first.call("session.terminate", session_id=second.id)
        case _:
            await second.drop()
    await line_of(any_guests.server, name, 1)
    await release(first, name)
    await granted(asked, name)


async def test_d75_who_came_first_is_served_first(guests: Guests, name: str) -> None:
    """D73: and the sequence grows with each."""
    holder = await guests.staff()
    sequences = [await lock(holder, name)]
    line = [await guests.staff() for _ in range(5)]
    asked = [await wait_in_line(guests, wire, name, place) for place, wire in enumerate(line, start=1)]
    for place, wire in enumerate(line):
        assert await release(holder, name) is True
        sequences.append(await granted(asked[place], name))
        assert not any(later.done() for later in asked[place + 1 :])
        holder = wire
    assert sequences == sorted(set(sequences))


async def test_d71_all_requests_of_a_session_get_the_same_and_one_release_frees(any_guests: Guests, name: str) -> None:
    first, second = await any_guests.staff(), await any_guests.staff()
    sequence = await lock(first, name)
    assert await lock(first, name) == sequence
    asked = [second.start("lock.acquire", name=name) for _ in range(3)]
    await line_of(any_guests.server, name, 1)
    assert await release(first, name) is True
    same = {await granted(each, name) for each in asked} | {await lock(second, name)}
    assert len(same) == 1
    assert same.pop() > sequence
    assert await release(second, name) is True
    assert await release(second, name) is False
    await lock(first, name, timeout_seconds=0)


async def test_d74_a_release_tells_whether_the_session_held_it(any_guests: Guests, name: str) -> None:
    first, second = await any_guests.staff(), await any_guests.staff()
    assert await release(first, name) is False
    await lock(first, name)
    asked = await wait_in_line(any_guests, second, name)
    # Who waits has nothing to give, and goes on waiting.
    assert await release(second, name) is False
    assert await release(first, name) is True
    await granted(asked, name)
    assert await release(first, name) is False


async def test_d74_requests_of_one_socket_take_effect_in_their_order(guests: Guests, name: str) -> None:
    wire = await guests.staff()
    asked = [wire.start(f"lock.{verb}", name=name) for verb in ("acquire", "release") * 3]
    replies = [result_of(await within(each, "a reply")) for each in asked]
    assert [reply["released"] for reply in replies[1::2]] == [True] * 3
    sequences = [reply["sequence"] for reply in replies[::2]]
    assert sequences == sorted(set(sequences))


# --- being lost


async def test_d72_a_lock_of_the_session_outlives_its_socket_and_ends_with_it(any_guests: Guests, name: str) -> None:
    first, second = await any_guests.staff(), await any_guests.staff()
    sequence = await lock(first, name, scope="session")
    asked = await wait_in_line(any_guests, second, name)
    await first.drop()
    back = await resume(any_guests, first)
    held = await second.call("lock.get", name=name)
    assert (held["session_id"], held["sequence"], held["scope"]) == (first.id, sequence, "session")
    assert await lock(back, name) == sequence
    assert not asked.done()
    await back.call("session.close")
    assert await granted(asked, name) > sequence


async def test_d72_a_lock_of_the_session_is_lost_when_nobody_comes_back(hasty: Guests, name: str) -> None:
    first, second = await hasty.staff(), await hasty.staff()
    await lock(first, name)
    asked = await wait_in_line(hasty, second, name)
    await first.drop()
    await granted(asked, name)


SCOPES = [("connection",), ("session", "connection"), ("connection", "session"), ("session", "connection", "session")]


@pytest.mark.parametrize("scopes", SCOPES, ids=" ".join)
async def test_d72_of_mixed_scopes_the_weaker_counts(any_guests: Guests, name: str, scopes: tuple[str, ...]) -> None:
    first, second, third = [await any_guests.staff() for _ in range(3)]
    for scope in scopes:
        await lock(first, name, scope=scope)
        await lock(first, f"{name} of the session")
    waits = [second.start("lock.acquire", name=name, scope=scope) for scope in scopes]
    await line_of(any_guests.server, name, 1)
    asked = await wait_in_line(any_guests, third, name, 2)
    await first.drop()
    for each in waits:
        await granted(each, name)
    await second.drop()
    await granted(asked, name)
    held = await third.call("lock.list")
    assert [each["name"] for each in held["locks"] if each["name"].startswith(name)] == [name, f"{name} of the session"]


async def test_d72_another_socket_is_another_connection(any_guests: Guests, name: str) -> None:
    """Who resumes while its old socket still lives has lost what was that socket's; what waited there waits no more."""
    first, second = await any_guests.staff(), await any_guests.staff()
    await lock(first, name, scope="connection")
    kept = await lock(first, f"{name} of the session")
    await lock(second, f"{name} of others")
    await wait_in_line(any_guests, first, f"{name} of others")
    asked = await wait_in_line(any_guests, second, name)
    back = await resume(any_guests, first)
    await granted(asked, name)
    await line_of(any_guests.server, f"{name} of others", 0)
    await release(second, f"{name} of others")
    assert await second.call("lock.get", name=f"{name} of others") is None
    assert await lock(back, f"{name} of the session") == kept


async def test_d77_a_forced_release_tells_the_holder_and_grants_the_next(any_guests: Guests, name: str) -> None:
    first, second, third = [await any_guests.staff() for _ in range(3)]
    assert await release(third, name, force=True) is False
    sequence = await lock(first, name)
    asked = await wait_in_line(any_guests, second, name)
    assert await release(third, name, force=True) is True
    assert await first.expect("lock.lost") == {"name": name, "sequence": sequence}
    assert await granted(asked, name) > sequence
    assert await release(first, name) is False
    for wire in (first, second, third):
        await wire.assert_silent("lock.lost")


# --- who may


async def test_d76_acquiring_needs_its_permission_and_looking_another(any_guests: Guests, name: str) -> None:
    holder = await any_guests.staff(permissions=["acquire_lock"])
    viewer = await any_guests.staff(permissions=["view_session"])
    await lock(holder, name)
    for wire in (viewer, await any_guests.open()):
        await wire.refused("lock.acquire", "ACCESS_DENIED", name=name)
        await wire.refused("lock.release", "ACCESS_DENIED", name=name)
    for wire in (holder, viewer):
        await wire.refused("lock.release", "ACCESS_DENIED", name=name, force=True)
    await holder.refused("lock.get", "ACCESS_DENIED", name=name)
    await holder.refused("lock.list", "ACCESS_DENIED")
    assert (await viewer.call("lock.get", name=name))["session_id"] == holder.id


class PrefixPolicy(MeetingPolicy):
    """Everybody has the locks below its own name."""

    def may_lock(self, identity: Identity, name: str) -> bool:
        """By prefix."""
        return name.startswith(f"{identity.principal}/")


async def test_d76_the_policy_decides_by_the_locks_name() -> None:
    with running(settings={"POLICY": f"{__name__}.PrefixPolicy"}) as server:
        guests = Guests(server)
        wire = await guests.staff(principal="ann")
        await lock(wire, "ann/desk")
        for name in ("bo/desk", "ann", "/ann/desk"):
            await wire.refused("lock.acquire", "ACCESS_DENIED", name=name)
        assert [each["name"] for each in (await wire.call("lock.list"))["locks"]] == ["ann/desk"]
        await guests.leave()


async def test_d77_a_lock_is_shown_with_its_holder_and_who_waits(any_guests: Guests, name: str) -> None:
    first, second, third = [await any_guests.staff(principal=each) for each in ("ann", "bo", "cy")]
    for method in ("lock.get", "lock.release", "lock.acquire"):
        await first.refused(method, "INVALID_KEY", name="a*b")
    assert await third.call("lock.get", name=name) is None
    sequence = await lock(first, name, scope="connection")
    other = await lock(second, f"{name} too")
    await wait_in_line(any_guests, second, name)
    common = {"server_name": first.session["server_name"]}
    shown = {"name": name, "session_id": first.id, "principal": "ann", "sequence": sequence, "scope": "connection"}
    also = {"name": f"{name} too", "session_id": second.id, "principal": "bo", "sequence": other, "scope": "session"}
    assert await third.call("lock.get", name=name) == {**common, **shown, "waiters": 1}
    listed = [each for each in (await third.call("lock.list"))["locks"] if each["name"].startswith(name)]
    assert listed == [{**common, **shown, "waiters": 1}, {**common, **also, "waiters": 0}]


# --- writes that need one


async def _members(guests: Guests, room: str, number: int) -> list[Wire]:
    """Staff in a room, who were told of each other."""
    wires = [await guests.staff() for _ in range(number)]
    for wire in wires:
        await wire.call("room.join", room=room, observe=["*"])
    for wire in wires:
        await wire.forget()
    return wires


async def _not_held(wire: Wire, room: str, name: str, **params: Any) -> None:
    """A write under the lock is refused, nothing changes and nobody is told."""
    await wire.forget()
    before = await wire.call("room.snapshot", room=room)
    write = {"room": room, "key": "k", "value": "not held", "lock": name, **params}
    await wire.refused("room.set", "LOCK_NOT_HELD", **write)
    assert await wire.call("room.snapshot", room=room) == before
    await wire.assert_silent("room.changed")


async def test_d79_a_write_that_needs_a_lock_counts_while_the_session_holds_it(
    any_guests: Guests, room: str, name: str
) -> None:
    first, second = await _members(any_guests, room, 2)
    await _not_held(first, room, name)
    await lock(first, name)
    for value in (1, None, [2]):
        assert (await first.call("room.set", room=room, key="k", value=value, lock=name))["value"] == value
        await second.expect_change("k", value)
    # Neither another's lock nor waiting for it is holding it; nor is holding another.
    await _not_held(second, room, name)
    asked = await wait_in_line(any_guests, second, name)
    await lock(second, f"{name} of another name")
    await _not_held(second, room, name)
    await first.refused("room.set", "INVALID_KEY", room=room, key="k", value=1, lock="a*")
    # What needs no lock is not kept from writing.
    await second.call("room.set", room=room, key="k", value="free")
    assert await release(first, name) is True
    await _not_held(first, room, name)
    await granted(asked, name)
    assert (await second.call("room.set", room=room, key="k", value="held", lock=name))["value"] == "held"


async def test_d79_with_a_version_both_conditions_must_hold(guests: Guests, room: str, name: str) -> None:
    (wire,) = await _members(guests, room, 1)
    await _not_held(wire, room, name, if_version=0)
    await lock(wire, name)
    await wire.refused("room.set", "VERSION_CONFLICT", room=room, key="k", value=1, lock=name, if_version=7)
    assert (await wire.call("room.set", room=room, key="k", value=1, lock=name, if_version=0))["version"] == 1


async def test_d78_whoever_lost_the_lock_writes_no_more(any_guests: Guests, room: str, name: str) -> None:
    first, second = await _members(any_guests, room, 2)
    await lock(first, name)
    await first.call("room.set", room=room, key="k", value=1, lock=name)
    assert await release(second, name, force=True) is True
    await _not_held(first, room, name)
    await lock(second, name)
    await second.call("room.set", room=room, key="k", value=2, lock=name)
    await _not_held(first, room, name)


async def test_d78_a_lock_of_the_connection_is_not_held_by_the_next_one(
    any_guests: Guests, room: str, name: str
) -> None:
    first, second = await _members(any_guests, room, 2)
    await lock(first, name, scope="connection")
    await lock(first, f"{name} of the session")
    await first.drop()
    await second.expect("room.peers", lambda told: bool(told["updated"]))
    back = await resume(any_guests, first)
    await _not_held(back, room, name)
    await back.call("room.set", room=room, key="k", value=1, lock=f"{name} of the session")
    await lock(back, name)
    await back.call("room.set", room=room, key="k", value=2, lock=name)


async def test_d79_a_write_behind_the_request_for_its_lock_counts(guests: Guests, room: str, name: str) -> None:
    """Requests of one socket take effect in their order: nobody need wait for the answer to a lock that is free."""
    (wire,) = await _members(guests, room, 1)
    wire.start("lock.acquire", name=name)
    assert (await wire.call("room.set", room=room, key="k", value=1, lock=name))["version"] == 1
