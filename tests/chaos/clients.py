"""A client as an SDK is one: it numbers its writes, comes back by itself, and sends again what was not answered."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from websockets.exceptions import InvalidHandshake

from tests.support.copies import Follower, snapshot_copy
from tests.support.server import Server
from tests.support.wire import Refused, Wire, eventually

RETRY_SECONDS = 0.1


class Persistent:
    """Writes its own keys over and over and remembers what was acknowledged."""

    def __init__(self, server: Server, room: str, name: str) -> None:
        self._server = server
        self._room = room
        self._name = name
        self._op = 0
        self.wire: Wire | None = None
        self.follower: Follower | None = None
        self._session: dict[str, Any] = {}
        self.sessions: set[str] = set()
        self.acked: dict[str, Any] = {}
        self.writes = 0
        self.comebacks = 0

    async def start(self) -> None:
        """Open and join."""
        self.wire = await Wire.connect(self._server.address)
        self._session = await self.wire.open()
        self.sessions.add(self._session["session_id"])
        await self.wire.call("room.join", room=self._room, observe=["*"])
        self.follower = Follower(self.wire, self._room)

    async def run(self, stop: asyncio.Event) -> None:
        """Write until told to stop; the last write is answered then."""
        while not stop.is_set():
            self._op += 1
            key = f"{self._name}/{self._op % 3}"
            value = f"{self._name} {self._op}"
            while not await self._is_written(key, value):
                continue
            self.acked[key] = value
            self.writes += 1

    async def _is_written(self, key: str, value: str) -> bool:
        """One try; false if it is to be sent again, which the same `op` makes safe."""
        assert self.wire is not None
        try:
            await self.wire.call("room.set", room=self._room, key=key, value=value, op=self._op)
        except ConnectionError:
            await self._come_back()
        except Refused as error:
            if error.reason != "UNAVAILABLE":
                raise
            await asyncio.sleep(RETRY_SECONDS)
        else:
            return True
        return False

    async def _come_back(self) -> None:
        assert self.wire is not None
        assert self.follower is not None
        self.follower.copy()
        await self.wire.drop()
        while not await self._is_back(self.follower.position()):
            continue
        self.sessions.add(self._session["session_id"])
        self.follower.go_on(self.wire)
        self.comebacks += 1

    async def _is_back(self, position: dict[str, Any]) -> bool:
        """One try; false if it is to be tried again."""
        resume = {"session_id": self._session["session_id"], "resume_token": self._session["resume_token"]}
        try:
            self.wire = await Wire.connect(self._server.address)
            self._session = await self.wire.open(resume={**resume, "rooms": {self._room: position}})
        except (OSError, EOFError, InvalidHandshake):  # nobody is there, or it stops and lets nobody in
            pass
        except Refused as error:
            if error.reason != "UNAVAILABLE":
                raise
            await self.close()
        else:
            return True
        await asyncio.sleep(RETRY_SECONDS)
        return False

    async def assert_holds_what_was_acknowledged(self) -> None:
        """Its acknowledged writes are the store's (I1), and what the store holds it holds itself (I6)."""
        assert self.wire is not None
        assert self.follower is not None
        final = snapshot_copy(await self.wire.call("room.snapshot", room=self._room))
        for key, value in self.acked.items():
            assert final[key][0] == value, f"an acknowledged write of {key} is lost"
        await self.wire.until(partial(self.follower.holds, final), "it holds all")

    async def close(self) -> None:
        """Cut the socket."""
        if self.wire is not None:
            await self.wire.drop()


async def written(clients: list[Persistent], more: int) -> None:
    """Wait until every client has `more` further writes acknowledged."""
    goals = [client.writes + more for client in clients]

    async def reached() -> bool:
        return all(client.writes >= goal for client, goal in zip(clients, goals, strict=True))

    await eventually(reached, f"everybody has written {more} times more", 30)
