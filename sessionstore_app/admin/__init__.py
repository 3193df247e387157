"""Pages of the admin for what is live: rooms, sessions, site sessions, nodes and locks."""

from sessionstore_app.admin import locks, nodes, rooms, sessions, sitesessions

__all__ = ["locks", "nodes", "rooms", "sessions", "sitesessions"]
