"""The rooms that sessions of this process are in: joining and coming back, what is observed there, leaving.

Whoever comes in is heard first and read second, so that nothing is missed and nothing told twice; and is given only
what it may read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sessionstore_app import conf
from sessionstore_app.backends.base import Reading
from sessionstore_app.core.entries import Entry
from sessionstore_app.core.errors import LimitExceeded, NotJoined, NotOpen
from sessionstore_app.core.patterns import check_pattern, check_room_name, pattern_set
from sessionstore_app.protocol import frames
from sessionstore_app.services import (
    endings,
    jobs,
    record,
    rights,
    roomrights,
    roomtypes,
    spectating,
    telling,
    watching,
)
from sessionstore_app.services.connection import Connection
from sessionstore_app.services.events import ObserveMore
from sessionstore_app.services.hub import Hub
from sessionstore_app.services.jobs import Joined, ResumedRoom
from sessionstore_app.services.localroom import LocalRoom
from sessionstore_app.services.roommember import Member
from sessionstore_app.services.roomreading import Position, load, read_now
from sessionstore_app.services.sessions import OpenSession


@dataclass(frozen=True, slots=True)
class JoinedRoom:
    """A room at the instant of joining or observing it."""

    room: LocalRoom
    member: Member
    version: int
    entries: tuple[Entry, ...]
    complete: bool


async def rejoin(hub: Hub, connection: Connection, resumed: ResumedRoom, position: Position | None) -> JoinedRoom:
    """Let a resumed session hear a room again, and push what it lacks since `position`."""
    local = await hub.hold(resumed.room)
    try:
        await load(hub, local, resumed.epoch)
        patterns = pattern_set(frozenset(resumed.observed))
        reading = await read_now(hub, local, patterns, _since(resumed.room, position))
        member = _admit(connection, local, resumed, resumed.observed, reading.version)
        entries = _given(member, reading.entries)
        _push(connection, local, reading, entries)
        _observe_early(hub, connection, resumed.room)
        return JoinedRoom(local, member, reading.version, entries, reading.complete)
    finally:
        hub.release(local)


def _since(room: str, position: Position | None) -> Position | None:
    """From where a client's copy can go on; where keys are not for all, what it may read may have changed since."""
    definition = roomtypes.of(room)
    return position if definition is None or definition.is_read_by_all else None


