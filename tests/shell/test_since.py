"""Protocol §3, `room.join` with `since`: only what changed, or everything and `complete`."""

from __future__ import annotations

import pytest

from tests.support.guests import Guests
from tests.support.wire import entry_of, values_of


async def test_since_brings_only_what_changed_and_deletions_as_null(guests: Guests, room: str) -> None:
    writer = await guests.join(room)
    for key in ("old", "gone", "later"):
        await writer.call("room.set", room=room, key=key, value=1)
    held = await writer.call("room.snapshot", room=room)
    await writer.call("room.set", room=room, key="later", value=2)
    await writer.call("room.delete", room=room, key="gone")
    since = {"epoch": held["epoch"], "version": held["version"]}
    joined = await (await guests.open()).call("room.join", room=room, observe=["*"], since=since)
    assert "complete" not in joined
    assert [(entry["key"], entry["value"]) for entry in joined["entries"]] == [("later", 2), ("gone", None)]
    gone = entry_of(joined["entries"], "gone")
    assert gone["version"] == 5
    assert gone["by"]["session_id"] == writer.id


async def test_since_now_brings_nothing(guests: Guests, room: str) -> None:
    writer = await guests.join(room)
    await writer.call("room.set", room=room, key="k", value=1)
    held = await writer.call("room.snapshot", room=room)
    since = {"epoch": held["epoch"], "version": held["version"]}
    joined = await (await guests.open()).call("room.join", room=room, observe=["*"], since=since)
    assert joined["entries"] == []
    assert "complete" not in joined


@pytest.mark.parametrize("epoch", ["", "another", "0" * 24])
async def test_since_another_epoch_brings_everything(guests: Guests, room: str, epoch: str) -> None:
    """P8: versions of another epoch mean nothing."""
    writer = await guests.join(room)
    await writer.call("room.set", room=room, key="k", value=1)
    since = {"epoch": epoch, "version": 1}
    joined = await (await guests.open()).call("room.join", room=room, observe=["*"], since=since)
    assert joined["complete"] is True
    assert values_of(joined["entries"]) == {"k": 1}


async def test_a_client_that_lies_about_its_version_harms_nobody(guests: Guests, room: str) -> None:
    """T6: naming a version ahead of the store is unknown to the server, and no way to empty a room without a right."""
    writer = await guests.join(room)
    held = await writer.call("room.set", room=room, key="k", value=1)
    epoch = (await writer.call("room.snapshot", room=room))["epoch"]
    await writer.forget()
    liar = await guests.open()
    since = {"epoch": epoch, "version": held["version"] + 1_000}
    joined = await liar.call("room.join", room=room, observe=["*"], since=since)
    assert joined["complete"] is True
    assert joined["epoch"] == epoch
    assert values_of(joined["entries"]) == {"k": 1}
    await writer.assert_silent("room.cleared", "room.changed")


async def test_a_resuming_client_that_lies_about_its_version_harms_nobody(guests: Guests, room: str) -> None:
    writer, liar = await guests.join(room), await guests.join(room)
    await writer.call("room.set", room=room, key="k", value=1)
    epoch = (await writer.call("room.snapshot", room=room))["epoch"]
    await writer.forget()
    back = await guests.connect()
    rooms = {room: {"epoch": epoch, "version": 2**53 - 1}}
    resume = {"session_id": liar.id, "resume_token": liar.session["resume_token"], "rooms": rooms}
    assert (await back.open(resume=resume))["resumed"] is True
    told = await back.expect("room.snapshot", room=room)
    assert values_of(told["entries"]) == {"k": 1}
    await writer.assert_silent("room.cleared")


async def test_since_is_unknown_once_its_deletions_are_forgotten(guests: Guests, room: str) -> None:
    """Past 512 deletions the oldest are forgotten: who is behind them gets everything."""
    writer = await guests.join(room)
    await writer.call("room.set", room=room, key="stays", value=1)
    held = await writer.call("room.snapshot", room=room)
    for start in range(0, 600, 50):
        keys = [f"k/{n}" for n in range(start, start + 50)]
        await writer.call("room.write", room=room, ops=[{"key": key, "value": 1} for key in keys])
        await writer.call("room.write", room=room, ops=[{"key": key, "value": None} for key in keys])
    since = {"epoch": held["epoch"], "version": held["version"]}
    joined = await (await guests.open()).call("room.join", room=room, observe=["*"], since=since)
    assert joined["complete"] is True
    assert values_of(joined["entries"]) == {"stays": 1}
    assert all(entry["value"] is not None for entry in joined["entries"])
