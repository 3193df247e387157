"""Locks: acquired by sessions, granted by the record, lost with the session or its socket (parity §2.8).

The public Python API is `locks`; server code acquires on behalf of a session, looks, and takes a lock away. A lock can
be lost between looking and acting: what it protects should compare the sequence, as `room.set` with `lock` does.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial

from sessionstore_app import conf
from sessionstore_app.core.entries import Fence
from sessionstore_app.core.errors import InvalidParams, LimitExceeded, LockNotHeld, LockTimeout
from sessionstore_app.core.patterns import check_key
from sessionstore_app.models import Lock, LockScope
from sessionstore_app.services import bridge, clock, jobs, questions, record
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
    wait = _wait_for(connection, name)
    try:
        job = jobs.Acquire(session_id=session.id, generation=session.generation, name=name, scope=scope)
        sequence = await _run(job)
        if sequence is None:
            done, _ = await asyncio.wait([wait.granted], timeout=patience)
            # Where somebody else of the session still waits, its request stays.
            sequence = wait.granted.result() if done else await _give_up(wait, session.id, name)
    finally:
        wait.waiters -= 1
        if not wait.waiters and connection.waits.get(name) is wait:
            del connection.waits[name]
    if sequence is None:
        raise LockTimeout
    return sequence


def _wait_for(connection: Connection, name: str) -> Wait:
    limit = conf.current().locks_per_session
    waiting = sum(wait.waiters for wait in connection.waits.values())
    if waiting >= limit:
        raise LimitExceeded("The session waits for too many locks.", limit=limit, actual=waiting + 1)
    wait = connection.waits.get(name)
    if wait is None or wait.granted.done():
        wait = connection.waits[name] = Wait(asyncio.get_running_loop().create_future())
    wait.waiters += 1
    return wait


async def _give_up(wait: Wait, session_id: str, name: str) -> int | None:
    return await _run(jobs.CancelWait(session_id=session_id, name=name)) if wait.waiters == 1 else None


async def _run(job: jobs.Acquire | jobs.CancelWait) -> int | None:
    sequence: int | None
    sequence, happened = await record.run(job)
    await tell(happened)
    return sequence


async def release(name: str, *, only: str | None = None) -> bool:
    """Give a lock back, `only` if that session has it, or take it from whoever has it; true if it was held."""
    if await find(name) is None:
        return False
    released, happened = await record.run(jobs.Release(name=name, only=only))
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
    held = await record.ask(partial(questions.held_locks, [session_id]))
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
        lost with the session's socket. Raises LockTimeout, AccessDenied for a session that is not ACTIVE, InvalidKey.
        """
        if scope not in LockScope.values:
            raise InvalidParams("scope is session or connection.")
        give_up_at = None if timeout_seconds is None else clock.monotonic() + timeout_seconds
        job = jobs.Acquire(session_id=session_id, name=check_name(name), scope=scope)
        while (sequence := await _run(job)) is None:
            if give_up_at is not None and clock.monotonic() >= give_up_at:
                sequence = await _run(jobs.CancelWait(session_id=session_id, name=name))
                if sequence is None:
                    raise LockTimeout
                break
            await asyncio.sleep(_LOOK_SECONDS)
        return sequence

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


locks = Locks()
