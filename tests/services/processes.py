"""Two server processes in one loop: each with its own hub and upkeep, on one channel layer, one record and one backend.

What a process does goes through the module-wide "running" hub, so a test lets one process act at a time
(`process.acts()`); what each hears, it hears by itself.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from sessionstore_app.core.close import CloseReason
from sessionstore_app.core.entries import Change
from sessionstore_app.core.jsontext import JsonInput, dumps
from sessionstore_app.core.patterns import EVERYTHING
from sessionstore_app.protocol import frames
from sessionstore_app.services import endings, entrylog, hub, memberships, sessions
from sessionstore_app.services.connection import Connection
from sessionstore_app.services.entrylog import Written
from sessionstore_app.services.hub import Hub
from sessionstore_app.services.policy import ANONYMOUS
from sessionstore_app.services.presence import Presence
from sessionstore_app.services.sessions import Opened
from tests.support.copies import Follower

LIMIT_SECONDS = 10.0


class Client:
    """A socket of a process, up to where its server program would send; `frames` is what it got."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.frames: list[Any] = []
        self.closed_with: int | None = None
        self.connection = Connection(process.hub, self._send, limit_bytes=1_000_000)
        self.connection.wants_heartbeat = False
        self._news = asyncio.Event()
        process.hub.attach(self.connection)

    async def _send(self, event: dict[str, Any]) -> None:
        if event["type"] == "websocket.close":
            self.closed_with = event["code"]
        else:
            self.frames.append(json.loads(event["text"]))
        self._news.set()

    @property
    def id(self) -> str:
        """The session's id."""
        assert self.connection.session is not None
        return self.connection.session.id

    async def open(self) -> Opened:
        """A new session."""
        self.process.acts()
        return await sessions.open_session(self.process.hub, self.connection, ANONYMOUS)

    async def resume(self, opened: Opened) -> Opened | None:
        """Take a session over from wherever it is."""
        self.process.acts()
        back = await sessions.resume_session(
            self.process.hub, self.connection, ANONYMOUS, opened.session.id, opened.resume_token
        )
        for room in back.rooms if back is not None else ():
            await memberships.rejoin(self.process.hub, self.connection, room, None)
        return back

    async def join(self, room: str) -> None:
        """Join, and observe everything; the answer counts as a frame."""
        self.process.acts()
        joined = await memberships.join(self.process.hub, self.connection, room, ["*"], None)
        entries = [json.loads(frames.entry(entry)) for entry in joined.entries]
        told = {"room": room, "epoch": joined.room.epoch, "version": joined.version, "peers": [], "entries": entries}
        self.frames.append({"result": told})

    async def until(self, reached: Callable[[], object], what: str) -> None:
        """Look at every piece of news until it is so."""
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                while not reached():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"waited in vain until {what}; last heard {self.frames[-3:]}") from None

    def heard(self, method: str) -> list[dict[str, Any]]:
        """Params of all notifications of a kind."""
        return [frame["params"] for frame in self.frames if frame.get("method") == method]


class Process:
    """One of the server processes."""

    def __init__(self) -> None:
        self.presence = Presence()
        self.hub = Hub(self.presence)
        self.presence.hub = self.hub

    async def start(self) -> None:
        """Take a place on the bus and in the record."""
        await self.hub.start()
        await self.presence.renew()

    async def stop(self) -> None:
        """End its tasks."""
        await self.hub.settle()
        await self.hub.stop()

    def acts(self) -> None:
        """What is done from here on, this process does."""
        hub.set_running(self.hub)

    async def client(self, room: str) -> Client:
        """A client of this process in a room."""
        made = Client(self)
        await made.open()
        await made.join(room)
        return made

    async def write(self, room: str, values: dict[str, JsonInput], *, waits: bool = True) -> Written:
        """Write to a room, as any socket of this process would; and wait until the bus has it, which no socket does."""
        self.acts()
        changes = tuple(Change(key=key, text=None if value is None else dumps(value)) for key, value in values.items())
        written = await entrylog.write(room, self.hub.rooms[room].epoch, changes, by=None)
        if waits:
            await self.hub.settle()
        return written

    async def heal(self) -> None:
        """What a renewal of the lease does for the rooms it holds, once every NODE_RENEW_SECONDS."""
        self.acts()
        await self.presence.heal(list(self.hub.rooms))

    async def lose(self, client: Client, reason: CloseReason) -> None:
        """A socket of this process is gone."""
        self.acts()
        self.hub.detach(client.connection)
        client.connection.close_reason = reason
        await endings.disconnect(client.connection, reason)


async def settled(processes: Iterable[Process]) -> None:
    """Wait until the bus has what they told each other, or has refused it."""
    for process in processes:
        await process.hub.settle()


async def converge(clients: list[Client], room: str) -> dict[str, tuple[Any, int]]:
    """Wait until all hold the same, which is what the store holds; returns it (I6)."""
    process = clients[0].process
    reading = await entrylog.read(room, process.hub.rooms[room].epoch, EVERYTHING)
    final = {entry.key: (entry.value, entry.version) for entry in reading.entries if entry.exists}
    for client in clients:
        follower = Follower(client, room)
        await client.until(partial(follower.holds, final), f"{client.id} holds {final}")
    return final
