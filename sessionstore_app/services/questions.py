"""What can be asked of the record: plain functions that use the ORM, each run by `record.ask` in a thread."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, NamedTuple

from django.db import connections
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Sum
from django.db.models.functions import Coalesce, Now

from sessionstore_app.core.close import CloseReason
from sessionstore_app.core.entries import Epoch, Space
from sessionstore_app.models import Lock, LockRequest, Membership, Room, Session, SessionState
from sessionstore_app.services.batch import peer_of
from sessionstore_app.services.news import Peer
from sessionstore_app.services.properties import properties_of
from sessionstore_app.services.record import USING

# An answer within so long is good enough to set a clock by; otherwise it is asked again, a few times.
_CLOCK_NS = 50_000_000
_CLOCK_TRIES = 3


@dataclass(frozen=True, slots=True)
class Roster:
    """Who is in a room: `version` counts the changes of it."""

    version: int
    epoch: Epoch
    peers: dict[str, Peer]


def rosters(names: Iterable[str]) -> dict[str, Roster]:
    """The rosters of the rooms that there are."""
    rooms = {room.id: room for room in Room.objects.filter(name__in=list(names))}
    found = {room.name: Roster(room.roster, Epoch(room.epoch), {}) for room in rooms.values()}
    members = Membership.objects.filter(room_id__in=rooms, left_at=None).select_related("session")
    for member in members:
        peer = peer_of(member, member.session, rooms[member.room_id].name)
        found[rooms[member.room_id].name].peers[member.session_id] = peer
    return found


def roster_versions(names: Iterable[str]) -> dict[str, tuple[int, Epoch]]:
    """Version of the roster and epoch of the rooms that there are."""
    found = Room.objects.filter(name__in=list(names)).values_list("name", "roster", "epoch")
    return {name: (roster, Epoch(epoch)) for name, roster, epoch in found}


def epoch_of(room: str) -> Epoch:
    """The epoch of a room; empty if there is none."""
    return Epoch(Room.objects.filter(name=room).values_list("epoch", flat=True).first() or "")


def epoch_if_kept(room: str, seconds: float) -> Epoch:
    """The epoch of a room that will not be cleared within so many seconds; empty if it may be, or is not there."""
    later = Room.objects.filter(name=room).filter(Q(clears_at__gt=Now() + timedelta(seconds=seconds)) | _HAS_PEERS)
    return Epoch(later.values_list("epoch", flat=True).first() or "")


_HAS_PEERS = Exists(Membership.objects.filter(room_id=OuterRef("id"), left_at=None))


def peers_page(room: str, limit: int, after: str) -> tuple[list[Peer], int]:
    """A page of a room's peers, by session id, and how many there are in all."""
    present = Membership.objects.filter(room__name=room, left_at=None)
    page = present.filter(session_id__gt=after).select_related("session").order_by("session_id")[:limit]
    return [peer_of(member, member.session, room) for member in page], present.count()


def rooms_of(session_ids: Collection[str]) -> list[tuple[str, str, Epoch]]:
    """Session, name and epoch of every room that the sessions are in or have been in: they may have left something."""
    joined = Membership.objects.filter(session_id__in=session_ids)
    found = joined.values_list("session_id", "room__name", "room__epoch").distinct()
    return [(session_id, name, Epoch(epoch)) for session_id, name, epoch in found]


@dataclass(frozen=True, slots=True)
class Overdue:
    """What the reaper should look at: sessions away too long, with their reason, and rooms to clear."""

    sessions: dict[str, str]
    rooms: list[str]


def overdue(limit: int) -> Overdue:
    """What has lapsed by the database's clock."""
    lapsed = Session.objects.filter(state=SessionState.DISCONNECTED, lapses_at__lte=Now()).order_by("lapses_at")
    sessions = {
        session_id: reason or CloseReason.CONNECTION_LOST.name
        for session_id, reason in lapsed.values_list("id", "close_reason")[:limit]
    }
    # The states by name: of the closed ones, history keeps many that have expired since.
    is_open = Q(state__in=(SessionState.ACTIVE, SessionState.DISCONNECTED))
    expired = Session.objects.filter(is_open, expires_at__lte=Now()).order_by("expires_at")
    sessions |= dict.fromkeys(expired.values_list("id", flat=True)[:limit], CloseReason.EXPIRED.name)
    rooms = Room.objects.filter(clears_at__lte=Now())
    return Overdue(sessions, list(rooms.values_list("name", flat=True)[:limit]))


