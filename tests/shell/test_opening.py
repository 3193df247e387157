"""Protocol §2: how a session opens, and what is refused before it is."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable

import pytest

from sessionstore_app import mint_token
from sessionstore_app.protocol.methods import METHODS
from tests.support.guests import Guests
from tests.support.server import Server, manage
from tests.support.wire import Wire, eventually, result_of

OPENED = {
    "session_id", "resume_token", "resumed", "principal", "roles", "permissions", "properties", "server_name",
    "server_time", "heartbeat_seconds", "reconnect_seconds", "limits", "rooms", "protocol",
}  # fmt: skip


async def test_opening_tells_all_that_a_client_must_know(any_guests: Guests) -> None:
    opened = (await any_guests.open()).session
    assert set(opened) >= OPENED
    assert opened["resumed"] is False
    assert opened["rooms"] == []
    assert opened["protocol"] == 1
    assert (opened["principal"], opened["roles"], opened["permissions"]) == ("", [], [])
    assert (opened["heartbeat_seconds"], opened["reconnect_seconds"]) == (10, 30)
    limits = opened["limits"]
    assert [limits[name] for name in ("value_bytes", "keys", "store_bytes", "frame_bytes")] == [1024, 100, 65536, 65536]
    # 256 random bits are 43 characters of base64 at least.
    assert len(opened["resume_token"]) >= 43


async def test_ids_and_secrets_are_never_the_same_twice(guests: Guests) -> None:
    """P22, T19: both are the server's, and random."""
    opened = [(await guests.open()).session for _ in range(5)]
    assert len({each["session_id"] for each in opened} | {each["resume_token"] for each in opened}) == 10


@pytest.mark.parametrize("method", sorted(set(METHODS) - {"session.open", "session.ack"}))
async def test_before_opening_every_other_method_is_not_open(guests: Guests, method: str) -> None:
    wire = await guests.connect()
    await wire.refused(method, "NOT_OPEN")
    await wire.open()


async def test_an_unknown_method_tells_nothing_before_opening(guests: Guests) -> None:
    wire = await guests.connect()
    error = (await wire.ask("room.destroy"))["error"]
    assert error["data"]["reason"] in {"NOT_OPEN", "METHOD_NOT_FOUND"}
    await wire.open()
    await wire.refused("room.destroy", "METHOD_NOT_FOUND")


async def test_a_socket_that_does_not_open_is_closed(hasty: Guests) -> None:
    """T14: an unauthenticated socket has a deadline, whatever else it sends."""
    silent, talking = await hasty.connect(), await hasty.connect()
    await talking.refused("session.ping", "NOT_OPEN")
    await silent.expect_closed(4103)
    await talking.expect_closed(4103)


async def test_opening_stops_the_deadline(hasty: Guests) -> None:
    late, opened = await hasty.connect(), await hasty.open()
    await late.expect_closed(4103)
    await opened.call("session.ping")


async def test_opening_twice_is_refused_and_harmless(guests: Guests, room: str) -> None:
    wire = await guests.join(room)
    await wire.refused("session.open", "ACCESS_DENIED")
    assert (await wire.call("room.set", room=room, key="k", value=1))["by"]["session_id"] == wire.id


async def test_properties_proposed_but_not_allowed_are_dropped(guests: Guests) -> None:
    """P29: the demo allows a name; all properties of the session are returned, and no other is a user's."""
    proposed = {"name": "Ann", "role": "admin", "$Roles": '"host"', "$Principal": "ann"}
    wire = await guests.open(properties=proposed, environment="test", client={"name": "t"})
    own = wire.session["properties"]
    assert {key: value for key, value in own.items() if not key.startswith("$")} == {"name": "Ann"}
    assert (own["$Roles"], own["$Principal"], own["$Environment"]) == ("", "", "test")
    assert (wire.session["roles"], wire.session["principal"]) == ([], "")


async def test_ping_tells_the_time(guests: Guests) -> None:
    pong = await (await guests.open()).call("session.ping")
    assert pong["server_time"].endswith("Z")


async def test_closing_answers_and_ends_the_session_at_once(any_guests: Guests, room: str) -> None:
    stays, goes = await any_guests.join(room), await any_guests.join(room)
    assert await goes.call("session.close") == {}
    await goes.expect_closed(4004)
    told = await stays.expect("room.peers", lambda params: bool(params["left"]))
    assert told["left"] == [{"session_id": goes.id, "reason": "CLOSED_BY_CLIENT"}]
    again = await any_guests.connect()
    resume = {"session_id": goes.id, "resume_token": goes.session["resume_token"]}
    assert (await again.open(resume=resume))["resumed"] is False


# --- tokens


async def test_a_token_says_who_somebody_is(any_guests: Guests) -> None:
    token = mint_token("ann", roles=["host", "host", "a"], permissions=["manage_room"], expires_in=60)
    opened = (await any_guests.open(token=token)).session
    assert (opened["principal"], opened["roles"], opened["permissions"]) == ("ann", ["a", "host"], ["manage_room"])


def _tampered(token: str) -> str:
    middle = len(token) // 3
    return token[:middle] + ("A" if token[middle] != "A" else "B") + token[middle + 1 :]


BAD_TOKENS: dict[str, Callable[[], str]] = {
    "tampered": lambda: _tampered(mint_token("ann")),
    "without signature": lambda: mint_token("ann").rsplit(":", 1)[0],
    "of nobody": lambda: "",
    "no token": lambda: "x" * 300,
    "not ASCII": lambda: "\u00e9:\u2028:\u00ff",
}


