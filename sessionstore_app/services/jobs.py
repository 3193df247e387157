"""What can happen to sessions and rooms: one small class a happening, each run on the locked rows of a batch.

Each says which sessions and rooms it touches; the batch locks those, their rooms and memberships before any job runs,
so what a job sees stays true until all is written.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from django.db.models.functions import Now

from sessionstore_app.core.close import CloseReason
from sessionstore_app.core.entries import Epoch
from sessionstore_app.core.errors import AccessDenied, NotJoined
from sessionstore_app.models import Membership, Node, Room, Session, SessionState
from sessionstore_app.services import policy
from sessionstore_app.services.batch import Batch, new_epoch
from sessionstore_app.services.policy import Identity
from sessionstore_app.services.record import from_now


def hash_secret(secret: str) -> str:
    """What is kept of a resume token."""
    return hashlib.sha256(secret.encode()).hexdigest()


class _OfNone:
    """Touches no session or room that is there already."""

    __slots__ = ()

    @property
    def touches(self) -> Collection[str]:
        return (*self.sessions, *self.rooms)

    @property
    def sessions(self) -> Collection[str]:
        return ()

    @property
    def rooms(self) -> Collection[str]:
        return ()


class _OfSession(_OfNone):
    __slots__ = ()
    session_id: str

    @property
    def sessions(self) -> Collection[str]:
        return (self.session_id,)


class _OfRoom(_OfNone):
    __slots__ = ()
    room: str

    @property
    def rooms(self) -> Collection[str]:
        return (self.room,)


# --- sessions


@dataclass(frozen=True, kw_only=True)
class Open(_OfNone):
    """A new session."""

    session_id: str
    identity: Identity
    node_id: str
    token: str

    def run(self, batch: Batch) -> None:
        if not policy.current().may_open(self.identity):
            raise AccessDenied(hint="Log in or bring a token; anonymous sessions need ALLOW_ANONYMOUS.")
        session = Session(
            id=self.session_id,
            principal=self.identity.principal,
            user_id=self.identity.user_id,
            roles=sorted(self.identity.roles),
            node_id=self.node_id,
            resume_hash=hash_secret(self.token),
        )
        batch.open(session)


@dataclass(frozen=True, slots=True)
class ResumedRoom:
    """A room of a resumed session, with the patterns it observes there."""

    room: str
    epoch: Epoch
    roles: tuple[str, ...]
    observed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """A session that came back: the rooms it is in, and the node that still served it, if one did."""

    generation: int
    was_active_on: str | None
    rooms: tuple[ResumedRoom, ...]


@dataclass(frozen=True, kw_only=True)
class Resume(_OfSession):
    """A session comes back on another socket. None if it cannot: then nothing was burnt."""

    session_id: str
    identity: Identity
    node_id: str
    token: str
    new_token: str

    def run(self, batch: Batch) -> Resumed | None:
        session = batch.session(self.session_id)
        if session is None or not self._is_welcome(session, batch):
            return None
        was_active = session.state == SessionState.ACTIVE
        served_by = session.node_id
        session.generation += 1
        session.resume_hash = hash_secret(self.new_token)
        session.node_id = self.node_id
        _activate(session)
        batch.changed(session, told=not was_active)
        for member in batch.memberships(session.id):
            if not policy.current().may_join(self.identity, member.room.name):
                batch.leave(member, "LEFT")
        return Resumed(
            generation=session.generation,
            was_active_on=served_by if was_active else None,
            rooms=tuple(_resumed_room(member) for member in batch.memberships(session.id)),
        )

    def _is_welcome(self, session: Session, batch: Batch) -> bool:
        alive = session.state != SessionState.CLOSED and not _has_lapsed(session, batch)
        same = (session.principal, session.user_id) == (self.identity.principal, self.identity.user_id)
        knows = secrets.compare_digest(session.resume_hash, hash_secret(self.token))
        return alive and same and knows and policy.current().may_open(self.identity)


def _activate(session: Session) -> None:
    session.state = SessionState.ACTIVE
    session.lapses_at = None
    session.close_reason = ""


def _resumed_room(member: Membership) -> ResumedRoom:
    room = member.room
    return ResumedRoom(room.name, Epoch(room.epoch), tuple(member.roles), tuple(member.observed))


@dataclass(frozen=True, kw_only=True)
class GiveBack(_OfSession):
    """A resume was recorded and could not be finished: the token that was used is good once more."""

    session_id: str
    generation: int
    token: str

    def run(self, batch: Batch) -> None:
        session = batch.session(self.session_id)
        if session is not None and session.generation == self.generation:
            session.resume_hash = hash_secret(self.token)
            batch.changed(session, told=False)


@dataclass(frozen=True, kw_only=True)
class Disconnect(_OfSession):
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
        batch.changed(session)
        return True


@dataclass(frozen=True, kw_only=True)
class Reclaim(_OfSession):
    """A session that was taken for lost is served after all, by the socket it always had."""

    session_id: str
    generation: int
    node_id: str

    def run(self, batch: Batch) -> bool:
        session = batch.session(self.session_id)
        if session is None or session.state == SessionState.CLOSED or session.generation != self.generation:
            return False
        session.node_id = self.node_id
        _activate(session)
        batch.changed(session)
        return True


@dataclass(frozen=True, kw_only=True)
class Close(_OfSession):
    """A session ends, once: true for the caller that ended it.

    With a `generation`, only if no newer socket serves it; with `lapsed`, only if it has been away too long.
    """

    session_id: str
    reason: str
    generation: int | None = None
    lapsed: bool = False

    def run(self, batch: Batch) -> bool:
        session = batch.session(self.session_id)
        if session is None or session.state == SessionState.CLOSED:
            return False
        if self.generation is not None and session.generation != self.generation:
            return False
        if self.lapsed and not _has_lapsed(session, batch):
            return False
        session.state = SessionState.CLOSED
        session.closed_at = batch.now
        session.lapses_at = None
        session.close_reason = self.reason
        session.resume_hash = ""
        batch.changed(session, told=False)
        for member in batch.memberships(session.id):
            batch.leave(member, self.reason)
        return True


def _has_lapsed(session: Session, batch: Batch) -> bool:
    waits = session.state == SessionState.DISCONNECTED
    return waits and session.lapses_at is not None and session.lapses_at <= batch.now


# --- rooms


@dataclass(frozen=True, slots=True)
class Joined:
    """The room as the new peer finds it."""

    epoch: Epoch
    roles: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Join(_OfSession):
    """A session joins a room, or says what more it observes there when it is in it already."""

    session_id: str
    generation: int
    room: str
    identity: Identity
    observed: Collection[str]

    @property
    def rooms(self) -> Collection[str]:
        return (self.room,)

    def run(self, batch: Batch) -> Joined:
        session = batch.session(self.session_id)
        if session is None or session.state == SessionState.CLOSED or session.generation != self.generation:
            raise AccessDenied("The session has ended, or goes on over another socket.", hint="Open a new session.")
        if not policy.current().may_join(self.identity, self.room):
            raise AccessDenied("This room is not open to you.", hint="Ask for a token that names the room.")
        room = batch.room(self.room)
        member = batch.membership(room, self.session_id)
        if member is not None:
            batch.observe(member, {*member.observed, *self.observed})
            return Joined(Epoch(room.epoch), tuple(member.roles))
        roles = policy.current().room_roles(self.identity, self.room, first=batch.count(room) == 0)
        member = Membership(
            room=room,
            session_id=self.session_id,
            roles=sorted(roles),
            observed=sorted(self.observed),
            joined_at=batch.now,
        )
        batch.join(member, self.identity.principal)
        return Joined(Epoch(room.epoch), tuple(member.roles))


@dataclass(frozen=True, kw_only=True)
class Observe(_OfNone):
    """What a session observes in a room is now this."""

    session_id: str
    room: str
    observed: Collection[str]

    def run(self, batch: Batch) -> None:
        member = Membership.objects.filter(session_id=self.session_id, room__name=self.room, left_at=None)
        member.update(observed=sorted(self.observed))


@dataclass(frozen=True, kw_only=True)
class Leave(_OfSession):
    """A session leaves a room: true if the room's store was cleared with it."""

    session_id: str
    room: str
    grace_seconds: float

    @property
    def rooms(self) -> Collection[str]:
        return (self.room,)

    def run(self, batch: Batch) -> bool:
        member = batch.membership(batch.room(self.room), self.session_id)
        if member is None:
            raise NotJoined
        return batch.leave(member, "LEFT", self.grace_seconds)


