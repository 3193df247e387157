"""What can be recorded of sessions and rooms: one small class a happening, each run inside a batch of `record`."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from sessionstore_app.core.close import CloseReason
from sessionstore_app.core.entries import Epoch
from sessionstore_app.core.errors import AccessDenied, NotJoined
from sessionstore_app.models import Membership, Node, Room, Session, SessionState
from sessionstore_app.services import policy
from sessionstore_app.services.policy import Identity
from sessionstore_app.services.record import Batch, Peer, from_now, new_epoch, roster_of


def hash_secret(secret: str) -> str:
    """What is kept of a resume token."""
    return hashlib.sha256(secret.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """A session that came back: its room memberships, and what was true before."""

    session_id: str
    generation: int
    roles: tuple[str, ...]
    was_active_on: str | None
    memberships: tuple[ResumedRoom, ...]


@dataclass(frozen=True, slots=True)
class ResumedRoom:
    """A room of a resumed session, with the patterns it observes there."""

    room: str
    epoch: Epoch
    roles: tuple[str, ...]
    observed: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class Identify:
    """Find out who a cookie belongs to; `read` may use the ORM. Not a change, but it needs the database."""

    read: Callable[[], Identity]
    rooms: Collection[str] = ()
    sessions: Collection[str] = ()

    def run(self, batch: Batch) -> Identity:
        return self.read()


@dataclass(slots=True, kw_only=True)
class Open:
    """A new session."""

    session_id: str
    identity: Identity
    node_id: str
    token: str
    rooms: Collection[str] = ()
    sessions: Collection[str] = ()

    def run(self, batch: Batch) -> None:
        if not policy.current().may_open(self.identity):
            raise AccessDenied(hint="Log in or bring a token; anonymous sessions need ALLOW_ANONYMOUS.")
        Session.objects.create(
            id=self.session_id,
            principal=self.identity.principal,
            user_id=self.identity.user_id,
            roles=sorted(self.identity.roles),
            node_id=self.node_id,
            resume_hash=hash_secret(self.token),
        )


@dataclass(slots=True, kw_only=True)
class Resume:
    """A session comes back on another socket. None if it cannot: then nothing was burnt."""

    session_id: str
    identity: Identity
    node_id: str
    token: str
    new_token: str
    rooms: Collection[str] = ()
    sessions: Collection[str] = field(init=False)

    def __post_init__(self) -> None:
        self.sessions = (self.session_id,)

    def run(self, batch: Batch) -> Resumed | None:
        alive = Q(state=SessionState.ACTIVE) | Q(state=SessionState.DISCONNECTED, lapses_at__gt=Now())
        session = Session.objects.filter(alive, id=self.session_id).first()
        if session is None or not policy.current().may_open(self.identity):
            return None
        if not secrets.compare_digest(session.resume_hash, hash_secret(self.token)):
            return None
        if (session.principal, session.user_id) != (self.identity.principal, self.identity.user_id):
            return None
        taken = Session.objects.filter(alive, id=session.id, generation=session.generation).update(
            generation=session.generation + 1,
            resume_hash=hash_secret(self.new_token),
            state=SessionState.ACTIVE,
            node_id=self.node_id,
            lapses_at=None,
            close_reason="",
        )
        # Two may bring the same token at once: the row says who was first.
        if not taken:
            return None
        was_active = session.state == SessionState.ACTIVE
        if not was_active:
            batch.update_peers(session.id, session.principal, SessionState.ACTIVE)
        return Resumed(
            session_id=session.id,
            generation=session.generation + 1,
            roles=tuple(session.roles),
            was_active_on=session.node_id if was_active else None,
            memberships=tuple(_resumed_room(batch, member) for member in batch.memberships(session.id)),
        )


def _resumed_room(batch: Batch, member: Membership) -> ResumedRoom:
    room = batch.room(member.room.name)
    return ResumedRoom(room.name, Epoch(room.epoch), tuple(member.roles), tuple(member.observed))


@dataclass(slots=True, kw_only=True)
class Disconnect:
    """A socket is gone; its session waits for it until it lapses. Harmless for a session that has a newer socket."""

    session_id: str
    principal: str
    generation: int
    reason: CloseReason
    reconnect_seconds: float
    rooms: Collection[str] = ()
    sessions: Collection[str] = field(init=False)

    def __post_init__(self) -> None:
        self.sessions = (self.session_id,)

    def run(self, batch: Batch) -> bool:
        own = Session.objects.filter(id=self.session_id, generation=self.generation, state=SessionState.ACTIVE)
        changed = own.update(
            state=SessionState.DISCONNECTED,
            lapses_at=from_now(self.reconnect_seconds),
            close_reason=self.reason.name,
        )
        if changed:
            batch.update_peers(self.session_id, self.principal, SessionState.DISCONNECTED)
        return bool(changed)


@dataclass(slots=True, kw_only=True)
class Reclaim:
    """A session that was taken for lost is served after all, by the socket it always had."""

    session_id: str
    generation: int
    node_id: str
    rooms: Collection[str] = ()
    sessions: Collection[str] = field(init=False)

    def __post_init__(self) -> None:
        self.sessions = (self.session_id,)

    def run(self, batch: Batch) -> bool:
        waiting = Session.objects.filter(
            id=self.session_id, generation=self.generation, state=SessionState.DISCONNECTED
        )
        session = waiting.first()
        if session is None or not waiting.update(
            state=SessionState.ACTIVE, node_id=self.node_id, lapses_at=None, close_reason=""
        ):
            return False
        batch.update_peers(session.id, session.principal, SessionState.ACTIVE)
        return True


@dataclass(slots=True, kw_only=True)
class Close:
    """A session ends, once: true for the caller that ended it. With `lapsed`, only if it is still away too long."""

    session_id: str
    reason: str
    lapsed: bool = False
    rooms: Collection[str] = ()
    sessions: Collection[str] = field(init=False)

    def __post_init__(self) -> None:
        self.sessions = (self.session_id,)

    def run(self, batch: Batch) -> bool:
        row = Session.objects.filter(id=self.session_id).exclude(state=SessionState.CLOSED)
        if self.lapsed:
            row = row.filter(state=SessionState.DISCONNECTED, lapses_at__lte=Now())
        if not row.update(
            state=SessionState.CLOSED, closed_at=Now(), lapses_at=None, close_reason=self.reason, resume_hash=""
        ):
            return False
        for member in batch.memberships(self.session_id):
            batch.leave(member, self.reason)
        return True


@dataclass(frozen=True, slots=True)
class Joined:
    """The room as it is with the new peer in it."""

    epoch: Epoch
    roster: int
    roles: tuple[str, ...]
    is_new: bool


@dataclass(slots=True, kw_only=True)
class Join:
    """A session joins a room, or says what it observes there when it is in it already."""

    session_id: str
    room: str
    identity: Identity
    observed: Collection[str]
    rooms: Collection[str] = field(init=False)
    sessions: Collection[str] = field(init=False)

    def __post_init__(self) -> None:
        self.rooms = (self.room,)
        self.sessions = (self.session_id,)

    def run(self, batch: Batch) -> Joined:
        if not policy.current().may_join(self.identity, self.room):
            raise AccessDenied("This room is not open to you.", hint="Ask for a token that names the room.")
        room = batch.room(self.room)
        member = batch.membership(room, self.session_id)
        if member is not None:
            observed = sorted({*member.observed, *self.observed})
            _save_observed(member, observed)
            return Joined(Epoch(room.epoch), room.roster, tuple(member.roles), is_new=False)
        roles = policy.current().room_roles(self.identity, self.room, first=batch.count(room) == 0)
        member = Membership(
            room=room,
            session_id=self.session_id,
            roles=sorted(roles),
            observed=sorted(self.observed),
            joined_at=timezone.now(),
        )
        batch.join(member, self.identity.principal)
        return Joined(Epoch(room.epoch), room.roster + 1, tuple(member.roles), is_new=True)


def _save_observed(member: Membership, observed: list[str]) -> None:
    member.observed = observed
    if member.pk is not None:
        Membership.objects.filter(pk=member.pk).update(observed=observed)


@dataclass(slots=True, kw_only=True)
class Observe:
    """What a session observes in a room is now this."""

    session_id: str
    room: str
    observed: Collection[str]
    rooms: Collection[str] = field(init=False)
    sessions: Collection[str] = ()

    def __post_init__(self) -> None:
        self.rooms = ()

    def run(self, batch: Batch) -> None:
        member = Membership.objects.filter(session_id=self.session_id, room__name=self.room, left_at=None)
        member.update(observed=sorted(self.observed))


@dataclass(slots=True, kw_only=True)
class Leave:
    """A session leaves a room: true if the room's store was cleared with it."""

    session_id: str
    room: str
    grace_seconds: float
    rooms: Collection[str] = field(init=False)
    sessions: Collection[str] = field(init=False)

    def __post_init__(self) -> None:
        self.rooms = (self.room,)
        self.sessions = (self.session_id,)

    def run(self, batch: Batch) -> bool:
        member = batch.membership(batch.room(self.room), self.session_id)
        if member is None:
            raise NotJoined
        return batch.leave(member, "LEFT", self.grace_seconds)


