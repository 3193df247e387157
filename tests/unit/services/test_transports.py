"""Finished frames straight to a transport that is known by type, and only while nothing is unusual."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Opcode
from websockets.protocol import Protocol, Side, State

from sessionstore_app.services.transports import fast_path


class Transport:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.written = b""
        self.closing = False

    def write(self, data: bytes) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.closing


@pytest.fixture
def server() -> WebSocketsSansIOProtocol:
    """uvicorn's protocol object as it is after a handshake, without a socket."""
    made: Any = object.__new__(WebSocketsSansIOProtocol)
    made.handshake_complete = True
    made.close_sent = made.disconnected = False
    made.writable = asyncio.Event()
    made.writable.set()
    made.transport = Transport()
    made.conn = Protocol(Side.SERVER)
    found: WebSocketsSansIOProtocol = made
    return found


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 70_000])
def test_a_client_reads_the_frame_as_it_was_meant(server: Any, size: int) -> None:
    text = ("ü" + "x" * size)[:size]
    try_send = fast_path(server.send)
    assert try_send is not None
    assert try_send(text)
    assert try_send(text)
    client = Protocol(Side.CLIENT, state=State.OPEN, max_size=None)
    client.receive_data(server.transport.written)
    frames = [(frame.opcode, bytes(frame.data).decode()) for frame in client.events_received()]  # type: ignore[union-attr]
    assert frames == [(Opcode.TEXT, text)] * 2


@pytest.mark.parametrize("unusual", ["close_sent", "disconnected", "handshake", "holding back", "closing"])
def test_whatever_is_unusual_goes_by_send(server: Any, unusual: str) -> None:
    try_send = fast_path(server.send)
    assert try_send is not None
    if unusual == "handshake":
        server.handshake_complete = False
    elif unusual == "holding back":
        server.writable.clear()
    elif unusual == "closing":
        server.transport.closing = True
    else:
        setattr(server, unusual, True)
    assert not try_send("text")
    assert server.transport.written == b""


def test_compression_has_no_faster_way(server: Any) -> None:
    server.conn.extensions = [object()]
    assert fast_path(server.send) is None


def test_an_unknown_server_has_no_faster_way() -> None:
    async def send(message: dict[str, Any]) -> None:
        raise NotImplementedError

    assert fast_path(send) is None
