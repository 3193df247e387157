"""What is behind the socket, for servers known by type: a faster way to it, a close with any code, and who is at its
other end.

Any ASGI server is served by its `send`. Where the server is one whose insides are known, a finished WebSocket frame
goes to the transport itself: encoded once for everybody who is sent the same text, without a message and a coroutine
for each. Whenever anything is not as expected (a handshake under way, compression, a transport that holds back) the
frame goes by `send` as everywhere.
"""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, Final, TypeAlias

# Takes a text; false if it must go by `send`.
TrySend: TypeAlias = Callable[[str], bool]

_UVICORN = "uvicorn.protocols.websockets.websockets_sansio_impl"
_NEEDED = ("handshake_complete", "close_sent", "disconnected", "writable", "transport", "conn")


def fast_path(send: Any) -> TrySend | None:
    """The faster way to the socket behind an ASGI `send`, if there is one."""
    server: Any = getattr(send, "__self__", None)
    known = getattr(sys.modules.get(_UVICORN), "WebSocketsSansIOProtocol", None)
    if known is None or type(server) is not known or not all(hasattr(server, name) for name in _NEEDED):
        return None
    # Compressed frames have a state of their own.
    return None if getattr(server.conn, "extensions", True) else _uvicorn(server)


def _uvicorn(server: Any) -> TrySend:
    is_writable = server.writable.is_set
    write, is_closing = server.transport.write, server.transport.is_closing

    def try_send(text: str) -> bool:
        if server.close_sent or server.disconnected or not server.handshake_complete or not is_writable():
            return False
        if is_closing():
            return False
        write(_frame(text))
        return True

    return try_send


# In a room the same text goes to one peer after the other.
@lru_cache(1)
def _frame(text: str) -> bytes:
    """An unfragmented, unmasked text frame (RFC 6455, section 5.2)."""
    payload = text.encode()
    size = len(payload)
    if size < 126:
        return struct.pack("!BB", 0x81, size) + payload
    if size < 65_536:
        return struct.pack("!BBH", 0x81, 126, size) + payload
    return struct.pack("!BBQ", 0x81, 127, size) + payload


# --- saying goodbye

# All that Daphne's `send` lets pass; a server that stops has a code of its own (RFC 6455, section 7.4).
_CODES_OF_DAPHNE = frozenset({1000, *range(3_000, 5_000)})


async def close(send: Any, code: int) -> None:
    """Close the socket with any code. Raises what the server raises at a socket that is gone."""
    server = _server(send)
    if code in _CODES_OF_DAPHNE or not _is_one_of(server, _DAPHNE_TYPES) or not hasattr(server, "sendCloseFrame"):
        await send({"type": "websocket.close", "code": code})
    else:
        server.sendCloseFrame(code=code)


# --- who is at the other end

# Host and port of who is connected.
Peer: TypeAlias = tuple[str, int]
# The host of a peer on a Unix socket.
UNIX: Final = "unix"

_UVICORN_TYPES = (
    (_UVICORN, "WebSocketsSansIOProtocol"),
    ("uvicorn.protocols.websockets.websockets_impl", "WebSocketProtocol"),
    ("uvicorn.protocols.websockets.wsproto_impl", "WSProtocol"),
)
_DAPHNE_TYPES = (("daphne.ws_protocol", "WebSocketProtocol"),)


def real_peer(*callables: Any) -> Peer | None:
    """The peer of the socket behind an ASGI `receive` or `send`; None where the server is not known by type.

    A scope's `client` is not always that: uvicorn replaces it by what X-Forwarded-For says wherever it thinks the
    peer a proxy, which everybody on the same machine is by default. Middleware may have wrapped one of the callables.
    """
    for server in map(_server, callables):
        if _is_one_of(server, _UVICORN_TYPES):
            return _uvicorn_peer(server)
        if _is_one_of(server, _DAPHNE_TYPES):
            return _daphne_peer(server.transport.getPeer())
    return None


def _server(callable_: Any) -> Any:
    # Daphne hands out a partial that names its protocol object, uvicorn bound methods of its own.
    if isinstance(callable_, partial) and callable_.args:
        return callable_.args[0]
    return getattr(callable_, "__self__", None)


def _is_one_of(server: Any, types: tuple[tuple[str, str], ...]) -> bool:
    known = (getattr(sys.modules.get(module), name, None) for module, name in types)
    return any(found is not None and isinstance(server, found) for found in known)


def _uvicorn_peer(server: Any) -> Peer | None:
    client = getattr(server, "client", None)
    if client:
        return str(client[0]), int(client[1])
    family = getattr(server.transport.get_extra_info("socket"), "family", None)
    return (UNIX, 0) if family == socket.AF_UNIX else None


def _daphne_peer(peer: Any) -> Peer | None:
    if type(peer).__name__ == "UNIXAddress":
        return UNIX, 0
    return (str(peer.host), int(peer.port)) if hasattr(peer, "host") and hasattr(peer, "port") else None
