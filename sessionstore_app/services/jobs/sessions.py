"""The life of a session: it opens, is resumed, loses its socket, ends."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from sessionstore_app.core.close import CloseReason
from sessionstore_app.core.entries import Epoch
from sessionstore_app.core.errors import AccessDenied
from sessionstore_app.core.sessions import State
from sessionstore_app.models import Membership, Node, Session, SessionState
from sessionstore_app.services import policy, roomrights
from sessionstore_app.services.batch import Batch
from sessionstore_app.services.jobs.base import EndsSession, OfNone, OfSession
from sessionstore_app.services.policy import Identity
from sessionstore_app.services.properties import properties_of


def hash_secret(secret: str) -> str:
    """What is kept of a resume token."""
    return hashlib.sha256(secret.encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Open(OfNone):
    """A new session."""

    session_id: str
    identity: Identity
    node_id: str
    token: str
    properties: Mapping[str, str] = field(default_factory=dict)

    def run(self, batch: Batch) -> Mapping[str, str]:
        if not policy.current().may_open(self.identity):
            raise AccessDenied(hint="Log in or bring a token; anonymous sessions need ALLOW_ANONYMOUS.")
        session = Session(
            id=self.session_id,
            principal=self.identity.principal,
            user_id=self.identity.user_id,
            roles=sorted(self.identity.roles),
            granted=_granted(self.identity),
            permissions=sorted(self.identity.permissions),
            properties=dict(self.properties),
            node_id=self.node_id,
            resume_hash=hash_secret(self.token),
            opened_at=batch.now,
            expires_at=self.identity.expires_at,
        )
        batch.open(session)
        return properties_of(session)


@dataclass(frozen=True, slots=True)
class ResumedRoom:
    """A room of a resumed session, with the patterns it observes there."""

    room: str
    epoch: Epoch
    roles: tuple[str, ...]
    observed: tuple[str, ...]
    is_creator: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """A session that came back: the rooms it is in, and the node that still served it, if one did.

    `roles` and `properties` are those it had, but for what its user's groups gave and took meanwhile; `identity` brings
    its name, its permissions and how long they last.
    """

    generation: int
    revision: int
    was_active_on: str | None
    roles: frozenset[str]
    properties: Mapping[str, str]
    rooms: tuple[ResumedRoom, ...]
    # Those that it was in, and that are not open to it any more.
    shut: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Resume(EndsSession):
    """A session comes back on another socket. None if it cannot: then nothing was burnt.

    Where its old socket still served it, that one is gone with this: what was bound to it is lost as if it had dropped.
    """

    session_id: str
    identity: Identity
    node_id: str
    token: str
    new_token: str

    def run(self, batch: Batch) -> Resumed | None:
        session = batch.session(self.session_id)
        if session is None or not self._is_welcome(session, batch):
            return None
        identity = replace(self.identity, roles=_regranted(session, self.identity))
        properties = properties_of(session)
        # Asked before anything is changed: a policy may raise.
        shut = [
            member
            for member in batch.memberships(session.id)
            if not roomrights.may_join(identity, member.room.name, properties=properties, is_creator=member.is_creator)
        ]
        was_active = session.state == SessionState.ACTIVE
        served_by = session.node_id
        session.generation += 1
        session.resume_hash = hash_secret(self.new_token)
        session.node_id = self.node_id
        session.expires_at = self.identity.expires_at
        _take_on(session, self.identity)
        _activate(session)
        batch.changed(session, State.RECONNECTED if served_by == self.node_id else State.FAILED_OVER)
        batch.locks.release_all(session.id, connection_only=True)
        for member in shut:
            batch.leave(member, "LEFT")
        return Resumed(
            generation=session.generation,
            revision=session.revision,
            was_active_on=served_by if was_active else None,
            roles=identity.roles,
            properties=properties_of(session),
            rooms=tuple(_resumed_room(member) for member in batch.memberships(session.id)),
            shut=tuple(member.room.name for member in shut),
        )

    def _is_welcome(self, session: Session, batch: Batch) -> bool:
        alive = session.state != SessionState.CLOSED and not _has_lapsed(session, batch)
        same = (session.principal, session.user_id) == (self.identity.principal, self.identity.user_id)
        knows = secrets.compare_digest(session.resume_hash, hash_secret(self.token))
        return alive and same and knows and policy.current().may_open(self.identity)


@dataclass(frozen=True, kw_only=True)
class Reidentify(OfSession):
    """Django says something else of a session's user than it did: its groups give and take roles, beside those that
    others gave and took. False for a session that has ended or has a newer socket, which was looked at later.
    """

    session_id: str
    generation: int
    identity: Identity

    def run(self, batch: Batch) -> bool:
        session = batch.session(self.session_id)
        if session is None or (session.state, session.generation) != (SessionState.ACTIVE, self.generation):
            return False
        before = session.roles, session.permissions
        _take_on(session, self.identity)
        batch.changed(session, is_told=before != (session.roles, session.permissions))
        return True


def _take_on(session: Session, identity: Identity) -> None:
    session.roles = sorted(_regranted(session, identity))
    session.granted = _granted(identity)
    session.permissions = sorted(identity.permissions)


def _granted(identity: Identity) -> list[str] | None:
    """What is kept of a user's groups. The roles of a token are given once: it says the same for ever."""
    return None if identity.user_id is None else sorted(identity.roles)


