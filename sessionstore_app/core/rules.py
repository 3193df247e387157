"""Who may do something in a room, as a room type declares it: roles, owner, creator, permissions, session filters.

A rule is a set of grants, and one of them is enough. Pure: who somebody is (`Standing`) is handed in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, TypeAlias

from sessionstore_app.core.entries import Author, SessionId
from sessionstore_app.core.filters import Filter, parse


class Grant(Enum):
    """Whom a rule may name beside roles, permissions and filters."""

    EVERYONE = "everyone"
    # Whoever wrote the present value, and other sessions of the same principal; where there is none, everybody.
    OWNER = "the owner"
    # Whoever made the room by being the first in it, and other sessions of the same principal.
    CREATOR = "the creator of the room"

    def __repr__(self) -> str:
        return self.name


EVERYONE: Final = Grant.EVERYONE
OWNER: Final = Grant.OWNER
CREATOR: Final = Grant.CREATOR
# Server code alone, and who holds manage_room.
NOBODY: Final[frozenset[str]] = frozenset()

# Permissions of Django that the protocol knows.
PERMISSIONS: Final = frozenset(
    {
        "view_session",
        "modify_session",
        "register_handler",
        "send_to_session",
        "acquire_lock",
        "manage_room",
        "view_room",
        "view_values",
        "view_sitesession",
        "change_sitesession",
    }
)


@dataclass(frozen=True, slots=True)
class Permission:
    """Whoever holds a permission of Django, such as view_values."""

    name: str


@dataclass(frozen=True, slots=True)
class Matching:
    """Whoever has properties that a session filter matches."""

    filter: Filter


def permission(name: str) -> Permission:
    """A grant to whoever holds this permission, one of those that the protocol names."""
    return Permission(name)


def matching(text: str) -> Matching:
    """A grant to sessions that a filter matches, such as `$Country is "CA"`. Raises InvalidFilter."""
    return Matching(parse(text))


# A string names a role.
Granted: TypeAlias = str | Grant | Permission | Matching
Who: TypeAlias = Granted | Sequence[Granted] | AbstractSet[Granted]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Who asks, as a room's rules see it: with the roles it has in the room and everywhere.

    `is_server`: it is held to no rule; server code is, and whoever holds manage_room.
    """

    session_id: SessionId | None = None
    principal: str = ""
    roles: frozenset[str] = frozenset()
    permissions: frozenset[str] = frozenset()
    properties: Mapping[str, str] = field(default_factory=dict)
    is_creator: bool = False
    is_server: bool = False

    def owns(self, by: Author | None) -> bool:
        """Is it this author, or another session of the same principal?"""
        return owns(self.session_id, self.principal, by)


def owns(session_id: SessionId | None, principal: str, by: Author | None) -> bool:
    """Is a session this author, or another session of the same principal? Nobody in particular is nobody's other."""
    if by is None:
        return False
    if by.session_id is not None and by.session_id == session_id:
        return True
    return bool(by.principal) and by.principal == principal


SERVER: Final = Standing(is_server=True)


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may: whoever one of the grants means."""

    grants: frozenset[Granted]

    @property
    def is_open(self) -> bool:
        """True if it lets everybody."""
        return EVERYONE in self.grants

    @property
    def names_owner(self) -> bool:
        """True if it depends on who wrote the present value."""
        return OWNER in self.grants and not self.is_open

    @property
    def roles(self) -> frozenset[str]:
        """The roles it names."""
        return frozenset(grant for grant in self.grants if isinstance(grant, str))

    @property
    def properties(self) -> frozenset[str]:
        """The properties that its filters look at."""
        return frozenset().union(*(grant.filter.names for grant in self.grants if isinstance(grant, Matching)))

    def allows(self, who: Standing) -> bool:
        """May it, whoever wrote the present value?"""
        # Asked several times a write; mostly a role decides, and that needs no look at each grant.
        if who.is_server or not self.grants.isdisjoint(who.roles):
            return True
        return self.is_open or any(_means(grant, who) for grant in self.grants)

    def described(self) -> list[str]:
        """The grants in words, for people."""
        return sorted(map(_described, self.grants))


def _means(grant: Granted, who: Standing) -> bool:
    match grant:
        case str():
            return grant in who.roles
        case Permission(name=name):
            return name in who.permissions
        case Matching(filter=wanted):
            return wanted.matches(who.properties)
        case Grant.CREATOR:
            return who.is_creator
        case _:
            return False


def _described(grant: Granted) -> str:
    match grant:
        case str():
            return f"role {grant}"
        case Permission(name=name):
            return f"permission {name}"
        case Matching(filter=wanted):
            return f"sessions where {wanted.text}"
        case _:
            return grant.value


def rule(who: Who) -> Rule:
    """The rule that somebody wrote down: one grant, or a set or list of several. Raises TypeError for what is none."""
    grants = [who] if isinstance(who, Granted) else who
    if not isinstance(grants, set | frozenset | list | tuple):
        raise TypeError(f"{who!r} says of nobody that it may; name roles, EVERYONE, OWNER, CREATOR or a permission.")
    found = list(grants)
    for grant in found:
        if not isinstance(grant, Granted) or grant == "":
            raise TypeError(f"{grant!r} is no role, and nobody that a rule can mean.")
    return Rule(frozenset(found))
