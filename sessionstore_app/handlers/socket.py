"""What a handler may ask of the socket it answers, beyond what it asks of any caller."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from sessionstore_app.handlers.caller import Caller
from sessionstore_app.handshake import Handshake
from sessionstore_app.services.connection import Connection
from sessionstore_app.services.hub import Hub
from sessionstore_app.services.sessions import OpenSession


class Socket(Caller, Protocol):
    """An accepted socket; `session` raises NotOpen until its session is open."""

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
    def take_join(self, room: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Followed:
    """A result (None where nobody asked for one), and what begins once it was sent."""

    text: str | None
    then: Callable[[], None]


Handler = Callable[..., Awaitable[str | Followed]]
