"""Handlers of the wire's methods: typed parameters in, JSON text of the result out.

Each checks what the caller may do, calls one operation of the services and puts its result into words. They run in
the order the requests came, up to their first wait; the methods in `IN_TURN` are finished before the next request of
the socket begins.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sessionstore_app.handlers import locks, opening, rooms, sessions, site
from sessionstore_app.handlers.socket import Handler

HANDLERS: Final[Mapping[str, Handler]] = {
    "session.open": opening.session_open,
    "session.ack": opening.session_ack,
    "session.ping": opening.session_ping,
    "session.close": opening.session_close,
    "room.join": rooms.room_join,
    "room.leave": rooms.room_leave,
    "room.set": rooms.room_set,
    "room.get": rooms.room_get,
    "room.delete": rooms.room_delete,
    "room.update": rooms.room_update,
    "room.write": rooms.room_write,
    "room.snapshot": rooms.room_snapshot,
    "room.observe": rooms.room_observe,
    "room.unobserve": rooms.room_unobserve,
    "room.watch": rooms.room_watch,
    "room.unwatch": rooms.room_unwatch,
    "room.peers": rooms.room_peers,
    "room.broadcast": rooms.room_broadcast,
    "room.clear": rooms.room_clear,
    "room.can": rooms.room_can,
    "session.get_properties": sessions.session_get_properties,
    "session.set_properties": sessions.session_set_properties,
    "session.set_properties_by_filter": sessions.session_set_properties_by_filter,
    "session.list": sessions.session_list,
    "session.count": sessions.session_count,
    "session.terminate": sessions.session_terminate,
    "session.change_roles": sessions.session_change_roles,
    "session.send": sessions.session_send,
    "session.observe_for": sessions.session_observe_for,
    "session.listen": sessions.session_listen,
    "session.unlisten": sessions.session_unlisten,
    "lock.acquire": locks.lock_acquire,
    "lock.release": locks.lock_release,
    "lock.get": locks.lock_get,
    "lock.list": locks.lock_list,
    "site.create": site.site_create,
    "site.load": site.site_load,
    "site.update": site.site_update,
    "site.delete": site.site_delete,
    "site.stats": site.site_stats,
}

# What later requests of the same socket build on.
IN_TURN: Final = frozenset(
    {
        *("session.open", "session.close", "room.join", "room.leave", "room.observe", "room.unobserve"),
        *("room.watch", "room.unwatch"),
    }
)

# What may wait without end, and must not keep the socket from being read.
PATIENT: Final = frozenset({"lock.acquire"})
