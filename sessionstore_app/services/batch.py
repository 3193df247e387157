"""What the jobs of one transaction share: locked rows, changed in memory and written back with a few statements.

Sessions are locked before rooms, each in the order of their ids, so two batches never wait for each other in a
circle; locks (`lockrows`) come last. A job may rely on what it sees here until the transaction ends; what happened to
sessions, rosters, rooms and locks is collected as `Events`.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Model
from django.db.models.functions import Now
from django.utils import timezone

from sessionstore_app.core.entries import Epoch, SessionId
from sessionstore_app.core.properties import select
from sessionstore_app.core.sessions import Kind, SessionChange, State, previous_values
from sessionstore_app.models import Membership, Room, Session, SessionEvent, SessionState
from sessionstore_app.services import roomtypes
from sessionstore_app.services.lockrows import LockRows
from sessionstore_app.services.news import Cleared, Events, Peer, RosterChange
from sessionstore_app.services.properties import milliseconds, properties_of
from sessionstore_app.services.rows import chunks, lockable, overwrite


@dataclass(frozen=True, slots=True)
class _View:
    """A session as it was told last."""

    state: str
    properties: Mapping[str, str]
    rooms: frozenset[str]


class Batch:
    """Rows and events of one transaction."""

    def __init__(
        self,
        *,
        sessions: Collection[str],
        rooms: Collection[str],
        locks: Collection[str] = (),
        ending: Collection[str] = (),
        waits: bool = False,
    ) -> None:
        """Lock the sessions, the rooms they are in, and the named rooms and locks, which are made where missing.

        `ending` are sessions that may lose their locks. What another transaction has locked is left out: a job that
        needs it is tried again later. A batch that `waits` does so for sessions and rooms, as long as the connection
        lets it.
        """
        self.events = Events()
        self.now: datetime = timezone.now()
        self._waits = waits
        self._sessions: dict[str, Session] = {}
        self._rooms: dict[str, Room] = {}
        self._members: defaultdict[str, dict[int, Membership]] = defaultdict(dict)
        self._counts: dict[int, int] = {}
        self._views: dict[str, _View] = {}
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
            for ids in chunks(sessions):
                joined = Membership.objects.filter(session_id__in=ids, left_at=None)
                self._rooms_of += joined.values_list("session_id", "room__name")
            rooms = {*rooms, *(room for _, room in self._rooms_of)}
        if rooms:
            self._lock_rooms(set(rooms), sessions)
        self._see_sessions()
        self.locks = LockRows(self.events.locks, locks, ending)
        self._busy |= self.locks.busy_sessions
        self.locks.now = self.now

    def holds(self, sessions: Collection[str], rooms: Collection[str], locks: Collection[str] = ()) -> bool:
        """True if the rows of these sessions, of the rooms they are in, of these rooms and these locks are ours."""
        return (
            self._busy.isdisjoint(sessions)
            and all(room in self._rooms for room in rooms)
            and all(name in self.locks for name in locks)
        )

    def _lock_sessions(self, ids: Collection[str]) -> None:
        # In one order for everybody, so that nobody waits in a circle.
        for chunk in chunks(sorted(ids)):
            rows = lockable(Session.objects, waits=self._waits).filter(id__in=chunk).order_by("id")
            self._sessions |= {session.id: session for session in rows.annotate(db_now=Now())}
        missing = [session_id for session_id in ids if session_id not in self._sessions]
        for chunk in chunks(missing):
            self._busy.update(Session.objects.filter(id__in=chunk).values_list("id", flat=True))
        self._take_time(self._sessions.values())

    def _see_sessions(self) -> None:
        rooms: defaultdict[str, set[str]] = defaultdict(set)
        for session_id, room in self._rooms_of:
            rooms[session_id].add(room)
        for session in self._sessions.values():
            self._views[session.id] = _View(session.state, properties_of(session), frozenset(rooms[session.id]))

    def _take_time(self, rows: Iterable[Model]) -> None:
        for row in rows:
            # One clock for all machines: the database's.
            self.now = row.db_now  # type: ignore[attr-defined]  # annotated where the rows are locked

    def _lock_rooms(self, names: set[str], sessions: Collection[str]) -> None:
        self._rooms = _locked_rooms(names, waits=self._waits)
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
        for chunk in chunks(sessions):
            for member in present.filter(session_id__in=chunk):
                member.room = rooms[member.room_id]
                self._members[member.session_id][member.room_id] = member

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

    def is_creator(self, room: Room, session_id: str, principal: str) -> bool:
        """Is the room this session's: did it, or another of its principal, make it, or does it now by being the first?

        A room that the server keeps, or that waits to be cleared, was made before.
        """
        if room.creator_session_id:
            return room.creator_session_id == session_id or (bool(principal) and room.creator == principal)
        return not self.count(room) and room.clears_at is None

    def membership(self, room: Room, session_id: str) -> Membership | None:
        """The session's membership, if it is in the room."""
        return self._members[session_id].get(room.id)

    def memberships(self, session_id: str) -> list[Membership]:
        """Where the session is."""
        return list(self._members[session_id].values())

    def rooms_of(self, session_id: str) -> frozenset[str]:
        """The names of the rooms that the session is in."""
        return frozenset(member.room.name for member in self.memberships(session_id))

    # --- what happens

    def open(self, session: Session) -> None:
        """Record a new session."""
        self._opened.append(session)
        self._views[session.id] = _View("", {}, frozenset())
        self._tell(session, Kind.STATE, State.ACTIVE)

    def changed(self, session: Session, state: State | None = None, *, is_told: bool = False) -> None:
        """The session's row was changed, with `state` where that is a change of its state. What `is_told` is told also
        where no property shows it.
        """
        self._changed_sessions[session.id] = session
        before = self._views[session.id]
        change = None
        if state is not None:
            change = self._tell(session, Kind.STATE, state)
        elif is_told or before.properties != properties_of(session):
            change = self._tell(session, Kind.PROPERTIES, State(session.state))
        if change is None or state is State.CLOSED:
            return
        for member in self.memberships(session.id):
            public = roomtypes.public_properties(member.room.name)
            if before.state != session.state or not set(public).isdisjoint(change.previous):
                self._tell_peers(session, member)

    def _tell(self, session: Session, kind: Kind, state: State) -> SessionChange:
        before = self._views[session.id]
        after = _View(session.state, properties_of(session), self.rooms_of(session.id))
        session.revision += 1
        change = SessionChange(
            session_id=SessionId(session.id),
            revision=session.revision,
            kind=kind,
            state=state,
            properties=after.properties,
            previous=previous_values(before.properties, after.properties) if before.properties else {},
            rooms=after.rooms,
            previous_rooms=before.rooms,
            close_reason=session.close_reason if state is State.CLOSED else "",
            node_id=session.node_id,
            opened_at_ms=int(milliseconds(session.opened_at)),
        )
        self._views[session.id] = after
        self.events.sessions.append(change)
        return change

    def _tell_peers(self, session: Session, member: Membership) -> None:
        change = self._roster_change(member.room)
        peer = peer_of(member, session, member.room.name)
        (change.joined if session.id in change.joined else change.updated)[session.id] = peer

    def _moved(self, session_id: str) -> None:
        """It came into a room or left one; who ends has been told already."""
        session = self._sessions[session_id]
        if session.state != SessionState.CLOSED:
            self._changed_sessions[session.id] = session
            self._tell(session, Kind.ROOMS, State(session.state))

    def join(self, member: Membership) -> None:
        """Record that a session is in a room from now on."""
        room = member.room
        self._joined.append(member)
        self._members[member.session_id][room.id] = member
        self._counts[room.id] = self.count(room) + 1
        if member.is_creator:
            room.creator_session_id = member.session_id
            room.creator = self._sessions[member.session_id].principal
        room.emptied_at = room.clears_at = None
        change = self._roster_change(room)
        came_back = change.left.pop(member.session_id, None) is not None
        peer = peer_of(member, self._sessions[member.session_id], room.name)
        (change.updated if came_back else change.joined)[member.session_id] = peer
        self._moved(member.session_id)

    def observe(self, member: Membership, patterns: Collection[str]) -> None:
        """Record what a member observes."""
        member.observed = sorted(patterns)
        if member.pk is not None:
            Membership.objects.filter(pk=member.pk).update(observed=member.observed)

    def leave(self, member: Membership, reason: str, grace_seconds: float = 0) -> bool:
        """Record that it is no longer; true if that emptied the room and its store was cleared at once."""
        room = member.room
        del self._members[member.session_id][room.id]
        if member.pk is None:
            self._joined.remove(member)
        else:
            self._left.append(member)
        self._counts[room.id] = self.count(room) - 1
        change = self._roster_change(room)
        change.updated.pop(member.session_id, None)
        if change.joined.pop(member.session_id, None) is None:
            change.left[member.session_id] = reason
        self._moved(member.session_id)
        if self._counts[room.id] > 0:
            return False
        change.was_emptied = True
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
        if not self.count(room):
            # Whoever comes first makes it anew.
            room.creator = room.creator_session_id = ""
        # What is written in a new epoch has a whole absence to live.
        room.unmatched = {}
        self._changed_rooms[room.name] = room
        self.events.cleared.append(Cleared(room.name, old, new, reason))
        return new

    def forget_room(self, room: Room) -> None:
        """Delete a room that nobody is in; a job of this batch that wants it is tried again, and makes it anew."""
        Membership.objects.filter(room=room).delete()
        del self._rooms[room.name]
        Room.objects.filter(id=room.id).delete()

    def changed_room(self, room: Room) -> None:
        """The room's row was changed."""
        self._changed_rooms[room.name] = room

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
        overwrite(Session, self._changed_sessions.values(), _SESSION_FIELDS)
        # Left first: somebody may have left a room and come back.
        if self._left:
            Membership.objects.filter(pk__in=[member.pk for member in self._left]).update(left_at=self.now)
        Membership.objects.bulk_create(self._joined)
        for change in self.events.rosters.values():
            room = self._rooms[change.room]
            room.roster += 1
            change.roster, change.count = room.roster, self.count(room)
            self._changed_rooms[room.name] = room
        overwrite(Room, self._changed_rooms.values(), _ROOM_FIELDS)
        SessionEvent.objects.bulk_create(_row(change, self.now) for change in self.events.sessions)
        self.locks.save()

    def _roster_change(self, room: Room) -> RosterChange:
        return self.events.rosters.setdefault(room.name, RosterChange(room.name))


