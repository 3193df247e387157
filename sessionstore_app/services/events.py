"""What happens in a room or to sessions, as it is told from process to process, and its form on the bus.

Frozen values; text that reaches clients is already finished here, so a process that only passes it on never decodes it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, assert_never

import msgspec

from sessionstore_app.core.entries import Epoch
from sessionstore_app.core.sessions import Kind, SessionChange, State
from sessionstore_app.services.bus import SESSIONS_GROUP, Message, node_group, room_group

# Layers limit what one message may be.
CHANGES_A_MESSAGE = 50


@dataclass(frozen=True, slots=True)
class Changed:
    """One write: its keys and their entries as text, all of one version."""

    epoch: Epoch
    version: int
    texts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RosterDelta:
    """One change of who is in the room: peers as text by session id, and who left with the reason."""

    roster: int
    joined: Mapping[str, str]
    left: Mapping[str, str]
    updated: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RoomCleared:
    """The room goes on under another epoch."""

    old: Epoch
    new: Epoch
    reason: str


@dataclass(frozen=True, slots=True)
class Said:
    """A message to the peers that is not stored, as a finished frame."""

    text: str


@dataclass(frozen=True, slots=True)
class TakenOver:
    """A session has a newer socket; those below `generation` close. It belongs to no room."""

    session_id: str
    generation: int


@dataclass(frozen=True, slots=True)
class SessionsChanged:
    """What happened to sessions: told to whoever listens, and to the nodes that serve them."""

    changes: tuple[SessionChange, ...]


@dataclass(frozen=True, slots=True)
class Delivered:
    """A finished frame for the sockets of some sessions."""

    session_ids: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class ObserveMore:
    """Sessions that observe more of a room from now on, because somebody made them."""

    session_ids: tuple[str, ...]
    room: str
    patterns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LookAgain:
    """Sessions of whose users Django may say something else than it did."""

    session_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Revoked:
    """Sessions whose credential has ended; with `marks` of logins, those of them that are known by one of these."""

    session_ids: tuple[str, ...]
    marks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LockTold:
    """A session was given the lock it waited for, or lost the one it had."""

    session_id: str
    name: str
    sequence: int
    is_lost: bool


RoomEvent: TypeAlias = Changed | RosterDelta | RoomCleared | Said
# What concerns sessions wherever they are; these belong to no room.
NodeEvent: TypeAlias = TakenOver | SessionsChanged | Delivered | ObserveMore | LookAgain | Revoked | LockTold


def encode(event: RoomEvent | NodeEvent, room: str, node_id: str) -> dict[str, Any]:
    """The event as a message of the channel layer: only strings, integers, null, and lists and maps of those."""
    head = {"room": room, "node": node_id}
    match event:
        case Changed(epoch, version, texts):
            return {"type": "changed", **head, "epoch": epoch, "version": version, "texts": dict(texts)}
        case RosterDelta(roster, joined, left, updated):
            lists = {"joined": dict(joined), "left": dict(left), "updated": dict(updated)}
            return {"type": "roster", **head, "roster": roster, **lists}
        case RoomCleared(old, new, reason):
            return {"type": "cleared", **head, "old": old, "new": new, "reason": reason}
        case Said(text):
            return {"type": "said", **head, "text": text}
        case _:
            return {**head, **_encode_node_event(event)}


def _encode_node_event(event: NodeEvent) -> dict[str, Any]:
    match event:
        case SessionsChanged(changes):
            # Lists all through: a layer in memory passes on what it is given, and a tuple would not be known again.
            return {"type": "sessions", "changes": msgspec.to_builtins(list(changes))}
        case TakenOver(session_id, generation):
            return {"type": "taken_over", "session": session_id, "generation": generation}
        case Delivered(session_ids, text):
            return {"type": "delivered", "sessions": list(session_ids), "text": text}
        case ObserveMore(session_ids, room, patterns):
            return {"type": "observe", "sessions": list(session_ids), "about": room, "patterns": list(patterns)}
        case LookAgain(session_ids):
            return {"type": "look_again", "sessions": list(session_ids)}
        case Revoked(session_ids, marks):
            return {"type": "revoked", "sessions": list(session_ids), "marks": list(marks)}
        case LockTold(session_id, name, sequence, is_lost):
            type_ = "lost_lock" if is_lost else "granted_lock"
            return {"type": type_, "session": session_id, "name": name, "sequence": sequence}
        case _:
            assert_never(event)


def decode(message: Mapping[str, Any]) -> tuple[str, RoomEvent | NodeEvent]:
    """Room and event of a message. Raises ValueError for anything that `encode` would not have made."""
    match message:
        case {"type": "changed", "room": str(room), "epoch": str(epoch), "version": version, "texts": texts}:
            return room, Changed(Epoch(epoch), _number(version), _texts(texts))
        case {"type": "roster", "room": str(room), "roster": roster, "joined": j, "left": l, "updated": u}:
            return room, RosterDelta(_number(roster), _texts(j), _texts(l), _texts(u))
        case {"type": "cleared", "room": str(room), "old": str(old), "new": str(new), "reason": str(reason)}:
            return room, RoomCleared(Epoch(old), Epoch(new), reason)
        case {"type": "said", "room": str(room), "text": str(text)}:
            return room, Said(text)
    if message.get("room") != "":
        raise ValueError("a message of unknown form")
    return "", _decode_node_event(message)


def _decode_node_event(message: Mapping[str, Any]) -> NodeEvent:
    match message:
        case {"type": "taken_over", "session": str(session_id), "generation": generation}:
            return TakenOver(session_id, _number(generation))
        case {"type": "sessions", "changes": list(changes)}:
            return SessionsChanged(_changes(changes))
        case {"sessions": list(ids)}:
            return _decode_event_for(_strings(ids), message)
        case {"type": "granted_lock", "session": str(session_id), "name": str(name), "sequence": sequence}:
            return LockTold(session_id, name, _number(sequence), is_lost=False)
        case {"type": "lost_lock", "session": str(session_id), "name": str(name), "sequence": sequence}:
            return LockTold(session_id, name, _number(sequence), is_lost=True)
    raise ValueError("a message of unknown form")


def _decode_event_for(session_ids: tuple[str, ...], message: Mapping[str, Any]) -> NodeEvent:
    match message:
        case {"type": "delivered", "text": str(text)}:
            return Delivered(session_ids, text)
        case {"type": "observe", "about": str(room), "patterns": list(patterns)}:
            return ObserveMore(session_ids, room, _strings(patterns))
        case {"type": "look_again"}:
            return LookAgain(session_ids)
        case {"type": "revoked", "marks": list(marks)}:
            return Revoked(session_ids, _strings(marks))
    raise ValueError("a message of unknown form")


def _changes(value: list[Any]) -> tuple[SessionChange, ...]:
    try:
        return msgspec.convert(value, tuple[SessionChange, ...])
    except msgspec.ValidationError as error:
        raise ValueError(f"changes of sessions are expected: {error}") from None


def _strings(value: list[Any]) -> tuple[str, ...]:
    if not all(isinstance(item, str) for item in value):
        raise ValueError("a list of texts is expected")
    return tuple(value)


def room_messages(happened: Sequence[tuple[str, RoomEvent]], node_id: str) -> list[tuple[str, Message]]:
    """What happened in rooms, as messages to their groups."""
    return [(room_group(room), encode(event, room, node_id)) for room, event in happened]


def node_messages(told: Sequence[tuple[str, NodeEvent]], node_id: str) -> list[tuple[str, Message]]:
    """What other nodes than `node_id` are told, as messages to their groups."""
    return [(node_group(node), encode(event, "", node_id)) for node, event in told if node not in ("", node_id)]


def session_messages(changes: Sequence[SessionChange], node_id: str) -> list[tuple[str, Message]]:
    """Messages to the processes that listen, some changes at a time, and to the nodes that serve the sessions."""
    told = [(SESSIONS_GROUP, part) for part in _parts(changes)]
    by_node: defaultdict[str, list[SessionChange]] = defaultdict(list)
    for change in changes:
        concerns_socket = change.kind is Kind.PROPERTIES or change.state is State.CLOSED
        if concerns_socket and change.node_id not in ("", node_id):
            by_node[change.node_id].append(change)
    told += [(node_group(node), part) for node, mine in by_node.items() for part in _parts(mine)]
    return [(group, encode(SessionsChanged(part), "", node_id)) for group, part in told]


def _parts(changes: Sequence[SessionChange]) -> list[tuple[SessionChange, ...]]:
    return [tuple(changes[start : start + CHANGES_A_MESSAGE]) for start in range(0, len(changes), CHANGES_A_MESSAGE)]


def _number(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("a message of unknown form: a number is expected")
    return value


def _texts(value: object) -> Mapping[str, str]:
    if not isinstance(value, dict) or not all(isinstance(k, str) and isinstance(v, str) for k, v in value.items()):
        raise ValueError("a map of texts is expected")
    return value


def merge(deltas: Iterable[RosterDelta]) -> RosterDelta:
    """Several changes of a roster as one: who joined, left and changed since before the first."""
    roster = 0
    joined: dict[str, str] = {}
    left: dict[str, str] = {}
    updated: dict[str, str] = {}
    for delta in deltas:
        roster = delta.roster
        for session_id, text in delta.joined.items():
            came_back = left.pop(session_id, None) is not None
            (updated if came_back else joined)[session_id] = text
        for session_id, text in delta.updated.items():
            (joined if session_id in joined else updated)[session_id] = text
        for session_id, reason in delta.left.items():
            updated.pop(session_id, None)
            if joined.pop(session_id, None) is None:
                left[session_id] = reason
    return RosterDelta(roster, joined, left, updated)
