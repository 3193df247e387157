"""A change goes to the transport at once, unless something leaves before it or with it, or the peer is behind; whoever
waits for an answer gets it before the others are told.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, cast

import pytest

from sessionstore_app.core.close import CloseReason
from sessionstore_app.core.entries import Epoch
from sessionstore_app.services.connection import Connection
from sessionstore_app.services.events import RoomEvent, RosterDelta
from sessionstore_app.services.hub import Hub, Keeper
from sessionstore_app.services.localroom import LocalRoom
from sessionstore_app.services.roommember import Member
from tests.unit.services.conftest import LIMIT
from tests.unit.services.fakes import FakeHub, change, changed, connection, member, told
from tests.unit.services.uvicornsocket import after_handshake


@pytest.fixture
def server() -> Any:
    return after_handshake()


@pytest.fixture
def bo(hub: FakeHub, server: Any) -> Connection:
    made = connection(hub, server.send, LIMIT)
    made.accepted()
    made.members["r"] = member()[0]
    return made


def versions(server: Any) -> list[int]:
    return [version for _, version, _ in told(server.transport.texts)]


@pytest.mark.parametrize("batches", [False, True])
def test_a_change_does_not_wait_for_the_end_of_the_tick(
    bo: Connection, hub: FakeHub, server: Any, batches: bool
) -> None:
    bo.batches = batches
    change(bo, 1)
    change(bo, 2)
    assert versions(server) == [1, 2]
    assert hub.touched == []


def test_it_leaves_behind_what_was_put_before(bo: Connection, hub: FakeHub, server: Any) -> None:
    bo.put("reply")
    change(bo, 1)
    assert server.transport.texts == []
    hub.tick()
    assert server.transport.texts[0] == "reply"
    assert versions(server) == [1]
    change(bo, 2)
    assert versions(server) == [1, 2]


def test_changes_of_two_rooms_leave_in_one_frame_where_the_client_understands_it(
    bo: Connection, hub: FakeHub, server: Any
) -> None:
    bo.batches = True
    bo.watched["q"] = member()[0]
    change(bo, 1)
    change(bo, 1, room="q")
    assert server.transport.texts == []
    hub.tick()
    (text,) = server.transport.texts
    assert [frame["params"]["room"] for frame in json.loads(text)] == ["r", "q"]


def test_nothing_passes_a_cork(bo: Connection, hub: FakeHub, server: Any) -> None:
    bo.cork()
    change(bo, 1)
    hub.tick()
    assert server.transport.texts == []
    bo.uncork("first")
    hub.tick()
    assert server.transport.texts[0] == "first"
    assert versions(server) == [1]


def test_t13_no_more_than_the_limit_leaves_unacknowledged(bo: Connection, hub: FakeHub, server: Any) -> None:
    while not bo.is_behind:
        change(bo, 1)
        hub.tick()
    size = len(server.transport.texts[0])
    sent = len(server.transport.texts)
    assert sent == LIMIT // size + 1
    for version in range(2, 20):
        change(bo, version)
        hub.tick()
    assert len(server.transport.texts) == sent
    bo.ack(sent * size)
    hub.tick()
    assert versions(server)[sent:] == [19]


async def test_who_waits_for_the_outbox_is_woken(bo: Connection, hub: FakeHub, server: Any) -> None:
    waiting = asyncio.ensure_future(bo.wait())
    await asyncio.sleep(0)
    change(bo, 1)
    hub.tick()
    async with asyncio.timeout(5):
        await waiting
    assert versions(server) == [1]


async def test_a_transport_that_fails_closes_the_connection(bo: Connection, hub: FakeHub, server: Any) -> None:
    server.transport.failure = RuntimeError("the handler is closed")
    change(bo, 1)
    assert hub.losses == []
    hub.tick()
    assert hub.losses == [CloseReason.IO_EXCEPTION]


async def test_what_holds_back_gets_it_by_send_and_nothing_passes_that(
    bo: Connection, hub: FakeHub, server: Any
) -> None:
    server.writable.clear()
    change(bo, 1)
    hub.tick()
    assert server.transport.texts == []
    server.writable.set()
    change(bo, 2)
    await hub.settle()
    assert versions(server) == [1, 2]


def test_a_stall_is_over_with_the_next_change(bo: Connection, hub: FakeHub, server: Any) -> None:
    while not bo.is_behind:
        change(bo, 1)
        hub.tick()
    hub.time += 60
    assert bo.stalled_for(hub.time) == 60
    bo.ack(10**6)
    change(bo, 2)
    hub.tick()
    assert bo.stalled_for(hub.time) == 0
    assert versions(server)[-1] == 2


async def test_nothing_is_sent_once_it_is_closed(bo: Connection, server: Any) -> None:
    bo.close(CloseReason.EXPIRED)
    change(bo, 1)
    assert server.transport.texts == []


# --- the tick of a hub


class Peers:
    """Peers of one room of a real hub, who tell in which order they were sent what."""

    def __init__(self) -> None:
        self.hub = Hub(cast(Keeper, self))
        self.losses: list[CloseReason] = []
        self.room = self.hub.rooms["r"] = LocalRoom("r", Epoch("e1"))
        self.sent: asyncio.Queue[tuple[str, str]] = asyncio.Queue()

    async def lost(self, connection: Connection, reason: CloseReason) -> None:
        """What the hub asks of its keeper."""
        self.losses.append(reason)

    def join(self, name: str, send: Any = None) -> Connection:
        server: Any = after_handshake()
        server.transport.write = lambda data: self.sent.put_nowait((name, _kind(data)))
        made = Connection(self.hub, send or server.send, LIMIT)
        made.accepted()
        peer = Member(made, name, ())
        self.room.add(peer)
        self.room.observe(peer, ["a"], 0)
        return made

    def hear(self, *events: RoomEvent) -> None:
        for event in events:
            self.hub.hearing.take_in("r", event)

    async def expect(self, *wanted: tuple[str, str]) -> None:
        async with asyncio.timeout(5):
            assert [await self.sent.get() for _ in wanted] == list(wanted)
        assert self.sent.empty()


def _kind(data: bytes) -> str:
    return next(kind for kind in ("room.changed", "room.peers", "answer") if kind in data.decode(errors="replace"))


async def test_the_answer_leaves_before_others_are_told() -> None:
    peers = Peers()
    _, _, cy = (peers.join(name) for name in ("ann", "bo", "cy"))
    cy.put("answer")
    peers.hear(changed(1))
    await peers.expect(("cy", "answer"), ("cy", "room.changed"), ("ann", "room.changed"), ("bo", "room.changed"))
    peers.hear(changed(2))
    await peers.expect(*((name, "room.changed") for name in ("ann", "bo", "cy")))


async def test_what_went_with_a_peer_is_told_before_it_is_told_that_the_peer_went() -> None:
    peers = Peers()
    ann, _ = peers.join("ann"), peers.join("bo")
    ann.put("answer")
    peers.hear(RosterDelta(1, {"cy": '{"session_id":"cy"}'}, {}, {}))
    await peers.expect(("ann", "answer"), ("ann", "room.peers"), ("bo", "room.peers"))
    ann.put("answer")
    peers.hear(changed(1), RosterDelta(2, {}, {"cy": "LEFT"}, {}))
    await peers.expect(
        *(("ann", "answer"), ("ann", "room.changed"), ("bo", "room.changed")),
        *(("ann", "room.peers"), ("bo", "room.peers")),
    )


async def test_one_that_fails_in_the_tick_is_lost_and_the_others_are_told() -> None:
    peers = Peers()

    async def cancelled(message: dict[str, str]) -> None:
        if message["type"] == "websocket.send":
            raise asyncio.CancelledError

    async def plain(message: dict[str, str]) -> None:
        peers.sent.put_nowait(("bo", _kind(message["text"].encode())))

    gone = peers.join("gone", cancelled)
    gone.put("answer")
    peers.join("ann")
    peers.join("bo", plain)
    peers.hear(changed(1))
    await peers.expect(("ann", "room.changed"), ("bo", "room.changed"))
    peers.hear(changed(2))
    await peers.expect(("ann", "room.changed"), ("bo", "room.changed"))
    await peers.hub.settle()
    assert peers.losses == [CloseReason.IO_EXCEPTION]
