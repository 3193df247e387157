"""Room types and a policy for the servers of tests, as a project would write them: named by SESSIONSTORE["POLICY"], and
declared when that is imported.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import msgspec

from sessionstore_app import CREATOR, EVERYONE, NOBODY, OPEN, OWNER, SESSION, Key, RoomType, matching, permission
from sessionstore_app.core.rules import Standing
from sessionstore_app.services.policy import Identity, Policy

MODERATES = ("view_session", "modify_session", "send_to_session", "register_handler")


class Pin(msgspec.Struct):
    """A message that was pinned."""

    id: str
    text: str = ""


class Stage(RoomType):
    """Hosts, speakers and guests: the first in a room is its host."""

    match = "stage/*"
    roles = {"host": MODERATES, "speaker": (), "guest": ()}  # noqa: RUF012  # as projects write it
    broadcast = ("host", "speaker")
    clear = "host"
    properties = {"name": EVERYONE, "$ClientType": EVERYONE, "$Country": "host"}  # noqa: RUF012  # as projects write it

    spotlight = Key(str, write="host", names_session=True)
    pinned = Key(list[Pin], write=("host", "speaker"), cap=3, unique="id", default=())
    hand = Key(float, pattern="hand/*", write=(OWNER, "host"), lifetime=SESSION)
    notes = Key(str, read="host", write="host", ttl=3_600)
    question = Key(str, pattern="question/*", read=(OWNER, "host"), write=OWNER)
    ballot = Key(bool, pattern="ballot/*", read="host")
    title = Key(str, write=CREATOR, default="untitled", skip_equal=True)
    motto = Key(str, write=matching("language is 'fr'"), value_bytes=20)
    audit = Key(dict[str, int], read=permission("view_session"), write=NOBODY)
    count = Key(int, default=10)

    def joins_as(self, who: Standing, *, first: bool) -> Iterable[str]:
        """The first is the host; speakers say so by their token."""
        return ["host"] if first else ["guest"]


class Backstage(RoomType):
    """Open to those who are on stage; whatever else it holds is nobody's business."""

    match = "backstage/*"
    extra = OPEN
    join = ("crew", permission("view_session"))
    see_peers = "crew"
    limits = {"keys": 5, "value_bytes": 200}  # noqa: RUF012  # as projects write it
    plan = Key(str, write="crew", skip_equal=True)
    guide = Key(str, names_session=True)


class Gate(RoomType):
    """Whoever comes is looked at for a while."""

    match = "gate/*"
    notes = Key(str, read="host")
    count = Key(int)

    async def may_join(self, who: Standing, room: str) -> bool:
        """Nobody of the name that the room bears."""
        await asyncio.sleep(0.3)
        return not room.endswith(f"/without {who.principal}")


class TypedPolicy(Policy):
    """The default, but that roles named `viewer` carry view_session."""

    def permissions(self, identity: Identity) -> frozenset[str]:
        """Those of the token, and those that a role carries."""
        return identity.permissions | ({"view_session"} if "viewer" in identity.roles else frozenset())
