"""Two rooms of a type that a test declares, with hooks that it watches."""

from __future__ import annotations

from typing import Any

from sessionstore_app import Key, RoomType
from tests.support import kinds

ROOM, OTHER = "watched/1", "watched/2"


def kind(**attributes: Any) -> type[RoomType]:
    """A room type that is there while a test declares it."""
    return kinds.kind("Watched", "watched/*", **{"topic": Key(), **attributes})
