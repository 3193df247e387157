"""Which backend and which space a room's entries are in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

from sessionstore_app.backends import backend
from sessionstore_app.backends.base import Backend
from sessionstore_app.core.entries import Epoch, Space
from sessionstore_app.services import roomtypes

ALIAS = "default"


def room_backend(room: str) -> Backend:
    """The backend of a room: the one that its type names."""
    definition = roomtypes.of(room)
    return backend(ALIAS if definition is None else definition.backend)


def room_backends() -> list[Backend]:
    """Every backend that rooms may be in."""
    return [backend(alias) for alias in sorted({ALIAS, *(each.backend for each in roomtypes.definitions())})]


def space_backend(space: Space) -> Backend:
    """The backend of a room's space."""
    found = room_of(space)
    return backend(ALIAS) if found is None else room_backend(found[0])


def by_backend(spaces: Collection[Space]) -> dict[Backend, list[Space]]:
    """Spaces of rooms, by where they are."""
    found: defaultdict[Backend, list[Space]] = defaultdict(list)
    for space in spaces:
        found[space_backend(space)].append(space)
    return found


def room_space(room: str, epoch: Epoch) -> Space:
    """`room:<name>:<epoch>`: another epoch is another space."""
    return Space(f"room:{room}:{epoch}")


def room_of(space: Space) -> tuple[str, Epoch] | None:
    """Name and epoch of a room's space; None for a space of another kind."""
    kind, _, rest = space.partition(":")
    name, _, epoch = rest.rpartition(":")
    return (name, Epoch(epoch)) if kind == "room" else None
