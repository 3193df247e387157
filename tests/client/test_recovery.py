"""Servers that are killed, shut down and replaced while the Python client works."""

from __future__ import annotations

import asyncio

import pytest

from sessionstore_app import mint_token
from sessionstore_app.client import Room, connect
from sessionstore_app.core.errors import RateLimited
from tests.client.support import LIMIT_SECONDS, rest, staff, until, valued
from tests.support.guests import STAFF
from tests.support.server import Server, database, running


async def _restart(server: Server) -> None:
    await asyncio.to_thread(server.start)


@pytest.mark.parametrize("how", ["kill", "terminate"])
async def test_it_comes_back_with_all_that_was_acknowledged(how: str, room: str) -> None:
    """Increments go on through it, and each is counted once."""
    asked = 0

    async def token() -> str:
        nonlocal asked
        asked += 1
        return mint_token("staff", permissions=STAFF)

    with running() as server:
        async with connect(server.address, token=token) as session, asyncio.timeout(2 * LIMIT_SECONDS):
            joined = await session.join(room, observe=["*"])
            changes, states = joined.observe("note"), session.states()
            listening = session.sessions.listen(room=room)
            assert await listening.ready() == 1
            await joined.set("note", "kept")
            lock_block = session.locks.acquire(room)
            lock = await lock_block.__aenter__()
            seen = joined.observe("votes")
            counting = asyncio.ensure_future(_count(joined, 60))
            await until(seen, valued(5))
            before = session.id
            await asyncio.to_thread(getattr(server, how))
            await until(states, lambda state: state == "reconnecting")
            late = asyncio.ensure_future(joined.set("late", True))
            await _restart(server)
            await until(states, lambda state: state == "open")
            await counting
            await late
            assert (session.id, session.is_resumed) == (before, True)
            assert asked >= 2
            assert await joined.get("votes") == joined["votes"].value == 60
            assert await joined.get("note") == joined["note"].value == "kept"
            assert lock.is_held
            async with connect(server.address) as other:
                await other.join(room)
                came = await until(listening, lambda event: event.session_id == other.id)
                assert came.state == "ACTIVE"
            await lock_block.__aexit__(None, None, None)
        told = [entry.value for entry in await rest(changes)]
        assert told in ([None, "kept"], ["kept"])


async def _count(room: Room, number: int) -> None:
    for _ in range(number):
        await room.update("votes", do="increment", by=1)


async def test_a_server_that_knows_nothing_is_joined_anew_and_what_vanished_is_told(room: str) -> None:
    with database() as other, running() as server:
        async with staff(server) as session, asyncio.timeout(2 * LIMIT_SECONDS):
            joined = await session.join(room, observe=["*"])
            changes, states, peers = joined.observe("*"), session.states(), joined.peer_changes()
            await joined.set("note", "lost")
            await until(changes, valued("lost"))
            before = session.id
            async with session.locks.acquire(room) as lock:
                await asyncio.to_thread(server.kill)
                await until(states, lambda state: state == "reconnecting")
                server._environment["DATABASE_URL"] = other
                await _restart(server)
                gone = await until(changes, lambda entry: entry.key == "note")
                assert await lock.lost() == "CONNECTION_LOST"
            assert (gone.value, dict(joined.entries)) == (None, {})
            assert session.id != before
            assert [peer.session_id for peer in joined.peers] == [session.id]
            await until(peers, lambda change: bool(change.left))
            await joined.set("note", "new")
            await until(changes, valued("new"))
        server._environment["DATABASE_URL"] = server.database_url


async def test_writes_that_come_too_fast_are_put_off(room: str) -> None:
    with running(settings={"WRITES_PER_SECOND": 10, "WRITES_BURST": 3}) as server:
        async with connect(server.address) as session, asyncio.timeout(LIMIT_SECONDS):
            joined = await session.join(room)
            for _ in range(6):
                await joined.update("votes", do="increment")
            assert await joined.get("votes") == 6


async def test_t16_writes_that_a_room_refuses_are_put_off_for_as_long_as_it_says(room: str) -> None:
    """Two clients write three times what it takes at once: all of it arrives."""
    with running(settings={"ROOM_WRITES_PER_SECOND": 10, "ROOM_WRITES_BURST": 2}) as server:
        async with (
            connect(server.address) as one,
            connect(server.address) as two,
            asyncio.timeout(LIMIT_SECONDS),
        ):
            rooms = [await session.join(room) for session in (one, two)]
            await asyncio.gather(*(joined.update("votes", do="increment") for joined in rooms for _ in range(3)))
            assert await rooms[0].get("votes") == 6


async def test_t16_a_warning_of_the_server_is_one_in_the_log(room: str, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever goes on by the raw door; no room, value or user is named."""
    # However long the burst takes, nothing comes back meanwhile.
    with running(settings={"WRITES_PER_SECOND": 0.001, "WRITES_BURST": 3}) as server:
        async with connect(server.address) as session, asyncio.timeout(LIMIT_SECONDS):
            await session.join(room)
            for _ in range(3):
                await session.call("room.broadcast", room=room, event="e")
            for _ in range(3):
                with pytest.raises(RateLimited):
                    await session.call("room.broadcast", room=room, event="e")
            assert session.state == "open"
        told = [record.getMessage() for record in caplog.records if record.name == "sessionstore_app.client"]
        assert len(told) == 1
        assert "RATE_LIMITED. It refused 2 in a row, and closes the connection after 4; wait for" in told[0]
        assert room not in told[0]


async def test_a_block_ends_at_once_while_the_server_is_away(room: str) -> None:
    with running() as server:
        async with connect(server.address) as session, asyncio.timeout(LIMIT_SECONDS):
            joined = await session.join(room, observe=["*"])
            states = session.states()
            await asyncio.to_thread(server.kill)
            await until(states, lambda state: state == "reconnecting")
            waiting = asyncio.ensure_future(joined.get("a"))
            await asyncio.sleep(0)
        with pytest.raises(Exception, match="CLOSED_BY_CLIENT"):
            await waiting
        await _restart(server)
