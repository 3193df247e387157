"""Protocol §3: INVALID_PARAMS for each method, whatever is wrong with its parameters, and nothing happens."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sessionstore_app.protocol.methods import METHODS
from tests.support.guests import Guests
from tests.support.wire import refusal_of

# Parameters that are right, but for `room`; each row below breaks one of them.
GOOD: dict[str, dict[str, Any]] = {
    "session.ping": {},
    "session.close": {},
    "room.join": {"observe": ["*"], "since": {"epoch": "e", "version": 0}},
    "room.leave": {},
    "room.set": {"key": "k", "value": 1, "if_version": 0, "ttl_seconds": 1.5, "lifetime": "room", "op": 1},
    "room.get": {"key": "k"},
    "room.delete": {"key": "k", "if_version": 0, "op": 1},
    "room.update": {"key": "k", "do": "increment", "by": 1, "op": 1},
    "room.write": {"ops": [{"key": "k", "value": 1}], "op": 1},
    "room.snapshot": {"keys": ["*"]},
    "room.observe": {"keys": ["*"]},
    "room.unobserve": {"keys": ["*"]},
    "room.peers": {"limit": 1, "after": ""},
    "room.broadcast": {"event": "e", "data": 1},
    "room.clear": {},
}
REQUIRED: dict[str, set[str]] = {
    **{method: {"room"} for method in GOOD if method.startswith("room.")},
    "room.set": {"room", "key", "value"},
    "room.get": {"room", "key"},
    "room.delete": {"room", "key"},
    "room.update": {"room", "key", "do"},
    "room.write": {"room", "ops"},
    "room.observe": {"room", "keys"},
    "room.unobserve": {"room", "keys"},
    "room.broadcast": {"room", "event"},
}
WRONG: dict[str, list[Any]] = {
    "room": [1, None, True, [], {}],
    "key": [1, None, True, [], {}],
    "observe": ["*", [1], {}, 1, [None]],
    "keys": ["*", [1], {}, 1, [None]],
    "since": [
        1,
        "e",
        [],
        {},
        {"epoch": "e"},
        {"version": 1},
        {"epoch": 1, "version": 1},
        {"epoch": "e", "version": -1},
    ],
    "if_version": [-1, "1", 1.5, True, []],
    "ttl_seconds": [0, -1, "1", True, []],
    "lifetime": ["forever", "", 1, True, []],
    "op": [-1, "1", 1.5, True, []],
    "do": ["", "divide", 1, True, []],
    "by": ["1", True, [], {}],
    "ops": [[], {}, "k", [1], [{}], [{"key": "k"}], [{"value": 1}], [{"key": "k", "value": 1, "x": 1}], [[]]],
    "limit": [0, -1, "1", 1.5, True],
    "after": [1, [], {}],
    "event": [1, "", [], {}],
}
UPDATES: list[dict[str, Any]] = [
    {"do": "increment", "item": 1},
    {"do": "append"},
    {"do": "append", "item": 1, "cap": 0},
    {"do": "append", "item": 1, "cap": "3"},
    {"do": "append", "item": {"id": 1}, "unique": 1},
    {"do": "append", "item": 1, "unique": "id"},
    {"do": "remove"},
    {"do": "remove", "where": {}},
    {"do": "remove", "where": "id"},
    {"do": "remove", "where": []},
    {"do": "merge"},
    {"do": "merge", "patch": {}, "by": 1},
]


def test_every_method_has_its_row() -> None:
    assert set(GOOD) == set(METHODS) - {"session.open", "session.ack"}


@pytest.mark.parametrize("method", GOOD)
async def test_wrong_parameters_are_refused(guests: Guests, room: str, method: str) -> None:
    wire, witness = await guests.join(room), await guests.join(room)
    await wire.forget()
    good = dict(GOOD[method], **({"room": room} if "room" in REQUIRED.get(method, ()) else {}))
    await wire.refused(method, "INVALID_PARAMS", **good, surprise=1)
    for name in REQUIRED.get(method, ()):
        await wire.refused(method, "INVALID_PARAMS", **{member: good[member] for member in good if member != name})
    for name in good:
        for value in WRONG.get(name, ()):
            await wire.refused(method, "INVALID_PARAMS", **{**good, name: value})
    wire.write(json.dumps({"jsonrpc": "2.0", "id": "position", "method": method, "params": list(good.values())}))
    refusal_of(await wire.expect_frame(len(wire.frames)), "INVALID_PARAMS")
    assert (await wire.call("room.snapshot", room=room))["version"] == 0
    await witness.assert_silent("room.changed", "room.message", "room.cleared")


@pytest.mark.parametrize("params", UPDATES, ids=str)
async def test_wrong_updates_are_refused(guests: Guests, room: str, params: dict[str, Any]) -> None:
    wire = await guests.join(room)
    await wire.refused("room.update", "INVALID_PARAMS", room=room, key="k", **params)


@pytest.mark.parametrize(
    "params",
    [
        {"token": 1}, {"resume": {}}, {"resume": {"session_id": "a"}}, {"resume": "a"}, {"heartbeat": "yes"},
        {"resume": {"session_id": "a", "resume_token": "b", "rooms": {"r": {"epoch": 1, "version": 1}}}},
        {"batch": 1}, {"client": "t"}, {"properties": []}, {"surprise": 1}, {"environment": 5},
    ],
    ids=str,
)  # fmt: skip
async def test_wrong_parameters_of_opening_leave_the_socket_for_another_try(
    guests: Guests, params: dict[str, Any]
) -> None:
    wire = await guests.connect()
    await wire.refused("session.open", "INVALID_PARAMS", **params)
    await wire.open()


@pytest.mark.parametrize("params", [{}, {"bytes": -1}, {"bytes": "1"}, {"bytes": 1.5}, {"bytes": 2**53 - 1}])
async def test_a_wrong_ack_harms_nobody(guests: Guests, room: str, params: dict[str, Any]) -> None:
    """T13: not even one that claims more than was sent."""
    wire = await guests.join(room)
    wire.notify("session.ack", **params)
    await wire.call("room.set", room=room, key="k", value=1)
    await wire.expect_change("k", 1)


# --- names


@pytest.mark.parametrize(
    "key",
    ["", "a*b", "*", "hand/*", "\n", "a\x00b".replace("\x00", "\x01"), "\x7f", "\x85", "__proto__", "constructor"],
)
async def test_what_cannot_be_a_key(guests: Guests, room: str, key: str) -> None:
    """T9: names that would reach an object's prototype are no keys."""
    wire = await guests.join(room)
    for method, params in (
        *(("room.set", {"value": 1}), ("room.get", {}), ("room.delete", {}), ("room.update", {"do": "increment"})),
    ):
        await wire.refused(method, "INVALID_KEY", room=room, key=key, **params)
    await wire.refused("room.write", "INVALID_KEY", room=room, ops=[{"key": key, "value": 1}])
    assert (await wire.call("room.snapshot", room=room))["version"] == 0


