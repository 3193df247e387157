"""Private entries in any Django cache.

A cache can do little: get, set, add what is not there, delete. It has no transactions, does not list its keys, may
forget, and may fail to keep what it was given without a word. So:

- A space is there while its **marker** is. It names a random nonce, and the keys of all else contain that nonce: once
  the marker is gone nobody finds any of it.
- A **value** is kept under its key's hash, with a token of the write that made it. After each write it is read again:
  the token of the write before shows that it was lost.
- To be listed, a key has a **slot**, one of as many as a store may have keys. Slots are taken by `add`, which one of
  several writers wins. A deleted key keeps its slot until slots run out; then those without a value are freed.
- Whoever sets a value looks for the key's slot afterwards, and whoever frees a slot looks for its key's value
  afterwards: one of the two sees the other, and takes a slot again.

What is kept together expires together: the marker first, because it is set and renewed before all else.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from hashlib import blake2b
from typing import Any, Final, TypeAlias, TypeVar

from asgiref.sync import sync_to_async
from django.core.cache import caches
from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.db import BaseDatabaseCache
from django.core.cache.backends.filebased import FileBasedCache
from django.db import router

from sessionstore_app.backends.groupcommit import hop
from sessionstore_app.backends.stores import StoreBackend
from sessionstore_app.backends.threadcaches import thread_cache
from sessionstore_app.backends.waiting import PATIENCE_SECONDS, RETRY_SECONDS
from sessionstore_app.core import jsontext
from sessionstore_app.core.entries import Space
from sessionstore_app.core.errors import SessionStoreError, StoreDestroyed, TooManyKeys, Unavailable, ValueTooLarge
from sessionstore_app.core.limits import StoreLimits

T = TypeVar("T")

# A store nobody uses is forgotten after so long: what a crash left behind does not stay for ever.
DEFAULT_TIMEOUT: Final = 7 * 86_400
_PREFIX: Final = "sessionstore"
_ATTEMPTS: Final = 5
# Slots looked at in one go.
_WINDOW: Final = 16
# A deletion is remembered while writes that were under way with it are still checked; a freed slot, while its next
# owner could be taken for the last one.
_REMEMBERED_SECONDS: Final = 60
_FORGETFUL: Final = "The cache does not keep what it is given."

# The nonce of a space and how many slots it has; another marker says that it was destroyed.
_Marker: TypeAlias = tuple[str, int]
_DESTROYED: Final = ("destroyed", 0)
# Token of the write, slot of the key, value; None: deleted.
_Kept: TypeAlias = tuple[str, int, str | None]
# Token of the taking, key.
_Slot: TypeAlias = tuple[str, str]


class CacheStore(StoreBackend):
    """`{"BACKEND": "sessionstore_app.backends.cache.CacheStore", "OPTIONS": {"CACHE": "default", "TIMEOUT": 604800}}`.

    TIMEOUT: a store that nobody uses is forgotten after so many seconds at the latest, and half of it at the earliest;
    None: never.
    """

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        rest = dict(options or {})
        self.alias: str = rest.pop("CACHE", "default")
        self._timeout = _checked_timeout(rest.pop("TIMEOUT", DEFAULT_TIMEOUT))
        super().__init__(rest)
        cache = caches[self.alias]
        # A database cache must be used where the caller's connection is.
        self._using = router.db_for_write(cache.cache_model_class) if isinstance(cache, BaseDatabaseCache) else None
        # `add` of a file cache is a look and a write: threads of this process take turns.
        self._turns: AbstractContextManager[Any] = (
            threading.Lock() if isinstance(cache, FileBasedCache) else nullcontext()
        )

    async def create(self, space: Space, limits: StoreLimits) -> None:
        await self._run(lambda cache: _Door(cache, self._timeout, space).create(limits.keys))

    async def set(self, space: Space, key: str, text: str, limits: StoreLimits) -> None:
        size = jsontext.size_bytes(text)
        if size > limits.value_bytes:
            # A store that is not there says so whatever the value.
            await self._run(lambda cache: _Door(cache, self._timeout, space).enter())
            raise ValueTooLarge(limit=limits.value_bytes, actual=size)
        await self._put(space, key, text)

    async def get(self, space: Space, key: str) -> str | None:
        return await self._run(lambda cache: _Door(cache, self._timeout, space).enter().text(key))

    async def has(self, space: Space, key: str) -> bool:
        return await self.get(space, key) is not None

    async def delete(self, space: Space, key: str) -> None:
        await self._put(space, key, None)

    async def items(self, space: Space) -> dict[str, str]:
        return await self._run(lambda cache: _Door(cache, self._timeout, space).enter().items())

    async def destroy(self, space: Space, *, mark: bool = True) -> None:
        await self._run(lambda cache: _Door(cache, self._timeout, space).destroy(mark=mark))

    async def _put(self, space: Space, key: str, text: str | None) -> None:
        def put(cache: BaseCache) -> None:
            # Destroyed meanwhile: then the door is shut, or leads into another space.
            while not _Door(cache, self._timeout, space).enter().put(key, text):
                pass

        await self._run(put)

    async def _run(self, act: Callable[[BaseCache], T]) -> T:
        """Do one operation, in one hop, in the thread that a synchronous caller called from."""

        def work() -> T:
            with self._turns:
                return act(thread_cache(self.alias))

        try:
            if self._using is None:
                return await sync_to_async(work)()
            result: T = await hop(self._using, work)
        except SessionStoreError:
            raise
        except Exception as error:  # a cache out of reach raises what its client raises: Django gives it no name
            raise Unavailable("The cache is out of reach.") from error
        return result


def _checked_timeout(value: Any) -> int | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 2):
        raise TypeError(f"TIMEOUT is a whole number of seconds, at least 2, or None; not {value!r}.")
    timeout: int | None = value
    return timeout


class _Door:
    """Where a space begins: its marker."""

    def __init__(self, cache: BaseCache, timeout: int | None, space: Space) -> None:
        self._cache = cache
        self._timeout = timeout
        name = _digest(space)
        self._marker_key = f"{_PREFIX}:space:{name}"
        self._fresh_key = f"{_PREFIX}:fresh:{name}"

    def create(self, capacity: int) -> None:
        for _ in range(_ATTEMPTS):
            made = self._cache.add(self._marker_key, (secrets.token_hex(16), capacity), self._timeout)
            found: _Marker | None = self._cache.get(self._marker_key)
            if found == _DESTROYED:
                raise StoreDestroyed
            if found is not None:
                if made:
                    self._be_fresh()
                return
        raise Unavailable(_FORGETFUL)

    def enter(self) -> _Table:
        """What is behind the door. Raises StoreDestroyed."""
        found = self._cache.get_many([self._marker_key, self._fresh_key])
        marker: _Marker | None = found.get(self._marker_key)
        if marker is None or marker == _DESTROYED:
            raise StoreDestroyed
        table = _Table(self._cache, self._timeout, self._marker_key, marker)
        if self._fresh_key not in found and self._be_fresh():
            self._cache.touch(self._marker_key, self._timeout)
            table.touch()
        return table

    def _be_fresh(self) -> bool:
        """True for the one who has to renew what lives half its time already."""
        return self._timeout is not None and self._cache.add(self._fresh_key, True, self._timeout // 2)

    def destroy(self, *, mark: bool) -> None:
        marker: _Marker | None = self._cache.get(self._marker_key)
        if mark:
            self._mark()
        elif marker is not None:
            self._cache.delete(self._marker_key)
        if marker is not None and marker != _DESTROYED:
            table = _Table(self._cache, self._timeout, self._marker_key, marker)
            self._cache.delete_many([self._fresh_key, *table.all_keys()])

    def _mark(self) -> None:
        for _ in range(_ATTEMPTS):
            self._cache.set(self._marker_key, _DESTROYED, self._timeout)
            if self._cache.get(self._marker_key) == _DESTROYED:
                return
        raise Unavailable(_FORGETFUL)


class _Table:
    """The values and slots of one space, under the nonce that its marker names."""

    def __init__(self, cache: BaseCache, timeout: int | None, marker_key: str, marker: _Marker) -> None:
        self._cache = cache
        self._timeout = timeout
        self._marker_key = marker_key
        self._marker = marker
        self._nonce, self._capacity = marker

    def text(self, key: str) -> str | None:
        """The value of a key."""
        kept: _Kept | None = self._cache.get(self._value_key(key))
        return None if kept is None else kept[2]

    def items(self) -> dict[str, str]:
        """All keys that have a value, in the order of their spelling."""
        names = sorted({key for _, key in self._slots().values()})
        found = self._values(names)
        return {key: kept[2] for key in names if (kept := found.get(key)) is not None and kept[2] is not None}

    def all_keys(self) -> list[str]:
        """The cache's keys of all slots and values."""
        slots = self._slots()
        return [*map(self._slot_key, slots), *{self._value_key(key) for _, key in slots.values()}]

    def touch(self) -> None:
        """Begin the lives of all slots and values anew."""
        for key in self.all_keys():
            self._cache.touch(key, self._timeout)

    def put(self, key: str, text: str | None) -> bool:
        """Write a value, None for a deletion; false if the space was destroyed meanwhile."""
        value_key = self._value_key(key)
        before: _Kept | None = self._cache.get(value_key)
        if text is None and (before is None or before[2] is None):
            return True
        slot = self._take_slot(key) if before is None else before[1]
        kept: _Kept = (secrets.token_hex(8), slot, text)
        for _ in range(_ATTEMPTS):
            self._cache.set(value_key, kept, self._timeout if text is not None else _REMEMBERED_SECONDS)
            now = self._cache.get_many([self._marker_key, value_key, self._slot_key(slot)])
            if now.get(self._marker_key) != self._marker:
                self._cache.delete_many([value_key, self._slot_key(slot)])
                return False
            arrived = now.get(value_key)
            # Another write's token: it came after ours.
            if arrived is not None and (before is None or arrived[0] != before[0]):
                if text is not None and not _is_of(now.get(self._slot_key(slot)), key):
                    self._take_slot_again(key, kept)
                return True
        raise Unavailable(_FORGETFUL)

    def _take_slot_again(self, key: str, kept: _Kept) -> None:
        try:
            self._take_slot(key)
        except TooManyKeys:
            self._cache.set(self._value_key(key), (kept[0], kept[1], None), _REMEMBERED_SECONDS)
            raise

    def _take_slot(self, key: str) -> int:
        """The slot of a key, taken if it has none. Raises TooManyKeys."""
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        slot = self._probe(key)
        while slot is None:
            if not self._free_unused():
                raise TooManyKeys(limit=self._capacity, actual=self._capacity + 1)
            slot = self._probe(key)
            if slot is None:
                # Another is about to free what is unused, or was faster to take it.
                if time.monotonic() > give_up_at:
                    raise Unavailable("The store is changed by too many at once.")
                time.sleep(RETRY_SECONDS)
        return slot

    def _probe(self, key: str) -> int | None:
        """From where its hash says, the slot that is the key's or can be taken for it."""
        start = int(_digest(key)[:8], 16)
        order = [(start + step) % self._capacity for step in range(self._capacity)]
        for first in range(0, self._capacity, _WINDOW):
            slot = self._probe_window(key, order[first : first + _WINDOW])
            if slot is not None:
                return slot
        return None

    def _probe_window(self, key: str, window: Sequence[int]) -> int | None:
        taken = self._slots(window)
        for slot in window:
            if _is_of(taken.get(slot), key):
                return slot
        for slot in window:
            if slot in taken:
                continue
            if self._cache.add(self._slot_key(slot), (secrets.token_hex(8), key), self._timeout):
                return slot
            if _is_of(self._cache.get(self._slot_key(slot)), key):
                return slot
        return None

    def _free_unused(self) -> bool:
        """Free the slots whose key has no value, or another slot; true if there were any, or some are free by now."""
        # Slots first, values second: of a key that is set meanwhile, slot and value are seen, or not the slot.
        slots = self._slots()
        first_of: dict[str, int] = {}
        for slot in sorted(slots):
            first_of.setdefault(slots[slot][1], slot)
        values = self._values(first_of)
        unused = {
            slot: taken
            for slot, taken in slots.items()
            if slot != first_of[taken[1]] or not _exists(values.get(taken[1]))
        }
        for slot, taken in unused.items():
            self._free(slot, taken)
        # Free without our doing: another was faster.
        return bool(unused) or len(slots) < self._capacity

    def _free(self, slot: int, taken: _Slot) -> None:
        token, key = taken
        slot_key = self._slot_key(slot)
        # One frees it: a second, who comes later, would free it for the next owner.
        if not self._cache.add(f"{_PREFIX}:{self._nonce}:free:{token}", True, _REMEMBERED_SECONDS):
            return
        if self._cache.get(slot_key) == taken:
            self._cache.delete(slot_key)
        if self.text(key) is not None:
            self._probe(key)

    def _slots(self, slots: Iterable[int] | None = None) -> dict[int, _Slot]:
        by_key = {self._slot_key(slot): slot for slot in (range(self._capacity) if slots is None else slots)}
        return {by_key[found]: taken for found, taken in self._cache.get_many(by_key).items()}

    def _values(self, keys: Iterable[str]) -> dict[str, _Kept]:
        by_key = {self._value_key(key): key for key in keys}
        return {by_key[found]: kept for found, kept in self._cache.get_many(by_key).items()}

    def _slot_key(self, slot: int) -> str:
        return f"{_PREFIX}:{self._nonce}:slot:{slot}"

    def _value_key(self, key: str) -> str:
        return f"{_PREFIX}:{self._nonce}:value:{_digest(key)}"


def _digest(text: str) -> str:
    return blake2b(text.encode(), digest_size=20).hexdigest()


def _is_of(slot: _Slot | None, key: str) -> bool:
    return slot is not None and slot[1] == key


def _exists(kept: _Kept | None) -> bool:
    return kept is not None and kept[2] is not None
