"""Finished frames straight to a transport that is known by type, and who is at its other end."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from uvicorn import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.asyncio.client import ClientConnection, connect, unix_connect

from sessionstore_app.services.transports import UNIX, fast_path, real_peer
from tests.unit.services.uvicornsocket import after_handshake


@pytest.fixture
def server() -> WebSocketsSansIOProtocol:
    return after_handshake()


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 70_000])
def test_a_client_reads_the_frame_as_it_was_meant(server: Any, size: int) -> None:
    text = ("ü" + "x" * size)[:size]
    try_send = fast_path(server.send)
    assert try_send is not None
    assert try_send(text)
    assert try_send(text)
    assert server.transport.texts == [text] * 2


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


# --- T2, T29: the real peer


async def unknown(*message: Any) -> None:
    raise NotImplementedError


class Seen:
    """An application that keeps what it is told of the first socket."""

    def __init__(self) -> None:
        self.client: Any = None
        self.peer: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        self.client, self.peer = scope["client"], real_peer(receive, unknown)
        assert self.peer == real_peer(unknown, send)
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close"})


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def factory(seen: Seen) -> Callable[[], WebSocketsSansIOProtocol]:
    """uvicorn as it comes, but that it believes every peer."""
    config = Config(seen, forwarded_allow_ips="*", log_config=None, lifespan="off")
    config.load()
    return lambda: WebSocketsSansIOProtocol(config, ServerState(), {})


async def shake_hands(dialling: Awaitable[ClientConnection]) -> None:
    async with asyncio.timeout(10):
        client = await dialling
        await client.wait_closed()


async def test_t2_uvicorns_peer_is_not_whom_the_header_names(seen: Seen, factory: Any) -> None:
    server = await asyncio.get_running_loop().create_server(factory, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        await shake_hands(connect(f"ws://{host}:{port}/", additional_headers={"x-forwarded-for": "203.0.113.5:77"}))
    assert seen.client == ("203.0.113.5", 77)
    assert seen.peer[0] == "127.0.0.1"
    assert seen.peer[1] > 77


async def test_t2_uvicorns_peer_on_a_unix_socket_has_no_address(seen: Seen, factory: Any, tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    async with await asyncio.get_running_loop().create_unix_server(factory, path):
        await shake_hands(unix_connect(path, "ws://localhost/", additional_headers={"x-forwarded-for": "203.0.113.5"}))
    assert seen.client == ("203.0.113.5", 0)
    assert seen.peer == (UNIX, 0)


def stand_in(monkeypatch: pytest.MonkeyPatch, module: str, name: str) -> Any:
    """An object whose type has the place of a server's."""
    kind = type(name, (SimpleNamespace,), {"receive": lambda self: None})
    monkeypatch.setitem(sys.modules, module, SimpleNamespace(**{name: kind}))
    return kind()


@pytest.mark.parametrize(("module", "name"), [("websockets_impl", "WebSocketProtocol"), ("wsproto_impl", "WSProtocol")])
def test_t2_uvicorns_other_protocols_are_known_too(monkeypatch: pytest.MonkeyPatch, module: str, name: str) -> None:
    server = stand_in(monkeypatch, f"uvicorn.protocols.websockets.{module}", name)
    server.client = ("192.0.2.1", 5)
    assert real_peer(server.receive) == ("192.0.2.1", 5)


def test_t2_a_peer_that_is_gone_already_is_not_known(server: Any) -> None:
    server.client = None
    server.transport.get_extra_info = {"socket": SimpleNamespace(family=socket.AF_INET)}.get
    assert real_peer(server.receive) is None


@pytest.mark.parametrize(
    ("address", "peer"),
    [
        (SimpleNamespace(host="192.0.2.1", port=5), ("192.0.2.1", 5)),
        (type("UNIXAddress", (), {})(), (UNIX, 0)),
        (object(), None),
    ],
)
def test_t2_daphnes_peer_is_its_transports(monkeypatch: pytest.MonkeyPatch, address: Any, peer: Any) -> None:
    protocol = stand_in(monkeypatch, "daphne.ws_protocol", "WebSocketProtocol")
    protocol.client_addr = ["203.0.113.5", 0]
    protocol.transport = SimpleNamespace(getPeer=lambda: address)
    assert real_peer(asyncio.Queue[None]().get, partial(unknown, protocol)) == peer


def test_an_unknown_servers_peer_is_not_known() -> None:
    assert real_peer(unknown, partial(unknown)) is None
