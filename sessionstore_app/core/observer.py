"""What a listener is told of a change of a session (parity D50–D61, protocol §4).

Pure: a change and an interest in, an event or nothing out. Who listens, and how an event gets there, is not known here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sessionstore_app.core.filters import Filter
from sessionstore_app.core.properties import is_selected, select
from sessionstore_app.core.sessions import Kind, SessionChange, State


def _everything(key: str) -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Interest:
    """What somebody wants to hear: of which sessions, and which of their properties.

    `sees` says which properties the listener may see at all, whatever `keys` asks for. `after_ms` leaves out sessions
    that opened up to that time, in milliseconds since the epoch; `rooms` leaves out those that are in none of these.
    """

    filter: Filter | None = None
    rooms: frozenset[str] | None = None
    keys: frozenset[str] = frozenset()
    sees: Callable[[str], bool] = _everything
    after_ms: int | None = None

    def covers(self, properties: Mapping[str, str], rooms: frozenset[str], opened_at_ms: int) -> bool:
        """Is such a session of interest?"""
        return self.reaches(rooms, opened_at_ms) and (self.filter is None or self.filter.matches(properties))

    def reaches(self, rooms: frozenset[str], opened_at_ms: int) -> bool:
        """May such a session be of interest, whatever its properties?"""
        if self.after_ms is not None and opened_at_ms <= self.after_ms:
            return False
        return self.rooms is None or not self.rooms.isdisjoint(rooms)

    def shows(self, key: str) -> bool:
        """Is this property to be told?"""
        return is_selected(key, self.keys) and self.sees(key)

    def shown(self, properties: Mapping[str, str]) -> dict[str, str]:
        """The properties that are to be told."""
        return {key: value for key, value in select(properties, self.keys).items() if self.sees(key)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event as a listener gets it. `matches` is false in the last one of a session that left the interest."""

    session_id: str
    kind: Kind
    state: State
    revision: int
    properties: Mapping[str, str]
    changed_properties: Mapping[str, str | None] = field(default_factory=dict)
    close_reason: str | None = None
    matches: bool = True


def event_of(interest: Interest, change: SessionChange) -> Event | None:
    """What this listener is told of this change; None for nothing."""
    before, after = _covered(interest, change)
    if change.state is State.CLOSED and change.kind is Kind.STATE:
        return _event(interest, change, close_reason=change.close_reason) if before else None
    if before and not after:
        # D61: told whatever was asked for, or the listener would keep it for ever.
        kind = Kind.STATE if change.kind is Kind.STATE else Kind.PROPERTIES
        return _event(interest, change, kind=kind, matches=False)
    if after and not before:
        return entered(interest, change)
    is_told = change.kind is Kind.STATE or any(map(interest.shows, change.previous))
    return _event(interest, change) if before and is_told and change.kind is not Kind.ROOMS else None


def _covered(interest: Interest, change: SessionChange) -> tuple[bool, bool]:
    """Was the session of interest before, and is it now? Every listener's filter is asked about every change and may
    take long: where it would say the same of both, once, and where nothing hangs on it, not at all.
    """
    before = not change.is_opening and interest.reaches(change.previous_rooms, change.opened_at_ms)
    after = interest.reaches(change.rooms, change.opened_at_ms)
    wanted = interest.filter
    if wanted is None:
        return before, after
    if wanted.names.isdisjoint(change.previous):
        is_told_nothing = change.kind is Kind.ROOMS and before is after
        matches = not is_told_nothing and (before or after) and wanted.matches(change.properties)
        return before and matches, after and matches
    return before and wanted.matches(change.properties_before), after and wanted.matches(change.properties)


def entered(interest: Interest, change: SessionChange) -> Event:
    """An open-like event for a session that is of interest from now on."""
    state = State.DISCONNECTED if change.state is State.DISCONNECTED else State.ACTIVE
    properties = interest.shown(change.properties)
    return Event(
        session_id=change.session_id, kind=Kind.STATE, state=state, revision=change.revision, properties=properties
    )


def _event(
    interest: Interest,
    change: SessionChange,
    *,
    kind: Kind | None = None,
    close_reason: str | None = None,
    matches: bool = True,
) -> Event:
    previous = {} if change.state is State.CLOSED else change.previous
    return Event(
        session_id=change.session_id,
        kind=kind or change.kind,
        state=change.state,
        revision=change.revision,
        properties=interest.shown(change.properties),
        changed_properties={key: previous[key] for key in sorted(previous) if interest.shows(key)},
        close_reason=close_reason,
        matches=matches,
    )
