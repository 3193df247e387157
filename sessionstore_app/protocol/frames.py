"""Text of what leaves the server: entries, peers, results and notifications.

Values are already JSON text when they come here and are woven in as they are, so each is encoded once, when it was set.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

import msgspec

from sessionstore_app.core import jsontext
from sessionstore_app.core.entries import Author, Entry, SessionId
from sessionstore_app.core.errors import AccessDenied
from sessionstore_app.core.jsontext import JsonInput, dumps
from sessionstore_app.core.observer import Event

# Why a value is not shown.
_DENIED: Final = AccessDenied.reason


def iso(at_ms: int) -> str:
    """Milliseconds since the epoch as ISO 8601 in UTC, with milliseconds and Z."""
    return f"{_iso_second(at_ms // 1000)}.{at_ms % 1000:03d}Z"


@lru_cache(maxsize=64)
def _iso_second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


@lru_cache(maxsize=4_096)
def author(by: Author | None) -> str:
    """`{session_id, principal}`; null is the server."""
    return jsontext.NULL if by is None else dumps({"session_id": by.session_id, "principal": by.principal})


@lru_cache(maxsize=1_024)
def _quoted(text: str) -> str:
    """JSON text of a string that comes again and again: a key, a room, an epoch."""
    return dumps(text)


def entry(of: Entry) -> str:
    """`{key, value, version, by, at}`."""
    by = author(of.by)
    at = "null" if of.at_ms is None else f'"{iso(of.at_ms)}"'
    value = jsontext.NULL if of.text is None else of.text
    return f'{{"key":{_quoted(of.key)},"value":{value},"version":{of.version},"by":{by},"at":{at}}}'


def entries(of: Iterable[Entry]) -> str:
    """A JSON array of entries."""
    return f"[{','.join(map(entry, of))}]"


class _Shown(msgspec.Struct):
    """An entry as text, taken apart as far as it takes to hide its value."""

    key: msgspec.Raw
    value: msgspec.Raw
    version: int
    by: msgspec.Raw
    at: msgspec.Raw


_take_apart = msgspec.json.Decoder(_Shown).decode


def masked(text: str) -> str:
    """An entry as text for somebody who may not see values: `{key, masked: true, bytes, version, by, at}`, and as it is
    where there is no value.
    """
    shown = _take_apart(text)
    value = bytes(shown.value)
    if value == b"null":
        return text
    key, by, at = (bytes(part).decode() for part in (shown.key, shown.by, shown.at))
    return f'{{"key":{key},"masked":true,"bytes":{len(value)},"version":{shown.version},"by":{by},"at":{at}}}'


def withdrawn(key: str, version: int) -> str:
    """An entry that its reader may not read, or not any more: without value, writer and time, and with the reason."""
    return f'{{"key":{_quoted(key)},"value":null,"version":{version},"by":null,"at":null,"reason":"{_DENIED}"}}'


def is_withdrawn(text: str) -> bool:
    """Does an entry as text say that its reader may not read it?"""
    return text.endswith(f'"reason":"{_DENIED}"}}')


class _Writer(msgspec.Struct):
    session_id: str | None
    principal: str


class _Written(msgspec.Struct):
    """An entry as text, taken apart as far as it takes to know whose it is."""

    value: msgspec.Raw
    by: _Writer | None


_take_writer = msgspec.json.Decoder(_Written).decode


def writer(text: str) -> tuple[bool, Author | None]:
    """Whether an entry as text has a value, and who wrote it."""
    written = _take_writer(text)
    by = written.by
    found = None if by is None else Author(None if by.session_id is None else SessionId(by.session_id), by.principal)
    return bytes(written.value) != b"null", found


def write_result(text: str, *, duplicate: bool) -> str:
    """Result of a write to one key: the entry, as text, with `duplicate` where it was a repeat."""
    return f'{text[:-1]},"duplicate":true}}' if duplicate else text


def writes_result(version: int, texts: Iterable[str], *, duplicate: bool) -> str:
    """Result of `room.write`: `{version, entries}`; the entries are text."""
    tail = ',"duplicate":true}' if duplicate else "}"
    return f'{{"version":{version},"entries":[{",".join(texts)}]{tail}'


def _notification(method: str, params: str) -> str:
    return f'{{"jsonrpc":"2.0","method":"{method}","params":{params}}}'


def room_changed(room: str, epoch: str, version: int, changes: Iterable[str]) -> str:
    """`room.changed`; `changes` are entries as text."""
    return _notification(
        "room.changed",
        f'{{"room":{_quoted(room)},"epoch":"{epoch}","version":{version},"changes":[{",".join(changes)}]}}',
    )


def room_snapshot(room: str, epoch: str, version: int, texts: Iterable[str], reason: str) -> str:
    """`room.snapshot`: replace what is held for the observed keys. `reason` is resync or behind."""
    return _notification(
        "room.snapshot",
        f'{{"room":{_quoted(room)},"epoch":"{epoch}","version":{version},'
        f'"entries":[{",".join(texts)}],"reason":"{reason}"}}',
    )


def room_unwatched(room: str, reason: str) -> str:
    """`room.unwatched`: a room is watched no longer."""
    return _notification("room.unwatched", dumps({"room": room, "reason": reason}))


def room_cleared(room: str, epoch: str, reason: str) -> str:
    """`room.cleared`; `epoch` is the new one."""
    return _notification("room.cleared", f'{{"room":{_quoted(room)},"epoch":"{epoch}","reason":"{reason}"}}')


def room_message(room: str, event: str, data: str, sender: str, at_ms: int) -> str:
    """`room.message`; `data` and `sender` are JSON text."""
    return _notification(
        "room.message",
        f'{{"room":{_quoted(room)},"event":{dumps(event)},"data":{data},"from":{sender},"at":"{iso(at_ms)}"}}',
    )


class _Message(msgspec.Struct):
    """The params of `room.message`, taken apart as far as it takes to hide its data."""

    room: msgspec.Raw
    event: msgspec.Raw
    sender: msgspec.Raw = msgspec.field(name="from")
    at: msgspec.Raw = msgspec.field()


class _MessageFrame(msgspec.Struct):
    params: _Message


_take_message_apart = msgspec.json.Decoder(_MessageFrame).decode


def masked_message(text: str) -> str:
    """A frame of `room.message` for somebody who may not see values: with `masked: true` in place of its data."""
    params = _take_message_apart(text).params
    room, event, sender, at = (bytes(part).decode() for part in (params.room, params.event, params.sender, params.at))
    return _notification("room.message", f'{{"room":{room},"event":{event},"masked":true,"from":{sender},"at":{at}}}')


def peer(
    session_id: str,
    principal: str,
    roles: Sequence[str],
    state: str,
    joined_at_ms: int,
    properties: Mapping[str, str],
) -> str:
    """`{session_id, principal, roles, properties, state, joined_at}`."""
    return (
        f'{{"session_id":{dumps(session_id)},"principal":{dumps(principal)},"roles":{dumps(roles)},'
        f'"properties":{dumps(properties)},"state":"{state}","joined_at":"{iso(joined_at_ms)}"}}'
    )


def left_peer(session_id: str, reason: str) -> str:
    """`{session_id, reason}`."""
    return dumps({"session_id": session_id, "reason": reason})


def room_peers(room: str, count: int, joined: Sequence[str], left: Sequence[str], updated: Sequence[str]) -> str:
    """`room.peers`; the lists hold peers, and `{session_id, reason}` for those who left, as text."""
    return _notification(
        "room.peers",
        f'{{"room":{_quoted(room)},"count":{count},"joined":[{",".join(joined)}],'
        f'"left":[{",".join(left)}],"updated":[{",".join(updated)}]}}',
    )


def session_event(listener_id: str, event: Event) -> str:
    """`session.event`: what a listener is told."""
    told: dict[str, JsonInput] = {
        "listener_id": listener_id,
        "session_id": event.session_id,
        "type": event.kind.value,
        "state": event.state.value,
        "properties": event.properties,
        "changed_properties": event.changed_properties,
        "close_reason": event.close_reason,
        "matches": event.matches,
        "revision": event.revision,
    }
    return _notification("session.event", dumps(told))


def session_listening(listener_id: str, count: int) -> str:
    """`session.listening`: the `count` sessions that were open have been told."""
    return _notification("session.listening", dumps({"listener_id": listener_id, "count": count}))


def listener_closed(listener_id: str, reason: str) -> str:
    """`session.listener_closed`."""
    return _notification("session.listener_closed", dumps({"listener_id": listener_id, "reason": reason}))


def session_changed(
    revision: int,
    properties: Mapping[str, str],
    changed: Mapping[str, str | None],
    roles: Sequence[str],
    permissions: Sequence[str],
) -> str:
    """`session.changed`: to a session, what was done to it."""
    told: dict[str, JsonInput] = {
        "revision": revision,
        "properties": properties,
        "changed_properties": changed,
        "roles": roles,
        "permissions": permissions,
    }
    return _notification("session.changed", dumps(told))


def session_message(event: str, data: str, sender: str, at_ms: int) -> str:
    """`session.message`; `data` and `sender` are JSON text."""
    params = f'{{"event":{dumps(event)},"data":{data},"from":{sender},"at":"{iso(at_ms)}"}}'
    return _notification("session.message", params)


def session_warning(
    reason: str, retry_after_seconds: float | None, *, refused: int, closes_after: int, hint: str
) -> str:
    """`session.warning`: the socket will be closed if its client goes on so."""
    told: dict[str, JsonInput] = {
        "reason": reason,
        "retry_after_seconds": retry_after_seconds,
        "refused": refused,
        "closes_after": closes_after,
        "hint": hint,
    }
    return _notification("session.warning", dumps(told))


def lock_lost(name: str, sequence: int) -> str:
    """`lock.lost`: a lock was taken from its holder."""
    return _notification("lock.lost", dumps({"name": name, "sequence": sequence}))


def heartbeat(at_ms: int) -> str:
    """`session.heartbeat`."""
    return _notification("session.heartbeat", f'{{"server_time":"{iso(at_ms)}"}}')
