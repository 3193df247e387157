"""Protocol §2, heartbeats and acks: the silent are closed, the slow get only newest values (T13, P32)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from sessionstore_app import mint_token
from tests.support.copies import converge
from tests.support.guests import Guests
from tests.support.server import Server, running
from tests.support.wire import Wire, changes_of, result_of

# More than what an honest client leaves unacknowledged.
OUTBOX_BYTES = 100_000


@pytest.fixture(scope="module")
def narrow_server() -> Iterator[Server]:
    """Little may be unacknowledged."""
    with running(settings={"OUTBOX_BYTES": OUTBOX_BYTES}) as server:
        yield server


@pytest.fixture
async def narrow(narrow_server: Server) -> AsyncIterator[Guests]:
    async with Guests(narrow_server) as opened:
        yield opened


@pytest.fixture(scope="module")
def impatient_server() -> Iterator[Server]:
    """Little may be unacknowledged, and not for long; heartbeats come often enough to notice."""
    with running(settings={"OUTBOX_BYTES": OUTBOX_BYTES, "STALLED_SECONDS": 1.5, "HEARTBEAT_SECONDS": 0.5}) as server:
        yield server


@pytest.fixture
async def impatient(impatient_server: Server) -> AsyncIterator[Guests]:
    async with Guests(impatient_server) as opened:
        yield opened


async def _lazy(guests: Guests, room: str) -> Wire:
    """Answers every heartbeat, and says each time that it has received nothing."""
    wire = await guests.open()
    wire.claimed_bytes = 0
    await wire.call("room.join", room=room, observe=["*"])
    return wire


async def _hammer(writer: Wire, room: str, times: int) -> None:
    """Ten keys, written over and over with a thousand bytes each."""
    for turn in range(times):
        asked = [writer.start("room.set", room=room, key=f"k{n}", value=f"{turn}:" + "x" * 1_000) for n in range(10)]
        for reply in await asyncio.gather(*asked):
            result_of(reply)


async def test_heartbeats_come_and_tell_the_time(hasty: Guests) -> None:
    wire = await hasty.open()
    first = await wire.expect("session.heartbeat")
    second = await wire.expect("session.heartbeat")
    assert first["server_time"] < second["server_time"]


async def test_two_unanswered_heartbeats_close_the_socket(hasty: Guests) -> None:
    dead, well = await hasty.open(acks=False), await hasty.open()
    await dead.expect_closed(4002)
    beats = [name for name, _ in dead.notifications if name == "session.heartbeat"]
    assert len(beats) == 2
    await well.call("session.ping")


async def test_other_traffic_is_no_answer(hasty: Guests) -> None:
    """Only an ack says that what was sent has arrived."""
    dead = await hasty.open(acks=False)
    for _ in range(2):
        await dead.expect("session.heartbeat")
        dead.start("session.ping")
    await dead.expect_closed(4002)


async def test_one_answer_in_time_is_enough(hasty: Guests) -> None:
    wire = await hasty.open(acks=False)
    for _ in range(4):
        await wire.expect("session.heartbeat")
        wire.acknowledge()
    await wire.call("session.ping")


async def test_without_heartbeats_nobody_asks(hasty: Guests, room: str) -> None:
    """`heartbeat: false`: liveness by the transport alone."""
    unasked, asked = await hasty.open(heartbeat=False, acks=False), await hasty.open()
    for _ in range(5):
        await asked.expect("session.heartbeat")
    await unasked.assert_silent()
    assert not [name for name, _ in unasked.notifications if name == "session.heartbeat"]


async def test_who_does_not_ack_gets_only_newest_values_afterwards(narrow: Guests, room: str) -> None:
    """P32: bounded while behind, complete when it catches up: a missed final value is not possible."""
    writer = await narrow.join(room)
    lazy = await _lazy(narrow, room)
    await _hammer(writer, room, 60)
    await lazy.call("session.ping")
    behind = sum(len(change["value"]) for change in changes_of(lazy))
    assert behind < OUTBOX_BYTES + 20_000
    lazy.claimed_bytes = None
    lazy.acknowledge()
    await converge([writer, lazy], room)
    assert len(changes_of(lazy)) < 200


async def test_a_slow_peer_is_told_of_deletions_and_new_epochs_too(narrow: Guests, room: str) -> None:
    writer = await narrow.join(room)
    manager = await narrow.open(token=mint_token("ops", permissions=["manage_room"]))
    lazy = await _lazy(narrow, room)
    await _hammer(writer, room, 12)
    await manager.call("room.clear", room=room)
    await _hammer(writer, room, 2)
    for n in range(5):
        await writer.call("room.delete", room=room, key=f"k{n}")
    lazy.claimed_bytes = None
    lazy.acknowledge()
    assert sorted(await converge([writer, lazy], room)) == [f"k{n}" for n in range(5, 10)]


async def test_replies_do_not_wait_for_acks(narrow: Guests, room: str) -> None:
    writer = await narrow.join(room)
    lazy = await _lazy(narrow, room)
    await _hammer(writer, room, 12)
    assert (await lazy.call("room.get", room=room, key="k9"))["value"].startswith("11:")
    await lazy.call("room.set", room=room, key="mine", value=1)


async def test_d9_who_stays_behind_too_long_is_closed_and_may_come_back(impatient: Guests, room: str) -> None:
    """T13, I15. Its position brings what it lacks."""
    writer = await impatient.join(room, heartbeat=False)
    lazy = await _lazy(impatient, room)
    await _hammer(writer, room, 12)
    await lazy.expect_closed(4003)
    back = await impatient.connect()
    resume = {"session_id": lazy.id, "resume_token": lazy.session["resume_token"]}
    assert (await back.open(resume=resume))["resumed"] is True
    await writer.call("room.set", room=room, key="k0", value="last")
    await converge([writer, back], room)


async def test_d9_who_lets_messages_pile_up_is_closed(impatient: Guests, room: str) -> None:
    """Messages have no newest value to fall back on."""
    sender, early = await impatient.join(room, heartbeat=False), await impatient.join(room, heartbeat=False)
    lazy, late = await _lazy(impatient, room), await impatient.join(room, heartbeat=False)
    for number in range(300):
        await sender.call("room.broadcast", room=room, event="chat", data=[number, "x" * 1_000])
    await lazy.expect_closed(4003)
    # T18: its end is nobody else's loss, whoever joined before or after it.
    for wire in (sender, early, late):
        await wire.call("session.ping")
        heard = [told["data"][0] for name, told in wire.notifications if name == "room.message"]
        assert heard == list(range(300))


async def test_a_stalled_reader_delays_nobody_and_misses_no_final_value(guests: Guests, room: str) -> None:
    """The kernel's buffers are full: the server keeps newest values, everybody else goes on."""
    writer, well = await guests.join(room), await guests.join(room)
    stalled = await guests.join(room, heartbeat=False)
    stalled.stop_reading()
    for turn in range(250):
        ops = [{"key": f"k{n}", "value": f"{turn}:" + "x" * 980} for n in range(50)]
        await writer.call("room.write", room=room, ops=ops)
    await converge([well], room)
    stalled.go_on_reading()
    await converge([writer, stalled], room)
    assert len(changes_of(stalled)) < len(changes_of(well))


async def test_every_stalled_reader_on_daphne_catches_up_too(daphne_server: Server, room: str) -> None:
    """Daphne never holds a `send` back: there acks alone bound what waits."""
    guests = Guests(daphne_server)
    writer = await guests.join(room)
    lazy = await _lazy(guests, room)
    await _hammer(writer, room, 40)
    await lazy.call("session.ping")
    assert sum(len(change["value"]) for change in changes_of(lazy)) < 300_000
    lazy.claimed_bytes = None
    lazy.acknowledge()
    await converge([writer, lazy], room)
    await guests.leave()
