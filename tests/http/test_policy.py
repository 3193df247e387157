"""T6: the policy is asked at this door too: roles that a token brings open no room that it keeps shut."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User

from sessionstore_app import Identity, Policy, mint_token
from tests.http.test_callers import ROOM_CALLS
from tests.support.guests import Guests
from tests.support.http import Http
from tests.support.server import Server, manage, running

STAFF_ROOM = "staff/standup"


@pytest.fixture(scope="module")
def ruled_server() -> Iterator[Server]:
    """Rooms of the staff are for staff alone. None of its peers is seen to leave while the tests last."""
    with running(
        settings={"RECONNECT_SECONDS": 600, "POLICY": "tests.support.policies.RolePolicy", "ALLOW_ANONYMOUS": True}
    ) as server:
        yield server


@pytest.fixture
async def ruled(ruled_server: Server) -> AsyncIterator[Guests]:
    async with Guests(ruled_server) as opened:
        yield opened


def _bot(server: Server, **granted: Any) -> Http:
    return Http(server.host, mint_token("bot", **granted))


@pytest.mark.parametrize("method", sorted(ROOM_CALLS))
async def test_t6_roles_open_no_room_that_the_policy_keeps_shut(ruled: Guests, method: str) -> None:
    """Nobody there hears of it, and the refusal is that of a room without roles."""
    peer = await ruled.join(STAFF_ROOM, token=mint_token("ann", roles=["staff"]))
    await peer.call("room.set", room=STAFF_ROOM, key="k", value="kept")
    await peer.forget()
    caller = _bot(ruled.server, rooms={"*": ["host"]})
    shut = await caller.refused(method, "ACCESS_DENIED", room=STAFF_ROOM, **ROOM_CALLS[method])
    stranger = await _bot(ruled.server).refused(method, "ACCESS_DENIED", room=STAFF_ROOM, **ROOM_CALLS[method])
    assert shut == stranger
    await peer.assert_silent()


async def test_t6_both_doors_say_the_same(ruled: Guests) -> None:
    for token, is_open in (
        (mint_token("bot", rooms={"staff/*": ["host"]}), False),
        (mint_token("bot", rooms={"staff/*": ["host"]}, roles=["staff"]), True),
    ):
        caller, wire = Http(ruled.server.host, token), await ruled.open(token=token)
        write = {"room": STAFF_ROOM, "key": "k", "value": 1}
        if is_open:
            await wire.call("room.join", room=STAFF_ROOM)
            await caller.call("room.set", **write)
        else:
            await wire.refused("room.join", "ACCESS_DENIED", room=STAFF_ROOM)
            await caller.refused("room.set", "ACCESS_DENIED", **write)


async def test_t6_who_manages_rooms_is_not_asked_whether_it_may_join(ruled_server: Server) -> None:
    ops = _bot(ruled_server, permissions=["manage_room"])
    await ops.call("room.set", room=STAFF_ROOM, key="k", value=1)


async def test_t6_each_call_of_a_batch_is_about_its_own_room(ruled_server: Server) -> None:
    """What opened one room opens no other."""
    caller = _bot(ruled_server, rooms={"*": ["host"]})
    calls = [
        {"jsonrpc": "2.0", "id": room, "method": "room.set", "params": {"room": room, "key": "k", "value": 1}}
        for room in ("lobby", STAFF_ROOM, "lobby")
    ]
    replies = (await caller.send(calls)).json
    assert ["result" in reply for reply in replies] == [True, False, True]


class UsersPolicy(Policy):
    """Rooms are for people whom the database knows."""

    def may_join(self, identity: Identity, room: str) -> bool:
        """A policy may use the ORM here."""
        return super().may_join(identity, room) and User.objects.filter(username=identity.principal).exists()


async def test_t6_a_policy_may_look_into_the_database() -> None:
    with running(settings={"POLICY": f"{__name__}.UsersPolicy"}) as server:
        write = {"room": "r", "key": "k", "value": 1}
        caller = _bot(server, rooms={"r": ["host"]})
        await caller.refused("room.set", "ACCESS_DENIED", **write)
        manage("createsuperuser", "--noinput", "--username=bot", "--email=bot@x.org", database_url=server.database_url)
        await caller.call("room.set", **write)
