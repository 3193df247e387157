"""What each method is for, what it answers, which errors it may give, and an example: what documents are made of.

Methods that HTTP serves have the shape of their result here; the others need a WebSocket.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sessionstore_app.core import errors
from sessionstore_app.core.errors import SessionStoreError
from sessionstore_app.core.jsontext import Json
from sessionstore_app.protocol import results

Errors = tuple[type[SessionStoreError], ...]

# What any method may give.
ALWAYS: Final[Errors] = (
    errors.InvalidRequest,
    errors.InvalidParams,
    errors.InternalError,
    errors.AccessDenied,
    errors.Unavailable,
    errors.RateLimited,
)


@dataclass(frozen=True, slots=True)
class Described:
    """One method: a sentence, the shape of its result (none: WebSocket only), the errors beside `ALWAYS` and those of
    the transport, and parameters as an example.
    """

    summary: str
    result: Any = None
    errors: Errors = ()
    example: Mapping[str, Json] = field(default_factory=dict)

    @property
    def is_http(self) -> bool:
        """True if HTTP serves it too."""
        return self.result is not None


_KEYED: Final[Errors] = (errors.NotJoined, errors.InvalidKey, errors.LimitExceeded)
_WRITE: Final[Errors] = (
    *_KEYED,
    errors.VersionConflict,
    errors.InvalidValue,
    errors.ValueTooLarge,
    errors.TooManyKeys,
    errors.StoreTooLarge,
)
_SELECT: Final[Errors] = (errors.InvalidFilter, errors.LimitExceeded)
_TARGET: Final[Errors] = (errors.NoSuchSession, *_SELECT)
_SITES: Final = dict[str, results.SiteSession]

_ROOM: Final = "standup"
_SESSION: Final = "kPqT3vZ0sY1uJc8RwXgNfA"
_SITE: Final = "09154702-d710-4db1-80dc-a6845c3c3aa4"
_TEAM: Final = "team is 'red'"

_SESSION_ROWS: Final[Mapping[str, Described]] = {
    "session.open": Described(
        "Open a session, or go on with one.",
        errors=(errors.LimitExceeded,),
        example={"client": {"name": "my-bot", "version": "1.0"}},
    ),
    "session.ack": Described("Say how much has arrived.", example={"bytes": 65_536}),
    "session.ping": Described("Ask for the server's time."),
    "session.close": Described("End the session."),
    "session.get_properties": Described(
        "Read properties of a session.",
        results.Properties,
        _TARGET,
        {"session_id": _SESSION, "properties": ["$Principal", "*U"]},
    ),
    "session.set_properties": Described(
        "Set properties of a session; null removes one.",
        results.Changed,
        (errors.InvalidKey, *_TARGET),
        {"session_id": _SESSION, "properties": {"team": "red", "muted": None}},
    ),
    "session.set_properties_by_filter": Described(
        "Set properties of all sessions that a filter finds.",
        results.Count,
        (errors.InvalidKey, *_SELECT),
        {"filter": _TEAM, "properties": {"muted": "yes"}},
    ),
    "session.list": Described(
        "A page of the sessions that match, by session id.",
        results.Sessions,
        _SELECT,
        {"filter": _TEAM, "properties": ["$Principal", "team"], "limit": 50},
    ),
    "session.count": Described(
        "Count sessions and people, in groups.", results.Counted, _SELECT, {"filter": "all", "by": ["$ClientType"]}
    ),
    "session.terminate": Described("End sessions.", results.Count, _TARGET, {"session_id": _SESSION}),
    "session.change_roles": Described(
        "Give and take session-wide roles.",
        results.Count,
        _TARGET,
        {"filter": _TEAM, "add": ["speaker"], "remove": ["guest"]},
    ),
    "session.send": Described(
        "Send a message to sessions that are there.",
        results.Count,
        (errors.ValueTooLarge, *_TARGET),
        {"filter": _TEAM, "event": "notice", "data": {"text": "Five minutes left"}},
    ),
    "session.observe_for": Described(
        "Let peers of a room observe keys.",
        results.Count,
        (errors.InvalidKey, *_TARGET),
        {"filter": "all", "room": _ROOM, "keys": ["hand/*"]},
    ),
    "session.listen": Described(
        "Listen to what happens to sessions.", errors=_SELECT, example={"filter": _TEAM, "properties": ["*U"]}
    ),
    "session.unlisten": Described("Listen no longer.", errors=(errors.NotFound,), example={"listener_id": "1"}),
}

_ROOM_ROWS: Final[Mapping[str, Described]] = {
    "room.join": Described(
        "Join a room, with a snapshot of what is observed.",
        errors=(errors.InvalidKey, errors.LimitExceeded),
        example={"room": _ROOM, "observe": ["topic", "hand/*"]},
    ),
    "room.leave": Described("Leave a room.", errors=(errors.NotJoined,), example={"room": _ROOM}),
    "room.set": Described(
        "Write a value; null deletes.",
        results.Entry,
        (*_WRITE, errors.LockNotHeld),
        {"room": _ROOM, "key": "topic", "value": "Retro", "ttl_seconds": 3_600},
    ),
    "room.get": Described("Read one entry.", results.Entry, _KEYED, {"room": _ROOM, "key": "topic"}),
    "room.delete": Described("Delete a key.", results.Entry, _WRITE, {"room": _ROOM, "key": "topic"}),
    "room.update": Described(
        "Change a value by a rule that no race can break.",
        results.Entry,
        _WRITE,
        {"room": _ROOM, "key": "votes", "do": "increment", "by": 1},
    ),
    "room.write": Described(
        "Write several keys together or not at all.",
        results.Written,
        _WRITE,
        {"room": _ROOM, "ops": [{"key": "state", "value": "running"}, {"key": "draft", "value": None}]},
    ),
    "room.snapshot": Described(
        "Read many entries as of one instant.", results.Snapshot, _KEYED, {"room": _ROOM, "keys": ["*"]}
    ),
    "room.observe": Described("Observe more of a room.", errors=_KEYED, example={"room": _ROOM, "keys": ["hand/*"]}),
    "room.unobserve": Described(
        "Observe less of a room.", errors=(errors.NotJoined,), example={"room": _ROOM, "keys": ["hand/*"]}
    ),
    "room.watch": Described(
        "Hear a room from outside, without being a peer.",
        errors=(errors.NotFound, errors.LimitExceeded),
        example={"room": _ROOM},
    ),
    "room.unwatch": Described("Hear it no longer.", example={"room": _ROOM}),
    "room.peers": Described(
        "A page of a room's peers, by session id.",
        results.Peers,
        (errors.NotJoined, errors.LimitExceeded),
        {"room": _ROOM, "limit": 50},
    ),
    "room.broadcast": Described(
        "Send the peers a message that is not stored.",
        results.Count,
        (errors.NotJoined, errors.ValueTooLarge, errors.LimitExceeded),
        {"room": _ROOM, "event": "applause", "data": {"times": 3}},
    ),
    "room.clear": Described("Empty a room's store.", results.ClearedRoom, (errors.LimitExceeded,), {"room": _ROOM}),
    "room.can": Described(
        "Whether one may do something in a room, and if not, why.",
        results.Permitted,
        (errors.LimitExceeded,),
        {"room": _ROOM, "action": "write", "key": "spotlight"},
    ),
}

_LOCK_ROWS: Final[Mapping[str, Described]] = {
    "lock.acquire": Described(
        "Wait for a lock.",
        errors=(errors.LockTimeout, errors.InvalidKey, errors.LimitExceeded),
        example={"name": "stage", "timeout_seconds": 5},
    ),
    "lock.release": Described(
        "Give a lock back, or take it from whoever has it.", errors=(errors.InvalidKey,), example={"name": "stage"}
    ),
    "lock.get": Described(
        "Who holds a lock; null for a free one.", results.HeldLock | None, (errors.InvalidKey,), {"name": "stage"}
    ),
    "lock.list": Described("All locks that are held.", results.Locks),
}

_SITE_ROWS: Final[Mapping[str, Described]] = {
    "site.create": Described(
        "Create a site session.",
        _SITES,
        (errors.InvalidKey, errors.VersionConflict, errors.InvalidValue, errors.ValueTooLarge),
        {"data": {"basket": [17, 4]}, "platform": "shop"},
    ),
    "site.load": Described(
        "Load site sessions; those past their life are left out.",
        _SITES,
        (errors.InvalidKey, errors.LimitExceeded),
        {"session_keys": [_SITE]},
    ),
    "site.update": Described(
        "Replace or merge a site session's data.",
        _SITES,
        (errors.NotFound, errors.VersionConflict, errors.InvalidKey, errors.InvalidValue, errors.ValueTooLarge),
        {"session_key": f"{_SITE}_0", "data": {"basket": []}, "mode": "merge", "check": True},
    ),
    "site.delete": Described(
        "Delete site sessions.",
        results.DeletedSites,
        (errors.InvalidKey, errors.LimitExceeded),
        {"session_keys": [_SITE]},
    ),
    "site.stats": Described(
        "How many site sessions are active, and how many there are.", results.SiteCounts, example={"period_ms": 60_000}
    ),
}

CATALOG: Final[Mapping[str, Described]] = {**_SESSION_ROWS, **_ROOM_ROWS, **_LOCK_ROWS, **_SITE_ROWS}


def errors_of(method: str) -> Errors:
    """All errors that a call of the method may give once it was found."""
    row = CATALOG[method]
    by_transport: Errors = () if row.is_http else (errors.WrongTransport,)
    if method != "session.open":
        # Over a socket, before anything else.
        by_transport = (errors.NotOpen, *by_transport)
    return tuple(dict.fromkeys((*row.errors, *by_transport, *ALWAYS)))
