"""Who may do what in the demo: anybody may join any room; the first in a room is its host."""

from sessionstore_app.services.policy import Identity, Policy


class MeetingPolicy(Policy):
    """Open doors."""

    def may_join(self, identity: Identity, room: str) -> bool:
        """Everybody may join every room."""
        return True

    def room_roles(self, identity: Identity, room: str, *, first: bool) -> frozenset[str]:
        """Roles that a token grants; `host` for the first, `guest` for the others."""
        return identity.granted_roles(room) | {"host" if first else "guest"}
