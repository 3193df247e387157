"""Several processes on a bus that loses, repeats and reorders: all converge (P9, I6, I7), forgeries drop (T25)."""

from __future__ import annotations

import asyncio
import random
from functools import partial
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from sessionstore_app.core.close import CloseReason
from sessionstore_app.models import Session, SessionState
from sessionstore_app.services import jobs, record, telling
from sessionstore_app.services.bus import node_group, room_group
from tests.services.processes import Client, Process, converge, settled
from tests.support.layers import DeafLayer, LossyLayer
from tests.support.wire import eventually

ROOM = "standup"
Pair = tuple[Process, Process]


async def _clients(pair: Pair, number: int) -> list[Client]:
    return [await process.client(ROOM) for _ in range(number) for process in pair]


async def _state(session_id: str) -> str:
    found = await sync_to_async(Session.objects.get)(id=session_id)
    return str(found.state)


async def test_what_one_process_writes_clients_of_the_other_see(pair: Pair) -> None:
    here, there = await _clients(pair, 1)
    for number in range(5):
        await pair[number % 2].write(ROOM, {"k": number})
    assert await converge([here, there], ROOM) == {"k": (4, 5)}
    assert pair[1].hub.counters.healed_rooms == 0


async def test_p9_i6_all_converge_though_every_seventh_message_is_lost(lossy: Pair, lossy_layer: LossyLayer) -> None:
    """Without a later look: a gap is seen by the next message, and what is missing is read."""
    clients = await _clients(lossy, 4)
    chance = random.Random(7)
    for number in range(150):
        keys = chance.sample([f"k{n}" for n in range(8)], k=chance.choice([1, 1, 2]))
        await chance.choice(lossy).write(ROOM, {key: chance.choice([number, number, None]) for key in keys})
    assert min(lossy_layer.dropped, lossy_layer.repeated, lossy_layer.swapped) > 10
    await settled(lossy)
    lossy_layer.is_lossy = False
    await lossy[0].write(ROOM, {"end": True})
    await lossy[1].write(ROOM, {"end": True})
    final = await converge(clients, ROOM)
    assert final["end"] == (True, 152)
    for counters in (process.hub.counters for process in lossy):
        assert min(counters.repeated_changes, counters.early_changes, counters.lost_changes, counters.healed_rooms) > 0
    assert not any(room.is_gapped for process in lossy for room in process.hub.rooms.values())


async def test_i7_a_lost_last_message_is_found_when_the_lease_is_renewed(lossy: Pair, lossy_layer: LossyLayer) -> None:
    """The room is quiet: no later message shows the gap."""
    clients = await _clients(lossy, 2)
    while (lossy_layer.sent + 1) % 7:
        await lossy[0].write(ROOM, {"k": "heard"})
    dropped = lossy_layer.dropped
    await lossy[0].write(ROOM, {"k": "last"})
    assert lossy_layer.dropped == dropped + 1
    assert [client.heard("room.changed")[-1]["changes"][0]["value"] for client in clients[1::2]] == ["heard", "heard"]
    await lossy[1].heal()
    assert (await converge(clients, ROOM))["k"][0] == "last"


async def test_rosters_converge_on_a_lossy_bus(lossy: Pair, lossy_layer: LossyLayer) -> None:
    """I11: and nobody is told of a join or leave twice."""
    watchers = await _clients(lossy, 1)
    for number in range(12):
        process = lossy[number % 2]
        guest = await process.client(ROOM)
        if number % 3:
            await process.lose(guest, CloseReason.CLOSED_BY_CLIENT)
    await settled(lossy)
    lossy_layer.is_lossy = False
    for process in lossy:
        await process.heal()
    rosters = [set(process.hub.rooms[ROOM].peers) for process in lossy]
    assert rosters[0] == rosters[1]
    assert len(rosters[0]) == 2 + 4
    for watcher in watchers:
        await watcher.until(partial(_knows, watcher, rosters[0]), "the roster is known")


def _knows(watcher: Client, roster: set[str]) -> bool:
    # What the process knows already, it tells at the end of its tick.
    return _told(watcher) == roster and watcher.heard("room.peers")[-1]["count"] == len(roster)


def _told(watcher: Client) -> set[str]:
    """Who is there, by what a client was told; whom it found there it was told in the answer to its join."""
    known: set[str] = set(watcher.process.hub.rooms[ROOM].peers)
    seen: set[str] = set()
    for told in watcher.heard("room.peers"):
        joined, left = {peer["session_id"] for peer in told["joined"]}, {gone["session_id"] for gone in told["left"]}
        assert not joined & seen, "a join was told twice"
        assert not left - seen - known, "someone left who was never there"
        seen = (seen | joined) - left
    return known