@dataclass(slots=True, kw_only=True)
class Clear:
    """Empty a room; with `only_epoch`, only if it is still that incarnation."""

    room: str
    reason: str
    only_epoch: Epoch | None = None
    rooms: Collection[str] = field(init=False)
    sessions: Collection[str] = ()

    def __post_init__(self) -> None:
        self.rooms = (self.room,)

    def run(self, batch: Batch) -> Epoch:
        room = batch.room(self.room)
        if self.only_epoch is not None and room.epoch != self.only_epoch:
            return Epoch(room.epoch)
        return batch.clear(room, self.reason)


@dataclass(slots=True, kw_only=True)
class RenewEpochs:
    """Every room goes on under a new epoch, for the entries of all are gone."""

    rooms: Collection[str] = ()
    sessions: Collection[str] = ()

    def run(self, batch: Batch) -> None:
        every = list(Room.objects.all())
        for room in every:
            room.epoch = new_epoch()
        Room.objects.bulk_update(every, ["epoch"], batch_size=200)


@dataclass(slots=True, kw_only=True)
class ClearDue:
    """Clear a room whose time has come, unless somebody is in it or it was written to since."""

    room: str
    rooms: Collection[str] = field(init=False)
    sessions: Collection[str] = ()

    def __post_init__(self) -> None:
        self.rooms = (self.room,)

    def run(self, batch: Batch) -> bool:
        room = batch.room(self.room)
        if batch.count(room) or room.clears_at is None or room.clears_at > timezone.now():
            return False
        batch.clear(room, "LAST_PEER_LEFT" if room.emptied_at else "IDLE")
        return True


