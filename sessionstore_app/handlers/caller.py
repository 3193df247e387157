"""Who asks, by whichever way: what the handlers need that serve sockets and HTTP alike."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from sessionstore_app import conf
from sessionstore_app.core.close import CloseReason
from sessionstore_app.core.entries import Author
from sessionstore_app.core.errors import InvalidParams
from sessionstore_app.core.jsontext import Json, size_bytes
from sessionstore_app.core.rules import Standing
from sessionstore_app.core.sights import Sight
from sessionstore_app.services import steering
from sessionstore_app.services.localroom import LocalRoom
from sessionstore_app.services.policy import Identity
from sessionstore_app.services.reach import Reach


class Caller(Protocol):
    """A session on its socket, or somebody over HTTP, who has no session."""

    @property
    def identity(self) -> Identity: ...
    @property
    def author(self) -> Author: ...
    @property
    def session_id(self) -> str | None: ...

    def take_writes(self, number: int, room: str | None = None) -> None:
        """Spend writes of the caller's allowance and, where they are to a room, of the room's: of both or of neither.

        Raises RateLimited or LimitExceeded.
        """

    def reach(self, *needed: str, room: str | None = None, any_room: bool = False) -> Reach:
        """Which sessions it reaches with these permissions. Raises AccessDenied."""

    def local_room(self, room: str) -> LocalRoom | None:
        """The room it is in; None for one that it may use from outside. Raises NotJoined or AccessDenied."""

    def standing(self, room: str) -> Standing:
        """How the rules of a room's type see it, once `local_room` or `come_to` has let it there."""

    def sight(self, room: str) -> Sight | None:
        """What it may read there; None: everything."""

    def sparing(self) -> AbstractContextManager[None]:
        """If its own session ends meanwhile, it is answered first."""

    def close_soon(self, reason: CloseReason) -> None:
        """Its own session has ended: close once it was answered."""


def own_session(caller: Caller, session_id: str | None) -> str:
    """The session that is meant; one's own where none is named. Raises InvalidParams for a caller that has none."""
    if session_id is not None:
        # An empty id is one that nobody has.
        return session_id
    if caller.session_id is None:
        raise InvalidParams("Over HTTP there is no own session.", hint="Name session_id.")
    return caller.session_id


def take_message(caller: Caller, data: Json, room: str | None = None) -> str:
    """A message's data as text; it costs by its size, to a room of the room's writes too. Raises ValueTooLarge or
    RateLimited.
    """
    text = steering.message_text(data)
    # Many are sent it.
    caller.take_writes(1 + size_bytes(text) // conf.current().value_bytes, room)
    return text
