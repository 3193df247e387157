"""Private stores of sessions on a real server, looked at in its database (S10, S20, S21, S23, I12)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from sessionstore_app import mint_token
from tests.support.guests import Guests
from tests.support.rows import rows
from tests.support.server import Server, running
from tests.support.wire import Wire, eventually

# Short, so that a crash is over within seconds.
IN_THE_DATABASE = {
    "BACKENDS": {"private": {"BACKEND": "sessionstore_app.backends.database.DatabaseBackend"}},
    "NODE_LEASE_SECONDS": 2,
    "NODE_RENEW_SECONDS": 0.5,
    "REAP_SECONDS": 0.2,
    "RECONNECT_SECONDS": 1,
}


@pytest.fixture(scope="module")
def storing_server() -> Iterator[Server]:
    with running(settings=IN_THE_DATABASE) as server:
        yield server


@pytest.fixture
def server(storing_server: Server) -> Server:
    """The server that `guests` come to."""
    return storing_server


def stored(server: Server, session_id: str) -> dict[str, Any]:
    """What the store of a session holds."""
    found = rows(
        server,
        "SELECT e.key, e.text FROM sessionstore_app_entry e JOIN sessionstore_app_space s ON s.id = e.space_id "
        "WHERE s.name = ? AND e.text IS NOT NULL",
        f"session:{session_id}",
    )
    return {key: json.loads(text) for key, text in found}


async def seeded(guests: Guests, **store: Any) -> Wire:
    """A client whose token fills its store."""
    return await guests.open(token=mint_token("ann", store=store))


async def emptied(server: Server, session_id: str) -> None:
    """Wait until the store of a session is gone."""

    async def is_gone() -> bool:
        return stored(server, session_id) == {}

    await eventually(is_gone, "the store is destroyed with its session")


async def test_s10_seeds_are_stored_when_the_client_is_answered(server: Server, guests: Guests) -> None:
    one, other = await seeded(guests, cart=[1], name="Ann"), await seeded(guests, name="canary")
    assert stored(server, one.id) == {"cart": [1], "name": "Ann"}
    assert stored(server, other.id) == {"name": "canary"}
    assert "canary" not in json.dumps([one.frames, other.frames])


async def test_s10_a_client_that_is_refused_leaves_nothing(server: Server, guests: Guests) -> None:
    before = rows(server, "SELECT count(*) FROM sessionstore_app_space WHERE wiped_at_ms IS NULL")
    wire = await guests.connect()
    error = await wire.ask("session.open", token=mint_token("ann", store={"k": 1}) + "x")
    assert error["error"]["data"]["reason"] == "ACCESS_DENIED"
    assert rows(server, "SELECT count(*) FROM sessionstore_app_space WHERE wiped_at_ms IS NULL") == before


async def test_s21_a_session_that_closes_takes_its_store_along(server: Server, guests: Guests) -> None:
    wire = await seeded(guests, k=1)
    await wire.call("session.close")
    await emptied(server, wire.id)


async def test_s20_a_session_that_waits_to_be_resumed_keeps_it_and_one_that_lapses_does_not(
    server: Server, guests: Guests
) -> None:
    wire = await seeded(guests, k=1)
    await wire.drop()
    back = await guests.open(
        token=mint_token("ann", store={"k": "new"}),
        resume={"session_id": wire.id, "resume_token": wire.session["resume_token"]},
    )
    assert back.session["resumed"]
    assert stored(server, wire.id) == {"k": 1}
    await back.drop()
    await emptied(server, wire.id)


async def test_s23_after_a_crash_the_store_goes_with_its_session() -> None:
    with running(settings=IN_THE_DATABASE) as crashing:
        guests = Guests(crashing)
        wire = await seeded(guests, k="canary")
        crashing.kill()
        assert stored(crashing, wire.id) == {"k": "canary"}
        crashing.start()
        # A server begins its upkeep with its first client.
        await guests.open()
        await emptied(crashing, wire.id)
        await guests.leave()
