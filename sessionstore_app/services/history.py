"""What the record knows of sessions and their changes: plain functions that use the ORM, each run by `record.ask`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from django.db.models import Count, Q, Sum
from django.db.models.functions import Coalesce, Now

from sessionstore_app.core.entries import SessionId
from sessionstore_app.core.sessions import Kind, SessionChange, State
from sessionstore_app.models import Node, Session, SessionEvent
from sessionstore_app.services.directory import open_sessions
from sessionstore_app.services.properties import milliseconds
from sessionstore_app.services.rows import chunks

BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
# A transaction that closes a session may be seen so much later than the time it noted.
OVERLAP: Final = timedelta(seconds=30)
# Conditions of one statement.
_AT_A_TIME = 100


@dataclass(frozen=True, slots=True)
class Revisions:
    """Revisions of all open sessions, and the database's time when they were read."""

    revisions: dict[str, int]
    at: datetime


@dataclass(frozen=True, slots=True)
class Tally:
    """How many sessions are open, the sum of their revisions, and the database's time."""

    count: int
    revisions: int
    at: datetime


def open_revisions() -> Revisions:
    """See `Revisions`."""
    at = _now()
    return Revisions(dict(open_sessions().values_list("id", "revision")), at)


def tally() -> Tally:
    """See `Tally`."""
    at = _now()
    found = open_sessions().aggregate(count=Count("id"), revisions=Coalesce(Sum("revision"), 0))
    return Tally(found["count"], found["revisions"], at)


def _now() -> datetime:
    # The database's clock, by which rows are dated; a table that always has a row or two is asked for it.
    found = Node.objects.annotate(db_now=Now()).values_list("db_now", flat=True).first()
    return found if found is not None else datetime.now(UTC)


def closed_since(at: datetime) -> list[str]:
    """Sessions that closed since then, or a little before."""
    return list(Session.objects.filter(closed_at__gte=at - OVERLAP).values_list("id", flat=True))


def long_closed(session_ids: Collection[str], at: datetime) -> set[str]:
    """Those of the sessions that closed before all that `closed_since` tells of that time."""
    return _ids(session_ids, Q(closed_at__lt=at - OVERLAP))


def gone(session_ids: Collection[str]) -> set[str]:
    """Those of the sessions that the record does not know."""
    return set(session_ids) - _ids(session_ids, Q())


def _ids(session_ids: Collection[str], condition: Q) -> set[str]:
    found: set[str] = set()
    for some in chunks(session_ids):
        found.update(Session.objects.filter(condition, id__in=some).values_list("id", flat=True))
    return found


def changes_after(heard: Mapping[str, int], kind: Kind | None = None) -> list[SessionChange]:
    """The changes of these sessions (of one kind) after those revisions, in the order of each session's revisions."""
    changes: list[SessionChange] = []
    pairs = list(heard.items())
    for start in range(0, len(pairs), _AT_A_TIME):
        wanted = Q()
        for session_id, revision in pairs[start : start + _AT_A_TIME]:
            wanted |= Q(session_id=session_id, revision__gt=revision)
        rows = SessionEvent.objects.filter(wanted).select_related("session").order_by("session_id", "revision")
        changes += map(change_of, rows if kind is None else rows.filter(type=kind))
    return changes


def change_of(row: SessionEvent) -> SessionChange:
    """A row of the log as the change it records."""
    return SessionChange(
        session_id=SessionId(row.session_id),
        revision=row.revision,
        kind=Kind(row.type),
        state=State(row.state),
        properties=row.properties,
        previous=row.previous,
        rooms=frozenset(row.rooms),
        previous_rooms=frozenset(row.previous_rooms),
        close_reason=row.close_reason,
        node_id=row.properties.get("$ServerName", ""),
        opened_at_ms=int(milliseconds(row.session.opened_at)),
    )