@dataclass(slots=True, kw_only=True)
class Visit:
    """Server code uses a room: make it if it is new, and put off its clearing while nobody is in it."""

    room: str
    idle_seconds: float
    rooms: Collection[str] = field(init=False)
    sessions: Collection[str] = ()

    def __post_init__(self) -> None:
        self.rooms = (self.room,)

    def run(self, batch: Batch) -> Epoch:
        room = batch.room(self.room)
        if not batch.count(room):
            batch.keep_idle(room, timezone.now() + timedelta(seconds=self.idle_seconds))
        return Epoch(room.epoch)


@dataclass(slots=True, kw_only=True)
class Ask:
    """Read something with the ORM, after whatever was recorded before."""

    question: Callable[[], Any]
    rooms: Collection[str] = ()
    sessions: Collection[str] = ()

    def run(self, batch: Batch) -> Any:
        return self.question()


def rosters(names: Collection[str]) -> Ask:
    """Ask for counter, epoch and peers of rooms."""
    return Ask(question=lambda: roster_of(names))


def rooms_of(session_id: str) -> Ask:
    """Ask for name and epoch of the rooms a session is in."""

    def question() -> list[tuple[str, Epoch]]:
        joined = Membership.objects.filter(session_id=session_id, left_at=None)
        return [(name, Epoch(epoch)) for name, epoch in joined.values_list("room__name", "room__epoch")]

    return Ask(question=question)