def _given(member: Member, entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """What a member is given of a reading; what it sees because it wrote it is noted, to be withdrawn one day."""
    seen = member.sight
    given = roomrights.visible(seen, entries)
    if seen is not None and seen.own:
        member.held.update(entry.key for entry in given if entry.exists and seen.shows_own(entry.key))
    return given


def _push(connection: Connection, local: LocalRoom, reading: Reading, entries: tuple[Entry, ...]) -> None:
    texts = [frames.entry(entry) for entry in entries]
    if reading.complete:
        connection.put(frames.room_snapshot(local.name, local.epoch, reading.version, texts, "resync"))
    elif texts:
        connection.put(frames.room_changed(local.name, local.epoch, reading.version, texts))


async def join(
    hub: Hub, connection: Connection, room: str, observe: Collection[str], since: Position | None
) -> JoinedRoom:
    """Join a room and read what is observed, in one instant: nothing missed, nothing old.

    Raises InvalidParams, InvalidKey, LimitExceeded, AccessDenied or Unavailable.
    """
    settings = conf.current()
    check_room_name(room, settings.room_length)
    wanted = _checked_patterns(connection, room, observe)
    session = _session(connection)
    if room not in connection.members and not await roomrights.may_come(session, room):
        raise roomrights.closed()
    connection.early.pop(room, None)
    # Heard first, read second: a change between the two is heard twice and told once, never missed.
    local = await hub.hold(room)
    try:
        job = jobs.Join(
            session_id=session.id,
            generation=session.generation,
            room=room,
            identity=session.identity,
            observed=wanted,
        )
        joined: Joined
        joined, happened = await record.run(job)
        await telling.tell(happened)
        await load(hub, local, joined.epoch)
        present = connection.members.get(room)
        patterns = pattern_set((present.patterns.patterns if present else frozenset()) | wanted)
        reading = await read_now(hub, local, patterns, _since(room, since))
        member = _admit(connection, local, joined, patterns.patterns, reading.version)
        rights.recheck_soon(hub, connection, session)
        _observe_early(hub, connection, room)
        entries = _given(member, reading.entries)
        entries = entries if not reading.complete else with_absent(entries, patterns.exact)
        return JoinedRoom(local, member, reading.version, entries, reading.complete)
    finally:
        hub.release(local)


async def leave(hub: Hub, connection: Connection, room: str) -> bool:
    """Leave a room; true if that emptied it and its store was cleared. Raises NotJoined."""
    member_of(connection, room)
    session = _session(connection)
    await endings.remove_named(room, session.id)
    job = jobs.Leave(session_id=session.id, room=room, grace_seconds=roomtypes.grace_seconds(room))
    cleared, happened = await record.run(job)
    hub.remove_member(room, connection)
    watching.recheck_listeners(hub, connection)
    await telling.tell(happened)
    await endings.remove_named(room, session.id)
    return bool(cleared)


async def observe(hub: Hub, connection: Connection, room: str, keys: Collection[str]) -> JoinedRoom:
    """Observe more of a room, with the present values. Raises NotJoined and what `join` raises."""
    member = member_of(connection, room)
    wanted = _checked_patterns(connection, room, keys)
    local = hub.rooms[room]
    patterns = pattern_set(wanted)
    roomrights.require_read(member.sight, patterns, member.standing)
    await _save_observed(connection, member.patterns.patterns | wanted, room)
    # Last what is read: between it and the answer nothing may wait, for what one may read may change.
    reading = await read_now(hub, local, patterns, None)
    # Left while we read: then there is nothing to observe any more.
    member = member_of(connection, room)
    _give(connection, local, member, wanted, reading.version)
    entries = with_absent(_given(member, reading.entries), patterns.exact)
    return JoinedRoom(local, member, reading.version, entries, complete=True)


async def unobserve(hub: Hub, connection: Connection, room: str, keys: Iterable[str]) -> Member:
    """Observe less of a room; what was not observed is no error. Raises NotJoined."""
    member = member_of(connection, room)
    hub.rooms[room].unobserve(member, keys)
    connection.forget_behind(room, keep=lambda key, _: member.patterns.matches(key))
    await _save_observed(connection, member.patterns.patterns, room)
    return member


async def _save_observed(connection: Connection, patterns: Collection[str], room: str) -> None:
    session = _session(connection)
    await record.run(jobs.Observe(session_id=session.id, room=room, observed=patterns))


async def observe_more(hub: Hub, connection: Connection, event: ObserveMore) -> None:
    """A session was made to observe more of a room: give it the present values."""
    member = connection.members.get(event.room)
    local = hub.rooms.get(event.room)
    if member is None or local is None:
        # It may just be coming in.
        connection.early.setdefault(event.room, set()).update(event.patterns)
        return
    patterns = pattern_set(frozenset(event.patterns))
    reading = await read_now(hub, local, patterns, None)
    if connection.members.get(event.room) is not member:
        return
    _give(connection, local, member, event.patterns, reading.version)
    texts = [text_of(member, entry) for entry in with_absent(_given(member, reading.entries), patterns.exact)]
    connection.put(frames.room_changed(local.name, local.epoch, reading.version, texts))
    # The record knew of it; but what the session itself observed since then was recorded without it.
    await _save_observed(connection, member.patterns.patterns, event.room)


def _observe_early(hub: Hub, connection: Connection, room: str) -> None:
    """A session came into a room: what it was made to observe while it did, it observes now."""
    patterns = connection.early.pop(room, None)
    if patterns:
        hub.spawn(observe_more(hub, connection, ObserveMore((_session(connection).id,), room, tuple(patterns))))


def member_of(connection: Connection, room: str) -> Member:
    """The connection's membership. Raises NotJoined."""
    member = connection.members.get(room)
    if member is None:
        raise NotJoined
    return member


def text_of(member: Member, entry: Entry) -> str:
    """An entry that a member is given, as text; one that it named and may not read says so."""
    if member.sight is None or entry.version or member.sight.can_name(entry.key):
        return frames.entry(entry)
    return frames.withdrawn(entry.key, 0)


def with_absent(entries: tuple[Entry, ...], exact: Collection[str]) -> tuple[Entry, ...]:
    """The entries, and each key that was named and has none as absent."""
    found = {entry.key for entry in entries}
    return (*entries, *(Entry(key=key) for key in sorted(exact) if key not in found))


def _admit(
    connection: Connection, local: LocalRoom, joined: Joined | ResumedRoom, patterns: Iterable[str], read_at: int
) -> Member:
    """No waiting from the read to here can let a change slip by: what came meanwhile waits in the room."""
    if connection.close_reason is not None:
        raise NotOpen("The socket was closed meanwhile.")
    member = connection.members.get(local.name)
    # The record has let it in: what still had to be recorded of an earlier stay is over.
    connection.leaving.discard(local.name)
    if member is None:
        # Whoever is in a room need not watch it from outside.
        spectating.end(connection, local)
        session = _session(connection)
        member = Member(connection, session.id, joined.roles, is_creator=joined.is_creator)
        member.sight = member.shown = roomrights.place(member, session, local.name)
        connection.members[local.name] = member
        local.add(member)
    _give(connection, local, member, patterns, read_at)
    return member


def _give(connection: Connection, local: LocalRoom, member: Member, patterns: Iterable[str], read_at: int) -> None:
    """Let a member observe patterns for which it is given a reading that is as new as anything told here."""
    given = pattern_set(frozenset(patterns))
    local.observe(member, patterns, read_at)
    connection.forget_behind(local.name, keep=lambda key, _: not given.matches(key))


def _checked_patterns(connection: Connection, room: str, patterns: Collection[str]) -> frozenset[str]:
    settings = conf.current()
    wanted = checked_patterns(patterns)
    elsewhere = sum(len(m.patterns.patterns) for name, m in connection.members.items() if name != room)
    here = connection.members[room].patterns.patterns if room in connection.members else frozenset()
    total = elsewhere + len(here | wanted)
    if total > settings.patterns_per_session:
        raise LimitExceeded("Too many patterns are observed.", limit=settings.patterns_per_session, actual=total)
    return wanted


def checked_patterns(patterns: Collection[str]) -> frozenset[str]:
    """The patterns of one request. Raises InvalidParams, InvalidKey or LimitExceeded."""
    settings = conf.current()
    if len(patterns) > settings.patterns_per_session:
        limit = settings.patterns_per_session
        raise LimitExceeded("Too many patterns in one request.", limit=limit, actual=len(patterns))
    return frozenset(check_pattern(pattern, settings.key_length) for pattern in patterns)


def _session(connection: Connection) -> OpenSession:
    assert connection.session is not None  # noqa: S101  # callers serve open sessions only
    return connection.session
