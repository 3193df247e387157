"""P37 on a real server: what a view writes inside a transaction reaches peers once that commits, and never before.

ATOMIC_REQUESTS is on, as in many projects; the HTTP door stays outside of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from sessionstore_app import mint_token
from sessionstore_app.services.policy import PERMISSIONS
from tests.support.guests import Guests
from tests.support.http import Answer, Http, request
from tests.support.server import Server, running


@pytest.fixture(scope="module")
def writing_server() -> Iterator[Server]:
    with running(environment={"DJANGO_SETTINGS_MODULE": "tests.support.writingsettings"}) as server:
        yield server


@pytest.fixture
async def writing(writing_server: Server) -> AsyncIterator[Guests]:
    async with Guests(writing_server) as opened:
        yield opened


async def _visit(server: Server, path: str) -> Answer:
    return await asyncio.to_thread(request, server.host, "POST", path)


async def test_p37_a_view_that_commits_reaches_every_peer(writing: Guests, room: str) -> None:
    """Changes, messages and properties, each once; the view itself sees what it wrote before anybody else."""
    peers = [await writing.join(room) for _ in range(3)]
    answer = await _visit(writing.server, f"/write/{room}/commit/?session={peers[0].id}")
    assert (answer.status, answer.body) == (200, b"commit")
    for peer in peers:
        changed = await peer.expect_change("k", "commit")
        assert changed["by"] is None
        await peer.expect_change("a", 1)
        assert (await peer.expect("room.message", event="said"))["data"] == "commit"
        await peer.assert_silent("room.message")
    told = await peers[0].expect("session.changed")
    assert told["changed_properties"] == {"team": None}


@pytest.mark.parametrize("ends", ["rollback", "savepoint"])
async def test_p37_a_view_that_rolls_back_reaches_nobody(writing: Guests, room: str, ends: str) -> None:
    """Whole, or only the part that wrote: the next thing heard is the next write, the room's first."""
    peers = [await writing.join(room) for _ in range(3)]
    for peer in peers:
        await peer.forget()
    answer = await _visit(writing.server, f"/write/{room}/{ends}/?session={peers[0].id}")
    assert (answer.status, answer.body) == (200, b"rollback" if ends == "rollback" else b"None")
    ops = Http(writing.server.host, mint_token("ops", permissions=PERMISSIONS))
    assert (await ops.call("room.set", room=room, key="next", value=1))["version"] == 1
    for peer in peers:
        await peer.expect_change("next", 1)
        await peer.assert_silent()
    found = await ops.call("session.get_properties", session_id=peers[0].id, properties=["team"])
    assert found == {"properties": {}}


async def test_an_async_view_writes_too(writing: Guests, room: str) -> None:
    peer = await writing.join(room)
    assert (await _visit(writing.server, f"/awrite/{room}/")).body == b"1"
    assert (await peer.expect_change("k", "async"))["by"] is None


async def test_each_call_over_http_commits_by_itself(writing: Guests, room: str) -> None:
    """Also within one batch, though all requests of the project are transactions."""
    peer = await writing.join(room)
    ops = Http(writing.server.host, mint_token("ops", permissions=PERMISSIONS))
    calls = [
        {"jsonrpc": "2.0", "id": 1, "method": "room.set", "params": {"room": room, "key": "k", "value": 1}},
        {"jsonrpc": "2.0", "id": 2, "method": "room.set", "params": {"room": room, "key": "*", "value": 1}},
    ]
    first, second = (await ops.send(calls)).json
    assert first["result"]["version"] == 1
    assert second["error"]["data"]["reason"] == "INVALID_KEY"
    await peer.expect_change("k", 1)
