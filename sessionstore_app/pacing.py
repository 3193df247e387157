"""What becomes of a socket that goes too fast: it is refused, warned, and cut if it goes on regardless."""

from __future__ import annotations

from sessionstore_app import ratelimit
from sessionstore_app.core import clock
from sessionstore_app.core.close import CloseReason
from sessionstore_app.core.errors import RateLimited
from sessionstore_app.protocol import frames
from sessionstore_app.ratelimit import WriteBucket
from sessionstore_app.services.connection import Connection
from sessionstore_app.services.sessions import OpenSession


def take_writes(connection: Connection, bucket: WriteBucket, number: int, room: str | None) -> None:
    """Spend writes of a socket's bucket, and of the room's. Raises RateLimited or LimitExceeded.

    Only refusals of its own bucket count against it: what a room takes is not in its hands.
    """
    refused = bucket.refused
    try:
        ratelimit.take_writes(bucket, number, clock.monotonic(), room=room)
    except RateLimited as error:
        if bucket.refused > refused:
            _warn_or_cut(connection, bucket, error)
        raise


def _warn_or_cut(connection: Connection, bucket: WriteBucket, error: RateLimited) -> None:
    if bucket.is_ignored:
        connection.close(CloseReason.RATE_LIMITED)
    elif bucket.is_warning_due:
        connection.put(
            frames.session_warning(
                error.reason,
                error.retry_after_seconds,
                refused=bucket.refused,
                closes_after=bucket.closes_after,
                hint="Wait `retry_after_seconds`: a write that is accepted ends the row of refusals.",
            )
        )


def take_join(connection: Connection, session: OpenSession, room: str) -> None:
    """Spend a join of a socket's user, unless it is in the room already. Raises RateLimited or LimitExceeded."""
    if room not in connection.members:
        ratelimit.take_join(session.identity.principal, session.id, clock.monotonic())