async def test_clearing_reaches_clients_of_all_processes_though_the_word_is_lost(
    lossy: Pair, lossy_layer: LossyLayer
) -> None:
    """P8: whatever of the old epoch still arrives late changes nothing."""
    clients = await _clients(lossy, 2)
    for number in range(20):
        await lossy[0].write(ROOM, {f"k{number}": number})
        if number % 5 == 4:
            lossy[0].acts()
            _, happened = await record.run(jobs.Clear(room=ROOM, reason="CLEARED"))
            await telling.tell(happened)
    await settled(lossy)
    lossy_layer.is_lossy = False
    for process in lossy:
        await process.heal()
    await lossy[0].write(ROOM, {"new": 1})
    assert await converge(clients, ROOM) == {"new": (1, 1)}


FORGED: list[dict[str, Any]] = [
    {"type": "websocket.close"},
    {"type": "http.disconnect"},
    {"type": "changed"},
    {"type": "changed", "room": ROOM},
    {"type": "changed", "room": ROOM, "epoch": "e", "version": "9", "texts": {}},
    {"type": "changed", "room": ROOM, "epoch": "e", "version": 9, "texts": []},
    {"type": "changed", "room": ROOM, "epoch": "e", "version": 9, "texts": {"k": 1}},
    {"type": "changed", "room": [], "epoch": "e", "version": 9, "texts": {}},
    {"type": "roster", "room": ROOM, "roster": 9, "joined": {}, "left": {}, "updated": None},
    {"type": "cleared", "room": ROOM, "old": None, "new": "x", "reason": "CLEARED"},
    {"type": "said", "room": ROOM, "text": {"jsonrpc": "2.0"}},
    {"type": "taken_over", "session": "s", "generation": "many", "room": ""},
    {"type": "put_unstored", "text": "x"},
    {"type": "__class__"},
    {"type": 7},
    {"type": None, "room": ROOM},
    {},
]


async def test_t25_forged_messages_are_dropped_and_counted(pair: Pair, deaf_layer: DeafLayer) -> None:
    here, there = await _clients(pair, 1)
    before = len(there.frames)
    for message in FORGED:
        await deaf_layer.group_send(room_group(ROOM), message)
        await deaf_layer.group_send(node_group(pair[0].hub.node_id), message)
    await pair[0].write(ROOM, {"k": 1})
    await pair[1].write(ROOM, {"k": 2})
    assert await converge([here, there], ROOM) == {"k": (2, 2)}
    assert pair[0].hub.counters.dropped_messages == 2 * len(FORGED)
    assert pair[1].hub.counters.dropped_messages == len(FORGED)
    assert {frame["method"] for frame in there.frames[before:]} == {"room.changed"}


async def test_s47_a_write_is_acknowledged_though_the_layer_is_out_of_reach(
    pair: Pair, deaf_layer: DeafLayer, caplog: pytest.LogCaptureFixture
) -> None:
    """It is stored; others find it by comparing versions, at the latest when their lease is renewed."""
    here, there = await _clients(pair, 1)
    deaf_layer.is_deaf = True
    assert (await pair[0].write(ROOM, {"k": 1})).result.version == 1
    await pair[0].hub.settle()
    assert pair[0].hub.counters.bus_failures > 0
    assert "did not take" in caplog.text
    await here.until(lambda: bool(here.heard("room.changed")), "the own process tells its clients")
    assert not there.heard("room.changed")
    await settled(pair)
    deaf_layer.is_deaf = False
    await pair[1].heal()
    assert await converge([here, there], ROOM) == {"k": (1, 1)}


async def test_after_the_layer_came_back_every_room_is_read_again(pair: Pair, deaf_layer: DeafLayer) -> None:
    here, there = await _clients(pair, 1)
    deaf_layer.is_deaf = True
    await pair[0].write(ROOM, {"k": 1})
    # The listener finds out by the next message it would have taken.
    await deaf_layer.send_anyway(node_group(pair[1].hub.node_id))

    async def noticed() -> bool:
        return pair[1].hub.counters.bus_failures > 0

    await eventually(noticed, "the listener has noticed")
    await settled(pair)
    deaf_layer.is_deaf = False
    assert await converge([here, there], ROOM) == {"k": (1, 1)}
    assert pair[1].hub.counters.bus_reopenings == 1


