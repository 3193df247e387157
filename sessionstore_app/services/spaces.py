"""Which backend and which space a room's entries are in."""

from __future__ import annotations

from sessionstore_app.backends import backend
from sessionstore_app.backends.base import Backend
from sessionstore_app.core.entries import Epoch, Space

ALIAS = "default"


def room_backend() -> Backend:
    """The backend of rooms."""
    return backend(ALIAS)


def room_space(room: str, epoch: Epoch) -> Space:
    """`room:<name>:<epoch>`: another epoch is another space."""
    return Space(f"room:{room}:{epoch}")


def room_of(space: Space) -> tuple[str, Epoch] | None:
    """Name and epoch of a room's space; None for a space of another kind."""
    kind, _, rest = space.partition(":")
    name, _, epoch = rest.rpartition(":")
    return (name, Epoch(epoch)) if kind == "room" else None
