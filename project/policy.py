"""Who may do what in the demo, beside what its meetings declare: anybody may join any room, and hosts make speakers."""

from collections.abc import Collection

from project.rooms import MODERATES
from sessionstore_app.services import roomtypes
from sessionstore_app.services.policy import Identity, Policy

# Roles that a host gives and takes.
GIVEN_ROLES = frozenset({"speaker"})


class MeetingPolicy(Policy):
    """Open doors."""

    def may_join(self, identity: Identity, room: str) -> bool:
        """Everybody may join every room."""
        return True

    def may_change_roles(
        self, identity: Identity, *, add: Collection[str], remove: Collection[str], rooms: Collection[str] | None
    ) -> bool:
        """A host makes speakers, nothing more."""
        return rooms is None or GIVEN_ROLES.issuperset({*add, *remove})

    def room_roles(self, identity: Identity, room: str, *, first: bool) -> frozenset[str]:
        """As the room's type says; in a room without one, too, the first is the host."""
        roles = super().room_roles(identity, room, first=first)
        return roles if roomtypes.of(room) else roles | {"host" if first else "guest"}

    def room_permissions(self, identity: Identity, room: str, roles: Collection[str]) -> frozenset[str]:
        """As the room's type says; in a room without one, too, a host looks after the people."""
        if roomtypes.of(room):
            return super().room_permissions(identity, room, roles)
        return frozenset(MODERATES) if "host" in roles else frozenset()
