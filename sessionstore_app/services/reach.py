"""Which sessions a caller reaches, and which of their properties it sees: asked by every way in.

A permission that a session holds reaches every session. One that only the rule of a room gives reaches the peers of
that room, and sees of them what peers may see.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from sessionstore_app import conf
from sessionstore_app.core.errors import AccessDenied
from sessionstore_app.core.filters import parse
from sessionstore_app.core.observer import Interest
from sessionstore_app.core.patterns import check_room_name
from sessionstore_app.core.properties import ALL_FIXED, ALL_USER
from sessionstore_app.services import policy, roomrights
from sessionstore_app.services.policy import Identity


def _everything(key: str) -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """`rooms` are those whose peers are reached, None for all sessions; `by_rule` says that rooms' rules gave it."""

    rooms: frozenset[str] | None = None
    by_rule: bool = False
    sees: Callable[[str], bool] = _everything

    def interest(
        self, filter_text: str | None = None, keys: Iterable[str] = (), after_ms: int | None = None
    ) -> Interest:
        """What a filter means within this reach. Raises InvalidFilter, or AccessDenied where the filter or one of the
        keys names a property that the caller does not see.
        """
        settings = conf.current()
        parsed = None
        if filter_text is not None:
            parsed = parse(filter_text, max_length=settings.filter_length, max_depth=settings.filter_depth)
        return self.narrowed(Interest(filter=parsed, keys=frozenset(keys), after_ms=after_ms))

    def narrowed(self, interest: Interest) -> Interest:
        """An interest within this reach, whatever reach it had. Raises AccessDenied as `interest` does."""
        if interest.filter is not None:
            self.check(interest.filter.names, "The filter names a property that you may not see.")
        self.check(interest.keys - {ALL_FIXED, ALL_USER})
        return replace(interest, rooms=self.rooms, sees=self.sees)

    def check(self, keys: Collection[str], message: str = "You may not see one of these properties.") -> None:
        """Raise AccessDenied where one of the keys names a property that the caller does not see."""
        hidden = sorted(key for key in keys if not self.sees(key))
        if hidden:
            raise AccessDenied(message, hint=f"Leave out {hidden[0][:64]}, or ask for view_session.")


# Server code reaches everything.
EVERYWHERE: Final = Reach()


def reach_of(
    identity: Identity,
    joined: Mapping[str, Collection[str]],
    *needed: str,
    room: str | None = None,
    any_room: bool = False,
) -> Reach:
    """What a caller reaches that needs these permissions; `joined` are the rooms it is in, with its roles there.

    With `room`, only the peers of that room; by the room's rule, where the caller does not hold the permissions. With
    `any_room` the rules of all rooms it is in count without one being named. Raises AccessDenied where it reaches
    nobody, InvalidParams or LimitExceeded for a bad name.
    """
    if room is not None:
        check_room_name(room, conf.current().room_length)
    held = policy.permissions(identity)
    rules = policy.current()
    if held.issuperset(needed):
        # Who may act on sessions, but not view them, must not learn by a filter what they are like.
        by_rules = None if "view_session" in held else frozenset[str]()
        sees = partial(rules.may_view_property, identity, rooms=by_rules)
        return Reach(rooms=None if room is None else frozenset({room}), sees=sees)
    granting = frozenset(
        name
        for name, roles in joined.items()
        if (name == room or (any_room and room is None))
        and held.union(rules.room_permissions(identity, name, roles)).issuperset(needed)
    )
    if not granting:
        missing = " and ".join(permission for permission in needed if permission not in held)
        raise AccessDenied(hint=f"The permission {missing} is needed.")
    return Reach(rooms=granting, by_rule=True, sees=partial(_sees, identity, joined, granting))


def _sees(identity: Identity, joined: Mapping[str, Collection[str]], rooms: frozenset[str], key: str) -> bool:
    """May it see this property of the peers of all these rooms? Their types say, and where they do not, the policy."""
    by_type = {room: roomrights.shows_property(room, key, identity, joined[room]) for room in rooms}
    silent = frozenset(room for room, shown in by_type.items() if shown is None)
    if False in by_type.values():
        return False
    return not silent or policy.current().may_view_property(identity, key, rooms=silent)
