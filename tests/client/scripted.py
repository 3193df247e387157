"""A server that says what a test tells it to: for answers that a real one gives only in bad times."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.server import Server as WebSocketServer
from websockets.asyncio.server import ServerConnection, serve

Call = dict[str, Any]
# Given a call and how many sockets there were: a result, an error, a close code, or None for no answer.
Script = Callable[[Call, int], Any]
LIMITS = {"frame_bytes": 65_536, "value_bytes": 1_024, "key_length": 100, "json_depth": 32}
NOBODY: dict[str, Any] = {
    "resumed": False,
    "principal": "",
    "roles": [],
    "permissions": [],
    "properties": {},
    "limits": LIMITS,
    "rooms": [],
}


class Close(Exception):
    """Close the socket with this code instead of an answer."""


class Refuse(Exception):
    """Answer with this error's data."""


class Scripted:
    """Opens sessions, joins rooms, and leaves the rest to the script."""

    def __init__(self, script: Script, heartbeat_seconds: float) -> None:
        self._script = script
        self._heartbeat_seconds = heartbeat_seconds
        self.sockets = 0
        self.calls: list[Call] = []
        self.sent_bytes = 0

    def named(self, method: str) -> list[Call]:
        """The parameters of all calls of a method."""
        return [call["params"] for call in self.calls if call["method"] == method]

    async def serve(self, socket: ServerConnection) -> None:
        """One socket."""
        self.sockets += 1
        number, self.sent_bytes = self.sockets, 0
        async for text in socket:
            call = json.loads(text)
            self.calls.append(call)
            try:
                answer = {"result": self._script(call, number) or self._usual(call, number)}
            except Refuse as error:
                answer = {"error": {"code": -32000, "message": "No.", "data": error.args[0]}}
            except Close as close:
                await socket.close(close.args[0])
                return
            if "id" in call and answer["result" if "result" in answer else "error"] != "silence":
                await self.send(socket, {"id": call["id"], **answer})
            if call["method"] == "room.join":
                await self.send(socket, {"method": "session.heartbeat", "params": {"server_time": "ä"}})

    async def send(self, socket: ServerConnection, message: Call) -> None:
        """Send a frame, and count it."""
        text = json.dumps({"jsonrpc": "2.0", **message}, ensure_ascii=False)
        self.sent_bytes += len(text.encode())
        await socket.send(text)

    def _usual(self, call: Call, number: int) -> Any:
        if call["method"] == "session.open":
            return {
                "session_id": f"s{number}",
                "resume_token": f"t{number}",
                "heartbeat_seconds": self._heartbeat_seconds,
                **NOBODY,
            }
        if call["method"] == "room.join":
            facts = {"epoch": "e", "version": 0, "roles": [], "peers": [], "count": 0, "entries": []}
            return {"room": call["params"]["room"], **facts}
        if call["method"].startswith("room."):
            return {"key": call["params"].get("key", ""), "value": 1, "version": 1, "by": None, "at": None}
        return {}


@asynccontextmanager
async def scripted(script: Script, *, heartbeat_seconds: float = 10) -> AsyncIterator[tuple[str, Scripted]]:
    """Such a server, and its address."""
    server = Scripted(script, heartbeat_seconds)
    listening: WebSocketServer
    async with serve(server.serve, "127.0.0.1", 0) as listening:
        port = next(iter(listening.sockets)).getsockname()[1]
        yield f"ws://127.0.0.1:{port}/", server
