"""Handlers of locks."""

from __future__ import annotations

from dataclasses import asdict

from sessionstore_app.core.errors import AccessDenied
from sessionstore_app.core.jsontext import dumps
from sessionstore_app.handlers.caller import Caller
from sessionstore_app.handlers.socket import Socket
from sessionstore_app.protocol import methods
from sessionstore_app.services import locks, policy


async def lock_acquire(socket: Socket, params: methods.LockAcquire) -> str:
    """Wait for a lock."""
    name = locks.check_name(params.name)
    session = socket.session
    policy.require(session.identity, "acquire_lock")
    if not policy.current().may_lock(session.identity, name):
        raise AccessDenied("You may not acquire this lock.", hint="Ask for the right to locks of this name.")
    socket.take_writes(1)
    sequence = await locks.acquire(socket.connection, session, name, params.scope, params.timeout_seconds)
    return dumps({"name": name, "sequence": sequence})


async def lock_release(socket: Socket, params: methods.LockRelease) -> str:
    """Give a lock back; with `force`, take it from whoever has it."""
    name = locks.check_name(params.name)
    if params.force:
        policy.require(socket.session.identity, "view_session", "modify_session")
    else:
        policy.require(socket.session.identity, "acquire_lock")
    socket.take_writes(1)
    mine = None if params.force else socket.session.id
    released = await locks.release(name, only=mine, told=params.force)
    return dumps({"released": released})


async def lock_get(caller: Caller, params: methods.LockGet) -> str:
    """Who holds a lock; null for a free one."""
    policy.require(caller.identity, "view_session")
    found = await locks.find(locks.check_name(params.name))
    return "null" if found is None else dumps(asdict(found))


async def lock_list(caller: Caller, params: methods.LockList) -> str:
    """All locks that are held."""
    policy.require(caller.identity, "view_session")
    return dumps({"locks": [asdict(lock) for lock in await locks.locks.alist()]})
