"""A change goes to the transport at once, unless something leaves before it or with it, or the peer is behind; whoever
waits for an answer gets it before the others are told.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from sessionstore_app.core.close import CloseReason
from sessionstore_app.core.entries import Epoch
from sessionstore_app.services.connection import Connection
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
    assert text.startswith("[")


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


async def test_the_answer_leaves_before_others_are_told() -> None:
    hub, room = Hub(cast(Keeper, None)), LocalRoom("r", Epoch("e1"))
    order: asyncio.Queue[str] = asyncio.Queue()
    for name in ("ann", "bo", "cy"):
        server: Any = after_handshake()
        server.transport.write = lambda data, name=name: order.put_nowait(name)
        made = Connection(hub, server.send, LIMIT)
        made.accepted()
        peer = Member(made, name, ())
        room.add(peer)
        room.observe(peer, ["a"], 0)
        if name == "cy":
            made.put("answer")
    room.hear(changed(1))
    hub.mark_dirty(room)
    async with asyncio.timeout(5):
        assert [await order.get() for _ in range(4)] == ["cy", "cy", "ann", "bo"]
