"""Faster ways to the socket, for servers known by type.

Any ASGI server is served by its `send`. Where the server is one whose insides are known, a finished WebSocket frame
goes to the transport itself: encoded once for everybody who is sent the same text, without a message and a coroutine
for each. Whenever anything is not as expected (a handshake under way, compression, a transport that holds back) the
frame goes by `send` as everywhere.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable
from typing import Any, TypeAlias

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
    def try_send(text: str) -> bool:
        if server.close_sent or server.disconnected or not server.handshake_complete or not server.writable.is_set():
            return False
        transport = server.transport
        if transport.is_closing():
            return False
        transport.write(_frames.of(text))
        return True

    return try_send


class _Frames:
    """The last text as a frame: in a room the same text goes to one peer after the other."""

    __slots__ = ("_frame", "_text")

    def __init__(self) -> None:
        self._text: str | None = None
        self._frame = b""

    def of(self, text: str) -> bytes:
        """An unfragmented, unmasked text frame (RFC 6455, section 5.2)."""
        if text is not self._text:
            self._text, self._frame = text, _frame(text.encode())
        return self._frame


_frames = _Frames()


def _frame(payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return struct.pack("!BB", 0x81, size) + payload
    if size < 65_536:
        return struct.pack("!BBH", 0x81, 126, size) + payload
    return struct.pack("!BBQ", 0x81, 127, size) + payload