def clock_ahead_ns() -> int | None:
    """How far the database's clock is ahead of `time.monotonic_ns`, by the shortest of some answers; None where it is
    this machine's own.
    """
    connection = connections[USING]
    if connection.vendor != "postgresql":
        return None
    answers: list[tuple[int, int]] = []
    with connection.cursor() as cursor:
        while len(answers) < _CLOCK_TRIES and not (answers and answers[-1][0] < _CLOCK_NS):
            before = time.monotonic_ns()
            cursor.execute("SELECT clock_timestamp()")
            after = time.monotonic_ns()
            now_us: int = round(cursor.fetchone()[0].timestamp() * 1_000_000)
            answers.append((after - before, now_us * 1_000 - (before + after) // 2))
    return min(answers)[1]


def served_tally(node_id: str) -> tuple[int, int]:
    """How many sessions the record takes this node to serve, and the sum of their revisions."""
    active = Session.objects.filter(node_id=node_id, state=SessionState.ACTIVE)
    found = active.aggregate(count=Count("id"), revisions=Coalesce(Sum("revision"), 0))
    return found["count"], found["revisions"]


def served(node_id: str) -> dict[str, int]:
    """Id and generation of the sessions that the record takes this node to serve."""
    active = Session.objects.filter(node_id=node_id, state=SessionState.ACTIVE)
    return dict(active.values_list("id", "generation"))


def served_revisions(node_id: str) -> dict[str, int]:
    """Id and revision of the sessions that the record takes this node to serve."""
    active = Session.objects.filter(node_id=node_id, state=SessionState.ACTIVE)
    return dict(active.values_list("id", "revision"))


def forgettable_rooms(kept: timedelta) -> QuerySet[Room]:
    """Rooms that nobody is in and that wait for nothing, for longer than that."""
    idle = Room.objects.filter(~_HAS_PEERS, clears_at=None).annotate(idle_since=Coalesce("emptied_at", "created_at"))
    return idle.filter(idle_since__lte=Now() - kept)


def spaces_of_old_epochs(spaces: Mapping[Space, tuple[str, Epoch]]) -> list[Space]:
    """Those of the spaces, each of a room and an epoch, whose room goes on under another epoch, or is not known."""
    rooms = {room for room, _ in spaces.values()}
    # Of the record itself: to a copy that lags behind, a room may seem unknown.
    epochs = dict(Room.objects.using(USING).filter(name__in=rooms).values_list("name", "epoch"))
    return [space for space, (room, epoch) in spaces.items() if epochs.get(room) != epoch]


@dataclass(frozen=True, slots=True, kw_only=True)
class Acting:
    """A session as whom server code acts in a room: who it is, and how it is in there; `roles` of None: it is not."""

    principal: str
    session_roles: frozenset[str]
    permissions: frozenset[str]
    properties: Mapping[str, str]
    roles: tuple[str, ...] | None
    is_creator: bool


def acting(session_id: str, room: str) -> Acting | None:
    """An open session in a room; None where there is none of that id."""
    session = Session.objects.filter(id=session_id).exclude(state=SessionState.CLOSED).first()
    if session is None:
        return None
    member = Membership.objects.filter(session=session, room__name=room, left_at=None).first()
    return Acting(
        principal=session.principal,
        session_roles=frozenset(session.roles),
        permissions=frozenset(session.permissions),
        properties=properties_of(session),
        roles=None if member is None else tuple(member.roles),
        is_creator=member is not None and member.is_creator,
    )


def is_peer(room: str, session_id: str) -> bool:
    """Is the session in the room?"""
    return Membership.objects.filter(room__name=room, session_id=session_id, left_at=None).exists()


def is_made_by(room: str, principal: str) -> bool:
    """Did this principal make the room?"""
    return bool(principal) and Room.objects.filter(name=room, creator=principal).exists()


class Standing(NamedTuple):
    """How the record has a session."""

    state: str
    generation: int
    node_id: str
    close_reason: str


# A session that the record does not know.
GONE: Final = Standing(SessionState.CLOSED, 0, "", "")


def held_locks(session_ids: Collection[str]) -> dict[tuple[str, str], int]:
    """Sequence of the locks that these sessions hold, by session and name."""
    found = Lock.objects.filter(session_id__in=list(session_ids)).values_list("session_id", "name", "sequence")
    return {(session_id, name): sequence for session_id, name, sequence in found}


def with_waiters(locks: QuerySet[Lock]) -> list[tuple[Lock, int]]:
    """Locks, each with how many sessions wait for it."""
    found = list(locks)
    counts = LockRequest.objects.filter(lock__in=found).values_list("lock_id").annotate(Count("id")).order_by()
    waiting = dict(counts)
    return [(lock, waiting.get(lock.id, 0)) for lock in found]


def unmatched(rooms: Collection[str]) -> dict[str, dict[str, int]]:
    """Since when nobody in these rooms matches which removal rule, in milliseconds since the epoch."""
    return dict(Room.objects.filter(name__in=list(rooms)).values_list("name", "unmatched"))


def states(session_ids: Collection[str]) -> dict[str, Standing]:
    """How the record has these sessions."""
    found = Session.objects.filter(id__in=list(session_ids))
    rows = found.values_list("id", "state", "generation", "node_id", "close_reason")
    return {row[0]: Standing(*row[1:]) for row in rows}


def in_use(session_ids: Collection[str], seconds: float) -> list[str]:
    """Those of the sessions that are open, or ended less than so many seconds ago."""
    # Of the record itself: a copy that lags behind may not know a session that is open.
    found = Session.objects.using(USING).filter(id__in=list(session_ids))
    lately = Q(closed_at__gt=Now() - timedelta(seconds=seconds))
    return list(found.filter(~Q(state=SessionState.CLOSED) | lately).values_list("id", flat=True))
