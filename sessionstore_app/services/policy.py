"""Who may do what: one place, asked by every way in.

A project brings its own by `SESSIONSTORE["POLICY"]`, the dotted path of a subclass of `Policy`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from sessionstore_app import conf
from sessionstore_app.core.errors import AccessDenied
from sessionstore_app.core.jsontext import Json
from sessionstore_app.core.patterns import pattern_set
from sessionstore_app.core.rules import PERMISSIONS as PERMISSIONS
from sessionstore_app.services import roomtypes


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who opened a session. `rooms` maps names or patterns to roles that a token grants there; `expires_at` is when
    the credential ends, None for never; `store` is what the credential puts into the session's private store.
    """

    principal: str = ""
    user_id: Any = None
    roles: frozenset[str] = frozenset()
    permissions: frozenset[str] = frozenset()
    rooms: Mapping[str, frozenset[str]] = field(default_factory=dict)
    expires_at: datetime | None = None
    store: Mapping[str, Json] = field(default_factory=dict)

    @property
    def is_anonymous(self) -> bool:
        """True if nobody vouches for the client."""
        return not self.principal

    def granted_roles(self, room: str) -> frozenset[str]:
        """Roles in `room` that the token grants."""
        granted = (roles for pattern, roles in self.rooms.items() if _names(pattern, room))
        return frozenset().union(*granted)

    def is_granted(self, room: str) -> bool:
        """True if the token names `room`, or names none."""
        return not self.rooms or any(_names(pattern, room) for pattern in self.rooms)


ANONYMOUS = Identity()


def _names(pattern: str, room: str) -> bool:
    return pattern_set(frozenset({pattern})).matches(room)


# What a list of peers says of each in any case.
SEEN_BY_PEERS: Final = frozenset({"$SessionId", "$Principal"})


class Policy:
    """The default: whoever opened a session may join any room; a token that names rooms is good for those alone.

    Methods are called in a thread that may use the ORM, but where they say otherwise.
    """

    def may_open(self, identity: Identity) -> bool:
        """May this client open a session? Anonymous ones may where ALLOW_ANONYMOUS says so."""
        return not identity.is_anonymous or conf.current().allow_anonymous

    def seed(self, identity: Identity) -> Mapping[str, Json]:
        """What the private store of this client's session holds before anybody hears that it opened."""
        return identity.store

    def may_join(self, identity: Identity, room: str) -> bool:
        """May this client join the room, or use it over HTTP? It may use the ORM."""
        return identity.is_granted(room)

    def permissions(self, identity: Identity) -> frozenset[str]:
        """What a session may do everywhere. Asked often, and on the event loop: it must not wait for anything.

        A project that lets roles carry permissions adds them here; they follow when roles change.
        """
        return identity.permissions

    def room_permissions(self, identity: Identity, room: str, roles: Collection[str]) -> frozenset[str]:
        """What a peer with these roles in a room may do to the other peers of that room: some of view_session,
        modify_session, send_to_session and register_handler. Asked on the event loop, as `permissions` is.

        By default, what the room's type says of these roles and of those that the session has everywhere.
        """
        definition = roomtypes.of(room)
        return frozenset() if definition is None else definition.permissions(identity.roles.union(roles))

    def may_change_roles(
        self, identity: Identity, *, add: Collection[str], remove: Collection[str], rooms: Collection[str] | None
    ) -> bool:
        """May this session give and take these session-wide roles? `rooms` are those by whose rule it acts, None for
        one that holds the permissions itself. Asked on the event loop.
        """
        return rooms is None

    def may_view_property(self, identity: Identity, key: str, *, rooms: Collection[str] | None) -> bool:
        """May this session see a property of others, and name it in a filter? `rooms` are those by whose rule it may,
        None for one that holds view_session. Asked on the event loop.
        """
        return rooms is None or key in SEEN_BY_PEERS or key in conf.current().public_properties

    def may_lock(self, identity: Identity, name: str) -> bool:
        """May this session, which holds acquire_lock, acquire a lock of that name? Asked on the event loop."""
        return True

    def room_roles(self, identity: Identity, room: str, *, first: bool) -> frozenset[str]:
        """The roles a peer has in this room; `first` is true if nobody else is in it.

        By default those that its token grants. Those that the room's type gives (`joins_as`) come beside them.
        """
        return identity.granted_roles(room)


def permissions(identity: Identity) -> frozenset[str]:
    """What the identity may do everywhere."""
    return current().permissions(identity)


def require(identity: Identity, *needed: str) -> None:
    """Raise AccessDenied unless the identity holds the permissions."""
    missing = [permission for permission in needed if permission not in permissions(identity)]
    if missing:
        raise AccessDenied(hint=f"The permission {' and '.join(missing)} is needed.")


@lru_cache(maxsize=1)
def current() -> Policy:
    """The project's policy."""
    path = conf.current().policy
    try:
        made = import_string(path)()
    except ImportError as error:
        raise ImproperlyConfigured(f"SESSIONSTORE['POLICY']: {error}") from error
    if not isinstance(made, Policy):
        raise ImproperlyConfigured(f"SESSIONSTORE['POLICY']: {path} is no Policy.")
    return made


def _forget(*, setting: str, **_: object) -> None:
    if setting == "SESSIONSTORE":
        current.cache_clear()


setting_changed.connect(_forget, dispatch_uid="sessionstore_app.policy")
