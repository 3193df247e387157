"""The method table: every wire method with its typed parameters.

One row a method; the shell finds the handler by the method's name, documents are generated from the same rows.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, assert_never

import msgspec
from msgspec import Meta, Struct

from sessionstore_app.core.errors import InvalidParams, MethodNotFound
from sessionstore_app.core.operations import Append, Increment, Merge, Operation, Remove
from sessionstore_app.protocol.params import (
    MAX_TTL_SECONDS,
    EventName,
    Json,
    LifetimeName,
    Natural,
    Params,
    Positive,
    Text,
    TtlSeconds,
)
from sessionstore_app.protocol.sitemethods import SITE_METHODS


class Position(Params, frozen=True):
    """Where a client's copy of a room stands."""

    epoch: str
    version: Natural


class Resume(Params, frozen=True):
    session_id: str
    resume_token: str
    rooms: dict[str, Position | None] = msgspec.field(default_factory=dict)


class Client(Struct, frozen=True, kw_only=True):
    name: Text = ""
    version: Text = ""


class SessionOpen(Params, frozen=True):
    token: str | None = None
    resume: Resume | None = None
    properties: dict[str, Json] | None = None
    environment: Text | None = None
    client: Client | None = None
    heartbeat: bool = True
    batch: bool = False


class SessionAck(Params, frozen=True):
    bytes: Natural


class SessionPing(Params, frozen=True):
    pass


class SessionClose(Params, frozen=True):
    pass


class RoomJoin(Params, frozen=True):
    room: str
    observe: list[str] = msgspec.field(default_factory=list)
    since: Position | None = None


class RoomLeave(Params, frozen=True):
    room: str


class RoomSet(Params, frozen=True):
    room: str
    key: str
    value: Json
    if_version: Natural | None = None
    ttl_seconds: TtlSeconds | None = None
    lifetime: LifetimeName = "room"
    lock: str | None = None
    op: Natural | None = None


class RoomGet(Params, frozen=True):
    room: str
    key: str


class RoomDelete(Params, frozen=True):
    room: str
    key: str
    if_version: Natural | None = None
    op: Natural | None = None


class RoomIncrement(Params, frozen=True, tag_field="do", tag="increment"):
    room: str
    key: str
    by: int | float = 1
    op: Natural | None = None


class RoomAppend(Params, frozen=True, tag_field="do", tag="append"):
    room: str
    key: str
    item: Json
    cap: Positive | None = None
    unique: str | None = None
    op: Natural | None = None


class RoomRemove(Params, frozen=True, tag_field="do", tag="remove"):
    room: str
    key: str
    where: dict[str, Json]
    op: Natural | None = None


class RoomMerge(Params, frozen=True, tag_field="do", tag="merge"):
    room: str
    key: str
    patch: Json
    op: Natural | None = None


RoomUpdate = RoomIncrement | RoomAppend | RoomRemove | RoomMerge


class WriteItem(Params, frozen=True):
    key: str
    value: Json
    if_version: Natural | None = None
    ttl_seconds: TtlSeconds | None = None
    lifetime: LifetimeName = "room"


class RoomWrite(Params, frozen=True):
    room: str
    ops: Annotated[list[WriteItem], Meta(min_length=1)]
    op: Natural | None = None


class RoomSnapshot(Params, frozen=True):
    room: str
    keys: list[str] = msgspec.field(default_factory=lambda: ["*"])


class RoomObserve(Params, frozen=True):
    room: str
    keys: Annotated[list[str], Meta(min_length=1)]


class RoomUnobserve(Params, frozen=True):
    room: str
    keys: Annotated[list[str], Meta(min_length=1)]


class RoomWatch(Params, frozen=True):
    room: str


class RoomUnwatch(Params, frozen=True):
    room: str


class RoomPeers(Params, frozen=True):
    room: str
    limit: Positive | None = None
    after: str | None = None


class RoomBroadcast(Params, frozen=True):
    room: str
    event: EventName
    data: Json = None


class RoomClear(Params, frozen=True):
    room: str


class RoomCan(Params, frozen=True):
    room: str
    action: Literal["read", "write", "broadcast", "clear", "see_peers"]
    key: str | None = None


# --- sessions


class SessionGetProperties(Params, frozen=True):
    properties: list[str]
    session_id: str | None = None
    room: str | None = None


