"""Who may do what in a room, by the room's type: one place, asked by sockets, HTTP, server code and the admin.

A room without a type has no rules of its own. Whoever holds manage_room, and the server, is held to none; types and
limits of values are `roomwrites`' business and hold for all.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from sessionstore_app.core.definitions import Definition
from sessionstore_app.core.entries import Entry, SessionId
from sessionstore_app.core.errors import AccessDenied
from sessionstore_app.core.keyrules import KeyRule
from sessionstore_app.core.patterns import PatternSet
from sessionstore_app.core.rules import Rule, Standing
from sessionstore_app.core.sights import Sight, sight
from sessionstore_app.services import policy, record, roomhooks, roomtypes
from sessionstore_app.services.policy import Identity

if TYPE_CHECKING:
    from sessionstore_app.services.roommember import Member
    from sessionstore_app.services.sessions import OpenSession

logger = logging.getLogger("sessionstore_app")


def standing(
    identity: Identity,
    roles: Collection[str],
    *,
    session_id: str | None = None,
    is_creator: bool = False,
    properties: Mapping[str, str] = roomtypes.NO_PROPERTIES,
) -> Standing:
    """How rules see somebody with these roles in a room."""
    held = policy.permissions(identity)
    return Standing(
        session_id=None if session_id is None else SessionId(session_id),
        principal=identity.principal,
        roles=identity.roles.union(roles),
        permissions=held,
        properties=properties,
        is_creator=is_creator,
        is_server="manage_room" in held,
    )


def joins_as(room: str, who: Standing, *, first: bool) -> frozenset[str]:
    """The roles that the room's type gives to somebody who joins; those that it does not declare count for nothing."""
    definition = roomtypes.of(room)
    if definition is None:
        return frozenset()
    given = definition.hooks.joins_as(who, first=first)
    roles = frozenset([given] if isinstance(given, str) else given or ())
    unknown = roles - definition.roles.keys() if definition.roles else frozenset()
    if unknown:
        logger.error(
            "%s.joins_as gives roles that it does not declare: %s", definition.name, ", ".join(sorted(unknown))
        )
    return roles - unknown


def place(member: Member, session: OpenSession, room: str) -> Sight | None:
    """Say how rules see a member from now on; returns what it may read now, which is for the room to take in."""
    who = standing(
        session.identity,
        member.roles,
        session_id=session.id,
        is_creator=member.is_creator,
        properties=session.properties,
    )
    member.standing = who
    definition = roomtypes.of(room)
    if definition is None:
        return None
    member.sees_peers = definition.rules["see_peers"].allows(who)
    return sight(definition, who)


def shows_property(room: str, key: str, identity: Identity, roles: Collection[str]) -> bool | None:
    """Does the room's type show this property of its peers to somebody with these roles? None: it does not say."""
    definition = roomtypes.of(room)
    if definition is None or definition.properties is None:
        return None
    return key in policy.SEEN_BY_PEERS or definition.shows_property(key, standing(identity, roles))


# --- joining


def may_join(
    identity: Identity, room: str, *, properties: Mapping[str, str] = roomtypes.NO_PROPERTIES, is_creator: bool = False
) -> bool:
    """May somebody join a room, or use it over HTTP, as far as policy and type say? Uses the ORM, as policies may.

    The roles that count are those it brings; what it is given for joining it does not have yet.
    """
    if not policy.current().may_join(identity, room):
        return False
    definition = roomtypes.of(room)
    if definition is None:
        return True
    roles = identity.granted_roles(room)
    return definition.rules["join"].allows(standing(identity, roles, properties=properties, is_creator=is_creator))


async def may_come(session: OpenSession, room: str) -> bool:
    """What the type's own `may_join` says to a session that wants to join; the rest is asked when that is recorded."""
    return await hook_says(session, room) is True


async def hook_says(session: OpenSession, room: str) -> bool | None:
    """What the type's own `may_join` says to a session, in the room or not; None, where it cannot say."""
    definition = roomtypes.of(room)
    if definition is None:
        return True
    identity = session.identity
    roles = identity.granted_roles(room)
    who = standing(identity, roles, session_id=session.id, properties=session.properties)
    return True if who.is_server else await roomhooks.may_join(definition, who, room)