_SESSION_FIELDS = (
    "state", "roles", "granted", "permissions", "properties", "revision", "node_id", "generation", "resume_hash",
    "expires_at", "lapses_at", "closed_at", "close_reason",
)  # fmt: skip
_ROOM_FIELDS = (
    "epoch", "roster", "emptied_at", "clears_at", "unmatched", "store_mark", "creator", "creator_session_id",
)  # fmt: skip


def _row(change: SessionChange, at: datetime) -> SessionEvent:
    return SessionEvent(
        session_id=change.session_id,
        revision=change.revision,
        type=change.kind,
        state=change.state,
        properties=change.properties,
        previous=change.previous,
        rooms=sorted(change.rooms),
        previous_rooms=sorted(change.previous_rooms),
        close_reason=change.close_reason,
        at=at,
    )


def _locked_rooms(names: Collection[str], *, waits: bool = False) -> dict[str, Room]:
    rows = lockable(Room.objects, waits=waits).filter(name__in=sorted(names)).order_by("id")
    return {room.name: room for room in rows.annotate(db_now=Now())}


def new_epoch() -> Epoch:
    """A random id for a room's incarnation, 96 bits."""
    return Epoch(secrets.token_hex(12))


def peer_of(membership: Membership, session: Session, room: str) -> Peer:
    """The peer that a membership makes of its session in the room of that name."""
    public = select(properties_of(session), roomtypes.public_properties(room))
    return Peer(
        session.id, session.principal, tuple(membership.roles), str(session.state), membership.joined_at, public
    )
