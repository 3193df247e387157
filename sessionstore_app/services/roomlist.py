"""Which rooms there are, with who is in them and what they hold: for those who look after the server.

The record says who and since when; the backend says what. Nothing is expired, told or changed by looking.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from django.db.models import Count

from sessionstore_app.core.entries import Epoch, Tally
from sessionstore_app.core.patterns import EVERYTHING, PatternSet
from sessionstore_app.models import Membership, Room
from sessionstore_app.services import record
from sessionstore_app.services.spaces import by_backend, room_backend, room_backends, room_space


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomInfo:
    """A room. `peers` counts sessions, those that are away included; the figures of its store are as of one instant."""

    name: str
    epoch: Epoch
    peers: int
    created_at: datetime
    version: int = 0
    keys: int = 0
    size_bytes: int = 0


async def rooms_matching(patterns: PatternSet = EVERYTHING) -> list[RoomInfo]:
    """All rooms whose names match, by name. Raises Unavailable."""
    found = [room for room in await record.look(_recorded) if patterns.matches(room.name)]
    places = room_backends() if found else []
    tallies = {space: tally for place in places async for space, tally in place.spaces()}
    return [_with(room, tallies.get(room_space(room.name, room.epoch), Tally())) for room in found]


async def tallies(rooms: Collection[tuple[str, Epoch]]) -> dict[str, Tally]:
    """What the stores of rooms hold, by the rooms' names; a room is given by name and epoch. Raises Unavailable."""
    spaces = {room_space(name, epoch): name for name, epoch in rooms}
    found = [await place.tallies(named) for place, named in by_backend(spaces).items()]
    return {spaces[space]: tally for tallied in found for space, tally in tallied.items()}


async def find_room(name: str) -> RoomInfo | None:
    """One room; None if there is none. Raises Unavailable."""
    found = await record.look(partial(_recorded, [name]))
    if not found:
        return None
    room = found[0]
    reading = await room_backend(name).read(room_space(name, room.epoch), EVERYTHING)
    sizes = [entry.size_bytes for entry in reading.entries]
    return _with(room, Tally(version=reading.version, keys=len(sizes), size_bytes=sum(sizes)))


def _with(room: RoomInfo, tally: Tally) -> RoomInfo:
    return replace(room, version=tally.version, keys=tally.keys, size_bytes=tally.size_bytes)


def _recorded(names: Iterable[str] | None = None) -> list[RoomInfo]:
    rooms = Room.objects.all() if names is None else Room.objects.filter(name__in=list(names))
    present = Membership.objects.filter(left_at=None)
    if names is not None:
        present = present.filter(room__in=rooms)
    counts = dict(present.values_list("room_id").annotate(Count("id")).order_by())
    found = [
        RoomInfo(name=room.name, epoch=Epoch(room.epoch), peers=counts.get(room.id, 0), created_at=room.created_at)
        for room in rooms
    ]
    # By name as Python compares it: databases have orders of their own.
    return sorted(found, key=lambda room: room.name)