def epoch_of(room: str) -> Ask:
    """Ask for the epoch of a room; empty if there is none."""
    return Ask(question=lambda: Room.objects.filter(name=room).values_list("epoch", flat=True).first() or "")


def peers_page(room: str, limit: int, after: str) -> Ask:
    """Ask for a page of a room's peers, by session id, and how many there are."""

    def question() -> tuple[list[Peer], int]:
        found: dict[str, Peer] = roster_of([room]).get(room, (0, Epoch(""), {}))[2]
        ids = sorted(sid for sid in found if sid > after)[:limit]
        return [found[sid] for sid in ids], len(found)

    return Ask(question=question)


@dataclass(slots=True, kw_only=True)
class RenewLease:
    """This process lives: false if its lease had lapsed and somebody took its sessions for lost."""

    node_id: str
    lease_seconds: float
    rooms: Collection[str] = ()
    sessions: Collection[str] = ()

    def run(self, batch: Batch) -> bool:
        until = from_now(self.lease_seconds)
        if Node.objects.filter(id=self.node_id).update(lease_until=until):
            return True
        Node.objects.create(id=self.node_id, lease_until=until)
        return False


@dataclass(slots=True, kw_only=True)
class EndLease:
    """This process stops in order."""

    node_id: str
    rooms: Collection[str] = ()
    sessions: Collection[str] = ()

    def run(self, batch: Batch) -> None:
        Node.objects.filter(id=self.node_id).delete()


@dataclass(slots=True, kw_only=True)
class LapseNodes:
    """Processes whose lease has run out are gone; returns id, principal and generation of sessions they served."""

    limit: int
    rooms: Collection[str] = ()
    sessions: Collection[str] = ()

    def run(self, batch: Batch) -> list[tuple[str, str, int]]:
        Node.objects.filter(lease_until__lt=Now()).delete()
        alive = Node.objects.values("id")
        lost = Session.objects.filter(state=SessionState.ACTIVE).exclude(node_id__in=alive)
        return list(lost.values_list("id", "principal", "generation")[: self.limit])


@dataclass(frozen=True, slots=True)
class Overdue:
    """What the reaper should look at: sessions away too long with their reason, and rooms to clear."""

    sessions: list[tuple[str, str]]
    rooms: list[str]


def overdue(limit: int) -> Ask:
    """Ask what has lapsed by the database's clock."""

    def question() -> Overdue:
        lapsed = Session.objects.filter(state=SessionState.DISCONNECTED, lapses_at__lte=Now()).order_by("lapses_at")
        rooms = Room.objects.filter(clears_at__lte=timezone.now())
        return Overdue(
            list(lapsed.values_list("id", "close_reason")[:limit]), list(rooms.values_list("name", flat=True)[:limit])
        )

    return Ask(question=question)


def own_states(session_ids: Collection[str]) -> Ask:
    """Ask for the state and generation that the record has for sessions."""

    def question() -> dict[str, tuple[str, int]]:
        found = Session.objects.filter(id__in=list(session_ids))
        return {sid: (state, generation) for sid, state, generation in found.values_list("id", "state", "generation")}

    return Ask(question=question)
