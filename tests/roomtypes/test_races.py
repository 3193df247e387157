"""Rights and values that change at once, and who leaves while it is answered: nothing slips out, nothing is missed (T6,
I13).
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sessionstore_app import mint_token
from tests.roomtypes.conftest import SETTINGS
from tests.roomtypes.test_changes import STAFF, change
from tests.support.guests import Guests
from tests.support.http import Http
from tests.support.server import running
from tests.support.wire import Wire, eventually


def held(wire: Wire, key: str) -> Any:
    """What a client holds of a key, that keeps a copy of what it is told."""
    value = None
    for method, params in wire.notifications:
        if method == "room.snapshot":
            value = next((entry["value"] for entry in params["entries"] if entry["key"] == key), None)
        for entry in params["changes"] if method == "room.changed" else ():
            value = entry["value"] if entry["key"] == key else value
    return value


async def test_t6_who_leaves_before_it_is_answered_is_answered_with_nothing_hidden(guests: Guests, stage: str) -> None:
    host, guest = await guests.join(stage), await guests.open()
    await host.call("room.set", room=stage, key="notes", value="secret")
    for _ in range(10):
        await guest.call("room.join", room=stage)
        asked = [guest.start("room.snapshot", room=stage) for _ in range(20)]
        asked += [guest.start("room.get", room=stage, key="count"), guest.start("room.peers", room=stage)]
        await guest.call("room.leave", room=stage)
        assert "secret" not in str(await asyncio.gather(*asked))


async def test_t6_no_guessed_version_writes_over_an_owner(guests: Guests, room: str) -> None:
    for turn in range(10):
        place = f"stage/{room}/{turn}"
        host, guest = await guests.join(place), await guests.join(place)
        version = (await host.call("room.set", room=place, key="count", value=1))["version"]
        guesses = [
            guest.start("room.set", room=place, key="hand/1", value=6, if_version=version + 1) for _ in range(12)
        ]
        await host.call("room.set", room=place, key="hand/1", value=5)
        await asyncio.gather(*guesses)
        found = await host.call("room.get", room=place, key="hand/1")
        assert (found["value"], found["by"]["session_id"]) == (5, host.id)


async def test_t6_a_guard_still_guards_a_key_of_ones_own(guests: Guests, stage: str) -> None:
    await guests.join(stage)
    guest = await guests.join(stage)
    first = await guest.call("room.set", room=stage, key="hand/1", value=1, if_version=0)
    await guest.refused("room.set", "VERSION_CONFLICT", room=stage, key="hand/1", value=2, if_version=0)
    await guest.refused(
        "room.set", "VERSION_CONFLICT", room=stage, key="hand/1", value=2, if_version=first["version"] + 1
    )
    await guest.call("room.set", room=stage, key="hand/1", value=2, if_version=first["version"])


async def _converges(wire: Wire, key: str, value: Any) -> None:
    async def holds() -> bool:
        await wire.call("session.ping")
        return bool(held(wire, key) == value)

    await eventually(holds, f"{key} is {value}, as it is held")


async def test_t6_what_was_written_between_two_changes_of_rights_is_told(guests: Guests, room: str) -> None:
    for turn in range(5):
        place = f"stage/{room}/{turn}"
        host, staff = await guests.join(place), await guests.staff(permissions=STAFF)
        guest = await guests.join(place, token=mint_token("ann", roles=["host"]))
        await host.call("room.set", room=place, key="notes", value="one")
        await guest.expect_change("notes", "one")
        await guest.forget()
        await asyncio.gather(
            staff.start("session.change_roles", session_id=guest.id, add=[], remove=["host"]),
            host.start("room.set", room=place, key="notes", value="two"),
            staff.start("session.change_roles", session_id=guest.id, add=["host"], remove=[]),
        )
        await _converges(guest, "notes", "two")


async def _at_the_gate(guests: Guests, place: str) -> tuple[Wire, Wire, Wire]:
    """Two hosts who hold the first notes, and staff."""
    host = await guests.join(place, token=mint_token("hal", roles=["host"]))
    guest = await guests.join(place, token=mint_token("ann", roles=["host"]))
    await host.call("room.set", room=place, key="notes", value="one")
    await guest.expect_change("notes", "one")
    return host, guest, await guests.staff(permissions=STAFF)


async def test_t6_rights_given_back_before_anybody_looked_bring_what_was_missed(guests: Guests, room: str) -> None:
    """The hook of the room takes its time: both changes are known before the first is acted on."""
    place = f"gate/{room}"
    host, guest, staff = await _at_the_gate(guests, place)
    await change(staff, guest, [], ["host"])
    await host.call("room.set", room=place, key="notes", value="two")
    await change(staff, guest, ["host"], [])
    await _converges(guest, "notes", "two")


async def test_t6_what_is_deleted_while_a_right_is_taken_goes_too(guests: Guests, room: str) -> None:
    place = f"gate/{room}"
    host, guest, staff = await _at_the_gate(guests, place)
    before = len(guest.notifications)
    await change(staff, guest, [], ["host"])
    await host.call("room.delete", room=place, key="notes")
    await guest.until(
        lambda: next(
            (
                method
                for method, params in guest.notifications[before:]
                if (method == "room.snapshot" and "one" not in str(params))
                or (method == "room.changed" and "notes" in str(params))
            ),
            None,
        ),
        "it is told that there are no notes for it",
    )


async def test_i13_a_shut_room_is_left_though_hooks_of_others_take_long(guests: Guests, room: str) -> None:
    shut, others = f"backstage/{room}", [f"gate/{room}/{number}" for number in range(8)]
    crew = await guests.join(shut, token=mint_token("bob", roles=["crew"]))
    guest = await guests.join(shut, token=mint_token("ann", roles=["crew"]))
    staff = await guests.staff(permissions=STAFF)
    await asyncio.gather(*(guest.call("room.join", room=other) for other in others))
    await guest.forget()
    await staff.call("session.change_roles", session_id=guest.id, add=[], remove=["crew"])
    gone = [{"session_id": guest.id, "reason": "ACCESS_DENIED"}]
    await guest.expect("room.peers", lambda params: params["left"] == gone)
    await crew.call("room.set", room=shut, key="plan", value="secret")
    await guest.refused("room.get", "NOT_JOINED", room=shut, key="plan")
    assert "secret" not in str(guest.frames)


async def test_who_comes_back_to_a_shut_room_is_named_there_no_longer(guests: Guests, room: str) -> None:
    place, token = f"backstage/{room}", mint_token("ann", roles=["crew"])
    crew, guest = (
        await guests.join(place, token=mint_token("bob", roles=["crew"])),
        await guests.join(place, token=token),
    )
    staff = await guests.staff(permissions=STAFF)
    await crew.call("room.set", room=place, key="guide", value=guest.id)
    await guest.drop()
    await staff.call("session.change_roles", session_id=guest.id, add=[], remove=["crew"])
    resume = {"session_id": guest.id, "resume_token": guest.session["resume_token"]}
    back = await guests.open(token=token, resume=resume)
    assert back.session["rooms"] == []
    assert (await crew.call("room.get", room=place, key="guide"))["value"] is None


async def test_who_manages_rooms_passes_the_hook_too(guests: Guests, room: str) -> None:
    place = f"gate/{room}/without kim"
    ann = await guests.open(token=mint_token("kim"))
    await ann.refused("room.join", "ACCESS_DENIED", room=place)
    token = mint_token("kim", permissions=["manage_room"])
    manager = await guests.open(token=token)
    await manager.call("room.join", room=place)
    assert (await Http(guests.server.host, token).call("room.set", room=place, key="count", value=1))["version"] == 1


async def test_an_answer_of_observe_is_no_older_than_what_was_told_before_it(guests: Guests, room: str) -> None:
    for turn in range(5):
        place = f"stage/{room}/{turn}"
        host, staff = await guests.join(place), await guests.staff(permissions=STAFF)
        guest = await guests.join(place, observe=[], token=mint_token("ann", roles=["host"]))
        await host.call("room.set", room=place, key="notes", value="secret")
        before = len(guest.frames)
        asking = guest.start("room.observe", room=place, keys=["notes"])
        await staff.call("session.change_roles", session_id=guest.id, add=[], remove=["host"])
        await asking
        await guest.expect("session.changed")
        kinds = [
            "withdrawn" if "ACCESS_DENIED" in str(frame) else "shown"
            for frame in guest.frames[before:]
            if "notes" in str(frame)
        ]
        # Shown, then withdrawn; or never shown.
        assert kinds == sorted(kinds, key=("shown", "withdrawn").index)


@pytest.mark.parametrize(("key", "reason"), [("spotlight", "ACCESS_DENIED"), ("nope", "INVALID_KEY")])
async def test_t16_refused_writes_use_up_nobody_elses(room: str, key: str, reason: str) -> None:
    with running(settings={**SETTINGS, "ROOM_WRITES_BURST": 20, "ROOM_WRITES_PER_SECOND": 1}) as server:
        async with Guests(server) as guests:
            host, guest = await guests.join(f"stage/{room}"), await guests.join(f"stage/{room}")
            for _ in range(30):
                await guest.refused("room.set", reason, room=f"stage/{room}", key=key, value="x")
            await host.call("room.set", room=f"stage/{room}", key="count", value=1)
