"""Limits on the wire, each at the limit and one beyond: right error, old value kept, nobody told (H10–H14, T15)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tests.support.guests import Guests
from tests.support.server import Server, running
from tests.support.wire import Wire, result_of, values_of, within

VALUE_BYTES, KEYS, STORE_BYTES = 1_024, 100, 65_536


async def _refused_and_untold(
    wire: Wire, witness: Wire, reason: str, limit: int, actual: int, method: str, **params: Any
) -> None:
    """Refused with the figures, nothing changed, nobody told."""
    await witness.forget()
    before = await wire.call("room.snapshot", room=params["room"])
    error = await wire.refused(method, reason, **params)
    assert (error["data"]["limit"], error["data"]["actual"]) == (limit, actual)
    assert await wire.call("room.snapshot", room=params["room"]) == before
    await witness.assert_silent("room.changed", "room.snapshot")


# 1,024 bytes of compact UTF-8 JSON each, and one more character makes them too large.
LARGEST = {
    "ASCII": ("x" * 1_022, 1),
    "two bytes each": ("é" * 511, 2),
    "three bytes each": ("€" * 340 + "xx", 3),
    "four bytes each": ("\U0001f600" * 255 + "xx", 4),
}


@pytest.mark.parametrize("name", LARGEST)
async def test_h10_a_value_may_have_1024_bytes(guests: Guests, room: str, name: str) -> None:
    """P34, H13: bytes count, not characters."""
    value, more = LARGEST[name]
    wire, witness = await guests.join(room), await guests.join(room)
    await wire.call("room.set", room=room, key="k", value=value)
    await witness.expect_change("k", value)
    larger = value + value[0]
    await _refused_and_untold(
        wire, witness, "VALUE_TOO_LARGE", 1_024, 1_024 + more, "room.set", room=room, key="k", value=larger
    )


async def test_h10_a_value_counts_as_compact_json(guests: Guests, room: str) -> None:
    """Blanks between do not count; escapes that JSON needs do."""
    wire, witness = await guests.join(room), await guests.join(room)
    value = [0] * 511 + [10]
    assert len(json.dumps(value, separators=(",", ":"))) == 1_026
    await wire.call("room.set", room=room, key="k", value=[0] * 511)
    await _refused_and_untold(
        wire, witness, "VALUE_TOO_LARGE", 1_024, 1_026, "room.set", room=room, key="k", value=value
    )
    quotes = '"' * 512
    await _refused_and_untold(
        wire, witness, "VALUE_TOO_LARGE", 1_024, 1_026, "room.set", room=room, key="k", value=quotes
    )


async def test_h10_what_the_server_computes_is_bounded_too(guests: Guests, room: str) -> None:
    wire, witness = await guests.join(room), await guests.join(room)
    await wire.call("room.set", room=room, key="list", value=["x" * 1_015])
    params: dict[str, Any] = {"room": room, "key": "list"}
    added = await wire.call("room.update", **params, do="append", item="ab")
    assert len(json.dumps(added["value"], separators=(",", ":"))) == 1_024
    await _refused_and_untold(
        wire, witness, "VALUE_TOO_LARGE", 1_024, 1_026, "room.update", **params, do="append", item=0
    )
    await _refused_and_untold(
        *(wire, witness, "VALUE_TOO_LARGE", 1_024, 1_032, "room.update"), **params, do="merge", patch="x" * 1_030
    )


async def _fill_keys(wire: Wire, room: str) -> None:
    for start in (0, 50):
        await wire.call("room.write", room=room, ops=[{"key": f"k/{start + n}", "value": 0} for n in range(50)])


async def test_h11_a_room_may_have_100_keys(guests: Guests, room: str) -> None:
    wire, witness = await guests.join(room), await guests.join(room)
    await _fill_keys(wire, room)
    too_many = ("TOO_MANY_KEYS", KEYS, KEYS + 1)
    await _refused_and_untold(wire, witness, *too_many, "room.set", room=room, key="one more", value=0)
    await _refused_and_untold(wire, witness, *too_many, "room.update", room=room, key="one more", do="increment")
    ops = [{"key": "k/1", "value": 1}, {"key": "one more", "value": 0}]
    await _refused_and_untold(wire, witness, *too_many, "room.write", room=room, ops=ops)
    # Overwriting, deleting and exchanging stay possible, and a deleted key makes room.
    await wire.call("room.set", room=room, key="k/1", value=1)
    await wire.call("room.set", room=room, key="absent", value=None)
    await wire.call("room.write", room=room, ops=[{"key": "k/2", "value": None}, {"key": "one more", "value": 0}])
    await wire.call("room.delete", room=room, key="k/3")
    await wire.call("room.set", room=room, key="k/100", value=0)
    await _refused_and_untold(wire, witness, *too_many, "room.set", room=room, key="another", value=0)


async def test_h12_a_room_may_have_65536_bytes_with_its_key_names(guests: Guests, room: str) -> None:
    """P35: 64 keys of 4 bytes with values of 1,020 bytes are 65,536 bytes to the byte."""
    wire, witness = await guests.join(room), await guests.join(room)
    full = "x" * 1_018
    for start in range(0, 64, 16):
        await wire.call(
            "room.write", room=room, ops=[{"key": f"k{n:03}", "value": full} for n in range(start, start + 16)]
        )
    too_large = ("STORE_TOO_LARGE", STORE_BYTES)
    await _refused_and_untold(wire, witness, *too_large, 65_537, "room.set", room=room, key="k000", value=full + "x")
    await _refused_and_untold(wire, witness, *too_large, 65_538, "room.set", room=room, key="n", value=0)
    await _refused_and_untold(wire, witness, *too_large, 65_539, "room.set", room=room, key="é", value=0)
    await _refused_and_untold(wire, witness, *too_large, 65_538, "room.update", room=room, key="n", do="increment")
    # Overwriting counts the new value instead of the old one, and deleting gives all of it back.
    await wire.call("room.set", room=room, key="k001", value="y" * 1_018)
    await wire.call("room.set", room=room, key="k001", value="y" * 1_016)
    await wire.call("room.set", room=room, key="n", value=0)
    await _refused_and_untold(wire, witness, *too_large, 65_537, "room.set", room=room, key="n", value=10)
    await wire.call("room.delete", room=room, key="k002")
    await wire.call("room.set", room=room, key="k002", value=full)


async def test_a_key_may_have_128_characters(guests: Guests, room: str) -> None:
    """In characters of any language."""
    wire, witness = await guests.join(room), await guests.join(room)
    for key in ("k" * 128, "\U0001f600" * 128):
        await wire.call("room.set", room=room, key=key, value=1)
        await witness.expect_change(key, 1)
    for method, params in (("room.set", {"value": 1}), ("room.get", {}), ("room.delete", {})):
        error = await wire.refused(method, "INVALID_KEY", room=room, key="k" * 129, **params)
        assert (error["data"]["limit"], error["data"]["actual"]) == (128, 129)
    await witness.assert_silent("room.changed")


async def test_a_room_name_may_have_128_characters(guests: Guests) -> None:
    wire = await guests.open()
    for name in ("r" * 128, "\U0001f600" * 128):
        await wire.call("room.join", room=name, observe=["*"])
        await wire.call("room.set", room=name, key="k" * 128, value=1)
        await wire.expect_change("k" * 128, 1, room=name)
    error = await wire.refused("room.join", "LIMIT_EXCEEDED", room="r" * 129)
    assert (error["data"]["limit"], error["data"]["actual"]) == (128, 129)


async def test_a_session_may_observe_128_patterns(guests: Guests, room: str) -> None:
    """T15: over all its rooms; the same pattern counts once a room."""
    wire = await guests.join(room, observe=[f"k{n}" for n in range(100)])
    await wire.call("room.join", room=f"{room}/other", observe=[f"k{n}" for n in range(27)])
    await wire.call("room.observe", room=room, keys=["k1", "k100"])
    for method, params in (("room.observe", {"keys": ["one more"]}), ("room.join", {"observe": ["one more"]})):
        error = await wire.refused(method, "LIMIT_EXCEEDED", room=room, **params)
        assert (error["data"]["limit"], error["data"]["actual"]) == (128, 129)
    await wire.refused("room.join", "LIMIT_EXCEEDED", room=f"{room}/third", observe=["one more"])
    assert len((await wire.call("room.unobserve", room=room, keys=["k1"]))["observing"]) == 100
    await wire.call("room.observe", room=room, keys=["one more"])


async def test_i8_racing_writers_never_pass_a_limit(guests: Guests, room: str) -> None:
    """T15: 20 writers at once, and never a key or a byte too many."""
    wires = await guests.crowd(room, 20)
    value = "x" * 1_000
    asked = [
        wire.start("room.set", room=room, key=f"{n}/{turn}", value=value)
        for turn in range(8)
        for n, wire in enumerate(wires)
    ]
    replies = [await within(reply, "a reply") for reply in asked]
    written = [reply for reply in replies if "result" in reply]
    reasons = {reply["error"]["data"]["reason"] for reply in replies if "error" in reply}
    assert reasons == {"STORE_TOO_LARGE"}
    entries = values_of((await wires[0].call("room.snapshot", room=room))["entries"])
    assert len(entries) == len(written)
    held = sum(len(key) + len(text) + 2 for key, text in entries.items())
    assert STORE_BYTES - 1_010 < held <= STORE_BYTES


# --- rates


# So slow that nothing grows back while a test lasts.
SLOW = 0.01


@pytest.fixture(scope="module")
def strict_server() -> Iterator[Server]:
    with running(settings={"WRITES_PER_SECOND": SLOW, "WRITES_BURST": 10}) as server:
        yield server


@pytest.fixture
async def strict(strict_server: Server) -> AsyncIterator[Guests]:
    async with Guests(strict_server) as opened:
        yield opened


async def test_a_socket_may_write_only_so_fast(strict: Guests, room: str) -> None:
    """T16: a burst of ten, the eleventh is refused with the time to wait; reading stays free."""
    wire, witness = await strict.join(room), await strict.join(room)
    replies = await asyncio.gather(*(wire.start("room.set", room=room, key="k", value=n) for n in range(11)))
    assert [result_of(reply)["version"] for reply in replies[:10]] == list(range(1, 11))
    error = replies[10]["error"]
    assert (error["code"], error["data"]["reason"]) == (-32012, "RATE_LIMITED")
    assert 0 < error["data"]["retry_after_seconds"] <= 1 / SLOW
    assert error["data"]["limit"] == SLOW
    await wire.call("room.snapshot", room=room)
    # It is each socket's own allowance.
    assert (await witness.call("room.set", room=room, key="k", value="mine"))["version"] == 11


async def test_a_write_of_n_keys_counts_n(strict: Guests, room: str) -> None:
    wire = await strict.join(room)
    await wire.call("room.write", room=room, ops=[{"key": f"k{n}", "value": 0} for n in range(8)])
    await wire.refused("room.write", "RATE_LIMITED", room=room, ops=[{"key": f"k{n}", "value": 1} for n in range(4)])
    await wire.call("room.set", room=room, key="k", value=0)
    assert (await wire.call("room.snapshot", room=room))["version"] == 2


async def test_every_kind_of_write_counts(strict: Guests, room: str) -> None:
    wire = await strict.join(room)
    await wire.call("room.write", room=room, ops=[{"key": f"k{n}", "value": 0} for n in range(10)])
    for method, params in (
        ("room.set", {"key": "k", "value": 1}),
        ("room.delete", {"key": "k"}),
        ("room.update", {"key": "k", "do": "increment"}),
        ("room.broadcast", {"event": "e", "data": 1}),
    ):
        await wire.refused(method, "RATE_LIMITED", room=room, **params)


ACTS: dict[str, dict[str, Any]] = {
    "session.set_properties": {"session_id": "$id", "properties": {"muted": "yes"}},
    "session.set_properties_by_filter": {"filter": "all", "properties": {"muted": "yes"}},
    "session.terminate": {"session_id": "$id"},
    "session.change_roles": {"session_id": "$id", "add": ["speaker"]},
    "session.send": {"session_id": "$id", "event": "e"},
    "session.observe_for": {"session_id": "$id", "room": "$room", "keys": ["*"]},
    "session.listen": {"filter": "all"},
    "lock.acquire": {"name": "$room"},
    "lock.release": {"name": "$room"},
}


@pytest.mark.parametrize("method", ACTS)
async def test_t16_every_act_on_sessions_and_locks_counts_as_a_write(strict: Guests, room: str, method: str) -> None:
    """It does nothing once there were too many; reading stays free."""
    guest, staff = await strict.join(room), await strict.staff()
    await guest.forget()
    names = {"$id": guest.id, "$room": room}
    params = {
        name: names.get(value, value) if isinstance(value, str) else value for name, value in ACTS[method].items()
    }
    # Of a message each further KiB is a write more: these are ten.
    await staff.call("session.send", session_id=staff.id, event="e", data="x" * 8_000)
    await staff.call("session.send", session_id=staff.id, event="e", data="x" * 1_100)
    await staff.expect("session.message")
    error = await staff.refused(method, "RATE_LIMITED", **params)
    assert error["data"]["retry_after_seconds"] > 0
    await guest.assert_silent()
    assert (await staff.call("session.list", room=room))["total"] == 1


async def test_who_goes_on_regardless_is_closed(strict: Guests, room: str) -> None:
    wire, witness = await strict.join(room), await strict.join(room)
    for n in range(60):
        wire.start("room.set", room=room, key="k", value=n)
    await wire.expect_closed(4102)
    # It may come back: the session waits for it.
    back = await strict.connect()
    resume = {"session_id": wire.id, "resume_token": wire.session["resume_token"]}
    assert (await back.open(resume=resume))["resumed"] is True
    assert (await witness.call("room.snapshot", room=room))["version"] < 60
