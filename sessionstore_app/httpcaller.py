"""A caller over HTTP: who asks, and how much it may ask for. It is in no room and has no socket."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from threading import Lock

from sessionstore_app import conf
from sessionstore_app.core import clock
from sessionstore_app.core.close import CloseReason
from sessionstore_app.core.entries import Author
from sessionstore_app.core.errors import AccessDenied, RateLimited
from sessionstore_app.core.patterns import check_room_name
from sessionstore_app.ratelimit import WriteBucket
from sessionstore_app.services import policy, record
from sessionstore_app.services.localroom import LocalRoom
from sessionstore_app.services.policy import Identity
from sessionstore_app.services.reach import Reach, reach_of

# Callers whose allowance is remembered by this process.
_CALLERS_KEPT = 10_000
_buckets: OrderedDict[str, WriteBucket] = OrderedDict()
# WSGI servers have threads.
_buckets_lock = Lock()


class HttpCaller:
    """See `handlers.caller.Caller`."""

    session_id: str | None = None

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self.author = Author(None, identity.principal)
        # The room that the present call is about, if its rights come from roles there.
        self._open_room: str | None = None

    def take_writes(self, number: int) -> None:
        """Spend writes of this principal's allowance in this process. Raises RateLimited or LimitExceeded."""
        with _buckets_lock:
            bucket = _buckets.pop(self.identity.principal, None) or WriteBucket()
            _buckets[self.identity.principal] = bucket
            while len(_buckets) > _CALLERS_KEPT:
                _buckets.popitem(last=False)
            try:
                bucket.take(number, clock.monotonic())
            except RateLimited as error:
                # Nobody is disconnected here.
                raise RateLimited(
                    "This principal writes faster than it may.",
                    hint="Wait `retry_after_seconds`; all requests of one principal share an allowance.",
                    limit=error.limit,
                    retry_after_seconds=error.retry_after_seconds,
                ) from None

    def reach(self, *needed: str, room: str | None = None, any_room: bool = False) -> Reach:
        """Which sessions it reaches. Raises AccessDenied."""
        return reach_of(self.identity, {}, *needed, room=room, any_room=any_room)

    async def come_to(self, room: str) -> None:
        """The next call is about this room: ask the policy, as at a join, before `local_room` is asked.

        The policy may use the ORM, and handlers ask on the event loop. Raises InvalidParams or LimitExceeded.
        """
        check_room_name(room, conf.current().room_length)
        self._open_room = None
        if self._manages_rooms() or not self.identity.granted_roles(room):
            return
        if await record.ask(partial(policy.current().may_join, self.identity, room)):
            self._open_room = room

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