@pytest.mark.parametrize(
    "key", ["default", " ", "é/ü", "\U0001f600", "a b", "'\"\\", "<b>", "$Principal", "../..", "hasOwnProperty"]
)
async def test_what_can_be_a_key(guests: Guests, room: str, key: str) -> None:
    """H57: `default` is a key like any other."""
    wire = await guests.join(room, observe=[key])
    await wire.call("room.set", room=room, key=key, value=key)
    await wire.expect_change(key, key)
    assert (await wire.call("room.get", room=room, key=key))["value"] == key


@pytest.mark.parametrize("pattern", ["a*b", "*a*", "**", "a**", "**a"])
async def test_a_star_elsewhere_is_no_pattern(guests: Guests, room: str, pattern: str) -> None:
    wire = await guests.join(room)
    await wire.refused("room.observe", "INVALID_PARAMS", room=room, keys=[pattern])
    await wire.refused("room.snapshot", "INVALID_PARAMS", room=room, keys=[pattern])
    await wire.refused("room.join", "INVALID_PARAMS", room=room, observe=[pattern])


@pytest.mark.parametrize("name", ["", "\n", "a\x1fb", "\x9f"])
async def test_what_cannot_be_a_room(guests: Guests, name: str) -> None:
    wire = await guests.open()
    await wire.refused("room.join", "INVALID_PARAMS", room=name)


@pytest.mark.parametrize("name", ["*", " ", "é/ü \U0001f600", "a:b:c", "room:a:b", "../../etc", "'; drop table", "%s"])
async def test_what_can_be_a_room(guests: Guests, name: str) -> None:
    """T24, P41: any text but controls; two rooms are never one."""
    wire = await guests.open()
    for room in (name, f"{name}:"):
        await wire.call("room.join", room=room, observe=["*"])
        await wire.call("room.set", room=room, key="k", value=room)
    for room in (name, f"{name}:"):
        assert (await wire.call("room.get", room=room, key="k"))["value"] == room
        assert (await wire.call("room.leave", room=room))["cleared"] is True
