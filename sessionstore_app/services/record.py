"""The record: which sessions exist and which rooms they are in, kept in the database.

Jobs that wait share one transaction (see `backends.groupcommit`): a thousand clients that come back at once are a few
statements each, not a thousand transactions. A batch locks every room it touches first, in one order, so batches
never wait for each other in a circle; what happened to rosters and rooms is handed back as `Events`, to be told once
it is committed.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Count
from django.db.models.expressions import Combinable
from django.db.models.functions import Now
from django.utils import timezone

from sessionstore_app.backends.groupcommit import GroupCommit, Outcome
from sessionstore_app.core.entries import Epoch
from sessionstore_app.core.errors import SessionStoreError
from sessionstore_app.models import Membership, Room, SessionState

USING = "default"


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


class Job(Protocol):
    """One thing to record. It names the rooms and sessions it touches, so that their rooms can be locked first."""

    rooms: Collection[str]
    sessions: Collection[str]

    def run(self, batch: Batch) -> Any:
        """Do it, with the ORM. Raises SessionStoreError before anything was written, or not at all."""


class Batch:
    """What the jobs of one transaction share: locked rooms, memberships, and the events so far."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.events = Events()
        self._rooms: dict[str, Room] = {}
        self._open: dict[tuple[int, str], Membership] = {}
        self._counts: dict[int, int] = {}
        self._new: list[Membership] = []
        self._changed: set[str] = set()
        self._lock_rooms({name for job in jobs for name in job.rooms}, {sid for job in jobs for sid in job.sessions})

    def _lock_rooms(self, names: set[str], sessions: set[str]) -> None:
        if sessions:
            joined = Membership.objects.filter(session_id__in=sessions, left_at=None)
            names = names | set(joined.values_list("room__name", flat=True))
        if not names:
            return
        rows = Room.objects.select_for_update().filter(name__in=sorted(names)).order_by("id")
        self._rooms = {room.name: room for room in rows}
        missing = sorted(names - self._rooms.keys())
        if missing:
            made = [Room(name=name, epoch=new_epoch()) for name in missing]
            Room.objects.bulk_create(made, ignore_conflicts=True)
            rows = Room.objects.select_for_update().filter(name__in=missing).order_by("id")
            self._rooms |= {room.name: room for room in rows}
        ids = [room.id for room in self._rooms.values()]
        present = Membership.objects.filter(room_id__in=ids, left_at=None)
        counted = present.values_list("room_id").annotate(Count("id")).order_by()
        self._counts = dict(counted)
        if sessions:
            mine = present.filter(session_id__in=sessions).select_related("session", "room")
            self._open = {(member.room_id, member.session_id): member for member in mine}

    def room(self, name: str) -> Room:
        """The locked row of a room."""
        return self._rooms[name]

    def count(self, room: Room) -> int:
        """How many sessions are in the room."""
        return self._counts.get(room.id, 0)

    def membership(self, room: Room, session_id: str) -> Membership | None:
        """The session's membership, if it is in the room."""
        return self._open.get((room.id, session_id))

    def memberships(self, session_id: str) -> list[Membership]:
        """Where the session is."""
        return [member for (_, sid), member in self._open.items() if sid == session_id]

    def join(self, membership: Membership, principal: str) -> None:
        """Record that a session is in a room from now on."""
        room = membership.room
        self._new.append(membership)
        self._open[room.id, membership.session_id] = membership
        self._counts[room.id] = self.count(room) + 1
        room.emptied_at = room.clears_at = None
        change = self._roster_change(room)
        change.joined[membership.session_id] = peer_of(membership, principal, SessionState.ACTIVE)

    def leave(self, membership: Membership, reason: str, grace_seconds: float = 0) -> bool:
        """Record that it is no longer; true if that emptied the room and its store was cleared at once."""
        room = self._rooms[membership.room.name]
        del self._open[room.id, membership.session_id]
        if membership in self._new:
            self._new.remove(membership)
        else:
            Membership.objects.filter(pk=membership.pk).update(left_at=Now())
        self._counts[room.id] = self.count(room) - 1
        change = self._roster_change(room)
        if change.joined.pop(membership.session_id, None) is None:
            change.left[membership.session_id] = reason
        change.updated.pop(membership.session_id, None)
        if self._counts[room.id] > 0:
            return False
        room.emptied_at = timezone.now()
        if grace_seconds > 0:
            room.clears_at = room.emptied_at + timedelta(seconds=grace_seconds)
            return False
        self.clear(room, "LAST_PEER_LEFT")
        return True

    def update_peers(self, session_id: str, principal: str, state: SessionState) -> None:
        """Record in the rosters of all its rooms that a session's state is another."""
        for member in self.memberships(session_id):
            change = self._roster_change(self._rooms[member.room.name])
            change.updated[session_id] = peer_of(member, principal, state)

    def clear(self, room: Room, reason: str) -> Epoch:
        """Give the room a new epoch; its entries are wiped once this is committed."""
        old, new = Epoch(room.epoch), new_epoch()
        room.epoch = new
        room.clears_at = None
        self._changed.add(room.name)
        self.events.cleared.append(Cleared(room.name, old, new, reason))
        return new

    def keep_idle(self, room: Room, until: datetime) -> None:
        """Put off the clearing of a room that nobody is in, because the server uses it."""
        if room.clears_at is None:
            room.emptied_at = None
        room.clears_at = max(until, room.clears_at or until)
        self._changed.add(room.name)

    def save(self) -> None:
        """Write back what the jobs changed."""
        Membership.objects.bulk_create(self._new)
        for name, change in self.events.rosters.items():
            room = self._rooms[name]
            room.roster += 1
            change.roster = room.roster
            self._changed.add(name)
        if self._changed:
            fields = ("epoch", "roster", "emptied_at", "clears_at")
            Room.objects.bulk_update([self._rooms[name] for name in sorted(self._changed)], fields)

    def _roster_change(self, room: Room) -> RosterChange:
        return self.events.rosters.setdefault(room.name, RosterChange(room.name))


