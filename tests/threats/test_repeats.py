"""T20: every frame comes twice, and once more on a new socket: what was asked for happens once."""

from __future__ import annotations

import json
from typing import Any

from tests.support.copies import converge
from tests.support.guests import Guests
from tests.support.wire import Wire

STEPS: list[tuple[str, dict[str, Any]]] = [
    ("room.set", {"key": "a", "value": 1}),
    ("room.update", {"key": "n", "do": "increment", "by": 5}),
    ("room.update", {"key": "list", "do": "append", "item": {"id": 1}}),
    ("room.update", {"key": "list", "do": "append", "item": {"id": 2}}),
    ("room.set", {"key": "a", "value": 2, "if_version": 1}),
    ("room.write", {"ops": [{"key": "b", "value": 1}, {"key": "c", "value": 1}]}),
    ("room.update", {"key": "n", "do": "increment", "by": 5}),
    ("room.delete", {"key": "b"}),
    ("room.update", {"key": "list", "do": "remove", "where": {"id": 1}}),
    ("room.set", {"key": "b", "value": "again", "if_version": 0}),
]
ONCE = {"a": 2, "n": 10, "list": [{"id": 2}], "b": "again", "c": 1}


def _frames(room: str) -> list[str]:
    """Each as the SDK sends it, with the `op` that counts the writes of a session."""
    return [
        json.dumps({"jsonrpc": "2.0", "id": f"w{op}", "method": method, "params": {"room": room, "op": op, **params}})
        for op, (method, params) in enumerate(STEPS, 1)
    ]


async def test_t20_every_frame_twice_is_as_every_frame_once(any_guests: Guests, room: str) -> None:
    witness, wire = await any_guests.join(room), await any_guests.join(room)
    for frame in _frames(room):
        wire.write(frame)
        wire.write(frame)
    assert await _values([witness, wire], room) == ONCE
    assert (await witness.call("room.snapshot", room=room))["version"] == len(STEPS)
    replies = [frame for frame in wire.frames if str(frame.get("id", "")).startswith("w")]
    repeats = [reply for reply in replies if reply["result"].get("duplicate")]
    assert (len(replies), len(repeats)) == (2 * len(STEPS), len(STEPS))


async def test_t20_all_of_it_again_on_a_new_socket_changes_nothing(any_guests: Guests, room: str) -> None:
    """As after a connection that broke before any answer came."""
    witness, wire = await any_guests.join(room), await any_guests.join(room)
    for frame in _frames(room):
        wire.write(frame)
    assert await _values([witness, wire], room) == ONCE
    await witness.forget()
    await wire.drop()
    back = await any_guests.connect()
    resume = {"session_id": wire.id, "resume_token": wire.session["resume_token"]}
    assert (await back.open(resume=resume))["resumed"] is True
    for frame in _frames(room):
        back.write(frame)
    await back.call("session.ping")
    assert await _values([back], room) == ONCE
    await witness.assert_silent("room.changed")


async def test_t20_a_session_opened_twice_is_one(any_guests: Guests, room: str) -> None:
    wire = await any_guests.join(room)
    await wire.refused("session.open", "ACCESS_DENIED")
    joined = await wire.call("room.join", room=room)
    assert [peer["session_id"] for peer in joined["peers"]] == [wire.id]
    assert (await wire.call("room.peers", room=room))["count"] == 1


async def _values(wires: list[Wire], room: str) -> dict[str, Any]:
    await wires[-1].call("session.ping")
    return {key: value for key, (value, _) in (await converge(wires, room)).items()}
