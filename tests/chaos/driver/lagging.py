"""How long each client has seen something else than the best informed of those who are connected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tests.chaos.driver.final import Lag, RoomView
from tests.chaos.driver.history import Told


class Lagging:
    """Fed with one look at all rooms after the other. Time in which a client was away does not count, nor does it end a
    stretch; nor does time in which the driver itself stood still.
    """

    def __init__(self) -> None:
        self._last: float | None = None
        # (room, client) → seconds; and who was behind at the last look.
        self._behind: dict[tuple[str, str], float] = {}
        self._were_behind: set[tuple[str, str]] = set()
        self.longest: Lag | None = None

    def look(self, at: float, rooms: Mapping[str, Mapping[str, RoomView]], told: Iterable[Told]) -> None:
        """What those see who are connected: room → client → view. `at`: seconds, without the driver's own stalls."""
        passed, self._last = 0.0 if self._last is None else at - self._last, at
        before, self._were_behind = self._were_behind, set()
        began: dict[tuple[str, str], float] = {}
        for each in told:
            began.setdefault((each.room, each.epoch), each.at)
        for room, views in rooms.items():
            everything = [view for view in views.values() if "*" in view.patterns]
            if everything:
                best = max(everything, key=lambda view: (began.get((room, view.epoch), -1.0), view.version))
                for client, view in views.items():
                    if view.agrees_with(best):
                        self._behind.pop((room, client), None)
                    else:
                        self._note(room, client, passed if (room, client) in before else 0.0)

    def _note(self, room: str, client: str, passed: float) -> None:
        self._were_behind.add((room, client))
        seconds = self._behind[room, client] = self._behind.get((room, client), 0.0) + passed
        if self.longest is None or seconds > self.longest.seconds:
            self.longest = Lag(seconds, room, client)
