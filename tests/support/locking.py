"""Locks in tests over the wire: to acquire them, to wait in line for them, to come back for them."""

from __future__ import annotations

import asyncio
from typing import Any

from sessionstore_app import mint_token
from tests.support.guests import STAFF, Guests
from tests.support.rows import rows
from tests.support.server import Server
from tests.support.wire import Wire, eventually, result_of, within

Reply = asyncio.Future[dict[str, Any]]


async def lock(wire: Wire, name: str, **params: Any) -> int:
    """Acquire a lock; returns its sequence."""
    return _sequence(await wire.call("lock.acquire", name=name, **params), name)


async def granted(asked: Reply, name: str) -> int:
    """Wait until a request is granted; returns the sequence."""
    return _sequence(result_of(await within(asked, f"{name} is granted")), name)


def _sequence(result: dict[str, Any], name: str) -> int:
    sequence = result["sequence"]
    assert result == {"name": name, "sequence": sequence}
    assert type(sequence) is int
    return sequence


async def release(wire: Wire, name: str, **params: Any) -> bool:
    """Release a lock; returns whether it was held."""
    result = await wire.call("lock.release", name=name, **params)
    assert list(result) == ["released"]
    return bool(result["released"])


async def wait_in_line(guests: Guests, wire: Wire, name: str, place: int = 1, **params: Any) -> Reply:
    """Ask for a lock that is held; returns once that is recorded."""
    asked = wire.start("lock.acquire", name=name, **params)
    await line_of(guests.server, name, place)
    return asked


async def line_of(server: Server, name: str, length: int) -> None:
    """Wait until so many sessions wait for a lock."""

    async def reached() -> bool:
        return length_of_line(server, name) == length

    await eventually(reached, f"{length} wait for {name}")


def length_of_line(server: Server, name: str) -> int:
    requests = "SELECT r.id FROM sessionstore_app_lockrequest r JOIN sessionstore_app_lock l ON l.id = r.lock_id"
    return len(rows(server, f"{requests} WHERE l.name = ?", name))


async def resume(guests: Guests, wire: Wire) -> Wire:
    """Bring a session of the staff back on another socket."""
    back = await guests.connect()
    resuming = {"session_id": wire.id, "resume_token": wire.session["resume_token"]}
    opened = await back.open(token=mint_token("staff", permissions=STAFF), resume=resuming)
    assert opened["resumed"] is True
    return back
