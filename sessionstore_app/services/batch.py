"""What the jobs of one transaction share: locked rows, changed in memory and written back with a few statements.

Sessions are locked before rooms, each in the order of their ids, so two batches never wait for each other in a
circle. A job may rely on what it sees here until the transaction ends; what happened to rosters and rooms is
collected as `Events`.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from django.db import connection
from django.db.models import Count, Manager, Model, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from sessionstore_app.core.entries import Epoch
from sessionstore_app.models import Membership, Room, Session, SessionState


@dataclass(frozen=True, slots=True)
class Peer:
    """A session as seen in a room. `joined_at` is in UTC."""

    session_id: str
    principal: str
    roles: tuple[str, ...]
    state: str
    joined_at: datetime


@dataclass(slots=True)
class RosterChange:
    """How one batch changed who is in a room; `roster` is the room's counter after it."""

    room: str
    roster: int = 0
    joined: dict[str, Peer] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)
    updated: dict[str, Peer] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cleared:
    """A room that goes on under another epoch."""

    room: str
    old: Epoch
    new: Epoch
    reason: str


@dataclass(slots=True)
class Events:
    """What a batch did that others must be told. All jobs of a batch share it; whoever takes it tells."""

    rosters: dict[str, RosterChange] = field(default_factory=dict)
    cleared: list[Cleared] = field(default_factory=list)
    _taken: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self) -> bool:
        """True for exactly one caller."""
        with self._lock:
            taken, self._taken = self._taken, True
            return not taken


M = TypeVar("M", bound=Model)