@pytest.mark.parametrize("kind", BAD_TOKENS)
async def test_a_bad_token_is_denied_and_the_socket_closed(any_guests: Guests, kind: str) -> None:
    """T3, T27: the same answer for every kind of bad token."""
    wire = await any_guests.connect()
    error = await wire.refused("session.open", "ACCESS_DENIED", token=BAD_TOKENS[kind]())
    assert error["message"] == "The token is not valid."
    await wire.expect_closed(4008)


async def test_an_expired_token_is_denied_like_any_bad_one(guests: Guests) -> None:
    token = mint_token("ann", expires_in=0.001)
    expires_at = time.time() + 0.001
    wire = await guests.connect()

    async def is_over() -> bool:
        return time.time() > expires_at

    await eventually(is_over, "it has expired")
    error = await wire.refused("session.open", "ACCESS_DENIED", token=token)
    assert error["message"] == "The token is not valid."
    await wire.expect_closed(4008)


async def test_a_token_in_the_address_is_ignored(server: Server) -> None:
    """T3: it would be in logs and referrers."""
    token = mint_token("ann")
    async with await Wire.connect(f"{server.address}?token={token}&access_token={token}") as wire:
        assert (await wire.open())["principal"] == ""


async def test_a_token_is_good_for_the_rooms_it_names_alone(server: Server) -> None:
    """Where the policy leaves it to the token; the demo's opens every room, but grants its roles all the same."""
    token = mint_token("ann", rooms={"hall/*": ["speaker"]})
    async with await Wire.connect(server.address) as wire:
        await wire.open(token=token)
        joined = await wire.call("room.join", room=f"hall/{wire.id}")
        assert "speaker" in joined["roles"]
        joined = await wire.call("room.join", room=f"yard/{wire.id}")
        assert "speaker" not in joined["roles"]


async def test_the_command_prints_a_token_that_works(server: Server) -> None:
    printed = manage(
        *("sessionstore_token", "--principal", "ops", "--role", "host", "--permission", "manage_room"),
        *("--room", "hall/*=speaker,host", "--expires-in", "60"),
        database_url=server.database_url,
    )
    assert printed.count("\n") == 1
    async with await Wire.connect(server.address) as wire:
        opened = await wire.open(token=printed.strip())
        assert (opened["principal"], opened["roles"], opened["permissions"]) == ("ops", ["host"], ["manage_room"])


async def test_no_secret_reaches_the_log(server: Server) -> None:
    """T22, I16: neither tokens nor values."""
    token = mint_token("canary-principal-of-a-token")
    async with await Wire.connect(server.address) as wire:
        opened = await wire.open(token=token)
        await wire.call("room.join", room="log")
        await wire.call("room.set", room="log", key="canary-key", value="canary-value")
        await wire.refused("room.set", "INVALID_KEY", room="log", key="canary-key*", value="canary-value")
        wire.write('{"canary-value"')
        await wire.expect_error("PARSE_ERROR")
    log = server.log
    assert token not in log
    assert opened["resume_token"] not in log
    assert "canary" not in log


# --- pipelining


async def test_what_is_sent_without_waiting_is_done_in_order(any_guests: Guests, room: str) -> None:
    """A client may send open, join and writes in one go."""
    wire = await any_guests.connect()
    opening, joining = wire.start("session.open"), wire.start("room.join", room=room, observe=["*"])
    writes = [wire.start("room.set", room=room, key="n", value=n) for n in range(20)]
    replies = await asyncio.gather(opening, joining, *writes)
    assert result_of(replies[0])["protocol"] == 1
    assert [result_of(reply)["version"] for reply in replies[2:]] == list(range(1, 21))
    assert (await wire.call("room.get", room=room, key="n"))["value"] == 19


async def test_open_join_and_set_may_share_a_batch(any_guests: Guests, room: str) -> None:
    wire = await any_guests.connect()
    calls = [("session.open", {}), ("room.join", {"room": room}), ("room.set", {"room": room, "key": "k", "value": 1})]
    wire.write(json.dumps([{"jsonrpc": "2.0", "id": n, "method": m, "params": p} for n, (m, p) in enumerate(calls)]))
    replies = await wire.expect_frame()
    assert sorted(reply["id"] for reply in replies) == [0, 1, 2]
    assert all("result" in reply for reply in replies)


async def test_session_open_may_only_come_first_in_a_batch(guests: Guests) -> None:
    wire = await guests.connect()
    opening = {"jsonrpc": "2.0", "id": 2, "method": "session.open"}
    wire.write(json.dumps([{"jsonrpc": "2.0", "id": 1, "method": "session.ping"}, opening]))
    replies = {reply["id"]: reply["error"]["data"]["reason"] for reply in await wire.expect_frame()}
    assert replies == {1: "NOT_OPEN", 2: "INVALID_REQUEST"}
    await wire.open()


async def test_a_client_may_ask_for_batched_frames(guests: Guests, room: str) -> None:
    """`batch: true`: replies and notifications may share a frame; without it every frame holds one object."""
    batched, plain = await guests.join(room, batch=True), await guests.join(room)
    writing = [batched.start("room.set", room=room, key=f"k/{n}", value=n) for n in range(10)]
    await asyncio.gather(*writing)
    await plain.call("session.ping")
    assert all(isinstance(frame, dict) for frame in plain.frames)
    assert any(isinstance(frame, list) for frame in batched.frames)
