"""Which sessions there are: plain functions that use the ORM, each run by `record.ask`.

The database narrows a filter down as far as it can; what it cannot tell is decided here, by the filter itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeAlias

from django.db.models import Case, Count, Q, QuerySet, Value, When

from sessionstore_app.core import clock
from sessionstore_app.core.entries import SessionId
from sessionstore_app.core.errors import LimitExceeded
from sessionstore_app.core.observer import Interest
from sessionstore_app.core.sessions import Kind, SessionChange, State
from sessionstore_app.models import Membership, Session, SessionState
from sessionstore_app.services.filterquery import translate
from sessionstore_app.services.properties import milliseconds, properties_of
from sessionstore_app.services.rows import chunks

# Rows that are looked at together.
_ROWS = 1_000
# A filter of the worst patterns takes 10 ms a session; for all sessions together it may take so long. Its caller waits
# no longer than `waiting.PATIENCE_SECONDS`, and is to be told why.
FILTER_SECONDS = 1.0

# Groups in one answer: counting is for values that many share.
GROUPS = 1_000

OPEN: Final = frozenset[str]({SessionState.ACTIVE, SessionState.DISCONNECTED})


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """A session as it is listed: with the properties that were asked for."""

    session_id: str
    state: str
    properties: dict[str, str]


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of sessions, by session id; `total` counts all that match, `more` says whether there is a next page."""

    sessions: list[SessionInfo]
    total: int
    more: bool


@dataclass(frozen=True, slots=True)
class Group:
    """Sessions with the same values of some properties; those that a session does not have are left out."""

    properties: dict[str, str]
    count: int
    people: int


@dataclass(frozen=True, slots=True)
class Counting:
    """How many sessions match, and how many people have them: many of one name are one, each without a name is one."""

    total: int
    people: int
    groups: list[Group]


@dataclass(frozen=True, slots=True)
class Page:
    """Open sessions, each as its last change left it; `next_after` is where the next page begins, None at the end."""

    changes: list[SessionChange]
    next_after: str | None


@dataclass(frozen=True, slots=True)
class Found:
    """A session that was found, as of a revision, and the node that serves it; none while it is away."""

    session_id: str
    revision: int
    node_id: str | None


@dataclass(frozen=True, slots=True)
class Leaf:
    """A page of rows, by its number; `total` counts all rows that match. Behind the last page is the last page."""

    sessions: list[Session]
    number: int
    total: int


# A name, or the one session of somebody without a name.
_Person: TypeAlias = str | tuple[str]


def open_sessions(states: Collection[str] = OPEN) -> QuerySet[Session]:
    """All sessions that have not ended, or those of them in one of these states."""
    # The states by name: to leave out the closed ones, a database would look at all that history keeps of them.
    return Session.objects.filter(state__in=OPEN.intersection(states))


def find(
    interest: Interest,
    session_id: str | None = None,
    *,
    among: Collection[str] | None = None,
    states: Collection[str] = OPEN,
) -> list[Found]:
    """The open sessions of interest, or the one that is named, if it is; of these only some, and in some states."""
    sessions = open_sessions(states)
    if session_id is not None:
        sessions = sessions.filter(id=session_id)
    parts = [sessions] if among is None else [sessions.filter(id__in=some) for some in chunks(sorted(among))]
    return [
        Found(session.id, session.revision, session.node_id if session.state == SessionState.ACTIVE else None)
        for part in parts
        for session in _of_interest(interest, part)
    ]


def one(interest: Interest, session_id: str) -> SessionInfo | None:
    """An open session with the properties of interest; None if there is none, or it is not of interest."""
    found = _of_interest(interest, open_sessions().filter(id=session_id))
    return next((_info(interest, session) for session in found), None)


def listing(interest: Interest, limit: int, after: str) -> Listing:
    """See `Listing`."""
    narrowed, is_exact = _narrowed(interest, open_sessions())
    if is_exact:
        page = list(narrowed.filter(id__gt=after).order_by("id")[: limit + 1])
        total = narrowed.count()
    else:
        # The database compares ids: it has its own order of letters.
        ordered = narrowed.order_by("id").annotate(is_past=Case(When(id__gt=after, then=True), default=Value(False)))
        page, total = [], 0
        for session in _in_time(ordered):
            if _covered(interest, session):
                total += 1
                if len(page) <= limit and session.is_past:  # type: ignore[attr-defined]  # annotated above
                    page.append(session)
    return Listing([_info(interest, session) for session in page[:limit]], total, len(page) > limit)


