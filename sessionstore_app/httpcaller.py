"""A caller over HTTP: who asks, and how much it may ask for. It is in no room and has no socket."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from sessionstore_app import conf, ratelimit
from sessionstore_app.core import clock
from sessionstore_app.core.close import CloseReason
from sessionstore_app.core.entries import Author
from sessionstore_app.core.errors import AccessDenied
from sessionstore_app.core.patterns import check_room_name
from sessionstore_app.core.rules import SERVER, Standing
from sessionstore_app.core.sights import Sight, sight
from sessionstore_app.ratelimit import Buckets, WriteBucket
from sessionstore_app.services import policy, questions, record, roomhooks, roomrights, roomtypes
from sessionstore_app.services.localroom import LocalRoom
from sessionstore_app.services.policy import Identity
from sessionstore_app.services.reach import Reach, reach_of

# By principal.
_buckets: Buckets[WriteBucket] = Buckets(WriteBucket)


class HttpCaller:
    """See `handlers.caller.Caller`."""

    session_id: str | None = None

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self.author = Author(None, identity.principal)
        # The room that the present call is about, if its rights come from roles there.
        self._open_room: str | None = None
        self._standing = Standing()

    def take_writes(self, number: int, room: str | None = None) -> None:
        """Spend writes of this principal's allowance in this process, and of the room's. Raises RateLimited or
        LimitExceeded.
        """
        bucket = _buckets.of(self.identity.principal)
        # Nobody is disconnected here, so nothing is said of that.
        ratelimit.take_writes(bucket, number, clock.monotonic(), room=room, words=ratelimit.PRINCIPAL)

    def reach(self, *needed: str, room: str | None = None, any_room: bool = False) -> Reach:
        """Which sessions it reaches. Raises AccessDenied."""
        return reach_of(self.identity, {}, *needed, room=room, any_room=any_room)

    async def come_to(self, room: str) -> None:
        """The next call is about this room: ask the policy, as at a join, before `local_room` is asked.

        The policy may use the ORM, and handlers ask on the event loop. Raises InvalidParams or LimitExceeded.
        """
        check_room_name(room, conf.current().room_length)
        self._open_room, self._standing = None, Standing()
        granted = self.identity.granted_roles(room)
        if self._manages_rooms():
            self._standing = SERVER
        if self._manages_rooms() or not granted:
            return
        definition = roomtypes.of(room)
        is_creator = definition is not None and await record.ask(
            partial(questions.is_made_by, room, self.identity.principal)
        )
        who = roomrights.standing(self.identity, granted, is_creator=is_creator)
        if not await record.ask(partial(roomrights.may_join, self.identity, room, is_creator=is_creator)):
            return
        if definition is None or await roomhooks.may_join(definition, who, room) is True:
            self._open_room, self._standing = room, who

    def standing(self, room: str) -> Standing:
        """How the rules of the room that it has come to see it; one that manages rooms is held to none."""
        return self._standing

    def sight(self, room: str) -> Sight | None:
        """What it may read there; None: everything."""
        definition = roomtypes.of(room)
        return None if definition is None else sight(definition, self._standing)

    def local_room(self, room: str) -> LocalRoom | None:
        """It is in no room, and may use those that it manages, or has roles in by its token and may join.

        Raises AccessDenied, also for a room that it has not come to.
        """
        if not self._manages_rooms() and room != self._open_room:
            raise AccessDenied("This room is not open to you.", hint="Bring manage_room, or a token with roles there.")
        return None

    def _manages_rooms(self) -> bool:
        return "manage_room" in policy.permissions(self.identity)

    @contextmanager
    def sparing(self) -> Iterator[None]:
        """There is no socket to be closed."""
        yield

    def close_soon(self, reason: CloseReason) -> None:
        """There is no socket to be closed."""
