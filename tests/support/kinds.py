"""Room types that are there only while a test declares them: a class with a match is declared by being made."""

from __future__ import annotations

from typing import Any

from sessionstore_app import RoomType
from sessionstore_app.core import roomtypes


def kind(name: str, match: str, **attributes: Any) -> type[RoomType]:
    """A room type, for `declaring`."""
    made = type(name, (RoomType,), {"match": match, **attributes})
    del roomtypes.declared[f"{made.__module__}.{made.__qualname__}"]
    return made