def leaf(interest: Interest, sessions: QuerySet[Session], number: int, size: int) -> Leaf:
    """The rows of interest among these, in their order; see `Leaf`. Pages count from 1. Raises LimitExceeded."""
    narrowed, is_exact = _narrowed(interest, sessions)
    if is_exact:
        total = narrowed.count()
        last = max(1, -(-total // size))
        number = min(max(number, 1), last)
        # Nothing is asked for what the count has said is not there.
        return Leaf(list(narrowed[(number - 1) * size : number * size]) if total else [], number, total)
    number, total = max(number, 1), 0
    rows: list[Session] = []
    for session in _in_time(narrowed):
        if _covered(interest, session):
            if total < number * size:
                rows = rows if total % size else []
                rows.append(session)
            total += 1
    return Leaf(rows, min(number, max(1, -(-total // size))), total)


def exactly(interest: Interest, sessions: QuerySet[Session]) -> QuerySet[Session]:
    """Just the rows of interest among these, for whoever takes nothing but a query. Raises LimitExceeded."""
    narrowed, is_exact = _narrowed(interest, sessions)
    if is_exact:
        return narrowed
    return sessions.filter(id__in=[session.id for session in _in_time(narrowed) if _covered(interest, session)])


def counting(interest: Interest, by: Collection[str]) -> Counting:
    """See `Counting`; groups come in the order of their values. Raises LimitExceeded."""
    narrowed, is_exact = _narrowed(interest, open_sessions())
    if is_exact and not by:
        named = Count("principal", distinct=True, filter=~Q(principal=""))
        unnamed = Count("id", filter=Q(principal=""))
        counted = narrowed.aggregate(total=Count("id"), named=named, unnamed=unnamed)
        return Counting(counted["total"], counted["named"] + counted["unnamed"], [])
    # Whose the sessions are, not the sessions: of all together, those would be more than a process should hold.
    everybody: list[_Person] = []
    groups: defaultdict[tuple[tuple[str, str], ...], list[_Person]] = defaultdict(list)
    for session in _of_interest(interest, open_sessions()):
        person = session.principal or (session.id,)
        everybody.append(person)
        properties = properties_of(session)
        groups[tuple((key, properties[key]) for key in by if key in properties)].append(person)
        if len(groups) > GROUPS:
            raise LimitExceeded(
                "There are too many groups.", hint="Count by properties whose values many sessions share.", limit=GROUPS
            )
    told = [Group(dict(key), len(members), len(set(members))) for key, members in sorted(groups.items()) if by]
    return Counting(len(everybody), len(set(everybody)), told)


def rooms_with(interest: Interest) -> set[str]:
    """Those of the interest's rooms in which somebody is of interest."""
    found = [session.id for session in _of_interest(interest, open_sessions())]
    return {room for rooms in rooms_of(found).values() for room in rooms} & (interest.rooms or set())


def open_page(interest: Interest, after: str, limit: int) -> Page:
    """A page of the open sessions of interest, by session id; `limit` is how many rows are looked at."""
    narrowed, _ = _narrowed(interest, open_sessions().filter(id__gt=after))
    rows = list(narrowed.order_by("id")[:limit])
    of_interest = [session for session in rows if _covered(interest, session)]
    rooms = rooms_of([session.id for session in of_interest])
    changes = [_as_it_is(session, frozenset(rooms.get(session.id, ()))) for session in of_interest]
    return Page(changes, rows[-1].id if len(rows) == limit else None)


def _of_interest(interest: Interest, sessions: QuerySet[Session]) -> Iterator[Session]:
    narrowed, is_exact = _narrowed(interest, sessions)
    for session in _in_time(narrowed):
        if is_exact or _covered(interest, session):
            yield session


def _in_time(sessions: QuerySet[Session]) -> Iterator[Session]:
    """The rows, as long as what is done to each is done in time. Raises LimitExceeded."""
    give_up_at = clock.monotonic() + FILTER_SECONDS
    for session in sessions.iterator(_ROWS):
        yield session
        if clock.monotonic() > give_up_at:
            raise LimitExceeded(
                "The filter takes too long over so many sessions.",
                hint="Put a clause with `is` or `in` beside it, or use simpler patterns.",
                limit=FILTER_SECONDS,
            )


def _narrowed(interest: Interest, sessions: QuerySet[Session]) -> tuple[QuerySet[Session], bool]:
    """The sessions that may be of interest, as far as the database can tell, and whether those are just the ones."""
    is_exact = interest.after_ms is None
    if interest.after_ms is not None:
        sessions = sessions.filter(opened_at__gte=datetime.fromtimestamp(interest.after_ms / 1000, UTC))
    if interest.rooms is not None:
        members = Membership.objects.filter(room__name__in=interest.rooms, left_at=None)
        sessions = sessions.filter(id__in=members.values("session_id"))
    if interest.filter is not None:
        translation = translate(interest.filter)
        sessions = sessions if translation.q is None else sessions.filter(translation.q)
        is_exact = is_exact and translation.is_exact
    return sessions, is_exact


def _covered(interest: Interest, session: Session) -> bool:
    """Is a session of interest that the database let pass?"""
    rooms = interest.rooms if interest.rooms is not None else frozenset[str]()
    return interest.covers(properties_of(session), rooms, int(milliseconds(session.opened_at)))


def _info(interest: Interest, session: Session) -> SessionInfo:
    return SessionInfo(session.id, str(session.state), interest.shown(properties_of(session)))


def rooms_of(session_ids: Collection[str]) -> dict[str, set[str]]:
    """The rooms that these sessions are in; a session in none is left out."""
    rooms: dict[str, set[str]] = {}
    joined = Membership.objects.filter(session_id__in=session_ids, left_at=None)
    for session_id, room in joined.values_list("session_id", "room__name"):
        rooms.setdefault(session_id, set()).add(room)
    return rooms


def _as_it_is(session: Session, rooms: frozenset[str]) -> SessionChange:
    return SessionChange(
        session_id=SessionId(session.id),
        revision=session.revision,
        kind=Kind.STATE,
        state=State(session.state),
        properties=properties_of(session),
        rooms=rooms,
        previous_rooms=rooms,
        node_id=session.node_id,
        opened_at_ms=int(milliseconds(session.opened_at)),
    )