@dataclass(frozen=True, kw_only=True)
class Clear(_OfRoom):
    """Empty a room; with `only_epoch`, only if it is still that incarnation. Returns the epoch it goes on under."""

    room: str
    reason: str
    only_epoch: Epoch | None = None

    def run(self, batch: Batch) -> Epoch:
        room = batch.room(self.room)
        if self.only_epoch is not None and room.epoch != self.only_epoch:
            return Epoch(room.epoch)
        return batch.clear(room, self.reason)


@dataclass(frozen=True, kw_only=True)
class ClearDue(_OfRoom):
    """Clear a room whose time has come, unless somebody is in it or it was used since."""

    room: str

    def run(self, batch: Batch) -> bool:
        room = batch.room(self.room)
        if batch.count(room) or room.clears_at is None or room.clears_at > batch.now:
            return False
        batch.clear(room, "LAST_PEER_LEFT" if room.emptied_at else "IDLE")
        return True


@dataclass(frozen=True, kw_only=True)
class Visit(_OfRoom):
    """Server code uses a room: make it if it is new, and put off its clearing while nobody is in it."""

    room: str
    idle_seconds: float

    def run(self, batch: Batch) -> Epoch:
        room = batch.room(self.room)
        if not batch.count(room):
            batch.keep_idle(room, self.idle_seconds)
        return Epoch(room.epoch)


