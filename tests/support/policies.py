"""Policies for the servers of tests, as a project would write them: by the dotted path in SESSIONSTORE["POLICY"]."""

from __future__ import annotations

from collections.abc import Collection

from project.policy import MeetingPolicy
from sessionstore_app.services.policy import Identity

# What a session's role carries, everywhere.
_CARRIED = {
    "watcher": frozenset({"view_session", "register_handler"}),
    "manager": frozenset({"view_session", "modify_session"}),
    "onlooker": frozenset({"view_room"}),
    "seer": frozenset({"view_room", "view_values"}),
}


class RolePolicy(MeetingPolicy):
    """Roles of a session carry permissions and open rooms: `staff/…` to staff alone. Nobody sees `Secret`."""

    def may_join(self, identity: Identity, room: str) -> bool:
        """Staff may join every room, others those that are not staff's."""
        return not room.startswith("staff/") or "staff" in identity.roles

    def permissions(self, identity: Identity) -> frozenset[str]:
        """Those of the token, and those that roles carry."""
        return identity.permissions.union(*(_CARRIED.get(role, frozenset()) for role in identity.roles))

    def may_view_property(self, identity: Identity, key: str, *, rooms: Collection[str] | None) -> bool:
        """Addresses are not for the untrusted, secrets for nobody."""
        if key == "$ClientIP" and "untrusted" in identity.roles:
            return False
        return key != "Secret" and super().may_view_property(identity, key, rooms=rooms)