def _run_batch(connection: BaseDatabaseWrapper, jobs: Sequence[Job]) -> list[Outcome]:
    with transaction.atomic(using=connection.alias):
        batch = Batch(jobs)
        outcomes = [_run_job(job, batch) for job in jobs]
        batch.save()
    return outcomes


def _run_job(job: Job, batch: Batch) -> Outcome:
    try:
        return job.run(batch), batch.events
    except SessionStoreError as error:
        return error


_commit = GroupCommit(USING, _run_batch)


async def run(job: Job) -> tuple[Any, Events]:
    """Record one job, together with whatever else waits. Raises what it raised, or Unavailable."""
    outcome: tuple[Any, Events] = await _commit.run(job)
    return outcome


def close() -> None:
    """Let go of the thread and its connection."""
    _commit.close()


def new_epoch() -> Epoch:
    """A random id for a room's incarnation, 96 bits."""
    return Epoch(secrets.token_hex(12))


def from_now(seconds: float) -> Combinable:
    """A time by the database's clock: leases of several machines are compared by one clock."""
    return Now() + timedelta(seconds=seconds)


def peer_of(membership: Membership, principal: str, state: str) -> Peer:
    """The peer that a membership makes of its session."""
    return Peer(membership.session_id, principal, tuple(membership.roles), str(state), membership.joined_at)


def roster_of(names: Iterable[str]) -> dict[str, tuple[int, Epoch, dict[str, Peer]]]:
    """Counter, epoch and peers of rooms, as the database has them."""
    rooms = {room.id: room for room in Room.objects.filter(name__in=list(names))}
    rosters: dict[str, tuple[int, Epoch, dict[str, Peer]]] = {
        room.name: (room.roster, Epoch(room.epoch), {}) for room in rooms.values()
    }
    members = Membership.objects.filter(room_id__in=rooms, left_at=None).select_related("session")
    for member in members:
        peer = peer_of(member, member.session.principal, member.session.state)
        rosters[rooms[member.room_id].name][2][member.session_id] = peer
    return rosters
