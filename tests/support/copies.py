"""What a client holds of a room, worked out from all the frames it got, and the promises those frames must keep.

A version of a key never goes back within an epoch (I2), nothing of a cleared epoch is told after it was
cleared (P8), and a snapshot replaces what was held. Compare the copies of several clients for convergence (I6).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, Protocol

from tests.support.wire import Wire

Copy = dict[str, tuple[Any, int]]


class Hears(Protocol):
    """Anything with the frames that a client got, in order."""

    frames: list[Any]


class Follower:
    """One client's copy of one room, brought up to date by each look at it; `go_on` follows it to its next socket."""

    def __init__(self, wire: Hears, room: str) -> None:
        self._room = room
        self._epochs: list[str] = []
        self._version = 0
        self._entries: Copy = {}
        self.go_on(wire)

    def go_on(self, wire: Hears) -> None:
        """From here on its frames come by this socket."""
        self._wire = wire
        self._read = 0

    def copy(self) -> Copy:
        """Key → (value, version) of what has a value."""
        frames = self._wire.frames
        while self._read < len(frames):
            frame = frames[self._read]
            self._read += 1
            for message in frame if isinstance(frame, list) else [frame]:
                self._take(message)
        return {key: entry for key, entry in self._entries.items() if entry[0] is not None}

    def holds(self, expected: Copy) -> bool:
        """Is this what it holds by now?"""
        return self.copy() == expected

    def position(self) -> dict[str, Any]:
        """Epoch and version up to which all is known, as `since` and `resume` name it."""
        self.copy()
        return {"epoch": self._epochs[-1], "version": self._version}

    def _take(self, message: dict[str, Any]) -> None:
        told = message.get("params") or message.get("result")
        if not isinstance(told, dict) or told.get("room") != self._room:
            return
        match message.get("method"):
            case "room.changed":
                self._enter(told["epoch"])
                self._apply(told["changes"], told["version"])
                self._version = told["version"]
            case "room.snapshot":
                self._enter(told["epoch"])
                self._replace(told["entries"])
                self._version = told["version"]
            case "room.cleared":
                self._enter(told["epoch"])
            case None if "peers" in told and "entries" in told:
                self._enter(told["epoch"])
                self._replace(told["entries"])
                self._version = told["version"]

    def _enter(self, epoch: str) -> None:
        if not self._epochs or self._epochs[-1] != epoch:
            assert epoch not in self._epochs, f"epoch {epoch} came back after {self._epochs}"
            self._epochs.append(epoch)
            self._version = 0
            self._entries = {}

    def _apply(self, entries: list[dict[str, Any]], room_version: int) -> None:
        for entry in entries:
            held = self._entries.get(entry["key"], (None, 0))[1]
            assert entry["version"] >= held, f"{entry['key']} went back from {held} to {entry['version']}"
            assert entry["version"] <= room_version, f"{entry} is newer than the room at {room_version}"
            self._entries[entry["key"]] = (entry["value"], entry["version"])

    def _replace(self, entries: list[dict[str, Any]]) -> None:
        for entry in entries:
            held = self._entries.get(entry["key"], (None, 0))[1]
            assert entry["version"] >= held, f"a snapshot took {entry['key']} back from {held} to {entry['version']}"
        self._entries = {entry["key"]: (entry["value"], entry["version"]) for entry in entries}


def copy_of(wires: Wire | Iterable[Wire], room: str) -> Copy:
    """What a client that observes everything holds, over its sockets one after the other."""
    first, *others = [wires] if isinstance(wires, Wire) else wires
    follower = Follower(first, room)
    held = follower.copy()
    for wire in others:
        follower.go_on(wire)
        held = follower.copy()
    return held


async def converge(wires: Sequence[Wire], room: str) -> Copy:
    """Wait until all clients, who observe everything, hold what the store holds (I6); returns that."""
    final = snapshot_copy(await wires[0].call("room.snapshot", room=room))
    for wire in wires:
        await wire.until(partial(Follower(wire, room).holds, final), "all converge")
    return final


def snapshot_copy(snapshot: dict[str, Any]) -> Copy:
    """The same of a `room.snapshot` result."""
    return {
        entry["key"]: (entry["value"], entry["version"]) for entry in snapshot["entries"] if entry["value"] is not None
    }
