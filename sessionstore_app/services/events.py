"""What happens in a room, as it is told from process to process, and its form on the bus.

Frozen values; text that reaches clients is already finished here, so a process that only passes it on never decodes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, assert_never

from sessionstore_app.core.entries import Epoch


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


RoomEvent: TypeAlias = Changed | RosterDelta | RoomCleared | Said


def encode(event: RoomEvent | TakenOver, room: str, node_id: str) -> dict[str, Any]:
    """The event as a message of the channel layer: only strings, integers and maps of strings."""
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
        case TakenOver(session_id, generation):
            return {"type": "taken_over", **head, "session": session_id, "generation": generation}
        case _:
            assert_never(event)


def decode(message: Mapping[str, Any]) -> tuple[str, RoomEvent | TakenOver]:
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
        case {"type": "taken_over", "room": str(room), "session": str(session_id), "generation": generation}:
            return room, TakenOver(session_id, _number(generation))
    raise ValueError("a message of unknown form")


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
