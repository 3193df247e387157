"""Stand-ins for what surrounds a room and a connection: peers that remember, a hub and a send run by hand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, cast

from sessionstore_app.core.close import CloseReason
from sessionstore_app.core.entries import Entry, Epoch
from sessionstore_app.protocol import frames
from sessionstore_app.services.connection import Connection
from sessionstore_app.services.events import Changed
from sessionstore_app.services.hub import Hub
from sessionstore_app.services.localroom import LocalRoom
from sessionstore_app.services.roommember import Member


def text_of(key: str, version: int) -> str:
    """An entry as text, whose value is its version."""
    return frames.entry(Entry(key=key, text=str(version), version=version))


class Peer:
    """A connection that only remembers what it was handed, in order."""

    def __init__(self) -> None:
        self.frames: list[dict[str, Any]] = []
        self.texts: list[str] = []
        self.forgotten: list[str] = []

    def put_changes(self, room: str, epoch: str, version: int, text: str, changes: Mapping[str, str]) -> None:
        params = json.loads(text)["params"]
        assert (params["room"], params["epoch"], params["version"]) == (room, epoch, version)
        assert params["changes"] == [json.loads(change) for change in changes.values()]
        self._take(text)

    def put_unstored(self, text: str) -> None:
        self._take(text)

    def put_message(self, text: str) -> None:
        self._take(text)

    def forget_behind(self, room: str) -> None:
        self.forgotten.append(room)

    def _take(self, text: str) -> None:
        self.texts.append(text)
        frame = json.loads(text)
        self.frames.append({"method": frame["method"], **frame["params"]})

    @property
    def told(self) -> list[tuple[str, int]]:
        """Key and version of every change it was told, in order."""
        return [(entry["key"], entry["version"]) for frame in self.frames for entry in frame.get("changes", [])]


def member(session_id: str = "s1") -> tuple[Member, Peer]:
    """A member whose connection is a `Peer`."""
    peer = Peer()
    return Member(cast(Connection, peer), session_id, ()), peer


class FakeHub:
    """A hub whose tick and clock are moved by the test; its tasks run on the test's loop."""

    def __init__(self) -> None:
        self.time = 100.0
        self.touched: list[Connection] = []
        self.losses: list[CloseReason] = []
        self.tasks: set[asyncio.Task[None]] = set()

    def now(self) -> float:
        return self.time

    def schedule(self, connection: Connection) -> None:
        connection.scheduled = True
        self.touched.append(connection)

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    def lost(self, connection: Connection, reason: CloseReason) -> None:
        self.losses.append(reason)

    def tick(self) -> None:
        """The end of a tick of the loop."""
        touched, self.touched = self.touched, []
        for connection in touched:
            connection.flush()

    async def settle(self) -> None:
        """Wait until no background task is left."""
        async with asyncio.timeout(5):
            while self.tasks:
                await asyncio.wait(list(self.tasks))


class FakeSend:
    """An ASGI `send`: takes frames at once, holds them back, or fails, as the test says."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.codes: list[int] = []
        self.holds: asyncio.Event | None = None
        self.failure: Exception | None = None

    def hold(self) -> asyncio.Event:
        """From now on a send waits, until the event is set."""
        self.holds = asyncio.Event()
        return self.holds

    async def __call__(self, message: dict[str, Any]) -> None:
        if message["type"] == "websocket.close":
            self.codes.append(message["code"])
            return
        if self.failure is not None and self.holds is None:
            raise self.failure
        self.sent.append(message["text"])
        if self.holds is not None:
            await self.holds.wait()
            if self.failure is not None:
                raise self.failure


def connection(hub: FakeHub, send: FakeSend, limit_bytes: int = 1_000) -> Connection:
    """A real connection between a fake hub and a fake send."""
    return Connection(cast(Hub, hub), send, limit_bytes)


def change(bo: Connection, version: int, key: str = "a", *, room: str = "r", epoch: str = "e1") -> None:
    """Tell a connection that a key of a room has changed."""
    text = frames.room_changed(room, epoch, version, [text_of(key, version)])
    bo.put_changes(room, epoch, version, text, {key: text_of(key, version)})


def told(sent: list[str]) -> list[tuple[str, int, list[tuple[str, int]]]]:
    """Room, version and changes of each `room.changed` among the frames."""
    parsed = [json.loads(text)["params"] for text in sent if "room.changed" in text]
    return [(p["room"], p["version"], [(e["key"], e["version"]) for e in p["changes"]]) for p in parsed]


# --- rooms

E1 = Epoch("e1")


def changed(version: int, *keys: str) -> Changed:
    """A write to these keys, or to `a`, as it is heard."""
    return Changed(E1, version, {key: text_of(key, version) for key in keys or ("a",)})


def texts(*entries: tuple[str, int]) -> Sequence[tuple[str, int, str]]:
    """What a read gave: key, version and entry as text."""
    return [(key, version, text_of(key, version)) for key, version in entries]


def room_with(*patterns: str, version: int = 0) -> tuple[LocalRoom, Member, Peer]:
    """A room with one member that observes these patterns."""
    room = LocalRoom("r", epoch=E1, version=version)
    who, peer = member()
    room.add(who)
    room.observe(who, patterns, version)
    return room, who, peer