def _regranted(session: Session, identity: Identity) -> frozenset[str]:
    """The session's roles, with the difference between its user's groups when they were last looked at and now."""
    roles = frozenset(session.roles)
    if identity.user_id is None or session.granted is None:
        return roles
    before = frozenset(session.granted)
    return (roles - (before - identity.roles)) | (identity.roles - before)


def _activate(session: Session) -> None:
    session.state = SessionState.ACTIVE
    session.lapses_at = None
    session.close_reason = ""


def _resumed_room(member: Membership) -> ResumedRoom:
    room = member.room
    return ResumedRoom(room.name, Epoch(room.epoch), tuple(member.roles), tuple(member.observed), member.is_creator)


@dataclass(frozen=True, kw_only=True)
class GiveBack(OfSession):
    """A resume was recorded and could not be finished: the token that was used is good once more."""

    session_id: str
    generation: int
    token: str

    def run(self, batch: Batch) -> None:
        session = batch.session(self.session_id)
        if session is not None and session.generation == self.generation:
            session.resume_hash = hash_secret(self.token)
            batch.changed(session)


@dataclass(frozen=True, kw_only=True)
class Disconnect(EndsSession):
    """A socket is gone; its session waits for it until it lapses. Harmless for a session that has a newer socket."""

    session_id: str
    generation: int
    reason: CloseReason
    reconnect_seconds: float
    # For who only believes that nobody serves it: look again, now that the row is locked.
    unless_served: bool = False

    def run(self, batch: Batch) -> bool:
        session = batch.session(self.session_id)
        if session is None or (session.state, session.generation) != (SessionState.ACTIVE, self.generation):
            return False
        if self.unless_served and Node.objects.filter(id=session.node_id).exists():
            return False
        session.state = SessionState.DISCONNECTED
        session.lapses_at = batch.now + timedelta(seconds=self.reconnect_seconds)
        session.close_reason = self.reason.name
        batch.changed(session, State.DISCONNECTED)
        batch.locks.release_all(session.id, connection_only=True, told=self.unless_served)
        return True


@dataclass(frozen=True, kw_only=True)
class Reclaim(OfSession):
    """A session that was taken for lost is served after all, by the socket it always had."""

    session_id: str
    generation: int
    node_id: str

    def run(self, batch: Batch) -> bool:
        session = batch.session(self.session_id)
        if session is None or session.state == SessionState.CLOSED or session.generation != self.generation:
            return False
        was_away = session.state == SessionState.DISCONNECTED
        session.node_id = self.node_id
        _activate(session)
        batch.changed(session, State.RECONNECTED if was_away else None)
        return True


@dataclass(frozen=True, kw_only=True)
class Close(EndsSession):
    """A session ends, once: true for the caller that ended it.

    With a `generation`, only if no newer socket serves it; with `due`, only if it has been away too long or its
    credential has ended.
    """

    session_id: str
    reason: str
    generation: int | None = None
    due: bool = False

    def run(self, batch: Batch) -> bool:
        session = batch.session(self.session_id)
        if session is None or session.state == SessionState.CLOSED:
            return False
        if self.generation is not None and session.generation != self.generation:
            return False
        if self.due and not (_has_lapsed(session, batch) or _has_expired(session, batch)):
            return False
        close(session, self.reason, batch)
        return True


def close(session: Session, reason: str, batch: Batch) -> None:
    """The session ends, leaves its rooms and loses its locks."""
    session.state = SessionState.CLOSED
    session.closed_at = batch.now
    session.lapses_at = None
    session.close_reason = reason
    session.resume_hash = ""
    batch.changed(session, State.CLOSED)
    for member in batch.memberships(session.id):
        batch.leave(member, reason)
    batch.locks.release_all(session.id, connection_only=False)


def _has_expired(session: Session, batch: Batch) -> bool:
    return session.expires_at is not None and session.expires_at <= batch.now


def _has_lapsed(session: Session, batch: Batch) -> bool:
    waits = session.state == SessionState.DISCONNECTED
    return waits and session.lapses_at is not None and session.lapses_at <= batch.now
