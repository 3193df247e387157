"""What one listener knows of sessions, and what is news to it over many connections. Pure: events in, events out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sessionstore_app.client.forms import SessionEvent

# Sessions that went are remembered so far, lest a repeat brings them back.
_MOST_GONE: Final = 1_000
_START: Final = "$StartTime"

Tell = Callable[[SessionEvent], None]


@dataclass(frozen=True, slots=True)
class _Sighting:
    revision: int
    state: str
    properties: Mapping[str, str]


class Sightings:
    """Keeps one sighting a session. `ask` begins a registration, `settle` ends its first events."""

    def __init__(
        self, query: Mapping[str, Any], *, properties: Sequence[str], after: datetime | None, tell: Tell
    ) -> None:
        self._query = query
        self._properties = list(properties)
        self._after = after
        self._tell = tell
        self._hides_start = _START not in properties and "*F" not in properties
        self._known: dict[str, _Sighting] = {}
        self._gone: dict[str, int] = {}
        self._came: set[str] | None = None
        self._since_ms: float | None = None
        self._asks_after = after is not None

    def ask(self) -> dict[str, Any]:
        """The parameters of the next registration."""
        self._came = set()
        asked: dict[str, Any] = {**self._query, "properties": self._properties}
        if self._after is not None and self._asks_after:
            asked["after"] = self._after.isoformat()
        elif self._after is not None:
            asked["properties"] = [*self._properties, _START]
        return asked

    def lose(self) -> None:
        """The listener went with its socket. From now on all sessions are asked for, and early ones left out here."""
        if self._after is not None:
            self._since_ms = self._after.timestamp() * 1000
            self._asks_after = False

    def see(self, event: SessionEvent) -> None:
        """The server tells something; it is told on if it is news."""
        held = self._known.get(event.session_id)
        start = event.properties.get(_START)
        early = self._since_ms is not None and (start is None or float(start) <= self._since_ms)
        if self._hides_start and start is not None:
            shown = {key: value for key, value in event.properties.items() if key != _START}
            event = replace(event, properties=shown)
        if early and held is None:
            return
        missed = self._came is not None and event.session_id not in self._came
        if self._came is not None:
            self._came.add(event.session_id)
        if event.revision <= (held.revision if held else self._gone.get(event.session_id, -1)):
            return
        last = event.state == "CLOSED" or not event.matches
        if last:
            self._forget(event.session_id, event.revision)
        else:
            self._known[event.session_id] = _Sighting(event.revision, _settled(event.state), event.properties)
        news = _meanwhile(held, event) if held is not None and missed and not last else event
        if news is not None:
            self._tell(news)

    def settle(self) -> None:
        """All who are there have been told: who is known and was not is gone."""
        present, self._came = self._came, None
        for session_id, held in [] if present is None else list(self._known.items()):
            if present is not None and session_id in present:
                continue
            self._forget(session_id, held.revision)
            self._tell(
                SessionEvent(
                    session_id=session_id,
                    type="STATE",
                    state="CLOSED",
                    properties=held.properties,
                    revision=held.revision,
                )
            )

    def _forget(self, session_id: str, revision: int) -> None:
        self._known.pop(session_id, None)
        self._gone[session_id] = revision
        if len(self._gone) > _MOST_GONE:
            del self._gone[next(iter(self._gone))]


def _settled(state: str) -> str:
    return state if state == "DISCONNECTED" else "ACTIVE"


def _meanwhile(held: _Sighting, event: SessionEvent) -> SessionEvent | None:
    """What a change that happened while nobody listened comes to; None if to nothing."""
    changed = dict(_differences(held.properties, event.properties))
    state = _settled(event.state)
    if state != held.state or (event.type == "STATE" and state != event.state):
        # ACTIVE would say that it opened just now.
        back = "RECONNECTED" if event.state == "ACTIVE" else event.state
        return replace(event, type="STATE", state=back, changed_properties=changed)
    return replace(event, type="PROPERTIES", changed_properties=changed) if changed else None


def _differences(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[tuple[str, str | None]]:
    for key in before.keys() | now.keys():
        if before.get(key) != now.get(key):
            yield key, before.get(key)