# --- a session that moves from one process to the other


async def test_p16_a_session_moves_and_its_old_socket_is_closed(pair: Pair) -> None:
    old, new = Client(pair[0]), Client(pair[1])
    opened = await old.open()
    await old.join(ROOM)
    watcher = await pair[0].client(ROOM)
    back = await new.resume(opened)
    assert back is not None
    assert back.resumed
    await old.until(lambda: old.closed_with is not None, "the old socket is closed")
    assert old.closed_with == CloseReason.SESSION_TAKEN_OVER.code
    await pair[0].hub.settle()
    assert await _state(new.id) == SessionState.ACTIVE
    await pair[0].write(ROOM, {"k": 1})
    await converge([watcher, new], ROOM)
    assert not [told for told in watcher.heard("room.peers") if told["left"] or told["updated"]]


@pytest.mark.parametrize(
    "reason", [CloseReason.CONNECTION_LOST, CloseReason.MESSAGE_TOO_LARGE, CloseReason.INVALID_INBOUND_MESSAGE]
)
async def test_p16_an_old_socket_that_never_heard_of_it_harms_nobody(
    pair: Pair, deaf_layer: DeafLayer, reason: CloseReason
) -> None:
    """The word of the takeover is lost; then the old socket ends, one way or the other."""
    old, new = Client(pair[0]), Client(pair[1])
    opened = await old.open()
    await old.join(ROOM)
    deaf_layer.is_deaf = True
    assert await new.resume(opened) is not None
    await settled(pair)
    deaf_layer.is_deaf = False
    assert old.closed_with is None
    await pair[0].lose(old, reason)
    assert await _state(new.id) == SessionState.ACTIVE
    await pair[1].write(ROOM, {"k": 1})
    await converge([new], ROOM)


async def test_an_old_socket_that_never_heard_of_it_is_closed_when_the_lease_is_renewed(
    pair: Pair, deaf_layer: DeafLayer
) -> None:
    """T19: the bus may lose the word; the record says who serves the session."""
    old, new = Client(pair[0]), Client(pair[1])
    opened = await old.open()
    await old.join(ROOM)
    deaf_layer.is_deaf = True
    assert await new.resume(opened) is not None
    await settled(pair)
    deaf_layer.is_deaf = False
    pair[0].acts()
    await pair[0].presence.renew()
    await old.until(lambda: old.closed_with is not None, "the old socket is closed")
    assert old.closed_with == CloseReason.SESSION_TAKEN_OVER.code
    await pair[0].hub.settle()
    assert await _state(new.id) == SessionState.ACTIVE


async def test_a_process_that_lapsed_gives_its_sessions_to_the_reaper_and_takes_them_back(pair: Pair) -> None:
    """SIGSTOP in small: its lease runs out, another process disconnects its sessions, then it renews."""
    sleeper, watcher = await pair[0].client(ROOM), await pair[1].client(ROOM)
    pair[1].acts()
    await record.run(jobs.EndLease(node_id=pair[0].hub.node_id))
    await pair[1].presence.reap()
    assert await _state(sleeper.id) == SessionState.DISCONNECTED
    assert await _state(watcher.id) == SessionState.ACTIVE
    pair[0].acts()
    await pair[0].presence.renew()
    assert await _state(sleeper.id) == SessionState.ACTIVE
    await watcher.until(lambda: len(watcher.heard("room.peers")) >= 2, "both changes are told")
    states = [peer["state"] for told in watcher.heard("room.peers") for peer in told["updated"]]
    assert states == ["DISCONNECTED", "ACTIVE"]
    assert sleeper.closed_with is None


async def test_p13_two_reapers_end_a_session_once(pair: Pair) -> None:
    """I9, I10: one CLOSED, one leave told, one clearing."""
    gone, watcher = await pair[0].client(ROOM), await pair[1].client(ROOM)
    await pair[0].lose(gone, CloseReason.CONNECTION_LOST)
    await sync_to_async(lambda: Session.objects.filter(id=gone.id).update(lapses_at="2020-01-01T00:00:00Z"))()
    await asyncio.gather(*(process.presence.reap() for process in (*pair, *pair)))
    await watcher.until(lambda: any(told["left"] for told in watcher.heard("room.peers")), "the leave is told")
    left = [peer for told in watcher.heard("room.peers") for peer in told["left"]]
    assert left == [{"session_id": gone.id, "reason": "CONNECTION_LOST"}]
    assert await _state(gone.id) == SessionState.CLOSED
