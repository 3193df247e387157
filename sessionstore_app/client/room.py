"""A room for callers: what one does there and sees there. The work is done in `membership` and `writes`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, Literal, NotRequired, TypedDict

from sessionstore_app.client.connection import Params
from sessionstore_app.client.errors import Disconnected
from sessionstore_app.client.forms import Message, Peer, PeersChange, entry_of, given
from sessionstore_app.client.membership import Membership
from sessionstore_app.client.streams import MOST_NEWS, Conflated, Queued
from sessionstore_app.client.writes import Write
from sessionstore_app.core.entries import Entry
from sessionstore_app.core.errors import NotJoined, ValueTooLarge
from sessionstore_app.core.jsontext import Json, JsonInput, check, dumps, size_bytes
from sessionstore_app.core.patterns import check_pattern

Lifetime = Literal["room", "session"]
Act = Literal["read", "write", "broadcast", "clear", "see_peers"]


class WriteItem(TypedDict):
    """One key of a `write`; `ttl_seconds` deletes it after so long, a `value` of None at once."""

    key: str
    value: JsonInput
    if_version: NotRequired[int]
    ttl_seconds: NotRequired[float]
    lifetime: NotRequired[Lifetime]


def checked(patterns: Iterable[str], limits: Mapping[str, Any]) -> frozenset[str]:
    """Patterns that are spelled as they may be. Raises InvalidParams or InvalidKey."""
    return frozenset(check_pattern(pattern, limits["key_length"]) for pattern in patterns)


class Room:
    """A room that this session is in, until it leaves, is sent away, or ends.

    Calls raise a SessionStoreError where the server refuses, ClosedError once the session has ended, and after the
    room is left NotJoined, or the error with which the server sent this session away. Writes and reads wait while the
    connection is away; writes raise OutcomeUnknown where they may not be repeated in a new session.
    """

    def __init__(self, membership: Membership) -> None:
        self._membership = membership
        self._link = membership.context.link

    # --- what is known here

    @property
    def name(self) -> str:
        """The room's name."""
        return self._membership.name

    @property
    def epoch(self) -> str:
        """The room's incarnation: another one after it was cleared."""
        return self._membership.epoch

    @property
    def version(self) -> int:
        """The highest version of the room that was told here, within the epoch."""
        return self._membership.version

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles of this session in the room."""
        return self._membership.roles

    @property
    def type(self) -> str | None:
        """The name of the room's type, None where it has none."""
        return self._membership.type

    @property
    def is_joined(self) -> bool:
        """False while the session is not in the room: it is coming back, or it has left."""
        return self._membership.is_joined

    @property
    def entries(self) -> Mapping[str, Entry]:
        """Entries with a value that match the observed patterns, as known now; a copy."""
        return self._membership.held.present()

    def __getitem__(self, key: str) -> Entry:
        """The entry of an observed key, as known now. Raises KeyError where there is no value or no observer."""
        found = self._membership.held.find(key)
        if found is None:
            raise KeyError(key)
        return found

    def __contains__(self, key: str) -> bool:
        return self._membership.held.find(key) is not None

    @property
    def peers(self) -> tuple[Peer, ...]:
        """Who is in the room, oneself included, the first to join first; of many the first page, and who came since."""
        return self._membership.roster.peers

    @property
    def count(self) -> int:
        """How many are in the room."""
        return self._membership.roster.count

    # --- writing

    async def set(
        self,
        key: str,
        value: JsonInput,
        *,
        if_version: int | None = None,
        ttl_seconds: float | None = None,
        lifetime: Lifetime | None = None,
        lock: str | None = None,
    ) -> Entry:
        """Write a value; None deletes. Returns the entry.

        `if_version`: 0 only if the key has no value, n only if it has one of that version; else VersionConflict, whose
        `current` is the present entry. `ttl_seconds`: it is deleted after so long. `lifetime`: `"session"` deletes it
        when this session ends. `lock`: only while this session holds the lock of that name, else LockNotHeld.
        ValueTooLarge and InvalidValue are raised before anything is sent. Of plain sets of one key that wait one behind
        the other only the newest is sent, and all get its entry.
        """
        self._check_value(value)
        options = given(if_version=if_version, ttl_seconds=ttl_seconds, lifetime=lifetime, lock=lock)
        plain = if_version is None and lock is None
        return await self._write_one(
            "room.set", {"key": key, "value": value, **options}, replaces=key if plain else None
        )

    async def delete(self, key: str, *, if_version: int | None = None) -> Entry:
        """Delete a key. Returns the entry, without a value. Raises VersionConflict as `set` does."""
        return await self._write_one("room.delete", {"key": key, **given(if_version=if_version)})

    async def update(
        self, key: str, *, do: Literal["increment", "append", "remove", "merge"], **how: JsonInput
    ) -> Entry:
        """Let the server compute the value, so that no race loses a change. Returns the entry.

        `increment`: `by` (1); `append`: `item`, `cap`, `unique`; `remove`: `where`; `merge`: `patch`, RFC 7396.
        Raises InvalidValue if the key holds a value of another type. An increment, and an append without `unique`,
        raises OutcomeUnknown if the session was lost before the answer came.
        """
        repeatable = bool(how.get("unique")) if do == "append" else do != "increment"
        return await self._write_one("room.update", {"key": key, "do": do, **how}, is_repeatable=repeatable)

    async def write(self, items: Iterable[WriteItem]) -> list[Entry]:
        """Write several keys, all or nothing, under one version. Returns their entries. Raises what `set` raises."""
        ops = list(items)
        for item in ops:
            self._check_value(item["value"])
        return await self._write("room.write", {"ops": ops}, lambda result: result["entries"])

    # --- reading

    async def get(self, key: str) -> Json:
        """The value as the server has it, None where there is none."""
        return (await self.get_entry(key)).value

    async def get_entry(self, key: str) -> Entry:
        """The entry as the server has it; version 0 if it was never written, or that is forgotten."""
        return entry_of(await self._ask("room.get", key=key))

    async def snapshot(self, patterns: Iterable[str] = ("*",)) -> dict[str, Entry]:
        """All entries with a value that match, by key, as of one instant."""
        told = await self._ask("room.snapshot", keys=list(patterns))
        return {entry.key: entry for entry in map(entry_of, told["entries"]) if entry.exists}

    async def can(self, action: Act, key: str | None = None) -> bool:
        """Would it be allowed now? Reading and writing name a key, other acts do not (InvalidParams).

        The answer may be another one a moment later: the act itself is decided anew.
        """
        told = await self._ask("room.can", action=action, **given(key=key))
        return bool(told["allowed"])

    def observe(self, *patterns: str) -> Conflated:
        """An iterator over entries: those present first, an exact key that is absent with value None, then each change.

        A pattern is a key, `hand/*`, `*/vote` or `*`. A value of None says that the key is gone, or that this session
        may not read it any more. A slow reader gets the newest entry of each key. Over reconnects it goes on with what
        differs. It ends when the room is left or the session closed from here, and raises the reason otherwise. Raises
        InvalidParams for a bad pattern.
        """
        self._check_joined()
        return self._membership.observe(checked(patterns, self._link.opened["limits"]))

    # --- peers and messages

    async def broadcast(self, event: str, data: JsonInput = None) -> int:
        """Send a message to all peers, oneself included; it is not stored. Returns how many were told.

        Raises Disconnected while there is no connection: a message is not sent twice.
        """
        self._check_joined()
        told = await self._link.start("room.broadcast", {"room": self.name, "event": event, "data": data})
        return int(told["count"])

    def messages(self, event: str | None = None, *, limit: int = MOST_NEWS) -> Queued[Message]:
        """An iterator over messages of that name, or all. Who lets `limit` pile up gets ConsumerTooSlow."""
        self._check_joined()
        return self._membership.hear(event, limit)

    def peer_changes(self, *, limit: int = MOST_NEWS) -> Queued[PeersChange]:
        """An iterator over changes of the peers: who is there first, then who joined, left or changed."""
        self._check_joined()
        roster = self._membership.roster
        reader = roster.readers.add(Queued[PeersChange](limit))
        reader.put(PeersChange(peers=roster.peers, count=roster.count))
        return reader

    async def leave(self) -> None:
        """Leave the room: iterators end, waiting writes raise NotJoined. Harmless where it was left."""
        if self._membership.left is not None:
            return
        self._membership.depart(NotJoined(), None)
        # On return the session leaves rooms that nobody here is in.
        with suppress(Disconnected):
            await self._link.ask("room.leave", {"room": self.name})

    # --- inside

    def _check_joined(self) -> None:
        if self._link.end_error is not None:
            raise self._link.closed()
        if self._membership.left is not None:
            raise self._membership.left

    def _check_value(self, value: JsonInput) -> None:
        limits = self._link.opened["limits"]
        # Else a NaN would be null, and delete.
        check(value, limits["json_depth"])
        size = size_bytes(dumps(value))
        if size > limits["value_bytes"]:
            raise ValueTooLarge(limit=limits["value_bytes"], actual=size)

    async def _ask(self, method: str, **params: Any) -> Any:
        self._check_joined()
        return await self._link.insist(method, {"room": self.name, **params})

    async def _write_one(self, method: str, params: Params, **how: Any) -> Entry:
        return (await self._write(method, params, lambda result: [result], **how))[0]

    async def _write(
        self, method: str, params: Params, told: Any, *, is_repeatable: bool = True, replaces: str | None = None
    ) -> list[Entry]:
        self._check_joined()
        membership = self._membership

        def accept(result: Params) -> list[Entry]:
            entries = [entry_of(each) for each in told(result)]
            membership.written(entries, membership.epoch)
            return entries

        write = Write(
            place=membership,
            method=method,
            params={"room": self.name, **params},
            accept=accept,
            is_repeatable=is_repeatable,
            replaces=replaces,
        )
        entries: list[Entry] = await membership.context.writes.do(write)
        return entries
