"""The public Python API of rooms: for views, tasks, signals, shells and consumers.

    from sessionstore_app import rooms
    rooms.set("standup", "topic", "retro")              # in a view, a shell, a thread
    await rooms.aset("standup", "topic", "retro")       # in async code

Server code writes as the server: it joins nothing, `by` is null, and rights of room types do not hold for it, types and
limits do. With `as_session` it acts as a session, within that session's rights. Inside a transaction with the database
backend a write belongs to that transaction, and peers are told once it commits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Literal, TypedDict

from sessionstore_app import conf
from sessionstore_app.core import clock, jsontext
from sessionstore_app.core.entries import Author, Change, Entry, SessionId
from sessionstore_app.core.errors import InvalidParams, NoSuchSession, NotJoined
from sessionstore_app.core.jsontext import Json, JsonInput
from sessionstore_app.core.patterns import check_key, check_pattern, check_room_name, compiled
from sessionstore_app.core.rules import SERVER
from sessionstore_app.core.sights import sight
from sessionstore_app.protocol import frames, methods
from sessionstore_app.services import (
    announcing,
    bridge,
    entrylog,
    jobs,
    questions,
    record,
    roomrights,
    roomtypes,
    roomwrites,
    steering,
    telling,
)
from sessionstore_app.services.entrylog import Written
from sessionstore_app.services.events import Said
from sessionstore_app.services.news import Peer
from sessionstore_app.services.policy import Identity
from sessionstore_app.services.roomwrites import Writer


class WriteItem(TypedDict, total=False):
    """One part of `rooms.write`: `key` and `value`, and what `rooms.set` takes beside them."""

    key: str
    value: JsonInput
    if_version: int | None
    ttl_seconds: float | None


class Rooms:
    """Shared stores of rooms. Every method has a synchronous twin without the leading `a`.

    `by` is who writes and speaks; None: the server. `as_session` of a method is the id of a session that acts instead:
    it is in the room or holds manage_room, and what it may not do there is refused, by NoSuchSession, NotJoined or
    AccessDenied.

    All raise InvalidParams or LimitExceeded for a bad room name, InvalidKey for a bad key, InvalidParams for arguments
    that the wire would not take either, Unavailable when the store is out of reach.
    """

    def __init__(self, by: Author | None = None) -> None:
        self._by = by

    async def aset(
        self,
        room: str,
        key: str,
        value: JsonInput,
        *,
        if_version: int | None = None,
        ttl_seconds: float | None = None,
        as_session: str | None = None,
    ) -> Entry:
        """Write a value; None deletes. Returns the entry as stored.

        `if_version=0` writes only if the key has no value, `n` only if it has one of version n. `ttl_seconds` removes
        it after so long. Raises VersionConflict (with `current`), InvalidValue for what is not strict JSON,
        ValueTooLarge, TooManyKeys, StoreTooLarge.
        """
        given = {"key": key, "value": value, "if_version": if_version, "ttl_seconds": ttl_seconds}
        change = _change(_params("room.set", room, **given))
        return (await self._write(room, (change,), as_session)).result.entries[0]

    async def aget(self, room: str, key: str, *, as_session: str | None = None) -> Json:
        """The value of a key; where there is none, the default that the room's type declares, or None."""
        entry = await self.aget_entry(room, key, as_session=as_session)
        return _default(room, key) if entry.text is None else entry.value

    async def aget_entry(self, room: str, key: str, *, as_session: str | None = None) -> Entry:
        """The entry of a key: value, version, writer and time; of version 0 where it was never written."""
        check_key(_params("room.get", room, key=key).key, conf.current().key_length)
        found = await self._read(room, [key], as_session)
        if not found:
            roomrights.require_declared(room, key)
        return found[0] if found else Entry(key=key)

    async def adelete(
        self, room: str, key: str, *, if_version: int | None = None, as_session: str | None = None
    ) -> Entry:
        """Delete a key. Returns the entry, without a value. Raises VersionConflict."""
        return await self.aset(room, key, None, if_version=if_version, as_session=as_session)

    async def aupdate(
        self,
        room: str,
        key: str,
        *,
        do: Literal["increment", "append", "remove", "merge"],
        by: float | None = None,
        item: JsonInput = None,
        cap: int | None = None,
        unique: str | None = None,
        where: Mapping[str, JsonInput] | None = None,
        patch: JsonInput = None,
        as_session: str | None = None,
    ) -> Entry:
        """Change a value by a rule that no race can break; returns the entry.

        - `do="increment", by=1`: a missing value counts as 0.
        - `do="append", item=…, cap=3, unique="id"`: over `cap` the oldest drop out; no two items with the same `id`.
        - `do="remove", where={"id": …}`: drops the items with these members.
        - `do="merge", patch={…}`: JSON Merge Patch, RFC 7396.

        Raises InvalidParams for other arguments, InvalidValue where the value is of another type, and the
        limits of `aset`.
        """
        given = {"by": by, "item": item, "cap": cap, "unique": unique, "where": where, "patch": patch}
        params = _params("room.update", room, key=key, do=do, **_given(do, given))
        change = Change(key=check_key(key, conf.current().key_length), operation=methods.operation(params))
        return (await self._write(room, (change,), as_session)).result.entries[0]

    async def awrite(self, room: str, items: Sequence[WriteItem], *, as_session: str | None = None) -> list[Entry]:
        """Write several keys together or not at all, under one version. Raises what `aset` raises."""
        changes = tuple(map(_change, _params("room.write", room, ops=items).ops))
        check_distinct(changes)
        return list((await self._write(room, changes, as_session)).result.entries)

    async def asnapshot(
        self, room: str, keys: Sequence[str] = ("*",), *, as_session: str | None = None
    ) -> dict[str, Json]:
        """All values that match the patterns, by key, as of one instant."""
        return {entry.key: entry.value for entry in await self._read(room, keys, as_session) if entry.exists}

    async def apeers(
        self, room: str, *, limit: int | None = None, after: str = "", as_session: str | None = None
    ) -> list[Peer]:
        """Who is in the room, by session id; `after` is the last id of the page before."""
        jsontext.check([limit, after], max_depth=1)
        _params("room.peers", room, limit=limit, after=after)
        roomrights.require(room, "see_peers", (await self._actor(room, as_session)).who)
        page, _ = await self._peers(room, limit or conf.current().peers_per_page, after)
        return page

    async def acount(self, room: str) -> int:
        """How many sessions are in the room."""
        _params("room.peers", room)
        _, count = await self._peers(room, 1, "")
        return count

    async def abroadcast(self, room: str, event: str, data: JsonInput = None, *, as_session: str | None = None) -> None:
        """Send the peers a message that is not stored. Raises InvalidParams for the event's name, InvalidValue for what
        is not strict JSON, ValueTooLarge.
        """
        _params("room.broadcast", room, event=event)
        jsontext.check(data, conf.current().json_depth)
        actor = await self._actor(room, as_session)
        roomrights.require(room, "broadcast", actor.who)
        frame = frames.room_message(room, event, steering.message_text(data), frames.author(actor.by), clock.now_ms())
        await bridge.after_commit(record.USING, lambda: announcing.announce((room, Said(frame))))

    async def aclear(self, room: str, *, as_session: str | None = None) -> str:
        """Empty the room's store; returns the new epoch. Peers stay, and are told.

        A room that there is not is not made by it: then the epoch is empty.
        """
        _params("room.clear", room)
        roomrights.require_clear(room, (await self._actor(room, as_session)).who)
        if not await entrylog.current_epoch(room):
            return ""
        epoch, happened = await record.run(jobs.Clear(room=room, reason="CLEARED"))
        await telling.tell(happened)
        return str(epoch)

    set = bridge.Twin(aset)
    get = bridge.Twin(aget)
    get_entry = bridge.Twin(aget_entry)
    delete = bridge.Twin(adelete)
    update = bridge.Twin(aupdate)
    write = bridge.Twin(awrite)
    snapshot = bridge.Twin(asnapshot)
    peers = bridge.Twin(apeers)
    count = bridge.Twin(acount)
    broadcast = bridge.Twin(abroadcast)
    clear = bridge.Twin(aclear)

    async def _actor(self, room: str, as_session: str | None) -> Writer:
        """Who acts, as rules see it, and as whom others are told."""
        if as_session is None:
            return Writer(who=SERVER, by=self._by)
        found = await record.ask(partial(questions.acting, as_session, room))
        if found is None:
            raise NoSuchSession
        identity = Identity(principal=found.principal, roles=found.session_roles, permissions=found.permissions)
        who = roomrights.standing(
            identity,
            found.roles or (),
            session_id=as_session,
            is_creator=found.is_creator,
            properties=found.properties,
        )
        if found.roles is None and not who.is_server:
            raise NotJoined
        by = Author(SessionId(as_session), found.principal)
        return Writer(who=who, by=by, is_inside=found.roles is not None)

    async def _write(self, room: str, changes: tuple[Change, ...], as_session: str | None) -> Written:
        return await roomwrites.write_from_outside(room, changes, await self._actor(room, as_session))

    async def _read(self, room: str, patterns: Sequence[str], as_session: str | None) -> tuple[Entry, ...]:
        actor = await self._actor(room, as_session)
        named = _params("room.snapshot", room, keys=patterns).keys
        wanted = compiled(frozenset(check_pattern(pattern, conf.current().key_length) for pattern in named))
        definition = roomtypes.of(room)
        seen = None if definition is None else sight(definition, actor.who)
        roomrights.require_read(seen, wanted, actor.who)
        epoch = await entrylog.current_epoch(room)
        entries = (await entrylog.read(room, epoch, wanted)).entries if epoch else ()
        return roomrights.readable(seen, entries, wanted, actor.who)

    async def _peers(self, room: str, limit: int, after: str) -> tuple[list[Peer], int]:
        return await record.ask(partial(questions.peers_page, room, limit, after))


