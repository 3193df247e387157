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
    "room.watch": {},
    "room.unwatch": {},
    "room.peers": {"limit": 1, "after": ""},
    "room.broadcast": {"event": "e", "data": 1},
    "room.clear": {},
    "room.can": {"action": "read", "key": "k"},
    "session.get_properties": {"properties": ["*F"], "session_id": "x"},
    "session.set_properties": {"properties": {"k": "v"}, "session_id": "x"},
    "session.set_properties_by_filter": {"filter": "all", "properties": {"k": "v"}},
    "session.list": {"filter": "all", "properties": ["*F"], "limit": 1, "after": ""},
    "session.count": {"filter": "all", "by": ["$Country"]},
    "session.terminate": {"session_id": "x"},
    "session.change_roles": {"filter": "all", "add": ["a"], "remove": ["b"]},
    "session.send": {"session_id": "x", "event": "e", "data": 1},
    "session.observe_for": {"filter": "all", "keys": ["*"]},
    "session.listen": {"filter": "all", "properties": ["*F"], "after": 1},
    "session.unlisten": {"listener_id": "x"},
    "lock.acquire": {"name": "k", "scope": "session", "timeout_seconds": 1.5},
    "lock.release": {"name": "k", "force": False},
    "lock.get": {"name": "k"},
    "lock.list": {},
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
    "session.get_properties": {"properties"},
    "session.set_properties": {"properties"},
    "session.set_properties_by_filter": {"filter", "properties"},
    "session.send": {"event"},
    "session.observe_for": {"room", "keys"},
    "session.unlisten": {"listener_id"},
    "room.can": {"room", "action"},
    "lock.acquire": {"name"},
    "lock.release": {"name"},
    "lock.get": {"name"},
}
# Method and parameter, or parameter alone → values that it cannot have.
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
    "event": [1, "", [], {}, "e" * 129],
    "properties": ["*F", [1], {}, 1, [None]],
    "session.set_properties properties": ["k", [], 1, {"k": 1}, {"k": []}, {"k": True}],
    "session.set_properties_by_filter properties": ["k", [], 1, {"k": 1}, {"k": []}, {"k": True}],
    "session_id": [1, True, [], {}],
    "filter": [1, True, [], {}],
    "session.count by": ["k", [1], {}, 1, [None]],
    "session.listen after": [1.5, True, [], {}],
    "add": ["a", [1], {}, 1, [None]],
    "remove": ["a", [1], {}, 1, [None]],
    "listener_id": [1, None, True, [], {}],
    "name": [1, None, True, [], {}],
    "action": ["", "fly", 1, None, True, [], {}],
    "scope": ["room", "", 1, True, []],
    "timeout_seconds": [-1, "1", True, [], 31_536_001],
    "force": [1, 0, "true", [], None],
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
    ours = {method for method in METHODS if not method.startswith("site.")}
    assert set(GOOD) == ours - {"session.open", "session.ack"}


@pytest.mark.parametrize("method", GOOD)
async def test_wrong_parameters_are_refused(guests: Guests, room: str, method: str) -> None:
    wire, witness = await guests.join(room), await guests.join(room)
    await wire.forget()
    good = dict(GOOD[method], **({"room": room} if "room" in REQUIRED.get(method, ()) else {}))
    await wire.refused(method, "INVALID_PARAMS", **good, surprise=1)
    for name in REQUIRED.get(method, ()):
        await wire.refused(method, "INVALID_PARAMS", **{member: good[member] for member in good if member != name})
    for name in good:
        for value in WRONG.get(f"{method} {name}", WRONG.get(name, ())):
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


@pytest.mark.parametrize("after", ["yesterday", "", "2026-13-01", "12:00", "NaN"])
async def test_a_listener_begins_at_a_time(guests: Guests, after: str) -> None:
    await (await guests.staff()).refused("session.listen", "INVALID_PARAMS", after=after)


@pytest.mark.parametrize(
    "after", [2**53 - 1, -(2**53 - 1), 0, "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-01-01"]
)
async def test_a_listener_may_begin_at_any_time(guests: Guests, after: int | str) -> None:
    staff = await guests.staff()
    listening = await staff.call("session.listen", after=after)
    await staff.expect("session.listening", **listening)


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


@pytest.mark.parametrize("name", ["", "a*b", "*", "\n", "\x85", "__proto__", "x" * 129])
async def test_what_cannot_be_a_lock(guests: Guests, name: str) -> None:
    """T9, D70: a lock is named as a key is."""
    staff = await guests.staff()
    for method in ("lock.acquire", "lock.release", "lock.get"):
        await staff.refused(method, "INVALID_KEY", name=name)


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
