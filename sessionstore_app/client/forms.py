"""What the wire tells, as values: entries, peers, messages, events of sessions. Knows JSON objects and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sessionstore_app.core.entries import Author, Entry, SessionId
from sessionstore_app.core.jsontext import Json, dumps


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A session as seen in a room.

    `state` is ACTIVE or DISCONNECTED; `roles` are those in this room; `properties` are the public ones.
    """

    session_id: str
    principal: str
    roles: tuple[str, ...]
    properties: Mapping[str, str]
    state: str
    joined_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """Who left a room; `reason` is LEFT, a close reason's name, or ACCESS_DENIED."""

    session_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PeersChange:
    """A change of a room's peers: those that are known now, how many there are, and what is new."""

    peers: tuple[Peer, ...]
    count: int
    joined: tuple[Peer, ...] = ()
    left: tuple[Departure, ...] = ()
    updated: tuple[Peer, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message that is not stored. `by` is None for the server; `at` is in UTC."""

    event: str
    data: Json
    by: Author | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEvent:
    """What happened to a session that a listener watches; fields as in the protocol's section on listening."""

    session_id: str
    type: str
    state: str
    properties: Mapping[str, str]
    revision: int
    changed_properties: Mapping[str, str | None] = field(default_factory=dict)
    close_reason: str | None = None
    matches: bool = True


def author_of(told: Mapping[str, Any] | None) -> Author | None:
    """`{session_id, principal}`, or null."""
    return None if told is None else Author(told["session_id"] and SessionId(told["session_id"]), told["principal"])


def entry_of(told: Mapping[str, Any]) -> Entry:
    """`{key, value, version, by, at}`."""
    value, at = told["value"], told["at"]
    return Entry(
        key=told["key"],
        text=None if value is None else dumps(value),
        version=told["version"],
        by=author_of(told["by"]),
        at_ms=None if at is None else round(moment(at).timestamp() * 1000),
    )


def peer_of(told: Mapping[str, Any]) -> Peer:
    """`{session_id, principal, roles, properties, state, joined_at}`."""
    return Peer(
        session_id=told["session_id"],
        principal=told["principal"],
        roles=tuple(told["roles"]),
        properties=told["properties"],
        state=told["state"],
        joined_at=moment(told["joined_at"]),
    )


def message_of(told: Mapping[str, Any]) -> Message:
    """`{event, data, from, at}`."""
    return Message(event=told["event"], data=told["data"], by=author_of(told["from"]), at=moment(told["at"]))


def event_of(told: Mapping[str, Any]) -> SessionEvent:
    """The params of `session.event`."""
    return SessionEvent(
        session_id=told["session_id"],
        type=told["type"],
        state=told["state"],
        properties=told["properties"],
        revision=told["revision"],
        changed_properties=told.get("changed_properties") or {},
        close_reason=told.get("close_reason"),
        matches=told.get("matches", True),
    )


def moment(text: str) -> datetime:
    """An instant from ISO 8601."""
    return datetime.fromisoformat(text).astimezone(UTC)


def given(**params: Any) -> dict[str, Any]:
    """Those parameters that are not None: absent ones are not sent."""
    return {name: value for name, value in params.items() if value is not None}
