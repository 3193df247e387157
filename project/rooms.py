"""What a meeting of the demo is: what it holds, and what host, speaker and guest may do there."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Annotated, ClassVar

from msgspec import Meta, Struct

from sessionstore_app import NOBODY, OWNER, SESSION, Key, RoomType, errors, matching, rooms
from sessionstore_app.core.entries import Entry
from sessionstore_app.core.rules import Standing

# What a host may do to the people in its room.
MODERATES = ("view_session", "modify_session", "send_to_session", "register_handler")
# Longer than a page that is away tries to find its session again.
REMEMBERED_SECONDS = 600


class Person(Struct, forbid_unknown_fields=True):
    """Who somebody says to be."""

    name: Annotated[str, Meta(max_length=40)]
    color: Annotated[str, Meta(max_length=40)] = ""


class Pin(Struct, rename="camel", forbid_unknown_fields=True):
    """A message that all see above the chat."""

    id: Annotated[str, Meta(min_length=1, max_length=64)]
    text: str
    pinned_by: str = ""


class Meeting(RoomType):
    """The first who comes is the host, all others are guests; a host makes speakers of them."""

    match = "meeting/*"
    roles: ClassVar = {"host": MODERATES, "speaker": (), "guest": ()}
    # Whom the host has muted is not heard, with whatever program.
    broadcast = matching('not muted is "yes"')

    spotlight = Key(str, write="host", names_session=True)
    pinned = Key(list[Pin], write=("host", "speaker"), cap=3, unique="id", default=())
    hand = Key(float, pattern="hand/*", write=(OWNER, "host"), lifetime=SESSION)
    person = Key(Person, pattern="person/*", write=OWNER, lifetime=SESSION)
    notes = Key(Annotated[str, Meta(max_length=2_000)], read="host", write="host", value_bytes=8_100)
    # Who was removed: a page that was away meanwhile would else come back as somebody new.
    removed = Key(bool, pattern="removed/*", write=NOBODY, ttl=REMEMBERED_SECONDS)

    def joins_as(self, who: Standing, *, first: bool) -> Iterable[str]:
        """Beside the roles that its token grants."""
        return ["host" if first else "guest"]

    async def on_change(self, room: str, entries: Sequence[Entry]) -> None:
        """Where nothing is yet, anybody can write: what somebody wrote in another's name goes at once."""
        for entry in filter(_is_forged, entries):
            with suppress(errors.VersionConflict):
                await rooms.adelete(room, entry.key, if_version=entry.version)


def _is_forged(entry: Entry) -> bool:
    what, _, whose = entry.key.partition("/")
    return what in {"hand", "person"} and entry.exists and entry.by is not None and entry.by.session_id != whose
