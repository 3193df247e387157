"""Protocol §1: strict JSON and JSON-RPC on a live socket; whatever one sends, a witness in the room notices nothing."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.guests import Guests
from tests.support.wire import Wire, refusal_of


def _set(room: str, value: str) -> str:
    """A `room.set` whose value is this text."""
    params = f'{{"room":{json.dumps(room)},"key":"k","value":{value}}}'
    return f'{{"jsonrpc":"2.0","id":1,"method":"room.set","params":{params}}}'


def _nested(levels: int) -> str:
    return "[" * levels + "]" * levels


# What parsers and databases disagree about, each as the value of a write.
HOSTILE = {
    "NaN": "NaN",
    "Infinity": "Infinity",
    "minus Infinity": "-Infinity",
    "1e400": "1e400",
    "minus 1e400": "-1e400",
    "30 digits": "1" * 30,
    "2^53": str(2**53),
    "minus 2^53": str(-(2**53)),
    "5000 digits": "7" * 5_000,
    "NUL": '"a\\u0000b"',
    "NUL in a name": '{"a\\u0000b":1}',
    "lone high surrogate": '"\\ud800"',
    "lone low surrogate": '"\\udc00x"',
    "surrogates in the wrong order": '"\\udc00\\ud800"',
    "duplicate names": '{"a":1,"a":2}',
    "duplicate names, one escaped": '{"a":1,"\\u0061":2}',
    "duplicate names inside": '[{"b":{"a":1,"a":1}}]',
    "depth 33": _nested(31),
    "depth 500": _nested(500),
    "depth 1100": _nested(1_100),
    "depth 30000": _nested(30_000),
    "raw control character": '"a\nb"',
    "single quotes": "'a'",
    "trailing comma": "[1,]",
    "comment": "1/**/",
    "leading zero": "01",
    "plus sign": "+1",
    "hex": "0x10",
    "bad escape": '"\\x41"',
    "nothing": "",
}
HARMLESS = {
    "2^53-1": str(2**53 - 1),
    "minus 2^53-1": str(-(2**53) + 1),
    "depth 32": _nested(30),
    "escaped backslash before u0000": '"\\\\u0000"',
    "surrogate pair": '"\\ud83d\\ude00"',
    "a member named __proto__": '{"__proto__":{"x":1},"constructor":2}',
    "line separators": '"\u2028\u2029"',
    "no characters": '"\ufeff\ufffe\uffff"',
    "zero": "0",
    "false": "false",
    "empty text": '""',
    "empty list": "[]",
    "a fraction": "1.5e-7",
}


@pytest.fixture
async def witness(any_guests: Guests, room: str) -> AsyncIterator[Wire]:
    """Someone in the same room who must not notice anything."""
    wire = await any_guests.join(room)
    yield wire
    assert wire.is_open
    await wire.assert_silent("room.changed", "room.cleared", "room.snapshot", "room.message")


async def _attacker(guests: Guests, room: str, witness: Wire) -> Wire:
    wire = await guests.join(room)
    await witness.forget()
    return wire


async def test_hostile_json_is_refused_and_the_socket_stays(any_guests: Guests, room: str, witness: Wire) -> None:
    """P36. Each row of the table; a fresh socket every 15, for too many in a row end one."""
    rows = list(HOSTILE.items())
    for start in range(0, len(rows), 15):
        attacker = await _attacker(any_guests, room, witness)
        for name, value in rows[start : start + 15]:
            attacker.write(_set(room, value))
            await attacker.call("session.ping")
            assert attacker.strays, f"{name} was not refused"
            error = refusal_of(attacker.strays.pop(0), "PARSE_ERROR")
            assert error["message"], name
        assert (await attacker.call("room.get", room=room, key="k"))["version"] == 0


@pytest.mark.parametrize("name", HARMLESS)
async def test_what_passes_comes_back_equal(guests: Guests, room: str, name: str) -> None:
    wire = await guests.join(room)
    wire.write(_set(room, HARMLESS[name]))
    value = json.loads(HARMLESS[name])
    assert (await wire.expect_change("k", value))["value"] == value
    found = (await wire.call("room.get", room=room, key="k"))["value"]
    assert json.dumps(found) == json.dumps(value)


REFUSED_FRAMES: dict[str, tuple[str, str]] = {
    "empty": ("", "PARSE_ERROR"),
    "blank": (" ", "PARSE_ERROR"),
    "byte-order mark": ('\ufeff{"jsonrpc":"2.0","id":1,"method":"session.ping"}', "PARSE_ERROR"),
    "two values": ("{}{}", "PARSE_ERROR"),
    "cut short": ('{"jsonrpc":"2.0"', "PARSE_ERROR"),
    "duplicate method": ('{"jsonrpc":"2.0","id":1,"method":"a","method":"session.ping"}', "PARSE_ERROR"),
    "a number": ("1", "INVALID_REQUEST"),
    "null": ("null", "INVALID_REQUEST"),
    "a string": ('"session.ping"', "INVALID_REQUEST"),
    "empty batch": ("[]", "INVALID_REQUEST"),
    "51 calls": (json.dumps([{"jsonrpc": "2.0", "id": 1, "method": "session.ping"}] * 51), "INVALID_REQUEST"),
    "id true": ('{"jsonrpc":"2.0","id":true,"method":"session.ping"}', "INVALID_REQUEST"),
    "id object": ('{"jsonrpc":"2.0","id":{},"method":"session.ping"}', "INVALID_REQUEST"),
    "id fraction": ('{"jsonrpc":"2.0","id":1.5,"method":"session.ping"}', "INVALID_REQUEST"),
}


@pytest.mark.parametrize("name", REFUSED_FRAMES)
async def test_a_refused_frame_is_answered_with_a_null_id(guests: Guests, name: str) -> None:
    frame, reason = REFUSED_FRAMES[name]
    wire = await guests.open()
    wire.write(frame)
    reply = await wire.expect_frame(len(wire.frames))
    assert reply["id"] is None
    refusal_of(reply, reason)
    await wire.call("session.ping")


REFUSED_CALLS: dict[str, tuple[dict[str, Any], str]] = {
    "no jsonrpc": ({"method": "session.ping"}, "INVALID_REQUEST"),
    "jsonrpc 1.0": ({"jsonrpc": "1.0", "method": "session.ping"}, "INVALID_REQUEST"),
    "jsonrpc number": ({"jsonrpc": 2.0, "method": "session.ping"}, "INVALID_REQUEST"),
    "no method": ({"jsonrpc": "2.0"}, "INVALID_REQUEST"),
    "method number": ({"jsonrpc": "2.0", "method": 1}, "INVALID_REQUEST"),
    "method unknown": ({"jsonrpc": "2.0", "method": "room.destroy"}, "METHOD_NOT_FOUND"),
    "method of a prototype": ({"jsonrpc": "2.0", "method": "__class__"}, "METHOD_NOT_FOUND"),
    "method in capitals": ({"jsonrpc": "2.0", "method": "Session.Ping"}, "METHOD_NOT_FOUND"),
    "params by position": ({"jsonrpc": "2.0", "method": "session.ping", "params": []}, "INVALID_PARAMS"),
    "params text": ({"jsonrpc": "2.0", "method": "session.ping", "params": "x"}, "INVALID_REQUEST"),
    "params null": ({"jsonrpc": "2.0", "method": "session.ping", "params": None}, "INVALID_REQUEST"),
}


@pytest.mark.parametrize("name", REFUSED_CALLS)
async def test_a_refused_call_is_answered_with_its_id(guests: Guests, name: str) -> None:
    call, reason = REFUSED_CALLS[name]
    wire = await guests.open()
    wire.write(json.dumps({**call, "id": "mine"}))
    reply = await wire.expect_frame(len(wire.frames))
    assert reply["id"] == "mine"
    refusal_of(reply, reason)


@pytest.mark.parametrize("call_id", [0, -1, 2**53 - 1, "", "a", "\u00e9\u2028", "1"])
async def test_ids_come_back_as_they_were(guests: Guests, call_id: str | int) -> None:
    wire = await guests.open()
    wire.write(json.dumps({"jsonrpc": "2.0", "id": call_id, "method": "session.ping"}))
    assert (await wire.expect_frame(len(wire.frames)))["id"] == call_id


async def test_an_id_of_null_is_answered(guests: Guests) -> None:
    wire = await guests.open()
    wire.write('{"jsonrpc":"2.0","id":null,"method":"session.ping"}')
    reply = await wire.expect_frame(len(wire.frames))
    assert reply["id"] is None
    assert "result" in reply


async def test_a_notification_is_done_but_never_answered(any_guests: Guests, room: str) -> None:
    wire = await any_guests.join(room)
    heard = len(wire.frames)
    wire.notify("room.set", room=room, key="k", value=1)
    wire.notify("room.set", room=room, key="*", value=1)
    wire.notify("no.such.method")
    wire.notify("room.set", room="elsewhere", key="k", value=1)
    await wire.expect_change("k", 1)
    await wire.call("session.ping")
    assert [frame.get("method") for frame in wire.frames[heard:]] == ["room.changed", None]


# --- batches


async def test_a_batch_is_answered_with_a_batch(any_guests: Guests, room: str) -> None:
    wire = await any_guests.join(room)
    calls: list[Any] = [
        {"jsonrpc": "2.0", "id": "set", "method": "room.set", "params": {"room": room, "key": "k", "value": 1}},
        {"jsonrpc": "2.0", "method": "room.set", "params": {"room": room, "key": "k", "value": 2}},
        {"jsonrpc": "2.0", "id": "get", "method": "room.nothing"},
        17,
        [],
        {"jsonrpc": "2.0", "id": 5, "method": "session.ping"},
    ]
    heard = len(wire.frames)
    wire.write(json.dumps(calls))
    await wire.expect_change("k", 2)
    await wire.call("session.ping")
    replies = next(frame for frame in wire.frames[heard:] if isinstance(frame, list))
    assert len(replies) == 5
    by_id = {reply["id"]: reply for reply in replies if reply["id"] is not None}
    assert by_id["set"]["result"]["value"] == 1
    refusal_of(by_id["get"], "METHOD_NOT_FOUND")
    assert "server_time" in by_id[5]["result"]
    assert [reply["error"]["data"]["reason"] for reply in replies if reply["id"] is None] == ["INVALID_REQUEST"] * 2


async def test_a_batch_may_hold_fifty_calls(any_guests: Guests, room: str) -> None:
    wire = await any_guests.join(room)
    calls = [
        {"jsonrpc": "2.0", "id": f"b{n}", "method": "room.set", "params": {"room": room, "key": "n", "value": n}}
        for n in range(50)
    ]
    heard = len(wire.frames)
    wire.write(json.dumps(calls))
    await wire.expect_change("n", 49)
    await wire.call("session.ping")
    replies = next(frame for frame in wire.frames[heard:] if isinstance(frame, list))
    assert sorted(reply["result"]["version"] for reply in replies) == list(range(1, 51))


async def test_a_batch_of_notifications_is_not_answered(guests: Guests, room: str) -> None:
    wire = await guests.join(room)
    heard = len(wire.frames)
    ack = {"jsonrpc": "2.0", "method": "session.ack", "params": {"bytes": 1}}
    wire.write(json.dumps([ack, ack]))
    await wire.call("session.ping")
    assert len(wire.frames) == heard + 1


# --- frames that end the socket


async def test_a_binary_frame_ends_the_socket(any_guests: Guests, room: str, witness: Wire) -> None:
    attacker = await _attacker(any_guests, room, witness)
    attacker.write(b'{"jsonrpc":"2.0","id":1,"method":"session.ping"}')
    await attacker.expect_closed(4007)


async def test_more_than_twenty_refused_frames_end_the_socket(any_guests: Guests, room: str, witness: Wire) -> None:
    attacker = await _attacker(any_guests, room, witness)
    for _ in range(20):
        attacker.write("nonsense")
    await attacker.call("session.ping")
    assert len(attacker.strays) == 20
    attacker.write("nonsense")
    await attacker.expect_closed(4007)


async def test_calls_refused_for_their_content_do_not_count_as_frames(guests: Guests, room: str) -> None:
    wire = await guests.join(room)
    for _ in range(40):
        await wire.refused("room.set", "INVALID_KEY", room=room, key="*", value=1)
    await wire.call("session.ping")


def _frame_of(room: str, size: int) -> str:
    frame = _set(room, '""')
    return _set(room, '"' + "x" * (size - len(frame)) + '"')


async def test_a_frame_may_be_64_kib(any_guests: Guests, room: str, witness: Wire) -> None:
    """T10: the largest frame is read (its value is refused); one byte more ends the socket."""
    attacker = await _attacker(any_guests, room, witness)
    largest = _frame_of(room, 65_536)
    assert len(largest) == 65_536
    attacker.write(largest)
    reply = await attacker.expect_frame(len(attacker.frames))
    refusal_of(reply, "VALUE_TOO_LARGE")
    attacker.write(_frame_of(room, 65_537))
    await attacker.expect_closed(4005, 1009)


async def test_a_frame_counts_in_bytes(guests: Guests, room: str) -> None:
    attacker = await guests.join(room)
    attacker.write(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "\u00e9" * 40_000}, ensure_ascii=False))
    await attacker.expect_closed(4005, 1009)


async def test_a_huge_frame_ends_the_socket(any_guests: Guests, room: str, witness: Wire) -> None:
    attacker = await _attacker(any_guests, room, witness)
    attacker.write("[" * 6_553_600)
    # 1006: a server program that resets the connection while we still send; then its close frame is lost.
    await attacker.expect_closed(4005, 1009, 1006)


async def test_text_that_is_not_utf8_ends_the_socket(any_guests: Guests, room: str, witness: Wire) -> None:
    attacker = await _attacker(any_guests, room, witness)
    attacker.write_bytes_as_text(b'"\xff\xfe"')
    await attacker.expect_closed(1007, 1006, 4007)
