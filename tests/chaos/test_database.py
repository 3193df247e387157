"""A database that is locked or cuts its connections: writes happen or are UNAVAILABLE, never lost, never half."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from typing import Any

import psycopg
import pytest

from tests.chaos.clients import Persistent, written
from tests.support.guests import Guests
from tests.support.postgres import temporary_postgres
from tests.support.rows import rows
from tests.support.server import manage, running
from tests.support.wire import eventually, result_of, within

ROOM = "standup"
# The server waits some seconds for a lock before it gives up.
LOCKED_SECONDS = 15.0


async def test_a_locked_database_refuses_and_goes_on_when_it_is_free() -> None:
    """P40: a typed answer for everything that needed it; the sockets stay, and the same `op` works later."""
    with running() as server:
        guests = Guests(server)
        wire, fresh = await guests.join(ROOM), await guests.connect()
        await wire.call("room.set", room=ROOM, key="k", value=1)
        path = server.database_url.removeprefix("sqlite:///")
        params: dict[str, Any] = {"room": ROOM, "key": "n", "do": "increment", "op": 1}
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            asked = [wire.start("room.update", **params), fresh.start("session.open")]
            asked.append(wire.start("room.join", room=f"{ROOM}/2"))
            for reply in asked:
                error = (await within(reply, "an answer", LOCKED_SECONDS))["error"]
                assert error["data"]["reason"] == "UNAVAILABLE"
                assert error["data"]["retry_after_seconds"] > 0
            other.execute("ROLLBACK")
        # Whether the refused try took effect or not, the same `op` takes effect once.
        assert (await wire.call("room.update", **params))["value"] == 1
        assert (await wire.call("room.update", **params))["duplicate"] is True
        assert (await wire.call("room.join", room=f"{ROOM}/2"))["count"] == 1
        await fresh.open()
        assert (await fresh.call("room.join", room=ROOM))["count"] == 2

        async def no_ghosts() -> bool:
            active = rows(server, "SELECT id FROM sessionstore_app_session WHERE state = 'ACTIVE'")
            return {session_id for (session_id,) in active} == {wire.id, fresh.id}

        await eventually(no_ghosts, "the active sessions are those with a socket")
        await guests.leave()


async def test_a_resume_that_was_unavailable_burns_nothing() -> None:
    """T19: the client tries again with what it has, and is who it was."""
    with running() as server:
        guests = Guests(server)
        watcher, wire = await guests.join(ROOM), await guests.join(ROOM)
        await wire.drop()
        await watcher.expect("room.peers", lambda told: bool(told["updated"]))
        back = await guests.connect()
        resume = {"session_id": wire.id, "resume_token": wire.session["resume_token"]}
        path = server.database_url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            refused = await within(back.start("session.open", resume=resume), "an answer", LOCKED_SECONDS)
            assert refused["error"]["data"]["reason"] == "UNAVAILABLE"
            other.execute("ROLLBACK")
        assert (await back.open(resume=resume))["resumed"] is True
        await watcher.call("room.set", room=ROOM, key="k", value=1)
        await back.expect_change("k", 1)
        await guests.leave()


async def test_a_takeover_that_was_unavailable_leaves_the_session_in_good_hands() -> None:
    """P16: served by the old socket or by nobody, but never a peer that is neither there nor away."""
    with running(settings={"NODE_RENEW_SECONDS": 1, "NODE_LEASE_SECONDS": 10}) as server:
        guests = Guests(server)
        watcher, wire = await guests.join(ROOM), await guests.join(ROOM)
        back = await guests.connect()
        resume = {"session_id": wire.id, "resume_token": wire.session["resume_token"]}
        path = server.database_url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            refused = await within(back.start("session.open", resume=resume), "an answer", LOCKED_SECONDS)
            assert refused["error"]["data"]["reason"] == "UNAVAILABLE"
            other.execute("ROLLBACK")
        await wire.drop()
        await watcher.expect("room.peers", lambda told: [peer["state"] for peer in told["updated"]] == ["DISCONNECTED"])
        assert (await back.open(resume=resume))["resumed"] is True
        await watcher.call("room.set", room=ROOM, key="k", value=1)
        await back.expect_change("k", 1)
        await guests.leave()


async def test_a_short_lock_is_waited_for() -> None:
    with running() as server:
        guests = Guests(server)
        wire = await guests.join(ROOM)
        path = server.database_url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            writing = wire.start("room.set", room=ROOM, key="k", value=1)
            # What needs no database is answered meanwhile.
            await wire.call("session.ping")
            assert not writing.done()
            other.execute("COMMIT")
        assert result_of(await within(writing, "the write"))["version"] == 1
        await guests.leave()


@pytest.mark.postgres
async def test_i1_no_acknowledged_write_is_lost_when_postgresql_cuts_its_connections() -> None:
    """In mid-burst, three times: applied or not, never half, and the same `op` settles which."""
    with temporary_postgres() as url:
        manage("migrate", "--verbosity", "0", database_url=url)
        with running(database_url=url) as server:
            clients = [Persistent(server, ROOM, f"c{number}") for number in range(6)]
            await asyncio.gather(*(client.start() for client in clients))
            stop = asyncio.Event()
            writing = [asyncio.create_task(client.run(stop)) for client in clients]
            for _ in range(3):
                await written(clients, 20)
                with psycopg.connect(url, autocommit=True) as postgres:
                    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                    postgres.execute(others + " AND backend_type = 'client backend'")
            await written(clients, 20)
            stop.set()
            await asyncio.gather(*writing)
            # Their sockets never noticed.
            assert all(client.comebacks == 0 for client in clients)
            for client in clients:
                await client.assert_holds_what_was_acknowledged()
            await asyncio.gather(*(client.close() for client in clients))
