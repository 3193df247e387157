"""The sessions that this process serves, by id: what happens to them elsewhere reaches their sockets here."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sessionstore_app.core.close import CloseReason
from sessionstore_app.core.filters import ROLES
from sessionstore_app.core.properties import parse_roles
from sessionstore_app.core.sessions import Kind, SessionChange, State
from sessionstore_app.protocol import frames
from sessionstore_app.services import policy, roomtypes
from sessionstore_app.services.events import Delivered, LockTold, Revoked, TakenOver

if TYPE_CHECKING:
    from sessionstore_app.services.connection import Connection

logger = logging.getLogger("sessionstore_app")


@dataclass(slots=True, eq=False)
class Spared:
    """Why a connection that is spared would have been closed; None while it would not."""

    reason: CloseReason | None = None


class Served:
    """One a process. All methods are called on the hub's loop."""

    def __init__(self, rights_changed: Callable[[Connection], object]) -> None:
        self._connections: dict[str, Connection] = {}
        self._spared: dict[Connection, list[Spared]] = {}
        # Called when roles of a session have changed, after its socket knows them.
        self._rights_changed = rights_changed

    def add(self, connection: Connection) -> None:
        """A connection's session is open; an older socket of it closes."""
        if connection.session is None:
            return
        older = self._connections.get(connection.session.id)
        self._connections[connection.session.id] = connection
        if older is not None and older is not connection:
            older.close(CloseReason.SESSION_TAKEN_OVER)

    def remove(self, connection: Connection) -> None:
        """The connection is gone."""
        session = connection.session
        if session is not None and self._connections.get(session.id) is connection:
            del self._connections[session.id]

    @contextmanager
    def sparing(self, connection: Connection) -> Iterator[Spared]:
        """Do not close this one for what happens meanwhile: whoever spares it does, by the reason it is given."""
        spared = Spared()
        self._spared.setdefault(connection, []).append(spared)
        try:
            yield spared
        finally:
            self._spared[connection].remove(spared)
            if not self._spared[connection]:
                del self._spared[connection]

    def is_spared(self, connection: Connection) -> bool:
        """True while somebody else is to close it, by and by."""
        return connection in self._spared or connection.closing is not None

    def get(self, session_id: str) -> Connection | None:
        """The socket of a session, if it is served here."""
        return self._connections.get(session_id)

    def of(self, session_ids: Collection[str]) -> list[Connection]:
        """The sockets of those sessions that are served here."""
        return [found for session_id in session_ids if (found := self._connections.get(session_id)) is not None]

    # --- what happened to them

    def take_over(self, event: TakenOver) -> None:
        """A session has a newer socket: an older one closes."""
        connection = self._connections.get(event.session_id)
        if connection is not None and connection.session and connection.session.generation < event.generation:
            connection.close(CloseReason.SESSION_TAKEN_OVER)

    def revoke(self, event: Revoked) -> None:
        """The credential of sessions has ended, and they with it."""
        for connection in self.of(event.session_ids):
            login = connection.session.login if connection.session is not None else None
            if not event.marks or (login is not None and login.mark in event.marks):
                connection.close(CloseReason.REVOKED)

    def take_in(self, changes: Iterable[SessionChange]) -> None:
        """Sessions ended, or have other properties or roles."""
        for change in changes:
            connection = self._connections.get(change.session_id)
            if connection is None or connection.session is None or connection.session.revision >= change.revision:
                continue
            if change.state is State.CLOSED:
                # A newer version may know of more reasons.
                self._close(connection, CloseReason.__members__.get(change.close_reason, CloseReason.CONNECTION_LOST))
            elif change.kind is Kind.PROPERTIES:
                self._try_to_update(connection, change)
            elif change.revision == connection.session.revision + 1:
                # Where one before it is missing it stays behind, and upkeep sees that.
                connection.session = replace(connection.session, revision=change.revision)

    def catch_up(self, missed: Iterable[SessionChange], revisions: Mapping[str, int]) -> None:
        """Take in what was missed; that is all that happened to these sessions up to these revisions."""
        self.take_in(missed)
        for session_id, revision in revisions.items():
            connection = self._connections.get(session_id)
            if connection is not None and connection.session and connection.session.revision < revision:
                connection.session = replace(connection.session, revision=revision)

    def _close(self, connection: Connection, reason: CloseReason) -> None:
        for spared in self._spared.get(connection, ()):
            spared.reason = reason
        if not self.is_spared(connection):
            connection.close(reason)

    def _try_to_update(self, connection: Connection, change: SessionChange) -> None:
        try:
            self._update(connection, change)
        except Exception:  # a project's policy is asked; its fault must not keep the news from other sessions
            logger.exception("It cannot be told what a session may do, and its socket closes.")
            connection.close(CloseReason.INTERNAL_ERROR)

    def _update(self, connection: Connection, change: SessionChange) -> None:
        session = connection.session
        assert session is not None  # noqa: S101  # looked up by its session
        # Whatever this change is of: one that took a role may be told behind it, and is old news then.
        roles = parse_roles(change.properties.get(ROLES, "")) or frozenset()
        identity = replace(session.identity, roles=roles)
        kept = roomtypes.kept(change.properties)
        connection.session = replace(session, identity=identity, revision=change.revision, properties=kept)
        rights = sorted(identity.roles), sorted(policy.permissions(identity))
        connection.put_unstored(frames.session_changed(change.revision, change.properties, change.previous, *rights))
        if roles != session.identity.roles or kept != session.properties:
            self._rights_changed(connection)

    def deliver(self, event: Delivered) -> None:
        """Hand a message to those it is for."""
        for connection in self.of(event.session_ids):
            connection.put_message(event.text)

    def tell_lock(self, event: LockTold) -> None:
        """A lock was granted to a session that waits for it, or taken from it."""
        connection = self._connections.get(event.session_id)
        if connection is None:
            return
        if event.is_lost:
            connection.put_unstored(frames.lock_lost(event.name, event.sequence))
        else:
            connection.granted(event.name, event.sequence)
