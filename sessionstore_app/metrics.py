"""What this process does, for Prometheus: its sockets and rooms, and what became of the channel layer's messages.

Needs the extra `metrics`. Labels never name a room, a user or a key.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import asdict
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from sessionstore_app import ratelimit
from sessionstore_app.core.errors import SessionStoreError
from sessionstore_app.services import figures, hub
from sessionstore_app.services.figures import RoomFigures, SessionFigures
from sessionstore_app.services.line import Counters
from sessionstore_app.services.site import SiteStats

logger = logging.getLogger("sessionstore_app")

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_PREFIX = "sessionstore_"
COUNTED: Final = {
    "bus_failures": "Messages that the channel layer did not take, and readings of it that failed.",
    "bus_reopenings": "Places on the channel layer that were taken anew after a failure.",
    "missed_echoes": "Words to this process itself that the channel layer did not bring back.",
    "dropped_messages": "Messages of the channel layer that were none of ours.",
    "repeated_changes": "Changes that the channel layer brought again, or after they were read.",
    "early_changes": "Changes that came before an earlier one.",
    "lost_changes": "Gaps between changes that were not filled in time, so that a room was read.",
    "healed_rooms": "Rooms that were read because something was missed.",
    "healed_sessions": "Times that sessions were read because a listener would have missed something.",
    "lost_stores": "Rooms that began anew because their store was gone or older than known.",
    "writes": "Writes of rooms that this process made.",
    "deliveries": "Changes of entries that this process told peers, each times the peers.",
}


class HubCollector(Collector):
    """What the hub of this process knows at this moment; zeros where no socket was served yet."""

    def collect(self) -> Iterator[Metric]:
        """Called by the registry."""
        running = hub.running()
        rooms = [] if running is None else list(running.rooms.values())
        yield GaugeMetricFamily(
            f"{_PREFIX}sockets", "Sockets of this process.", 0 if running is None else len(running.connections)
        )
        yield GaugeMetricFamily(
            f"{_PREFIX}rooms",
            "Rooms with peers on this process.",
            sum(room.has_peers for room in rooms),
        )
        for name, count in asdict(Counters() if running is None else running.counters).items():
            yield CounterMetricFamily(f"{_PREFIX}{name}", COUNTED[name], count)
        refused = CounterMetricFamily(
            f"{_PREFIX}refusals", "What was refused because there was too much of it.", labels=["kind"]
        )
        for kind in ratelimit.KINDS:
            refused.add_metric([kind], ratelimit.refusals[kind])
        yield refused


_registry = CollectorRegistry()
_registry.register(HubCollector())


class SharedFigures(Collector):
    """What all processes have together, as the admin's dashboard counts it; every process tells the same."""

    def __init__(self, sessions: SessionFigures, rooms: RoomFigures, site: SiteStats) -> None:
        self._sessions = sessions
        self._rooms = rooms
        self._site = site

    def collect(self) -> Iterator[Metric]:
        """Called by the registry."""
        sessions = GaugeMetricFamily(f"{_PREFIX}sessions", "Open sessions of all processes.", labels=["state"])
        sessions.add_metric(["ACTIVE"], self._sessions.active)
        sessions.add_metric(["DISCONNECTED"], self._sessions.disconnected)
        yield sessions
        yield GaugeMetricFamily(f"{_PREFIX}people", "People who have open sessions.", self._sessions.people)
        yield GaugeMetricFamily(f"{_PREFIX}peopled_rooms", "Rooms with peers on any process.", self._rooms.peopled)
        yield GaugeMetricFamily(f"{_PREFIX}known_rooms", "Rooms that are known.", self._rooms.total)
        yield GaugeMetricFamily(f"{_PREFIX}site_sessions_active", "Site sessions within their life.", self._site.active)
        yield GaugeMetricFamily(f"{_PREFIX}site_sessions", "Site sessions, with those to be removed.", self._site.total)


async def exposition() -> bytes:
    """All of it in Prometheus' text format. A registry of your own takes `HubCollector()` instead.

    Where the database is out of reach, what all processes have together is left out.
    """
    own = generate_latest(_registry)
    try:
        shared = SharedFigures(
            await figures.session_figures(), await figures.room_figures(), await figures.site_figures()
        )
    except SessionStoreError as error:
        logger.warning("The figures of all processes cannot be counted: %s", error)
        return own
    registry = CollectorRegistry()
    registry.register(shared)
    return own + generate_latest(registry)
