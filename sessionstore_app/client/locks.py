"""Locks that this session holds or waits for. The session holds a lock, not the caller."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Literal

from sessionstore_app.client.errors import ClientError, ClosedError, Disconnected
from sessionstore_app.client.forms import given
from sessionstore_app.client.link import Link
from sessionstore_app.client.tasks import Tasks
from sessionstore_app.core.errors import LockTimeout, SessionStoreError

Scope = Literal["session", "connection"]


class Lock:
    """A lock that was granted. `sequence` is greater than that of every holder before."""

    def __init__(self, name: str, sequence: int, scope: Scope) -> None:
        self.name = name
        self.sequence = sequence
        self.scope: Scope = scope
        # As far as is known here: who is away cannot know.
        self.is_held = True
        self._lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def lost(self) -> str:
        """Wait until it is taken away or lost; returns the reason. It is not told of one that was given back."""
        return await asyncio.shield(self._lost)

    def _lose(self, reason: str) -> None:
        self.is_held = False
        if not self._lost.done():
            self._lost.set_result(reason)


class Locks:
    """`session.locks`. Needs the permission `acquire_lock`; to look, `view_session`."""

    def __init__(self, link: Link, tasks: Tasks) -> None:
        self._link = link
        self._tasks = tasks
        self._held: dict[str, Lock] = {}
        # The last sequence that was given back, and the task that does it.
        self._returned: dict[str, tuple[int, asyncio.Event]] = {}

    @asynccontextmanager
    async def acquire(
        self, name: str, *, scope: Scope = "session", timeout_seconds: float | None = None
    ) -> AsyncIterator[Lock]:
        """Hold a lock for a block: it waits until it is granted, also over reconnects, and gives it back at the end.

        After `timeout_seconds` LockTimeout is raised; without, it waits as long as it takes. `scope`: `"connection"`
        loses it with the connection. Asking for what this session holds gives the same lock, and one release frees it.
        Let what it protects check it: `room.set(…, lock=name)`, other systems by `lock.sequence`.
        """
        lock = await self._acquire(name, scope, timeout_seconds)
        try:
            yield lock
        finally:
            with suppress(ClosedError):  # It went with the session.
                await self._give_back(lock)

    async def release(self, name: str, *, force: bool = False) -> bool:
        """Give a lock back, with `force` whoever holds it; true if it was held. While away it is done on return."""
        lock = self._held.get(name)
        if lock is not None and not force:
            return await self._give_back(lock)
        told = await self._link.insist("lock.release", {"name": name, **({"force": True} if force else {})})
        if lock is not None and told["released"]:
            self._lose(lock, "LOCK_NOT_HELD")
        return bool(told["released"])

    async def get(self, name: str) -> Mapping[str, Any] | None:
        """`{name, session_id, principal, server_name, sequence, scope, waiters}`; None for a free one."""
        found: Mapping[str, Any] | None = await self._link.insist("lock.get", {"name": name})
        return found

    async def list(self) -> Sequence[Mapping[str, Any]]:
        """All locks that are held, each as `get` tells it."""
        found: Sequence[Mapping[str, Any]] = (await self._link.insist("lock.list", {}))["locks"]
        return found

    # --- asking

    async def _acquire(self, name: str, scope: Scope, timeout_seconds: float | None) -> Lock:
        loop = asyncio.get_running_loop()
        until = None if timeout_seconds is None else loop.time() + timeout_seconds
        while True:
            if name in self._returned:
                await self._returned[name][1].wait()
            await self._link.until_open()
            left = None if until is None else max(0.0, until - loop.time())
            with suppress(Disconnected):
                lock = await self._ask(name, scope, left)
                if lock is not None:
                    return lock

    async def _ask(self, name: str, scope: Scope, timeout_seconds: float | None) -> Lock | None:
        waiting = True

        def accept(told: Mapping[str, Any]) -> Lock | None:
            lock = self._take(name, told["sequence"], scope)
            if lock is not None and not waiting:
                self._tasks.spawn(self._give_back_quietly(lock))
            return lock

        known = self._held.get(name)
        try:
            lock: Lock | None = await self._link.ask(
                "lock.acquire", given(name=name, scope=scope, timeout_seconds=timeout_seconds), accept
            )
        except asyncio.CancelledError:
            waiting = False
            # It may have been granted in this very turn.
            granted = self._held.get(name)
            if granted is not None and granted is not known:
                self._tasks.spawn(self._give_back_quietly(granted))
            raise
        return lock

    def _take(self, name: str, sequence: int, scope: Scope) -> Lock | None:
        if name in self._returned and sequence <= self._returned[name][0]:
            # Asked before it was given back, answered after: it is ours no longer.
            return None
        present = self._held.get(name)
        if present is not None and present.sequence == sequence:
            if scope == "connection":
                present.scope = scope
            return present
        if present is not None:
            self._lose(present, "LOCK_NOT_HELD")
        self._held[name] = lock = Lock(name, sequence, scope)
        return lock

    async def _give_back(self, lock: Lock) -> bool:
        if self._held.get(lock.name) is not lock:
            return False
        del self._held[lock.name]
        lock.is_held = False
        done = asyncio.Event()
        self._returned[lock.name] = (lock.sequence, done)
        try:
            return bool((await self._link.insist("lock.release", {"name": lock.name}))["released"])
        except SessionStoreError:
            # The server did not take it back, so it may be granted again.
            del self._returned[lock.name]
            raise
        finally:
            done.set()

    async def _give_back_quietly(self, lock: Lock) -> None:
        with suppress(SessionStoreError, ClientError):
            await self._give_back(lock)

    def _lose(self, lock: Lock, reason: str) -> None:
        if self._held.get(lock.name) is lock:
            del self._held[lock.name]
            lock._lose(reason)

    # --- what the session tells

    def lost(self, told: Mapping[str, Any]) -> None:
        """The server took a lock away."""
        lock = self._held.get(told["name"])
        if lock is not None and lock.sequence == told["sequence"]:
            self._lose(lock, "LOCK_NOT_HELD")

    def away(self) -> None:
        """The connection is gone, and what was held only as long."""
        for lock in list(self._held.values()):
            if lock.scope == "connection":
                self._lose(lock, "CONNECTION_LOST")

    def opened(self, *, resumed: bool) -> None:
        """A connection is open again: a new session holds nothing; a resumed one may have lost something."""
        for lock in list(self._held.values()):
            if resumed:
                self._tasks.spawn(self._verify(lock))
            else:
                self._lose(lock, "CONNECTION_LOST")

    def ended(self, error: ClosedError) -> None:
        """The session has ended, and its locks with it."""
        for lock in list(self._held.values()):
            self._lose(lock, error.reason)

    async def _verify(self, lock: Lock) -> None:
        """Asking again tells: it is granted under the same sequence, anew, or not at all."""

        def accept(told: Mapping[str, Any]) -> None:
            if told["sequence"] != lock.sequence and self._held.get(lock.name) is lock:
                anew = self._take(lock.name, told["sequence"], lock.scope)
                if anew is not None:
                    self._tasks.spawn(self._give_back_quietly(anew))

        try:
            await self._link.ask("lock.acquire", {"name": lock.name, "scope": lock.scope, "timeout_seconds": 0}, accept)
        except LockTimeout:
            self._lose(lock, "LOCK_NOT_HELD")
        except (SessionStoreError, ClientError):
            return  # Not known; what it protects checks it.
