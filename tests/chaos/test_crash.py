"""Servers that are killed, stopped, stalled and deployed anew while clients write (I1, I6, I9–I11, P10)."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import ExitStack

import pytest

from tests.chaos.clients import Persistent, written
from tests.chaos.stalls import pause_between_transactions
from tests.support.guests import Guests
from tests.support.rows import cleared_once, rows, session_rows, wiped_epochs
from tests.support.server import Server, running
from tests.support.wire import Wire, eventually, values_of

_numbers = itertools.count(1)
# Short, so that a crash is over within seconds; the lease is long enough for a busy machine to renew it in time.
SHORT = {"NODE_LEASE_SECONDS": 2, "NODE_RENEW_SECONDS": 0.5, "REAP_SECONDS": 0.2, "RECONNECT_SECONDS": 1.5}


@pytest.fixture
def room() -> str:
    """A room that no other test uses: they share a PostgreSQL."""
    return f"standup/{next(_numbers)}"


@pytest.fixture
async def writers(database_url: str, room: str) -> AsyncIterator[tuple[Server, list[Persistent]]]:
    """A server and eight clients in one room."""
    with running(database_url=database_url) as server:
        clients = [Persistent(server, room, f"c{number}") for number in range(8)]
        await asyncio.gather(*(client.start() for client in clients))
        yield server, clients
        # Said in order: the next test finds an empty room.
        await asyncio.gather(*(client.wire.call("session.close") for client in clients if client.wire))
        await asyncio.gather(*(client.close() for client in clients))


async def _all_hold(clients: list[Persistent]) -> None:
    for client in clients:
        await client.assert_holds_what_was_acknowledged()


async def test_i1_no_acknowledged_write_is_lost_by_kill_9(writers: tuple[Server, list[Persistent]], room: str) -> None:
    """Twice in mid-burst; everybody comes back as who they were, and all converge."""
    server, clients = writers
    stop = asyncio.Event()
    writing = [asyncio.create_task(client.run(stop)) for client in clients]
    for _ in range(2):
        await written(clients, 20)
        server.kill()
        await asyncio.to_thread(server.start)
        await written(clients, 20)
    stop.set()
    await asyncio.gather(*writing)
    assert all(client.comebacks >= 2 for client in clients)
    assert all(len(client.sessions) == 1 for client in clients), "a session was not resumed"
    await _all_hold(clients)
    first = clients[0].wire
    assert first is not None
    peers = (await first.call("room.peers", room=room))["peers"]
    assert [peer["state"] for peer in peers] == ["ACTIVE"] * 8


async def test_a_deploy_in_mid_burst_loses_nothing_and_nobody(
    writers: tuple[Server, list[Persistent]], room: str
) -> None:
    """SIGTERM: closed with 1012, resumed on the next server, no leave."""
    server, clients = writers
    stop = asyncio.Event()
    writing = [asyncio.create_task(client.run(stop)) for client in clients]
    await written(clients, 20)
    await asyncio.to_thread(server.terminate)
    await asyncio.to_thread(server.start)
    await written(clients, 20)
    stop.set()
    await asyncio.gather(*writing)
    assert all(len(client.sessions) == 1 for client in clients)
    await _all_hold(clients)


@pytest.mark.parametrize("kind", ["uvicorn", "daphne"])
async def test_a_server_that_shuts_down_says_so_and_its_sessions_wait(kind: str, room: str) -> None:
    with running(kind="daphne" if kind == "daphne" else "uvicorn") as server:
        wire = await Guests(server).join(room)
        await wire.call("room.set", room=room, key="k", value=1)
        await asyncio.to_thread(server.terminate)
        await wire.expect_closed(1012)
        server.start()
        async with await Wire.connect(server.address) as back:
            resume = {"session_id": wire.id, "resume_token": wire.session["resume_token"]}
            opened = await back.open(resume=resume)
            assert opened["resumed"] is True
            assert values_of((await back.expect("room.snapshot"))["entries"]) == {"k": 1}
            await back.call("session.close")


async def test_i9_i10_sessions_of_a_killed_server_are_closed_by_another(database_url: str, room: str) -> None:
    """50 sessions and a server that never comes back: away, then gone, each once; with their keys and empty rooms."""
    with ExitStack() as stack:
        dying, other = (stack.enter_context(running(database_url=database_url, settings=SHORT)) for _ in range(2))
        lost, safe = Guests(dying), Guests(other)
        crowd = await asyncio.gather(*(lost.join(room) for _ in range(40)))
        alone = await asyncio.gather(*(lost.join(f"{room}/{number}") for number in range(10)))
        watcher = await safe.join(room)
        for number, wire in enumerate(alone):
            await wire.call("room.set", room=f"{room}/{number}", key="k", value=number)
        for wire in crowd[:5]:
            await wire.call("room.set", room=room, key=f"hand/{wire.id}", value=1, lifetime="session")
        await crowd[0].call("room.set", room=room, key="note", value="stays")
        ids = [wire.id for wire in (*crowd, *alone)]
        dying.kill()
        await watcher.until(lambda: _left(watcher) == {wire.id for wire in crowd}, "all of them have left")
        assert {wire.id for wire in crowd} <= _away(watcher)
        assert {entry["reason"] for entry in _all_left(watcher)} == {"CONNECTION_LOST"}
        assert len(_all_left(watcher)) == 40
        assert values_of((await watcher.call("room.snapshot", room=room))["entries"]) == {"note": "stays"}
        peers = await watcher.call("room.peers", room=room)
        assert [peer["session_id"] for peer in peers["peers"]] == [watcher.id]

        async def ended() -> bool:
            return session_rows(other, *ids) == [("CLOSED", "CONNECTION_LOST")] * 50

        await eventually(ended, "all sessions are closed")
        for number in range(10):
            await cleared_once(other, f"{room}/{number}")
            entered = await watcher.call("room.join", room=f"{room}/{number}", observe=["*"])
            assert (entered["entries"], entered["count"]) == ([], 1)
        assert wiped_epochs(other, room) == 0
        await watcher.call("session.close")
        await lost.leave()
        await safe.leave()


def _all_left(watcher: Wire) -> list[dict[str, str]]:
    return [gone for name, told in watcher.notifications if name == "room.peers" for gone in told["left"]]


def _left(watcher: Wire) -> set[str]:
    return {gone["session_id"] for gone in _all_left(watcher)}


def _away(watcher: Wire) -> set[str]:
    told = [told for name, told in watcher.notifications if name == "room.peers"]
    return {peer["session_id"] for each in told for peer in each["updated"] if peer["state"] == "DISCONNECTED"}


async def test_i9_sessions_of_a_killed_server_are_closed_by_its_successor(room: str) -> None:
    """Nobody else was there to see it: the server that starts hours later finds them."""
    with running(settings=SHORT) as server:
        guests = Guests(server)
        crowd = await asyncio.gather(*(guests.join(room) for _ in range(50)))
        await crowd[0].call("room.set", room=room, key="k", value=1)
        ids = [wire.id for wire in crowd]
        server.kill()
        server.start()

        async def ended() -> bool:
            return session_rows(server, *ids) == [("CLOSED", "CONNECTION_LOST")] * 50

        async with await Wire.connect(server.address) as wire:
            await wire.open()
            await eventually(ended, "all sessions are closed")
            await cleared_once(server, room)
            assert (await wire.call("room.join", room=room, observe=["*"]))["entries"] == []
        await guests.leave()


# --- a server that stands still


async def test_a_server_that_stood_still_beyond_its_lease_takes_its_sessions_back(database_url: str, room: str) -> None:
    """Away while it stood still, back when it goes on; the sockets never noticed."""
    patient = {**SHORT, "RECONNECT_SECONDS": 30}
    with ExitStack() as stack:
        still, other = (stack.enter_context(running(database_url=database_url, settings=patient)) for _ in range(2))
        sleepers, awake = Guests(still), Guests(other)
        wires = [await sleepers.join(room) for _ in range(3)]
        watcher = await awake.join(room)
        ids = {wire.id for wire in wires}
        await pause_between_transactions(still)
        await watcher.until(lambda: _away(watcher) == ids, "they are away")
        await watcher.call("room.set", room=room, key="k", value="meanwhile")
        still.resume()
        await watcher.until(lambda: _back(watcher) == ids, "they are back")
        for wire in wires:
            await wire.expect_change("k", "meanwhile")
            await wire.call("room.set", room=room, key=wire.id, value=1)
        assert not _all_left(watcher)
        states = session_rows(other, *sorted(ids))
        assert states == [("ACTIVE", "")] * 3
        await asyncio.gather(*(wire.call("session.close") for wire in (*wires, watcher)))
        await sleepers.leave()
        await awake.leave()


def _back(watcher: Wire) -> set[str]:
    told = [told for name, told in watcher.notifications if name == "room.peers"]
    return {peer["session_id"] for each in told for peer in each["updated"] if peer["state"] == "ACTIVE"}


async def test_a_server_that_stood_still_too_long_finds_its_sessions_closed(database_url: str, room: str) -> None:
    """I11: it closes their sockets; who comes back is somebody new."""
    with ExitStack() as stack:
        still, other = (stack.enter_context(running(database_url=database_url, settings=SHORT)) for _ in range(2))
        sleepers, awake = Guests(still), Guests(other)
        wires = [await sleepers.join(room) for _ in range(3)]
        watcher = await awake.join(room)
        ids = {wire.id for wire in wires}
        await pause_between_transactions(still)
        await watcher.until(lambda: _left(watcher) == ids, "they are closed")
        still.resume()
        for wire in wires:
            await wire.expect_closed(4000)
            back = await sleepers.connect()
            resume = {"session_id": wire.id, "resume_token": wire.session["resume_token"]}
            assert (await back.open(resume=resume))["resumed"] is False
        assert session_rows(other, *sorted(ids)) == [("CLOSED", "CONNECTION_LOST")] * 3
        assert (await watcher.call("room.peers", room=room))["count"] == 1
        assert len(_all_left(watcher)) == 3
        await watcher.call("session.close")
        await sleepers.leave()
        await awake.leave()


async def test_the_node_of_a_server_that_ended_is_forgotten() -> None:
    """I15: killed or shut down, nothing of it stays in the record."""
    with running(settings=SHORT) as server:
        for end in (server.kill, server.terminate):
            async with await Wire.connect(server.address) as wire:
                await wire.open()
            await asyncio.to_thread(end)
            server.start()
            async with await Wire.connect(server.address) as wire:
                await wire.open()
                nodes = {name for (name,) in rows(server, "SELECT id FROM sessionstore_app_node")}
                assert wire.session["server_name"] in nodes

                async def alone(name: str = wire.session["server_name"]) -> bool:
                    return rows(server, "SELECT id FROM sessionstore_app_node") == [(name,)]

                await eventually(alone, "the node that ended is forgotten")
