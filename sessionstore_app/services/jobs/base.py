"""What a job touches: the rows that its batch locks before any job runs."""

from __future__ import annotations

from collections.abc import Collection


def of_lock(name: str) -> str:
    """How a job or question says that it touches a lock."""
    return f"lock {name}"


class OfNone:
    """Touches no session, room or lock that is there already."""

    __slots__ = ()

    @property
    def touches(self) -> Collection[str]:
        return (*self.sessions, *self.rooms, *map(of_lock, self.locks))

    @property
    def sessions(self) -> Collection[str]:
        return ()

    @property
    def rooms(self) -> Collection[str]:
        return ()

    @property
    def locks(self) -> Collection[str]:
        return ()

    @property
    def ending(self) -> Collection[str]:
        return ()

    @property
    def waits(self) -> bool:
        return False


class OfSession(OfNone):
    """Is about one session."""

    __slots__ = ()
    session_id: str

    @property
    def sessions(self) -> Collection[str]:
        return (self.session_id,)


class OfRoom(OfNone):
    """Is about one room."""

    __slots__ = ()
    room: str

    @property
    def rooms(self) -> Collection[str]:
        return (self.room,)


class EndsSession(OfSession):
    """May take the session's locks from it."""

    __slots__ = ()

    @property
    def ending(self) -> Collection[str]:
        return (self.session_id,)
