"""The shapes of results, for documents and for the tests that hold the answers to them."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from sessionstore_app.protocol.params import Json, Natural

# ISO 8601 in UTC, with milliseconds and Z.
Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
# Those that have ended are not told of.
OpenState = Literal["ACTIVE", "DISCONNECTED"]


class Result(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a method answers."""


class By(Result, frozen=True):
    """Who wrote: a session, or a principal without one."""

    session_id: str | None
    principal: str


class Entry(Result, frozen=True):
    """One key of a room's store. The value is null where there is none; the version is 0 for one never written.

    A duplicate is a write that was a repeat, and not done again. The reason says why a value is not shown.
    """

    key: str
    value: Json
    version: Natural
    by: By | None
    at: Time | None
    duplicate: bool = False
    reason: str | None = None


class Written(Result, frozen=True):
    """Several keys that were written together."""

    version: Natural
    entries: list[Entry]
    duplicate: bool = False


class Snapshot(Result, frozen=True):
    """Entries as of one instant."""

    epoch: str
    version: Natural
    entries: list[Entry]


class Peer(Result, frozen=True):
    """A session as seen in a room."""

    session_id: str
    principal: str
    roles: list[str]
    properties: dict[str, str]
    state: OpenState
    joined_at: Time


class Peers(Result, frozen=True):
    """A page of peers, and how many there are in all."""

    peers: list[Peer]
    count: Natural


class Count(Result, frozen=True):
    """How many sessions it was for."""

    count: Natural


class ClearedRoom(Result, frozen=True):
    """The epoch that the room goes on under; empty where there is no room."""

    epoch: str


class Refusing(Result, frozen=True):
    """The rule of a room type that refuses, and the keys that it lets the caller have instead."""

    room_type: str
    action: str
    who: list[str]
    key: str | None = None
    allowed: list[str] | None = None


class Permitted(Result, frozen=True):
    """The answer of `room.can`; where it is no, what the act would be refused with."""

    allowed: bool
    reason: str | None = None
    hint: str | None = None
    rule: Refusing | None = None


class Properties(Result, frozen=True):
    """Properties that there are."""

    properties: dict[str, str]


class Changed(Result, frozen=True):
    """Old values of what changed, null for what is new; and what was ignored."""

    changed: dict[str, str | None]
    ignored: list[str]


class ListedSession(Result, frozen=True):
    """An open session, with the properties that were asked for and are there."""

    session_id: str
    state: OpenState
    properties: dict[str, str]


class Sessions(Result, frozen=True):
    """A page of sessions, how many match in all, and whether more follow."""

    sessions: list[ListedSession]
    total: Natural
    more: bool


class Group(Result, frozen=True):
    """Sessions with the same values of the properties that were asked for."""

    properties: dict[str, str]
    count: Natural
    people: Natural


class Counted(Result, frozen=True):
    """How many sessions match and how many people have them, in all and by groups."""

    total: Natural
    people: Natural
    groups: list[Group]


class HeldLock(Result, frozen=True):
    """A lock that is held."""

    name: str
    session_id: str
    principal: str
    server_name: str
    sequence: Natural
    scope: Literal["session", "connection"]
    waiters: Natural


class Locks(Result, frozen=True):
    """The locks that are held."""

    locks: list[HeldLock]


class SiteSession(Result, frozen=True, rename="camel"):
    """A site session, named as the system that it comes from names it."""

    update_count: Natural
    session_key: str
    data: dict[str, Json]
    created: Time
    updated: Time
    platform: str
    platform_version: str


class DeletedSites(Result, frozen=True):
    """How many site sessions were deleted, and the keys of those."""

    deleted: Natural
    keys: list[str]


class SiteCounts(Result, frozen=True):
    """How many were updated within the period, and how many there are."""

    active: Natural
    total: Natural
    period_ms: Natural
