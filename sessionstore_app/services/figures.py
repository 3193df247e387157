"""How much there is of everything, over all processes: for the admin's dashboard and for metrics.

Each figure is counted where its own method counts it, so that they are the same everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, Exists, OuterRef, Q, Sum

from sessionstore_app import conf
from sessionstore_app.core.observer import Interest
from sessionstore_app.models import Membership, Node, Room, SessionState
from sessionstore_app.services import directory, record, steering
from sessionstore_app.services.directory import Counting
from sessionstore_app.services.record import from_now
from sessionstore_app.services.site import SiteStats, site_sessions


@dataclass(frozen=True, slots=True)
class SessionFigures:
    """Open sessions: how many have a socket, how many are away for a moment, and how many people they are."""

    active: int
    disconnected: int
    people: int


@dataclass(frozen=True, slots=True)
class RoomFigures:
    """Rooms with peers, and all that are known."""

    peopled: int
    total: int


@dataclass(frozen=True, slots=True)
class NodeFigures:
    """Server processes that live, and what they do a second, as they said when they renewed their leases."""

    nodes: int
    writes_per_second: float
    deliveries_per_second: float


async def session_figures() -> SessionFigures:
    """Raises Unavailable."""
    states = await record.look(_states)
    counted = await steering.counting(Interest(), ())
    return SessionFigures(states[SessionState.ACTIVE], states[SessionState.DISCONNECTED], counted.people)


def _states() -> dict[str, int]:
    counted = directory.open_sessions().aggregate(
        **{state: Count("id", filter=Q(state=state)) for state in (SessionState.ACTIVE, SessionState.DISCONNECTED)}
    )
    return {str(state): number for state, number in counted.items()}


async def sessions_by(key: str) -> Counting:
    """Open sessions by the values of a property. Raises LimitExceeded where there are too many, Unavailable."""
    return await steering.counting(Interest(keys=frozenset({key})), (key,))


async def room_figures() -> RoomFigures:
    """Raises Unavailable."""
    return await record.look(_rooms)


def _rooms() -> RoomFigures:
    inside = Membership.objects.filter(room=OuterRef("pk"), left_at=None)
    return RoomFigures(Room.objects.filter(Exists(inside)).count(), Room.objects.count())


async def node_figures() -> NodeFigures:
    """Raises Unavailable."""
    return await record.look(_nodes)


def _nodes() -> NodeFigures:
    living = Node.objects.filter(lease_until__gt=from_now(0)).aggregate(
        nodes=Count("id"), writes=Sum("writes_per_second"), deliveries=Sum("deliveries_per_second")
    )
    return NodeFigures(living["nodes"], living["writes"] or 0.0, living["deliveries"] or 0.0)


async def site_figures() -> SiteStats:
    """Site sessions within their lifetime, and all. Raises Unavailable."""
    return await site_sessions.astats(conf.current().site_session_lifetime_seconds)
