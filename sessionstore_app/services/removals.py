"""Removal rules: keys that go when no peer of their room has matched a filter for a while (parity §2.9).

Each process looks after the rooms it serves; since when nobody matches is kept with the room, so that it outlives a
process.
"""

from __future__ import annotations

from functools import partial

from sessionstore_app.core import clock
from sessionstore_app.core.observer import Interest
from sessionstore_app.core.removal import RemovalRule, absence
from sessionstore_app.services import directory, entrylog, jobs, questions, record, roomtypes
from sessionstore_app.services.hub import Hub
from sessionstore_app.services.telling import record_and_tell


async def apply(hub: Hub) -> None:
    """Look at every rule once."""
    for rule in roomtypes.removal_rules():
        rooms = frozenset(name for name, room in hub.rooms.items() if room.epoch and rule.rooms.matches(name))
        if rooms:
            await _apply(hub, rule, rooms)


async def _apply(hub: Hub, rule: RemovalRule, rooms: frozenset[str]) -> None:
    matched = await record.look(partial(directory.rooms_with, Interest(filter=rule.filter, rooms=rooms)))
    unmatched = await record.ask(partial(questions.unmatched, rooms))
    now_ms = clock.now_ms()
    for room in sorted(unmatched):
        since_ms = unmatched[room].get(rule.name)
        noted_ms, is_due = absence(rule, since_ms, room in matched, now_ms)
        if is_due:
            await _remove(hub, room, rule)
        if noted_ms != since_ms:
            await record_and_tell(jobs.NoteAbsence(room=room, rule=rule.name, since_ms=noted_ms))


async def _remove(hub: Hub, room: str, rule: RemovalRule) -> None:
    local = hub.rooms.get(room)
    if local is not None:
        reading = await entrylog.read(room, local.epoch, rule.keys)
        await entrylog.remove(room, local.epoch, [entry for entry in reading.entries if entry.exists])
