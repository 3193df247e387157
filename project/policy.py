"""Who may do what in the demo: anybody may join any room; the first in a room is its host, who looks after it."""

from collections.abc import Collection

from sessionstore_app.services.policy import Identity, Policy

# What a host may do to the people in its room.
_HOST = frozenset({"view_session", "modify_session", "send_to_session", "register_handler"})
# Roles that a host gives and takes.
GIVEN_ROLES = frozenset({"speaker"})


class MeetingPolicy(Policy):
    """Open doors."""

    def may_join(self, identity: Identity, room: str) -> bool:
        """Everybody may join every room."""
        return True

    def room_roles(self, identity: Identity, room: str, *, first: bool) -> frozenset[str]:
        """Roles that a token grants; `host` for the first, `guest` for the others."""
        return identity.granted_roles(room) | {"host" if first else "guest"}

    def room_permissions(self, identity: Identity, room: str, roles: Collection[str]) -> frozenset[str]:
        """A host sees, changes and removes the people in its room, and may write to them."""
        return _HOST if "host" in roles else frozenset()

    def may_change_roles(
        self, identity: Identity, *, add: Collection[str], remove: Collection[str], rooms: Collection[str] | None
    ) -> bool:
        """A host makes speakers, nothing more."""
        return rooms is None or GIVEN_ROLES.issuperset({*add, *remove})

    def may_view_property(self, identity: Identity, key: str, *, rooms: Collection[str] | None) -> bool:
        """What is public, and ids, which peers know anyway: a host may mean all but itself."""
        return key == "$SessionId" or super().may_view_property(identity, key, rooms=rooms)
