"""A client that writes what no library would: header lines as they are, frames of any size, in any number of pieces.

Knows RFC 6455's framing and nothing more of the protocol than a call and its reply. Every wait has a limit.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Final

from tests.support.server import Server
from tests.support.wire import Params, Refused, result_of

LIMIT_SECONDS: Final = 20.0
TEXT, CONTINUATION, CLOSE = 0x1, 0x0, 0x8
_FINAL, _COMPRESSED, _MASKED = 0x80, 0x40, 0x80
# Any four bytes are a mask; with these, what is sent can be read in a dump.
_MASK = b"\0\0\0\0"


def frame(payload: bytes, *, opcode: int = TEXT, final: bool = True, compressed: bool = False) -> bytes:
    """One frame as a client sends it."""
    first = opcode | (_FINAL if final else 0) | (_COMPRESSED if compressed else 0)
    size = len(payload)
    if size < 126:
        head = bytes([first, _MASKED | size])
    elif size < 65_536:
        head = bytes([first, _MASKED | 126]) + size.to_bytes(2, "big")
    else:
        head = bytes([first, _MASKED | 127]) + size.to_bytes(8, "big")
    return head + _MASK + payload


class RawSocket:
    """A handshake that was sent, and what came of it. `status` is 0 where the connection was just closed."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.status = 0
        self.answer: bytes = b""

    @classmethod
    async def shake(cls, server: Server, *lines: bytes, host: bytes | None = None, path: str = "") -> RawSocket:
        """Send a handshake with these header lines beside those that it must have."""
        raw = cls(*await asyncio.open_connection("127.0.0.1", server.port))
        written = [
            f"GET /ws/sessionstore/{path} HTTP/1.1".encode(),
            b"Host: " + (server.host.encode() if host is None else host),
            *(b"Upgrade: websocket", b"Connection: Upgrade", b"Sec-WebSocket-Version: 13"),
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            *lines,
        ]
        raw.write(b"\r\n".join(written) + b"\r\n\r\n")
        await raw._read_status()
        return raw

    async def __aenter__(self) -> RawSocket:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()

    def abort(self) -> None:
        """Cut the connection."""
        self._writer.transport.abort()

    def write(self, data: bytes) -> None:
        """Hand bytes to the transport."""
        self._writer.write(data)

    async def drain(self) -> None:
        """Wait until the server has taken most of what was written; a server that hangs up has taken it too."""
        async with _in_time():
            try:
                await self._writer.drain()
            except ConnectionError:
                return

    async def call(self, method: str, **params: Any) -> Params:
        """Ask, and return the result. Raises Refused."""
        self.write(frame(json.dumps({"jsonrpc": "2.0", "id": method, "method": method, "params": params}).encode()))
        async with _in_time():
            while True:
                opcode, payload = await self._read_frame()
                assert opcode == TEXT, (opcode, payload)
                reply = json.loads(payload)
                if reply.get("id") == method:
                    return result_of(reply)

    async def refusal(self, method: str, **params: Any) -> tuple[str, str]:
        """Ask for something that must be refused; the message and the hint of the answer."""
        try:
            result = await self.call(method, **params)
        except Refused as refused:
            return refused.error["message"], refused.error["data"]["hint"]
        raise AssertionError(f"it was not refused: {result}")

    async def closed_with(self) -> int:
        """Wait for the end; the close code, or 1006 where there was none."""
        async with _in_time():
            try:
                while True:
                    opcode, payload = await self._read_frame()
                    if opcode == CLOSE:
                        return int.from_bytes(payload[:2], "big")
            except (asyncio.IncompleteReadError, ConnectionError):
                return 1006

    async def _read_status(self) -> None:
        async with _in_time():
            try:
                self.answer = await self._reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                return
        self.status = int(self.answer.split(b" ", 2)[1])

    async def _read_frame(self) -> tuple[int, bytes]:
        first, size = await self._reader.readexactly(2)
        if size >= 126:
            size = int.from_bytes(await self._reader.readexactly(2 if size == 126 else 8), "big")
        return first & 0x0F, await self._reader.readexactly(size)


@asynccontextmanager
async def _in_time() -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            yield
    except TimeoutError:
        raise AssertionError(f"nothing came for {LIMIT_SECONDS} s") from None
