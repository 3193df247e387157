"""Entries in Redis: for many processes and machines. One script a write, and everything of a space in one hash slot.

Keys begin with a prefix and a hash of the space's name in braces, so names never meet Redis' syntax, and a cluster
keeps a space on one node. Values and names are arguments, never parts of a script. Two sorted sets and a set list what
cannot be found by name: spaces, entries with a time to live, and marks of what was wiped. They are written before
what they list, so what a process leaves undone is listed and not there, never there and not listed.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import AsyncIterator, Collection, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import msgspec

from sessionstore_app.backends.base import Backend, Due, Reading, is_told
from sessionstore_app.backends.redisaddress import address
from sessionstore_app.backends.redisexchange import Command, Reply, Scripts
from sessionstore_app.backends.redisjobs import Steps
from sessionstore_app.backends.redislane import Lane
from sessionstore_app.core import clock, errors
from sessionstore_app.core.entries import (
    LOCK_WENT_ON,
    Author,
    Change,
    Entry,
    SessionId,
    Space,
    Tally,
    Write,
    WriteResult,
    decide,
)
from sessionstore_app.core.limits import TOMBSTONES_KEPT, StoreLimits
from sessionstore_app.core.patterns import PatternSet

# Spaces that this process knows to be listed.
_KNOWN = 50_000
# A space that had entries to expire is looked at again after so long, if nothing tells of any before.
_LOOK_AGAIN_MS = 600_000

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(list[Any]).decode


@cache
def _script(name: str) -> str:
    return (Path(__file__).parent / "lua" / f"{name}.lua").read_text()


@cache
def _sha(name: str) -> str:
    return hashlib.sha1(_script(name).encode(), usedforsecurity=False).hexdigest()


def _scripts() -> Scripts:
    texts = {_sha(name): _script(name) for name in ("write", "read", "wipe")}
    return Scripts(texts=texts, once=_sha("write"))


class RedisBackend(Backend):
    """`{"BACKEND": "sessionstore_app.backends.redis.RedisBackend", "OPTIONS": {"url": "redis://127.0.0.1:6379/0"}}`.

    `url`: redis://, rediss:// (TLS) or unix://. In its place `sentinels`, a list of (host, port), and `service`, the
    name of the master they watch. `cluster`: True where the URL is of a node of a Redis Cluster. `prefix` of all keys,
    one for each project. All other options are handed to redis-py: `password`, `ssl_ca_certs` and so on.
    """

    survives_process = True

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        rest = dict(options or {})
        self._prefix: str = rest.pop("prefix", "sessionstore")
        self._lane = Lane(address(rest, _scripts()))
        self._lane.orphaned = self._tell_orphaned
        self._listed: dict[Space, None] = {}
        self._mark: str | None = None

    async def read(self, space: Space, patterns: PatternSet, since: int | None = None) -> Reading:
        named = sorted(patterns.exact) if patterns.patterns == patterns.exact else []
        state = await self._state(space, named)
        if state.is_wiped:
            return Reading(version=0, entries=(), complete=since is None or since > 0)
        version, floor = state.tally.version, state.tally.floor
        complete = since is None or since < floor or since > version
        entries = [entry for entry in state.entries if is_told(entry, patterns, None if complete else since)]
        entries.sort(key=lambda entry: (entry.version, entry.key))
        return Reading(version=version, entries=tuple(entries), complete=complete)

    def write(self, space: Space, write: Write, limits: StoreLimits) -> Coroutine[Any, Any, WriteResult]:
        kind = _Computed if any(change.operation is not None for change in write.changes) else _Plain
        return self._lane.run(kind(space, write, self._keys(space), limits, self))

    async def wipe(self, space: Space) -> None:
        now_ms = clock.now_ms()
        self._listed.pop(space, None)
        await self._ask(
            ("ZADD", self._key("wiped"), now_ms, space),
            _call("wipe", self._keys(space), now_ms),
            *self._unlist(space),
            touches=(space,),
        )

    async def versions(self, spaces: Collection[Space]) -> dict[Space, int]:
        spaces = list(spaces)
        found = await self._ask(*(("HGET", self._keys(space)[0], "version") for space in spaces), touches=spaces)
        return {space: int(version or 0) for space, version in zip(spaces, found, strict=True)}

    async def tallies(self, spaces: Collection[Space]) -> dict[Space, Tally]:
        spaces = list(spaces)
        found = await self._ask(
            *(("HMGET", self._keys(space)[0], *_TALLY) for space in spaces),
            touches=spaces,
        )
        return {
            space: Tally(**{name: int(value or 0) for name, value in zip(_FIELDS, values, strict=True)})
            for space, values in zip(spaces, found, strict=True)
        }

    async def mark(self) -> str | None:
        key = self._key("mark")
        _, found = await self._ask(("SET", key, secrets.token_hex(8), "NX"), ("GET", key))
        mark = str(found, "ascii")
        if mark != self._mark:
            # What lists the spaces may be gone too.
            self._listed.clear()
            self._mark = mark
        return mark

    async def owned(self, space: Space, owners: Collection[SessionId]) -> list[Entry]:
        state = await self._state(space)
        return [entry for entry in state.entries if entry.owner in owners]

    async def due(self, now_ms: int, limit: int) -> list[Due]:
        index = self._key("due")
        (names,) = await self._ask(("ZRANGEBYSCORE", index, "-inf", now_ms))
        found: list[Due] = []
        for name in names:
            if len(found) >= limit:
                break
            space = Space(name.decode())
            # First put off, then looked at, then only put forward: who writes meanwhile puts it forward too.
            await self._ask(("ZADD", index, "XX", "GT", now_ms + _LOOK_AGAIN_MS, space))
            entries = (await self._state(space)).entries
            found += [Due(space, entry.key, entry.version) for entry in entries if entry.is_expired(now_ms)]
            times = [entry.expires_at_ms for entry in entries if entry.expires_at_ms is not None]
            if times:
                await self._ask(("ZADD", index, "XX", "LT", min(times), space))
        return found[:limit]

    async def spaces(self) -> AsyncIterator[tuple[Space, Tally]]:
        cursor = b"0"
        # A scan may name one twice.
        told: set[Space] = set()
        while True:
            ((cursor, names),) = await self._ask(("SSCAN", self._key("spaces"), cursor, "COUNT", 200))
            for space in {Space(name.decode()) for name in names} - told:
                told.add(space)
                state = await self._state(space, [""])
                if state.tally.version:
                    yield space, state.tally
            if cursor in (b"0", 0):
                return

    async def forget_wiped(self, before_ms: int) -> None:
        index = self._key("wiped")
        (names,) = await self._ask(("ZRANGEBYSCORE", index, "-inf", f"({before_ms}"))
        for name in names:
            space = Space(name.decode())
            # A late write that was refused has listed it again.
            await self._ask(("DEL", self._keys(space)[-1]), *self._unlist(space), ("ZREM", index, space))

    def live_on_this_loop(self) -> None:
        self._lane.live_on_this_loop()

    def leave_loop(self) -> None:
        self._lane.leave_loop()

    def close(self) -> None:
        self._lane.close()

    # --- what is listed, called in the lane's thread

    def listing(self, space: Space, write: Write) -> tuple[Sequence[Command], Sequence[Command]]:
        """What lists a space, and its entries with a time to live: before they are written, for the process may die
        in between, and once more behind them, for `due` may have looked in between.
        """
        times = [write.at_ms + change.ttl_ms for change in write.changes if change.ttl_ms is not None]
        timed: Sequence[Command] = (("ZADD", self._key("due"), "LT", min(times), space),) if times else ()
        return (timed if space in self._listed else (self._list(space), *timed)), timed

    def written(self, space: Space, version: int) -> Sequence[Command]:
        """A space was written; returns what lists it again where it began anew, in a database that has lost all."""
        began_anew = version == 1 and space in self._listed
        if len(self._listed) >= _KNOWN:
            self._listed.clear()
        self._listed[space] = None
        return (self._list(space),) if began_anew else ()

    # --- details

    def _list(self, space: Space) -> Command:
        return ("SADD", self._key("spaces"), space)

    def _unlist(self, space: Space) -> list[Command]:
        return [("SREM", self._key("spaces"), space), ("ZREM", self._key("due"), space)]

    def _key(self, name: str) -> str:
        return f"{self._prefix}:{name}"

    def _keys(self, space: Space) -> tuple[str, ...]:
        return _keys(self._prefix, space)

    async def _state(self, space: Space, names: Sequence[str] = ()) -> _State:
        (reply,) = await self._ask(_call("read", self._keys(space), "", "", *names), touches=(space,))
        return _State.of(reply)

    async def _ask(self, *commands: Command, touches: Collection[str] = ()) -> list[Reply]:
        replies: list[Reply] = await self._lane.run(_Asked(commands, tuple(touches)))
        return replies

    def _tell_orphaned(self, job: Any, outcome: Any) -> None:
        if self.orphaned is not None and isinstance(job, _Plain):
            self.orphaned(job.space, outcome)


# Members of a tally in Redis, and what they are called here.
_TALLY = ("version", "keys", "bytes", "tombstones", "floor")
_FIELDS = ("version", "keys", "size_bytes", "tombstones", "floor")
_PARTS = ("tally", "entries", "ops", "fences", "wiped")


@lru_cache(4_096)
def _keys(prefix: str, space: Space) -> tuple[str, ...]:
    digest = hashlib.blake2b(space.encode(), digest_size=12).hexdigest()
    return tuple(f"{prefix}:{{{digest}}}:{part}" for part in _PARTS)


def _call(name: str, keys: Sequence[str], *arguments: Any) -> Command:
    return ("EVALSHA", _sha(name), len(keys), *keys, *arguments)


@dataclass(frozen=True, slots=True)
class _State:
    """A space at one instant."""

    is_wiped: bool
    tally: Tally
    op: int | None
    sequence: int | None
    entries: tuple[Entry, ...]

    @classmethod
    def of(cls, reply: Sequence[Any]) -> _State:
        wiped, version, keys, size_bytes, tombstones, floor, op, sequence, *packed = reply
        tally = Tally(version=version, keys=keys, size_bytes=size_bytes, tombstones=tombstones, floor=floor)
        return cls(
            is_wiped=bool(wiped),
            tally=tally,
            op=None if op is None else int(op),
            sequence=None if sequence is None else int(sequence),
            entries=tuple(map(_entry, packed)),
        )


def _entry(packed: bytes) -> Entry:
    key, version, at, expires, owner, session, principal, text = _unpack(packed)
    return Entry(
        key=key,
        text=None if text is False else text,
        version=version,
        by=None if principal is False else Author(SessionId(session) if session else None, principal),
        at_ms=at,
        expires_at_ms=expires or None,
        owner=SessionId(owner) if owner else None,
    )


@dataclass(frozen=True, slots=True)
class _Asked:
    """Commands that are answered as they are."""

    commands: tuple[Command, ...]
    touches: tuple[str, ...]
    takes_turns = False

    def steps(self) -> Steps:
        replies = yield self.commands
        return list(replies)


@dataclass(frozen=True, slots=True)
class _Plain:
    """A write whose values are given."""

    space: Space
    write: Write
    keys: tuple[str, ...]
    limits: StoreLimits
    backend: RedisBackend

    @property
    def touches(self) -> Collection[str]:
        return (self.space,)

    @property
    def takes_turns(self) -> bool:
        return False

    def steps(self) -> Steps:
        return self.sent(self.write, {})

    def sent(self, write: Write, bases: Mapping[str, int]) -> Steps:
        """Send a write without operations, and read what the script says; `bases` are the versions that values were
        computed from. Returns the result, or None where one of them is no longer the present one.
        """
        before, after = self.backend.listing(self.space, write)
        replies = yield (*before, self._command(write, bases), *after)
        word, *details = replies[len(before)]
        if word == b"written":
            again = self.backend.written(self.space, details[0])
            if again:
                yield again
            return WriteResult(version=details[0], entries=_written(write, details[0]))
        return self._otherwise(word, details)

    def _otherwise(self, word: bytes, details: Sequence[Any]) -> WriteResult | None:
        if word == b"raced":
            return None
        if word in (b"repeated", b"unchanged"):
            stored = {entry.key: entry for entry in map(_entry, filter(None, details[1:]))}
            present = tuple(stored.get(change.key) or Entry(key=change.key) for change in self.write.changes)
            return WriteResult(version=details[0], entries=present, changed=False, duplicate=word == b"repeated")
        raise self._refusal(word, details)

    def _refusal(self, word: bytes, details: Sequence[Any]) -> errors.SessionStoreError:
        match word:
            case b"conflict":
                key = self.write.changes[details[0] - 1].key
                packed = details[1] if len(details) > 1 else None
                return errors.VersionConflict(current=_entry(packed) if packed else Entry(key=key))
            case b"fenced":
                return errors.LockNotHeld(hint=LOCK_WENT_ON)
            case b"wiped":
                return errors.SpaceWiped()
            case b"value":
                return errors.ValueTooLarge(limit=self.limits.value_bytes, actual=details[0])
            case b"keys":
                return errors.TooManyKeys(limit=self.limits.keys, actual=details[0])
            case b"bytes":
                return errors.StoreTooLarge(limit=self.limits.store_bytes, actual=details[0])
        return errors.Unavailable(f"Redis answered {word!r}.")

    def _command(self, write: Write, bases: Mapping[str, int]) -> Command:
        by, fence, limits = write.by, write.fence, self.limits
        changes = [
            (
                *(change.key, _or_false(change.if_version), _or_false(bases.get(change.key))),
                *(_or_false(change.text), _or_false(_expires_at_ms(write, change))),
                False if change.text is None else change.owner or False,
            )
            for change in write.changes
        ]
        told = (
            *(write.at_ms, False if by is None else by.session_id or False, False if by is None else by.principal),
            _or_false(write.op),
            *((False, False) if fence is None else (fence.lock, fence.sequence)),
            *(limits.value_bytes, limits.keys, limits.store_bytes, TOMBSTONES_KEPT, changes),
        )
        return _call("write", self.keys, _pack(told))


class _Computed(_Plain):
    """A write with operations: its values are computed here by the rule of all backends, and written if what they were
    computed from is still there.
    """

    __slots__ = ()

    @property
    def takes_turns(self) -> bool:
        return True

    def steps(self) -> Steps:
        while True:
            write = self.write
            session = (write.by.session_id or "") if write.by and write.op is not None else ""
            lock = write.fence.lock if write.fence else ""
            (reply,) = yield [_call("read", self.keys, session, lock, *(change.key for change in write.changes))]
            state = _State.of(reply)
            if state.is_wiped:
                raise errors.SpaceWiped
            stored = {entry.key: entry for entry in state.entries}
            decision = decide(write, stored, state.tally, self.limits, state.op, state.sequence)
            if decision.result.duplicate:
                return decision.result
            wanted = _computed(write, stored, decision.result) if decision.result.changed else ()
            bases = {change.key: stored[change.key].version if change.key in stored else 0 for change in write.changes}
            result = yield from self.sent(replace(write, changes=wanted), bases)
            if result is not None:
                return result if wanted else replace(decision.result, duplicate=result.duplicate)


def _computed(write: Write, stored: Mapping[str, Entry], result: WriteResult) -> tuple[Change, ...]:
    """The changes with the values that came of them, and how long those live."""
    return tuple(
        Change(
            key=entry.key,
            text=entry.text,
            if_version=change.if_version,
            ttl_ms=None if entry.expires_at_ms is None else entry.expires_at_ms - write.at_ms,
            owner=entry.owner,
        )
        for change, entry in zip(write.changes, result.entries, strict=True)
    )


def _written(write: Write, version: int) -> tuple[Entry, ...]:
    """The entries that a write without operations leaves behind."""
    return tuple(
        Entry(
            key=change.key,
            text=change.text,
            version=version,
            by=write.by,
            at_ms=write.at_ms,
            expires_at_ms=_expires_at_ms(write, change),
            owner=None if change.text is None else change.owner,
        )
        for change in write.changes
    )


def _expires_at_ms(write: Write, change: Change) -> int | None:
    return None if change.text is None or change.ttl_ms is None else write.at_ms + change.ttl_ms


def _or_false(value: Any) -> Any:
    """What a script is told, in whose lists there is no nil."""
    return False if value is None else value
