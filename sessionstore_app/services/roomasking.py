"""Asking beforehand what one may do in a room: the answer is the refusal that the act itself would get now."""

from __future__ import annotations

from typing import Literal, TypeAlias

from sessionstore_app import conf
from sessionstore_app.core.definitions import Definition
from sessionstore_app.core.errors import InvalidParams
from sessionstore_app.core.patterns import check_key, compiled
from sessionstore_app.core.rules import Standing
from sessionstore_app.core.sights import Sight
from sessionstore_app.services import entrylog, roomrights, roomtypes

Action: TypeAlias = Literal["read", "write", "broadcast", "clear", "see_peers"]


async def ask(room: str, action: Action, key: str | None, *, who: Standing, seen: Sight | None) -> None:
    """Raise what an act would be refused with, now; whoever wrote the present value is looked at.

    Raises AccessDenied, InvalidKey, or InvalidParams where the act needs a key, or takes none.
    """
    if (action in ("read", "write")) is (key is None):
        raise InvalidParams("Reading and writing name a key, other acts do not.")
    definition = roomtypes.of(room)
    if key is None:
        if action == "clear":
            roomrights.require_clear(room, who)
        else:
            roomrights.require(room, action, who)
        return
    check_key(key, conf.current().key_length)
    if definition is None:
        return
    if action == "read":
        roomrights.require_key(seen, key, who)
        if seen is not None and not seen.shows(key):
            named = compiled(frozenset({key}))
            epoch = await entrylog.current_epoch(room)
            roomrights.readable(seen, (await entrylog.read(room, epoch, named)).entries, named, who)
    else:
        await _ask_to_write(room, definition, key, who)


async def _ask_to_write(room: str, definition: Definition, key: str, who: Standing) -> None:
    if definition.key(key) is None:
        raise definition.no_such_key(key)
    if roomrights.require_write(definition, key, who):
        epoch = await entrylog.current_epoch(room)
        reading = await entrylog.read(room, epoch, compiled(frozenset({key})))
        if any(entry.exists and not who.owns(entry.by) for entry in reading.entries):
            raise roomrights.write_refusal(definition, key, who)
