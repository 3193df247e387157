"""What can happen to a session, as everybody is told it.

A change is a frozen value: how a session was before and how it is now. It is recorded with the session's row, goes
from process to process, and is what listeners' events are made of. Nothing here knows who listens.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from sessionstore_app.core.entries import SessionId


class State(StrEnum):
    """States and transitions that listeners are told (parity D1, D55)."""

    ACTIVE = "ACTIVE"
    DISCONNECTED = "DISCONNECTED"
    RECONNECTED = "RECONNECTED"
    FAILED_OVER = "FAILED_OVER"
    CLOSED = "CLOSED"


class Kind(StrEnum):
    """What a change is about. ROOMS is told to nobody as such: it moves a session into or out of a room's listeners."""

    STATE = "STATE"
    PROPERTIES = "PROPERTIES"
    ROOMS = "ROOMS"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionChange:
    """One change of one session; `revision` counts them, from 1 for its opening.

    `properties` are all it has now, fixed and user ones; `previous` holds the old values of those that changed, None
    for one that is new. `rooms` and `previous_rooms` are those it is in and was in. `node_id` serves it, or did.
    `opened_at_ms` is in milliseconds since the epoch. `close_reason` is a name, empty unless it is CLOSED.
    """

    session_id: SessionId
    revision: int
    kind: Kind
    state: State
    properties: Mapping[str, str]
    previous: Mapping[str, str | None] = field(default_factory=dict)
    rooms: frozenset[str] = frozenset()
    previous_rooms: frozenset[str] = frozenset()
    close_reason: str = ""
    node_id: str = ""
    opened_at_ms: int = 0

    @property
    def is_opening(self) -> bool:
        """True for the first change of a session; not for that of a row that was made without one."""
        return self.revision == FIRST_REVISION and self.kind is Kind.STATE and self.state is State.ACTIVE

    @property
    def properties_before(self) -> dict[str, str]:
        """All properties it had before."""
        before = {**self.properties, **self.previous}
        return {key: value for key, value in before.items() if value is not None}


FIRST_REVISION: Final = 1


def previous_values(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str | None]:
    """The old values of what differs, None for a key that is new."""
    return {key: before.get(key) for key in {*before, *after} if before.get(key) != after.get(key)}