async def shut_rooms(session: OpenSession, members: Mapping[str, Member]) -> list[str]:
    """Rooms that a session is in and may not stay in, as far as policy and types say. Raises Unavailable."""

    def ask() -> list[str]:
        return [
            room
            for room, member in members.items()
            if not may_join(session.identity, room, properties=session.properties, is_creator=member.is_creator)
        ]

    return await record.ask(ask)


def closed() -> AccessDenied:
    """The refusal of a room: the same whether or not there is one of that name."""
    return AccessDenied("This room is not open to you.", hint="Ask for a token that names the room, or for a role.")


# --- what is done in a room


def may(room: str, action: str, who: Standing) -> bool:
    """May it `broadcast`, `clear` or `see_peers` there, as far as the room's type says?"""
    definition = roomtypes.of(room)
    return definition is None or definition.rules[action].allows(who)


def require(room: str, action: str, who: Standing) -> None:
    """Raise AccessDenied unless it may `broadcast`, `clear` or `see_peers` there."""
    definition = roomtypes.of(room)
    if definition is not None and not definition.rules[action].allows(who):
        raise _refusal(definition, action, definition.rules[action], who)


def require_clear(room: str, who: Standing) -> None:
    """Raise AccessDenied unless it may empty a room: in one without a type it takes manage_room."""
    if roomtypes.of(room) is None and not who.is_server:
        raise AccessDenied(hint="The permission manage_room is needed.")
    require(room, "clear", who)


def require_write(definition: Definition, key: str, who: Standing) -> bool:
    """Raise AccessDenied for a key that it may not write; true where it depends on who wrote the present value."""
    found = definition.key(key)
    if found is None or found.write.allows(who):
        return False
    if found.write.names_owner:
        return True
    raise write_refusal(definition, key, who)


def write_refusal(definition: Definition, key: str, who: Standing) -> AccessDenied:
    """Why it may not write a key."""
    found = definition.key(key)
    return _refusal(definition, "write", found.write if found else Rule(frozenset()), who, key)


def require_declared(room: str, key: str) -> None:
    """Raise InvalidKey for a key that the room's type does not know: more likely a slip than a question."""
    definition = roomtypes.of(room)
    if definition is not None and definition.key(key) is None:
        raise definition.no_such_key(key)


def require_read(seen: Sight | None, patterns: PatternSet, who: Standing) -> None:
    """Raise AccessDenied where a key is named that it may not read, InvalidKey for one that is not declared."""
    for key in sorted(patterns.exact) if seen is not None else ():
        require_key(seen, key, who)


def require_key(seen: Sight | None, key: str, who: Standing) -> None:
    """Raise AccessDenied for a key that it may not read, InvalidKey for one that is not declared."""
    if seen is None or seen.can_name(key):
        return
    found = seen.of.key(key)
    if found is None:
        raise seen.of.no_such_key(key)
    raise _refusal(seen.of, "read", found.read, who, key)


def visible(seen: Sight | None, entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """The entries that it may read."""
    return entries if seen is None else tuple(entry for entry in entries if seen.shows_entry(entry))


def readable(seen: Sight | None, entries: tuple[Entry, ...], named: PatternSet, who: Standing) -> tuple[Entry, ...]:
    """The same; raises AccessDenied where one that was named is another's."""
    shown = visible(seen, entries)
    if seen is None or len(shown) == len(entries):
        return shown
    for entry in entries:
        if entry.key in named.exact and entry.exists and not seen.shows_entry(entry):
            raise _refusal(seen.of, "read", seen.rule(entry.key), who, entry.key)
    return shown


def _refusal(definition: Definition, action: str, rule: Rule, who: Standing, key: str = "") -> AccessDenied:
    needed = " or ".join(rule.described()) or "server code"
    what = f"{action} {key}".strip().replace("_", " ")
    roles = ", ".join(sorted(who.roles)) or "none"
    told: dict[str, object] = {"room_type": definition.name, "action": action, "who": rule.described()}
    if key:
        told["key"] = key
        told["allowed"] = [each.pattern for each in definition.keys if _may(each, action, who)]
    return AccessDenied(
        f"You may not {what} in a {definition.name}.", hint=f"It takes {needed}; your roles: {roles}.", rule=told
    )


def _may(each: KeyRule, action: str, who: Standing) -> bool:
    rule = each.read if action == "read" else each.write
    return rule.allows(who) or rule.names_owner