class Batch:
    """Rows and events of one transaction."""

    def __init__(self, *, sessions: Collection[str], rooms: Collection[str]) -> None:
        """Lock the sessions, the rooms they are in, and the named rooms, which are made where missing.

        What another transaction has locked is left out: a job that needs it is tried again later.
        """
        self.events = Events()
        self.now: datetime = timezone.now()
        self._sessions: dict[str, Session] = {}
        self._rooms: dict[str, Room] = {}
        self._members: dict[tuple[int, str], Membership] = {}
        self._counts: dict[int, int] = {}
        self._opened: list[Session] = []
        self._joined: list[Membership] = []
        self._left: list[Membership] = []
        self._changed_sessions: dict[str, Session] = {}
        self._changed_rooms: dict[str, Room] = {}
        # Sessions that cannot be worked on: their row, or the row of a room they are in, is locked elsewhere.
        self._busy: set[str] = set()
        self._rooms_of: list[tuple[str, str]] = []
        if sessions:
            self._lock_sessions(sessions)
            joined = Membership.objects.filter(session_id__in=sessions, left_at=None)
            self._rooms_of = list(joined.values_list("session_id", "room__name"))
            rooms = {*rooms, *(room for _, room in self._rooms_of)}
        if rooms:
            self._lock_rooms(set(rooms), sessions)

    def holds(self, sessions: Collection[str], rooms: Collection[str]) -> bool:
        """True if the rows of these sessions, of the rooms they are in and of these rooms are ours."""
        return self._busy.isdisjoint(sessions) and all(room in self._rooms for room in rooms)

    def _lock_sessions(self, ids: Collection[str]) -> None:
        rows = _lockable(Session.objects).filter(id__in=sorted(ids)).order_by("id").annotate(db_now=Now())
        self._sessions = {session.id: session for session in rows}
        missing = [session_id for session_id in ids if session_id not in self._sessions]
        if missing:
            self._busy.update(Session.objects.filter(id__in=missing).values_list("id", flat=True))
        self._take_time(self._sessions.values())

    def _take_time(self, rows: Iterable[Model]) -> None:
        for row in rows:
            # One clock for all machines: the database's.
            self.now = row.db_now  # type: ignore[attr-defined]  # annotated where the rows are locked

    def _lock_rooms(self, names: set[str], sessions: Collection[str]) -> None:
        self._rooms = _locked_rooms(names)
        missing = names - self._rooms.keys()
        if missing:
            # Either new, or locked elsewhere; inserting the latter would wait for whoever changes them.
            new = sorted(missing - set(Room.objects.filter(name__in=missing).values_list("name", flat=True)))
            Room.objects.bulk_create([Room(name=name, epoch=new_epoch()) for name in new], ignore_conflicts=True)
            self._rooms |= _locked_rooms(new)
        self._busy.update(session_id for session_id, room in self._rooms_of if room not in self._rooms)
        self._take_time(self._rooms.values())
        ids = [room.id for room in self._rooms.values()]
        present = Membership.objects.filter(room_id__in=ids, left_at=None)
        self._counts = dict(present.values_list("room_id").annotate(Count("id")).order_by())
        rooms = {room.id: room for room in self._rooms.values()}
        for member in present.filter(session_id__in=sessions) if sessions else ():
            member.room = rooms[member.room_id]
            self._members[member.room_id, member.session_id] = member

    # --- what there is

    def session(self, session_id: str) -> Session | None:
        """The locked row of a session."""
        return self._sessions.get(session_id)

    def room(self, name: str) -> Room:
        """The locked row of a room."""
        return self._rooms[name]

    def count(self, room: Room) -> int:
        """How many sessions are in the room."""
        return self._counts.get(room.id, 0)

    def membership(self, room: Room, session_id: str) -> Membership | None:
        """The session's membership, if it is in the room."""
        return self._members.get((room.id, session_id))

    def memberships(self, session_id: str) -> list[Membership]:
        """Where the session is."""
        return [member for (_, sid), member in self._members.items() if sid == session_id]

    # --- what happens

    def open(self, session: Session) -> None:
        """Record a new session."""
        self._opened.append(session)

    def changed(self, session: Session, *, told: bool = True) -> None:
        """The session's row was changed; where that is `told`, its peers see it with its new state."""
        self._changed_sessions[session.id] = session
        for member in self.memberships(session.id) if told else ():
            change = self._roster_change(member.room)
            peer = peer_of(member, session.principal, session.state)
            (change.joined if session.id in change.joined else change.updated)[session.id] = peer

    def join(self, member: Membership, principal: str) -> None:
        """Record that a session is in a room from now on."""
        room = member.room
        self._joined.append(member)
        self._members[room.id, member.session_id] = member
        self._counts[room.id] = self.count(room) + 1
        room.emptied_at = room.clears_at = None
        change = self._roster_change(room)
        came_back = change.left.pop(member.session_id, None) is not None
        peer = peer_of(member, principal, SessionState.ACTIVE)
        (change.updated if came_back else change.joined)[member.session_id] = peer

    def observe(self, member: Membership, patterns: Collection[str]) -> None:
        """Record what a member observes."""
        member.observed = sorted(patterns)
        if member not in self._joined:
            Membership.objects.filter(pk=member.pk).update(observed=member.observed)

    def leave(self, member: Membership, reason: str, grace_seconds: float = 0) -> bool:
        """Record that it is no longer; true if that emptied the room and its store was cleared at once."""
        room = member.room
        del self._members[room.id, member.session_id]
        if member in self._joined:
            self._joined.remove(member)
        else:
            self._left.append(member)
        self._counts[room.id] = self.count(room) - 1
        change = self._roster_change(room)
        change.updated.pop(member.session_id, None)
        if change.joined.pop(member.session_id, None) is None:
            change.left[member.session_id] = reason
        if self._counts[room.id] > 0:
            return False
        room.emptied_at = self.now
        if grace_seconds > 0:
            room.clears_at = self.now + timedelta(seconds=grace_seconds)
            return False
        self.clear(room, "LAST_PEER_LEFT")
        return True

    def clear(self, room: Room, reason: str) -> Epoch:
        """Give the room a new epoch; its entries are wiped once this is committed."""
        old, new = Epoch(room.epoch), new_epoch()
        room.epoch = new
        room.clears_at = None
        self._changed_rooms[room.name] = room
        self.events.cleared.append(Cleared(room.name, old, new, reason))
        return new

    def keep_idle(self, room: Room, seconds: float) -> None:
        """Put off the clearing of a room that nobody is in, because the server uses it."""
        until = self.now + timedelta(seconds=seconds)
        if room.clears_at is None:
            room.emptied_at = None
        room.clears_at = max(until, room.clears_at or until)
        self._changed_rooms[room.name] = room

    def save(self) -> None:
        """Write back what the jobs changed."""
        Session.objects.bulk_create(self._opened)
        _overwrite(Session, self._changed_sessions.values(), _SESSION_FIELDS)
        Membership.objects.bulk_create(self._joined)
        if self._left:
            Membership.objects.filter(pk__in=[member.pk for member in self._left]).update(left_at=self.now)
        for change in self.events.rosters.values():
            room = self._rooms[change.room]
            room.roster += 1
            change.roster = room.roster
            self._changed_rooms[room.name] = room
        _overwrite(Room, self._changed_rooms.values(), _ROOM_FIELDS)

    def _roster_change(self, room: Room) -> RosterChange:
        return self.events.rosters.setdefault(room.name, RosterChange(room.name))


_SESSION_FIELDS = ("state", "node_id", "generation", "resume_hash", "lapses_at", "closed_at", "close_reason")
_ROOM_FIELDS = ("epoch", "roster", "emptied_at", "clears_at")


def _overwrite(model: type[Model], rows: Iterable[Model], fields: Collection[str]) -> None:
    """Write back rows that exist and are locked, all in one statement."""
    model._default_manager.bulk_create(rows, update_conflicts=True, unique_fields=["id"], update_fields=fields)


def _lockable(manager: Manager[M]) -> QuerySet[M]:
    """Rows that we lock, without those that others have locked. SQLite has no row locks and needs none."""
    return manager.select_for_update(skip_locked=connection.features.has_select_for_update_skip_locked)


def _locked_rooms(names: Collection[str]) -> dict[str, Room]:
    rows = _lockable(Room.objects).filter(name__in=sorted(names)).order_by("id").annotate(db_now=Now())
    return {room.name: room for room in rows}


def new_epoch() -> Epoch:
    """A random id for a room's incarnation, 96 bits."""
    return Epoch(secrets.token_hex(12))


def peer_of(membership: Membership, principal: str, state: str) -> Peer:
    """The peer that a membership makes of its session."""
    return Peer(membership.session_id, principal, tuple(membership.roles), str(state), membership.joined_at)