@dataclass(frozen=True, kw_only=True)
class RenewEpochs(_OfNone):
    """Every room goes on under a new epoch, for the entries of all are gone."""

    def run(self, batch: Batch) -> None:
        every = list(Room.objects.all())
        for room in every:
            room.epoch = new_epoch()
        Room.objects.bulk_update(every, ["epoch"], batch_size=200)


# --- nodes


@dataclass(frozen=True, kw_only=True)
class RenewLease(_OfNone):
    """This process lives: false if its lease had lapsed and somebody took its sessions for lost."""

    node_id: str
    lease_seconds: float

    def run(self, batch: Batch) -> bool:
        until = from_now(self.lease_seconds)
        if Node.objects.filter(id=self.node_id).update(lease_until=until):
            return True
        Node.objects.create(id=self.node_id, lease_until=until)
        return False


@dataclass(frozen=True, kw_only=True)
class EndLease(_OfNone):
    """This process stops in order."""

    node_id: str

    def run(self, batch: Batch) -> None:
        Node.objects.filter(id=self.node_id).delete()


@dataclass(frozen=True, kw_only=True)
class LapseNodes(_OfNone):
    """Other processes whose lease has run out are gone; returns id and generation of sessions that nobody serves."""

    limit: int
    node_id: str

    def run(self, batch: Batch) -> list[tuple[str, int]]:
        Node.objects.filter(lease_until__lt=Now()).exclude(id=self.node_id).delete()
        lost = Session.objects.filter(state=SessionState.ACTIVE).exclude(node_id__in=Node.objects.values("id"))
        return list(lost.values_list("id", "generation")[: self.limit])
