"""Who came and went in the local rooms, told to their members: at the end of the tick, or once an interval in a large
room.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from sessionstore_app import conf
from sessionstore_app.protocol import frames
from sessionstore_app.services import events
from sessionstore_app.services.events import RosterDelta
from sessionstore_app.services.localroom import LocalRoom


class Rosters:
    """What of the rosters waits to be told."""

    def __init__(
        self,
        rooms: Mapping[str, LocalRoom],
        tick_soon: Callable[[], None],
        later: Callable[[float, Callable[[], None]], None],
    ) -> None:
        self._rooms = rooms
        self._tick_soon = tick_soon
        self._later = later
        self._waiting: dict[str, list[RosterDelta]] = {}

    def tell(self, room: LocalRoom, delta: RosterDelta) -> None:
        """Tell local members, soon."""
        waiting = self._waiting.setdefault(room.name, [])
        waiting.append(delta)
        settings = conf.current()
        if len(room.peers) <= settings.peers_per_page:
            self._tick_soon()
        elif len(waiting) == 1:
            self._later(settings.peers_interval_seconds, partial(self._flush, room.name))

    def flush(self) -> None:
        """The tick ends: tell what is not put off."""
        if not self._waiting:
            return
        page = conf.current().peers_per_page
        for name in list(self._waiting):
            room = self._rooms.get(name)
            if room is None or len(room.peers) <= page:
                self._flush(name)

    def _flush(self, name: str) -> None:
        deltas = self._waiting.pop(name, [])
        room = self._rooms.get(name)
        if room is None or not deltas:
            return
        told = events.merge(deltas)
        if not (told.joined or told.left or told.updated):
            return
        gone = [frames.left_peer(session_id, reason) for session_id, reason in told.left.items()]
        text = frames.room_peers(name, len(room.peers), list(told.joined.values()), gone, list(told.updated.values()))
        # A peer that came alone knows the room from the answer to its own join.
        alone = set(told.joined) if len(told.joined) == 1 and not (told.left or told.updated) else set()
        for member in list(room.members.values()):
            if member.session_id not in alone and member.sees_peers:
                member.connection.put_unstored(text)
