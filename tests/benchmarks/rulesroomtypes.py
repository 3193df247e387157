"""Room types for the server under measurement, declared when SESSIONSTORE["POLICY"] is imported."""

from __future__ import annotations

from typing import ClassVar

from sessionstore_app import OWNER, Key, RoomType
from sessionstore_app.services.policy import Policy

HOST, SPEAKER, GUEST = "host", "speaker", "guest"


class Ruled(RoomType):
    """Three roles, and each reads something that the next may not."""

    match = "ruled/*"
    roles: ClassVar = (HOST, SPEAKER, GUEST)

    told = Key(str, pattern="key-*", write=(HOST, SPEAKER))
    cue = Key(str, pattern="cue-*", read=(HOST, SPEAKER), write=(HOST, SPEAKER))
    hidden = Key(str, pattern="hidden-*", read=HOST, write=HOST)


class Personal(RoomType):
    """What a peer may read of a diary depends on who wrote it."""

    match = "personal/*"
    roles: ClassVar = (HOST, SPEAKER, GUEST)

    told = Key(str, pattern="key-*", write=(HOST, SPEAKER))
    diary = Key(str, pattern="diary-*", read=OWNER, write=OWNER)


class OpenDoors(Policy):
    """The default."""