class SessionSetProperties(Params, frozen=True):
    properties: dict[str, str | None]
    session_id: str | None = None
    room: str | None = None


class SessionSetPropertiesByFilter(Params, frozen=True):
    filter: str
    properties: dict[str, str | None]
    room: str | None = None


class SessionList(Params, frozen=True):
    filter: str | None = None
    room: str | None = None
    properties: list[str] = msgspec.field(default_factory=list)
    limit: Positive | None = None
    after: str | None = None


class SessionCount(Params, frozen=True):
    filter: str | None = None
    room: str | None = None
    by: list[str] = msgspec.field(default_factory=list)


class Targeted(Params, frozen=True):
    """Whom an act is for: `session_id`, or all that `filter` finds; `room` narrows to its peers."""

    session_id: str | None = None
    filter: str | None = None
    room: str | None = None


class SessionTerminate(Targeted, frozen=True):
    pass


class SessionChangeRoles(Targeted, frozen=True):
    add: list[str] = msgspec.field(default_factory=list)
    remove: list[str] = msgspec.field(default_factory=list)


class SessionSend(Targeted, frozen=True, kw_only=True):
    event: EventName
    data: Json = None


class SessionObserveFor(Params, frozen=True):
    room: str
    keys: Annotated[list[str], Meta(min_length=1)]
    session_id: str | None = None
    filter: str | None = None


class SessionListen(Params, frozen=True):
    filter: str | None = None
    room: str | None = None
    properties: list[str] = msgspec.field(default_factory=list)
    after: str | int | None = None


class SessionUnlisten(Params, frozen=True):
    listener_id: str


# --- locks


class LockAcquire(Params, frozen=True):
    name: str
    scope: Literal["session", "connection"] = "session"
    timeout_seconds: Annotated[float, Meta(ge=0, le=MAX_TTL_SECONDS)] | None = None


class LockRelease(Params, frozen=True):
    name: str
    force: bool = False


class LockGet(Params, frozen=True):
    name: str


class LockList(Params, frozen=True):
    pass


METHODS: dict[str, Any] = {
    "session.open": SessionOpen,
    "session.ack": SessionAck,
    "session.ping": SessionPing,
    "session.close": SessionClose,
    "room.join": RoomJoin,
    "room.leave": RoomLeave,
    "room.set": RoomSet,
    "room.get": RoomGet,
    "room.delete": RoomDelete,
    "room.update": RoomUpdate,
    "room.write": RoomWrite,
    "room.snapshot": RoomSnapshot,
    "room.observe": RoomObserve,
    "room.unobserve": RoomUnobserve,
    "room.watch": RoomWatch,
    "room.unwatch": RoomUnwatch,
    "room.peers": RoomPeers,
    "room.broadcast": RoomBroadcast,
    "room.clear": RoomClear,
    "room.can": RoomCan,
    "session.get_properties": SessionGetProperties,
    "session.set_properties": SessionSetProperties,
    "session.set_properties_by_filter": SessionSetPropertiesByFilter,
    "session.list": SessionList,
    "session.count": SessionCount,
    "session.terminate": SessionTerminate,
    "session.change_roles": SessionChangeRoles,
    "session.send": SessionSend,
    "session.observe_for": SessionObserveFor,
    "session.listen": SessionListen,
    "session.unlisten": SessionUnlisten,
    "lock.acquire": LockAcquire,
    "lock.release": LockRelease,
    "lock.get": LockGet,
    "lock.list": LockList,
    **SITE_METHODS,
}


def read_params(method: str, params: dict[str, Json]) -> Any:
    """Convert `params` to the method's type. Raises MethodNotFound or InvalidParams, which names the member."""
    shape = METHODS.get(method)
    if shape is None:
        raise MethodNotFound
    try:
        return msgspec.convert(params, shape)
    except msgspec.ValidationError as error:
        raise InvalidParams(f"{error}.") from None


def operation(params: RoomUpdate) -> Operation:
    """The pure operation that a `room.update` asks for. Raises InvalidParams."""
    match params:
        case RoomIncrement(by=by):
            return Increment(by)
        case RoomAppend(item=item, cap=cap, unique=unique):
            return Append(item, cap, unique)
        case RoomRemove(where=where):
            return Remove(where)
        case RoomMerge(patch=patch):
            return Merge(patch)
        case _:
            assert_never(params)
