"""Room types that are there only while a test declares them."""

from __future__ import annotations

from typing import Any

from sessionstore_app import RoomType


def kind(name: str, match: str, **attributes: Any) -> type[RoomType]:
    """A room type, for `declaring`."""
    made: type[RoomType] = type(name, (RoomType,), {"match": match, **attributes}, declare=False)
    return made
