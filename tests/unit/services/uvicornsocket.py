"""uvicorn's WebSocket protocol without a socket: what it would send is kept, and read as a client reads it."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Opcode
from websockets.protocol import Protocol, Side, State


class Transport:
    """Keeps what is written, or fails."""

    def __init__(self) -> None:
        self.written = b""
        self.closing = False
        self.failure: Exception | None = None

    def write(self, data: bytes) -> None:
        if self.failure is not None:
            raise self.failure
        self.written += data

    def is_closing(self) -> bool:
        return self.closing

    @property
    def texts(self) -> list[str]:
        """The text frames that a client finds in what was written."""
        client = Protocol(Side.CLIENT, state=State.OPEN, max_size=None)
        client.receive_data(self.written)
        frames: list[Any] = client.events_received()
        assert {frame.opcode for frame in frames} <= {Opcode.TEXT}
        return [bytes(frame.data).decode() for frame in frames]


def after_handshake() -> WebSocketsSansIOProtocol:
    """The protocol object as it is after a handshake; its transport is a `Transport`."""
    made: Any = object.__new__(WebSocketsSansIOProtocol)
    made.handshake_complete = True
    made.initial_response = None
    made.close_sent = made.disconnected = False
    made.writable = asyncio.Event()
    made.writable.set()
    made.transport = Transport()
    made.conn = Protocol(Side.SERVER, state=State.OPEN)
    found: WebSocketsSansIOProtocol = made
    return found
