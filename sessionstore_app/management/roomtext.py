"""How `sessionstore_room` shows what there is: as lines for people, or as JSON for programs.

Names and values come from anybody: what a terminal would obey is shown escaped.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sessionstore_app.core.entries import Entry
from sessionstore_app.protocol import frames
from sessionstore_app.services.news import Peer
from sessionstore_app.services.roomlist import RoomInfo

# What a line of a table shows of a value.
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Shown:
    """The same thing twice: JSON-like data, and lines."""

    data: Any
    lines: Sequence[str]


def as_json(data: Any) -> str:
    """One line of ASCII: nothing in it is special to a terminal."""
    return json.dumps(data)


def plain(text: str) -> str:
    """Text with everything escaped that is not to be printed as it is: controls, and marks that turn lines around.

    Escaped as JSON does it, so that JSON stays JSON.
    """
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def age(since: datetime, now: datetime) -> str:
    """How long ago, in the largest unit that fits."""
    seconds = max(0, round((now - since).total_seconds()))
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def entry_data(entry: Entry) -> Any:
    """An entry as the wire has it."""
    return json.loads(frames.entry(entry))


def entry_line(entry: Entry) -> str:
    """`topic = "Retro"  (version 3, by ada)`."""
    value = "was deleted" if entry.text is None else f"= {plain(entry.text)}"
    version = f"  (version {entry.version}, by {_author(entry)})" if entry.version else ""
    return f"{plain(entry.key)} {value}{version}"


def entry_shown(entry: Entry) -> Shown:
    """What was written."""
    return Shown(entry_data(entry), [entry_line(entry)])


def _author(entry: Entry) -> str:
    return "the server" if entry.by is None else plain(entry.by.principal) or "somebody anonymous"


def rooms_shown(rooms: Sequence[RoomInfo], now: datetime) -> Shown:
    """A table of rooms."""
    head = ("ROOM", "PEERS", "KEYS", "BYTES", "VERSION", "AGE")
    rows = [
        (plain(r.name), str(r.peers), str(r.keys), str(r.size_bytes), str(r.version), age(r.created_at, now))
        for r in rooms
    ]
    return Shown([_room_data(room, now) for room in rooms], _table(head, rows) if rows else ["There are no rooms."])


def _room_data(room: RoomInfo, now: datetime) -> dict[str, Any]:
    return {
        "room": room.name,
        "epoch": room.epoch,
        "peers": room.peers,
        "keys": room.keys,
        "bytes": room.size_bytes,
        "version": room.version,
        "created_at": _iso(room.created_at),
        "age_seconds": max(0, round((now - room.created_at).total_seconds())),
    }


def room_shown(room: RoomInfo, peers: Sequence[Peer], entries: Iterable[Entry], now: datetime) -> Shown:
    """One room with all that is in it."""
    found = sorted(entries, key=lambda entry: entry.key)
    data = {
        **_room_data(room, now),
        "peers": [_peer_data(peer) for peer in peers],
        "entries": [entry_data(entry) for entry in found],
    }
    facts = (
        ("room", plain(room.name)),
        ("epoch", room.epoch),
        ("version", str(room.version)),
        ("store", f"{room.keys} keys, {room.size_bytes} bytes"),
        ("created", f"{room.created_at:%Y-%m-%d %H:%M:%S} UTC, {age(room.created_at, now)} ago"),
        ("peers", str(room.peers)),
    )
    lines = [f"{name:<8} {value}" for name, value in facts]
    if peers:
        rows = [(p.session_id, plain(p.principal), plain(", ".join(p.roles)), p.state) for p in peers]
        lines += ["", *_table(("SESSION", "PRINCIPAL", "ROLES", "STATE"), rows)]
    if found:
        rows = [(plain(e.key), str(e.version), _author(e), _short(plain(e.text or ""))) for e in found]
        lines += ["", *_table(("KEY", "VERSION", "BY", "VALUE"), rows)]
    return Shown(data, lines)


def _peer_data(peer: Peer) -> dict[str, Any]:
    return {
        "session_id": peer.session_id,
        "principal": peer.principal,
        "roles": list(peer.roles),
        "properties": dict(peer.properties),
        "state": peer.state,
        "joined_at": _iso(peer.joined_at),
    }


def _iso(at: datetime) -> str:
    return frames.iso(round(at.timestamp() * 1_000))


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in (head, *rows)]
