"""What a batch of the record did that others must be told, once it is committed."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sessionstore_app.core.entries import Epoch
from sessionstore_app.core.sessions import SessionChange


@dataclass(frozen=True, slots=True)
class Peer:
    """A session as seen in a room, with its public properties and the roles it has there. `joined_at` is in UTC."""

    session_id: str
    principal: str
    roles: tuple[str, ...]
    state: str
    joined_at: datetime
    properties: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class RosterChange:
    """How one batch changed who is in a room; `roster` is the room's counter after it, `count` how many are there.

    `was_emptied`: at some moment nobody was.
    """

    room: str
    roster: int = 0
    count: int = 0
    was_emptied: bool = False
    joined: dict[str, Peer] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)
    updated: dict[str, Peer] = field(default_factory=dict)

    @property
    def lost_its_last(self) -> bool:
        """Did the last of those leave who were there before?"""
        return self.was_emptied and self._count_before > 0

    @property
    def got_its_first(self) -> bool:
        """Did somebody come when nobody was there?"""
        return self.count > 0 and (self.was_emptied or self._count_before == 0)

    @property
    def _count_before(self) -> int:
        return self.count - len(self.joined) + len(self.left)


@dataclass(frozen=True, slots=True)
class Cleared:
    """A room that goes on under another epoch."""

    room: str
    old: Epoch
    new: Epoch
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LockNews:
    """A session was given a lock it waited for, or lost one it had (`is_lost`). `node_id` serves the session."""

    session_id: str
    node_id: str
    name: str
    sequence: int
    is_lost: bool = False


@dataclass(slots=True)
class Events:
    """What a batch did that others must be told. All jobs of a batch share it; whoever takes it tells."""

    sessions: list[SessionChange] = field(default_factory=list)
    rosters: dict[str, RosterChange] = field(default_factory=dict)
    cleared: list[Cleared] = field(default_factory=list)
    locks: list[LockNews] = field(default_factory=list)
    _taken: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self) -> bool:
        """True for exactly one caller."""
        with self._lock:
            taken, self._taken = self._taken, True
            return not taken
