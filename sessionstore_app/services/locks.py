"""Locks: acquired by sessions, granted by the record, lost with the session or its socket (parity §2.8).

The public Python API is `locks`; server code acquires on behalf of a session, looks, and takes a lock away. A lock can
be lost between looking and acting: what it protects should compare the sequence, as `room.set` with `lock` does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Final

from sessionstore_app import conf
from sessionstore_app.core import clock
from sessionstore_app.core.entries import Fence
from sessionstore_app.core.errors import InvalidParams, LimitExceeded, LockNotHeld, LockTimeout, NotOpen
from sessionstore_app.core.patterns import check_key
from sessionstore_app.models import Lock, LockRequest, LockScope
from sessionstore_app.services import bridge, jobs, questions, record
from sessionstore_app.services.connection import Connection, Wait
from sessionstore_app.services.sessions import OpenSession
from sessionstore_app.services.telling import tell

# How often server code that waits for a lock looks again.
_LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class LockInfo:
    """A lock that is held: by which session, on which node, under which sequence; and how many wait for it."""

    name: str
    session_id: str
    principal: str
    server_name: str
    sequence: int
    scope: str
    waiters: int


def check_name(name: str) -> str:
    """Return the name of a lock, or raise InvalidKey."""
    return check_key(name, conf.current().key_length)


async def acquire(connection: Connection, session: OpenSession, name: str, scope: str, patience: float | None) -> int:
    """Wait for a lock, for `patience` seconds at the most; returns its sequence.

    Raises LockTimeout, AccessDenied for a session that has ended, LimitExceeded for one that waits for too many.
    """
    job = jobs.Acquire(session_id=session.id, generation=session.generation, name=name, scope=scope)
    give_up_at = None if patience is None else clock.monotonic() + patience
    while True:
        wait = _wait_for(connection, name)
        try:
            sequence = await _acquire(connection, wait, job, give_up_at)
        finally:
            wait.waiters -= 1
            if not wait.waiters and connection.waits.get(name) is wait:
                del connection.waits[name]
        if sequence is not None:
            return sequence


async def _acquire(connection: Connection, wait: Wait, job: jobs.Acquire, give_up_at: float | None) -> int | None:
    """Ask, and wait for the answer; None if it has to be asked again."""
    asked = await _ask(job)
    if asked.is_held:
        # Whoever of the session asked before need not wait for the news.
        connection.granted(job.name, asked.sequence)
        return asked.sequence
    patience = None if give_up_at is None else max(give_up_at - clock.monotonic(), 0)
    done, _ = await asyncio.wait([wait.granted], timeout=patience)
    if not done:
        return await _give_up(wait, job)
    sequence = wait.granted.result()
    # A bus repeats old news, or brings it late: what was granted before it was asked for is long lost.
    return sequence if sequence is not None and sequence > asked.sequence else None


def _wait_for(connection: Connection, name: str) -> Wait:
    if connection.close_reason is not None:
        raise NotOpen("The socket was closed.")
    limit = conf.current().locks_per_session
    waiting = sum(wait.waiters for wait in connection.waits.values())
    if waiting >= limit:
        raise LimitExceeded("The session waits for too many locks.", limit=limit, actual=waiting + 1)
    wait = connection.waits.get(name)
    if wait is None or wait.granted.done():
        wait = connection.waits[name] = Wait(asyncio.get_running_loop().create_future())
    wait.waiters += 1
    return wait


async def _give_up(wait: Wait, job: jobs.Acquire) -> int:
    # Where somebody else of the session still waits, its request stays.
    sequence = await _cancel(job) if wait.waiters == 1 else None
    if sequence is None:
        raise LockTimeout
    return sequence


async def _ask(job: jobs.Acquire) -> jobs.Asked:
    asked: jobs.Asked
    asked, happened = await record.run(job)
    await tell(happened)
    return asked


async def _cancel(job: jobs.Acquire) -> int | None:
    """Wait no longer: the sequence, if it was granted meanwhile."""
    sequence: int | None
    sequence, happened = await record.run(jobs.CancelWait(session_id=job.session_id, name=job.name))
    await tell(happened)
    return sequence


async def heal(connections: Iterable[Connection]) -> None:
    """Make good what sockets that wait were not told: a grant, or that the record took them for dead."""
    waiting = {
        connection.session.id: connection for connection in connections if connection.session and connection.waits
    }
    if not waiting:
        return
    known = await record.ask(partial(_waits_of, list(waiting)))
    for session_id, connection in waiting.items():
        for name in list(connection.waits):
            if known.get((session_id, name)) != _WAITS:
                connection.granted(name, known.get((session_id, name)))


# In place of a sequence.
_WAITS: Final = 0


def _waits_of(session_ids: Collection[str]) -> dict[tuple[str, str], int]:
    awaited = LockRequest.objects.filter(session_id__in=session_ids).values_list("session_id", "lock__name")
    return dict.fromkeys(awaited, _WAITS) | questions.held_locks(session_ids)


async def release(name: str, *, only: str | None = None, sequence: int | None = None, told: bool = True) -> bool:
    """Give a lock back, `only` if that session has it, or take it from whoever has it; true if it was held.

    With a `sequence`, as it was given under that one: if it went on meanwhile, nothing is done. Whose it was is told,
    unless it gives it back itself.
    """
    released, happened = await record.run(jobs.Release(name=name, only=only, sequence=sequence, told=told))
    await tell(happened)
    return bool(released)


async def find(name: str) -> LockInfo | None:
    """A lock that is held; None if it is free."""
    found = await record.ask(partial(_held, name))
    return found[0] if found else None


def _held(name: str | None = None) -> list[LockInfo]:
    held = Lock.objects.exclude(session=None).select_related("session").order_by("name")
    counted = questions.with_waiters(held if name is None else held.filter(name=name))
    return [
        LockInfo(lock.name, lock.session.id, lock.session.principal, lock.session.node_id, lock.sequence, lock.scope, n)
        for lock, n in counted
        if lock.session is not None
    ]


async def fence(session_id: str, name: str) -> Fence:
    """What a write needs that counts only while the session holds the lock. Raises LockNotHeld."""
    held = await record.ask(partial(questions.held_locks, [session_id]), [jobs.of_lock(name)])
    sequence = held.get((session_id, name))
    if sequence is None:
        raise LockNotHeld
    return Fence(name, sequence)


class Locks:
    """Locks from server code. Every method has a synchronous twin without the leading `a`."""

    async def aacquire(
        self, name: str, session_id: str, *, scope: str = "session", timeout_seconds: float | None = None
    ) -> int:
        """Acquire a lock for an open session; returns the sequence, which grows with each acquisition.

        A lock that the session holds already is given again. `scope` is "session", or "connection" for a lock that is
        lost with the session's socket. Inside a transaction it does not wait: its own locked rows would keep the holder
        from giving the lock back. Raises LockTimeout, AccessDenied for a session that is not ACTIVE, InvalidKey.
        """
        if scope not in LockScope.values:
            raise InvalidParams("scope is session or connection.")
        if await bridge.is_in_transaction(record.USING):
            timeout_seconds = 0
        give_up_at = None if timeout_seconds is None else clock.monotonic() + timeout_seconds
        job = jobs.Acquire(session_id=session_id, name=check_name(name), scope=scope)
        try:
            return await _look_until(job, give_up_at)
        except asyncio.CancelledError:
            # Nobody would know of the lock any more.
            if await _cancel(job) is not None:
                await release(name, only=session_id)
            raise

    async def arelease(self, name: str, session_id: str | None = None) -> bool:
        """Release a lock that the session holds, or whoever holds it; true if it was held. A holder is told."""
        return await release(check_name(name), only=session_id)

    async def aget(self, name: str) -> LockInfo | None:
        """Who holds a lock; None if it is free."""
        return await find(check_name(name))

    async def alist(self) -> list[LockInfo]:
        """All locks that are held, by name."""
        return await record.ask(_held)

    acquire = bridge.Twin(aacquire)
    release = bridge.Twin(arelease)
    get = bridge.Twin(aget)
    list = bridge.Twin(alist)


async def _look_until(job: jobs.Acquire, give_up_at: float | None) -> int:
    while not (asked := await _ask(job)).is_held:
        left = _LOOK_SECONDS if give_up_at is None else give_up_at - clock.monotonic()
        if left <= 0:
            sequence = await _cancel(job)
            if sequence is None:
                raise LockTimeout
            return sequence
        await asyncio.sleep(min(left, _LOOK_SECONDS))
    return asked.sequence


locks = Locks()
