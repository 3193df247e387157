"""Quotas on the wire: writes a room, joins a user, and the warning before a socket is cut (T5, T14, T15, T16).

The rates are so slow that nothing comes back while a test runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from sessionstore_app import mint_token
from tests.support.guests import Guests
from tests.support.http import Http, request
from tests.support.server import Server, running
from tests.support.wire import Wire, values_of

OWN, ROOM, JOINS = 8, 10, 4
SLOW = 0.01
QUOTAS = {
    "WRITES_PER_SECOND": SLOW,
    "WRITES_BURST": OWN,
    "ROOM_WRITES_PER_SECOND": SLOW,
    "ROOM_WRITES_BURST": ROOM,
    "JOINS_PER_MINUTE": 0.5,
    "JOINS_BURST": JOINS,
    "SOCKETS_PER_USER": 2,
    "POLICY": "tests.support.policies.RolePolicy",
}


@pytest.fixture(scope="module")
def quota_server() -> Iterator[Server]:
    with running(settings=QUOTAS) as server:
        yield server


@pytest.fixture
async def quota(quota_server: Server) -> AsyncIterator[Guests]:
    """Clients of a server that lets little through."""
    async with Guests(quota_server) as opened:
        yield opened


def _ops(number: int) -> list[dict[str, Any]]:
    return [{"key": f"k{n}", "value": n} for n in range(number)]


async def _use_up(quota: Guests, room: str) -> None:
    """Two others write all that a room takes."""
    for number in (OWN, ROOM - OWN):
        wire = await quota.join(room)
        await wire.call("room.write", room=room, ops=_ops(number))
        await wire.hang_up()


# --- writes to a room


async def test_t16_sockets_and_http_share_a_rooms_writes(quota: Guests, room: str) -> None:
    """Ten at once, and the eleventh is refused whoever writes it; reading, and other rooms, stay free."""
    one, two = await quota.join(room), await quota.join(room)
    ops = Http(quota.server.host, mint_token(f"ops {room}", permissions=["manage_room"]))
    await one.call("room.write", room=room, ops=_ops(6))
    await two.call("room.broadcast", room=room, event="e")
    await ops.call("room.write", room=room, ops=_ops(2))
    await two.call("room.set", room=room, key="k", value="last")
    errors = [
        await one.refused("room.set", "RATE_LIMITED", room=room, key="k", value=0),
        await two.refused("room.broadcast", "RATE_LIMITED", room=room, event="e"),
        await ops.refused("room.delete", "RATE_LIMITED", room=room, key="k"),
        await ops.refused("room.clear", "RATE_LIMITED", room=room),
    ]
    for error in errors:
        assert error["data"]["limit"] == SLOW
        assert 0 < error["data"]["retry_after_seconds"] <= 1 / SLOW
        assert "room" in error["message"]
        assert "room" in error["data"]["hint"]
    assert values_of((await one.call("room.snapshot", room=room))["entries"])["k"] == "last"
    await ops.call("room.set", room=f"{room}/other", key="k", value=0)


async def test_t16_what_a_room_refuses_costs_nothing_and_closes_nobody(quota: Guests, room: str) -> None:
    await _use_up(quota, room)
    wire, elsewhere = await quota.join(room), f"{room}/other"
    await wire.call("room.join", room=elsewhere, observe=[])
    for _ in range(3 * OWN):
        await wire.refused("room.set", "RATE_LIMITED", room=room, key="k", value=0)
    await wire.assert_silent("session.warning")
    await wire.call("room.write", room=elsewhere, ops=_ops(OWN))


async def test_t16_what_a_socket_may_not_costs_its_room_nothing(quota: Guests, room: str) -> None:
    fast, slow = await quota.join(room), await quota.join(room)
    await fast.call("room.write", room=room, ops=_ops(OWN))
    for _ in range(OWN):
        error = await fast.refused("room.set", "RATE_LIMITED", room=room, key="k", value=0)
        assert "socket" in error["message"]
    await slow.call("room.write", room=room, ops=_ops(ROOM - OWN))
    await slow.refused("room.set", "RATE_LIMITED", room=room, key="k", value=0)


async def test_t16_who_may_not_write_to_a_room_takes_nothing_from_it(quota: Guests, room: str) -> None:
    peer, stranger = await quota.join(room), await quota.open()
    http = Http(quota.server.host, mint_token(f"stranger {room}"))
    for _ in range(ROOM):
        await stranger.refused("room.set", "NOT_JOINED", room=room, key="k", value=0)
        await stranger.refused("room.broadcast", "NOT_JOINED", room=room, event="e")
        await stranger.refused("room.clear", "ACCESS_DENIED", room=room)
        await http.refused("room.set", "ACCESS_DENIED", room=room, key="k", value=0)
    await peer.call("room.write", room=room, ops=_ops(OWN))
    await (await quota.join(room)).call("room.write", room=room, ops=_ops(ROOM - OWN))


async def test_t15_one_write_of_more_keys_than_a_room_takes_at_once_is_a_limit(room: str) -> None:
    with running(settings={"ROOM_WRITES_BURST": ROOM}) as server:
        async with Guests(server) as guests:
            wire = await guests.join(room)
            error = await wire.refused("room.write", "LIMIT_EXCEEDED", room=room, ops=_ops(ROOM + 1))
            assert (error["data"]["limit"], error["data"]["actual"]) == (ROOM, ROOM + 1)
            await wire.call("room.write", room=room, ops=_ops(ROOM))


# --- the warning


async def test_t16_one_warning_comes_before_the_cut(quota: Guests, room: str) -> None:
    """At half of the refusals that close the socket; the session may come back."""
    wire = await quota.join(room)
    await wire.call("room.write", room=room, ops=_ops(OWN))
    await wire.forget()
    half = (OWN + 2) // 2
    for _ in range(half - 1):
        await wire.refused("room.set", "RATE_LIMITED", room=room, key="k", value=0)
    await wire.assert_silent()
    error = await wire.refused("room.set", "RATE_LIMITED", room=room, key="k", value=0)
    warning = await wire.expect("session.warning")
    assert 0 < warning.pop("retry_after_seconds") <= error["data"]["retry_after_seconds"] + 1
    assert "retry_after_seconds" in warning.pop("hint")
    assert warning == {"reason": "RATE_LIMITED", "refused": half, "closes_after": OWN + 1}
    for _ in range(OWN - half):
        await wire.refused("room.set", "RATE_LIMITED", room=room, key="k", value=0)
    await wire.assert_silent("session.warning")
    wire.start("room.set", room=room, key="k", value=0)
    await wire.expect_closed(4102)
    assert [name for name, _ in wire.notifications if name == "session.warning"] == []
    resume = {"session_id": wire.id, "resume_token": wire.session["resume_token"]}
    assert (await quota.open(resume=resume)).session["resumed"] is True


async def test_t16_what_a_room_refuses_is_no_second_warning(quota: Guests, room: str) -> None:
    await _use_up(quota, room)
    wire, elsewhere = await quota.join(room), f"{room}/other"
    await wire.call("room.join", room=elsewhere, observe=[])
    await wire.call("room.write", room=elsewhere, ops=_ops(OWN - 1))
    for _ in range((OWN + 2) // 2):
        await wire.refused("room.write", "RATE_LIMITED", room=elsewhere, ops=_ops(2))
    await wire.expect("session.warning")
    error = await wire.refused("room.set", "RATE_LIMITED", room=room, key="k", value=0)
    assert "room" in error["message"]
    await wire.assert_silent("session.warning")


async def test_t16_who_sends_notifications_hears_the_warning_too(quota: Guests, room: str) -> None:
    """Nothing else tells it: notifications are not answered."""
    wire = await quota.join(room)
    await wire.call("room.write", room=room, ops=_ops(OWN))
    for _ in range(OWN):
        wire.notify("room.set", room=room, key="k", value=0)
    assert (await wire.expect("session.warning"))["closes_after"] == OWN + 1
    await wire.assert_silent("session.warning")


# --- joins


async def _user(quota: Guests, principal: str) -> Wire:
    return await quota.open(token=mint_token(principal))


async def test_t5_all_sockets_of_a_user_share_its_joins(quota: Guests, room: str) -> None:
    one, two = await _user(quota, room), await _user(quota, room)
    for number in range(JOINS // 2):
        for wire in (one, two):
            await wire.call("room.join", room=f"{room}/{number}", observe=[])
    for wire in (one, two):
        error = await wire.refused("room.join", "RATE_LIMITED", room=f"{room}/more", observe=[])
        assert error["data"]["limit"] == 0.5
        assert 0 < error["data"]["retry_after_seconds"] <= 120
        assert "join" in error["message"]
    other = await _user(quota, f"other {room}")
    await other.call("room.join", room=f"{room}/more", observe=[])


async def test_t5_refused_joins_count(quota: Guests, room: str) -> None:
    """Whether the room is there or not: nobody guesses on."""
    host = await quota.open(token=mint_token(f"host {room}", roles=["staff"]))
    await host.call("room.join", room=f"staff/{room}", observe=[])
    guesser = await quota.open()
    for number in range(JOINS):
        name = f"staff/{room}" if number % 2 else f"staff/{room}/{number}"
        await guesser.refused("room.join", "ACCESS_DENIED", room=name)
    await guesser.refused("room.join", "RATE_LIMITED", room=f"staff/{room}")
    await guesser.refused("room.join", "RATE_LIMITED", room=room)
    # An anonymous session has its own allowance.
    await quota.join(room)


async def test_t5_joining_where_one_is_costs_nothing_nor_does_coming_back(quota: Guests, room: str) -> None:
    wire = await quota.join(room)
    for _ in range(2 * JOINS):
        await wire.call("room.join", room=room, observe=["k"])
    for _ in range(JOINS):
        await wire.drop()
        resume = {"session_id": wire.id, "resume_token": wire.session["resume_token"]}
        wire = await quota.open(resume=resume)
        assert [told["room"] for told in wire.session["rooms"]] == [room]
    for number in range(JOINS - 1):
        await wire.call("room.join", room=f"{room}/{number}", observe=[])
    await wire.refused("room.join", "RATE_LIMITED", room=f"{room}/more")


async def test_t5_who_leaves_and_joins_again_pays_again(quota: Guests, room: str) -> None:
    wire = await quota.open()
    for _ in range(JOINS):
        await wire.call("room.join", room=room, observe=[])
        await wire.call("room.leave", room=room)
    await wire.refused("room.join", "RATE_LIMITED", room=room)


# --- what clients and staff are told of it


async def test_t14_a_session_is_told_its_quotas(quota: Guests) -> None:
    limits = (await quota.open()).session["limits"]
    told = {name.lower(): value for name, value in QUOTAS.items() if name != "POLICY"}
    assert limits.items() >= told.items()
    assert limits["sockets_per_address"] == 1_000


async def test_t14_refusals_are_counted_by_kind_and_name_nobody(quota: Guests, room: str) -> None:
    before = await _refusals(quota)
    await _use_up(quota, room)
    wire = await quota.join(room)
    await wire.refused("room.set", "RATE_LIMITED", room=room, key="k", value=0)
    await wire.call("session.ping")
    for number in range(JOINS + 1):
        await wire.ask("room.join", room=f"{room}/{number}")
    sockets = [await quota.connect() for _ in range(3)]
    token = mint_token(room)
    opened = [await socket.ask("session.open", token=token) for socket in sockets]
    assert ["error" in reply for reply in opened] == [False, False, True]
    after = await _refusals(quota)
    assert {kind: after[kind] - before[kind] for kind in after} == {
        "writes": 0,
        "room_writes": 1,
        "joins": 2,
        "sockets": 1,
    }


async def _refusals(quota: Guests) -> dict[str, float]:
    answer = await asyncio.to_thread(request, quota.server.host, "GET", "/sessionstore/metrics/")
    families = {family.name: family for family in text_string_to_metric_families(answer.body.decode())}
    return {sample.labels["kind"]: sample.value for sample in families["sessionstore_refusals"].samples}
