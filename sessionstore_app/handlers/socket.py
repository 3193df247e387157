"""What a handler may ask of the socket it answers, and what several handlers check."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol

from sessionstore_app import conf
from sessionstore_app.core.close import CloseReason
from sessionstore_app.core.errors import NotJoined, ValueTooLarge
from sessionstore_app.core.jsontext import Json, dumps, size_bytes
from sessionstore_app.core.patterns import check_room_name
from sessionstore_app.handshake import Handshake
from sessionstore_app.services import policy
from sessionstore_app.services.connection import Connection
from sessionstore_app.services.hub import Hub
from sessionstore_app.services.sessions import OpenSession

# What one message to sessions may be.
MESSAGE_BYTES: Final = 8_192


class Socket(Protocol):
    """What a handler may ask of the socket it answers."""

    @property
    def hub(self) -> Hub: ...
    @property
    def connection(self) -> Connection: ...
    @property
    def handshake(self) -> Handshake: ...
    @property
    def session(self) -> OpenSession: ...
    def opened(self) -> None: ...
    def expect_open(self) -> None: ...
    def admit_user(self, principal: str) -> bool: ...
    def take_writes(self, number: int) -> None: ...
    def close_soon(self, reason: CloseReason) -> None: ...


@dataclass(frozen=True, slots=True)
class Followed:
    """A result, and what begins once it was sent."""

    text: str
    then: Callable[[], None]


Handler = Callable[..., Awaitable[str | Followed]]


def require_managed(socket: Socket, room: str) -> None:
    """Raise NotJoined unless the caller may use rooms from outside."""
    check_room_name(room, conf.current().room_length)
    if "manage_room" not in policy.permissions(socket.session.identity):
        raise NotJoined


def take_message(socket: Socket, data: Json) -> str:
    """A message's data as text; it costs by its size. Raises ValueTooLarge or RateLimited."""
    text = dumps(data)
    size = size_bytes(text)
    if size > MESSAGE_BYTES:
        raise ValueTooLarge("The message is too large.", limit=MESSAGE_BYTES, actual=size)
    # Many are sent it.
    socket.take_writes(1 + size // conf.current().value_bytes)
    return text