rooms = Rooms()


def _default(room: str, key: str) -> Json:
    """What is read where a key has no value; a new object each time."""
    definition = roomtypes.of(room)
    found = None if definition is None else definition.key(key)
    return None if found is None or found.default is None else jsontext.loads(jsontext.dumps(found.default))


def _params(method: str, room: str, **given: Any) -> Any:
    """What was given, held to what the wire's method takes. Raises InvalidParams or LimitExceeded."""
    params = methods.read_params(method, {"room": room, **given})
    check_room_name(room, conf.current().room_length)
    return params


def _change(item: methods.RoomSet | methods.WriteItem) -> Change:
    jsontext.check(item.value, conf.current().json_depth)
    return change_of(item)


def change_of(item: methods.RoomSet | methods.WriteItem, owner: SessionId | None = None) -> Change:
    """The change that is asked for; `owner` is the session with which the entry dies. Raises InvalidKey, or
    InvalidParams where there is none and it shall die with one.
    """
    if item.lifetime == "session" and owner is None:
        raise InvalidParams("An entry dies with a session of the room.", hint="Join the room, or leave lifetime out.")
    return Change(
        key=check_key(item.key, conf.current().key_length),
        text=None if item.value is None else jsontext.dumps(item.value),
        if_version=item.if_version,
        ttl_ms=None if item.ttl_seconds is None else max(1, round(item.ttl_seconds * 1000)),
        owner=owner,
    )


def check_distinct(changes: Sequence[Change]) -> None:
    """Raise InvalidParams where one write names a key twice."""
    if not changes:
        raise InvalidParams("A write holds at least one key.")
    if len({change.key for change in changes}) < len(changes):
        raise InvalidParams("A write names each key once.")


def _given(do: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that were given: None says that one was not, but where it is a value."""
    given = {name: value for name, value in arguments.items() if value is not None}
    for value in given.values():
        jsontext.check(value, conf.current().json_depth)
    # Appending null, replacing by null.
    given |= {name: arguments[name] for rule, name in (("append", "item"), ("merge", "patch")) if rule == do}
    return given
