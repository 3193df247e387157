"""What happened in rooms, wherever it did, taken in by the rooms that this process holds.

A room puts in order what comes; where something is missing, or another epoch is spoken of, it is read after a moment
in which stragglers may come.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from sessionstore_app.services.events import Changed, RoomCleared, RoomEvent, RosterDelta, Said
from sessionstore_app.services.line import Counters
from sessionstore_app.services.localroom import LocalRoom
from sessionstore_app.services.rosters import Rosters

# How long a gap waits for stragglers before what is missing is read.
GAP_SECONDS: Final = 0.05


class RoomHearing:
    """`mark_dirty` is called with rooms that have something to tell, `heal` with the name of one that is to be read."""

    def __init__(
        self,
        rooms: Mapping[str, LocalRoom],
        rosters: Rosters,
        counters: Counters,
        mark_dirty: Callable[[LocalRoom], None],
        later: Callable[[float, Callable[[], None]], None],
        heal: Callable[[str], object],
    ) -> None:
        self._rooms = rooms
        self._rosters = rosters
        self._counters = counters
        self._mark_dirty = mark_dirty
        self._later = later
        self._heal = heal
        self._gapped: set[str] = set()

    def take_in(self, name: str, event: RoomEvent) -> None:
        """Take in what happened in a room; nothing comes of it where nobody here is in it."""
        room = self._rooms.get(name)
        if room is None:
            return
        if not room.epoch:
            # The first here is about to read it; what the reading does not hold yet is heard then.
            room.unheard.append(event)
            return
        self._hear(room, event)
        if room.is_gapped:
            self._heal_soon(name)

    def hear_again(self, room: LocalRoom) -> None:
        """Take in what came while the room was read."""
        unheard, room.unheard = room.unheard, []
        for event in unheard:
            self.take_in(room.name, event)

    def _hear(self, room: LocalRoom, event: RoomEvent) -> None:
        match event:
            case Changed():
                self._take_in_change(room, event)
            case RosterDelta():
                self._count(event.roster, room.roster)
                for ready in room.hear_roster(event):
                    self._rosters.tell(room, ready)
            case RoomCleared():
                self._take_in_clearing(room, event)
            case Said(text):
                room.say(text)

    def _take_in_change(self, room: LocalRoom, changed: Changed) -> None:
        if room.epoch != changed.epoch:
            self._heal_soon(room.name)
            return
        self._count(changed.version, room.version)
        if room.hear(changed):
            self._mark_dirty(room)

    def _take_in_clearing(self, room: LocalRoom, cleared: RoomCleared) -> None:
        if room.epoch == cleared.old:
            room.restart(cleared.new, cleared.reason)
        elif room.epoch != cleared.new:
            self._heal_soon(room.name)

    def _count(self, version: int, known: int) -> None:
        self._counters.repeated_changes += version <= known
        self._counters.early_changes += version > known + 1

    def _heal_soon(self, name: str) -> None:
        if name not in self._gapped:
            self._gapped.add(name)
            self._later(GAP_SECONDS, partial(self._heal_gap, name))

    def _heal_gap(self, name: str) -> None:
        self._gapped.discard(name)
        room = self._rooms.get(name)
        if room is not None:
            self._counters.lost_changes += room.is_gapped
            self._heal(name)
