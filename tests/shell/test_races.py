"""Many clients at once: what each is promised still holds for all (H70–H72, P1, T15, I2, I4, I6)."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from sessionstore_app import mint_token
from tests.support.copies import converge
from tests.support.guests import Guests
from tests.support.server import running
from tests.support.wire import Params, Wire, result_of, within

CLIENTS = 50


async def _at_once(wires: list[Wire], method: str, **params: Any) -> list[Params]:
    asked = [wire.start(method, **{**params, **_own(params, n)}) for n, wire in enumerate(wires)]
    return [await within(reply, method, 30) for reply in asked]


def _own(params: Params, number: int) -> Params:
    return {name: value(number) for name, value in params.items() if callable(value)}


async def test_p1_fifty_clients_pin_at_once(any_guests: Guests, room: str) -> None:
    """Cap 3, unique by id: all end equal, and each pin that is not among the last three was dropped by a later one."""
    wires = await any_guests.crowd(room, CLIENTS)
    replies = await _at_once(
        *(wires, "room.update"), room=room, key="pins", do="append", item=lambda n: {"id": n}, cap=3, unique="id"
    )
    entries = sorted((result_of(reply) for reply in replies), key=lambda entry: entry["version"])
    assert [entry["version"] for entry in entries] == list(range(1, CLIENTS + 1))
    order = [entry["value"][-1]["id"] for entry in entries]
    assert sorted(order) == list(range(CLIENTS))
    for position, entry in enumerate(entries):
        assert [item["id"] for item in entry["value"]] == order[max(0, position - 2) : position + 1]
    final = await converge(wires, room)
    assert final["pins"] == (entries[-1]["value"], CLIENTS)


async def test_fifty_clients_pin_the_same_at_once(guests: Guests, room: str) -> None:
    wires = await guests.crowd(room, CLIENTS)
    await _at_once(wires, "room.update", room=room, key="pins", do="append", item={"id": "m1"}, cap=3, unique="id")
    assert await converge(wires, room) == {"pins": ([{"id": "m1"}], 1)}


async def test_i4_of_fifty_racing_guarded_writes_exactly_one_wins(any_guests: Guests, room: str) -> None:
    wires = await any_guests.crowd(room, CLIENTS)
    for version in (0, 1):
        replies = await _at_once(wires, "room.set", room=room, key="k", value=lambda n: n, if_version=version)
        won = [reply["result"] for reply in replies if "result" in reply]
        assert len(won) == 1
        assert won[0]["version"] == version + 1
        for reply in replies:
            if "error" in reply:
                assert reply["error"]["data"]["reason"] == "VERSION_CONFLICT"
                assert reply["error"]["data"]["current"] == won[0]
    assert list(await converge(wires, room)) == ["k"]


async def test_no_increment_is_lost(guests: Guests, room: str) -> None:
    wires = await guests.crowd(room, 20)
    asked = [wire.start("room.update", room=room, key="n", do="increment") for wire in wires for _ in range(10)]
    sums = [result_of(await within(reply, "an increment"))["value"] for reply in asked]
    assert sorted(sums) == list(range(1, 201))
    assert await converge(wires, room) == {"n": (200, 200)}


async def test_whoever_joins_in_mid_burst_misses_nothing_and_sees_nothing_old(any_guests: Guests, room: str) -> None:
    """I2, I6, P7: joining is one instant; so is observing."""
    writers = await any_guests.crowd(room, 3)
    stop = asyncio.Event()

    async def write(wire: Wire, own: int) -> int:
        number = 0
        while not stop.is_set():
            asked = [wire.start("room.set", room=room, key=f"{own}/{n}", value=[own, number + n]) for n in range(4)]
            for reply in await asyncio.gather(*asked):
                result_of(reply)
            number += 4
        return number

    writing = [asyncio.create_task(write(wire, own)) for own, wire in enumerate(writers)]
    joiners = []
    for _ in range(8):
        joiners.append(await any_guests.join(room))
        unobserving = await any_guests.join(room, observe=[])
        await unobserving.call("room.join", room=room, observe=["*"])
        joiners.append(unobserving)
    stop.set()
    assert min(await asyncio.gather(*writing)) > 0
    final = await converge([*writers, *joiners], room)
    assert len(final) == 12


async def test_observing_in_mid_burst_misses_nothing(guests: Guests, room: str) -> None:
    writer, observer = await guests.join(room), await guests.join(room, observe=[])
    observed: dict[str, int] = {}
    for turn in range(20):
        key = f"k{turn}"
        before = [writer.start("room.set", room=room, key=key, value=n) for n in range(3)]
        observing = observer.start("room.observe", room=room, keys=[key])
        after = [writer.start("room.set", room=room, key=key, value=n) for n in range(3, 6)]
        for reply in await asyncio.gather(*before, *after):
            result_of(reply)
        (entry,) = result_of(await observing)["entries"]
        observed[key] = -1 if entry["value"] is None else entry["value"]
    await observer.call("session.ping")
    for key, first in observed.items():
        told = [c["value"] for _, t in observer.notifications for c in t.get("changes", ()) if c["key"] == key]
        # From the value that was read on, in order, to the last.
        assert told == sorted(told)
        assert all(value > first for value in told)
        assert [*([first] if first >= 0 else []), *told][-1] == 5


async def test_writes_of_one_session_take_effect_in_the_order_sent(any_guests: Guests, room: str) -> None:
    wire, observer = await any_guests.join(room), await any_guests.join(room)
    asked = []
    for n in range(60):
        match n % 4:
            case 0:
                asked.append(wire.start("room.set", room=room, key="log", value=[n]))
            case 1 | 2:
                asked.append(wire.start("room.update", room=room, key="log", do="append", item=n))
            case _:
                asked.append(wire.start("room.write", room=room, ops=[{"key": "n", "value": n}]))
    results = [result_of(await within(reply, "a write")) for reply in asked]
    assert [each["version"] for each in results] == list(range(1, 61))
    assert results[58]["value"] == [56, 57, 58]
    assert await converge([observer], room) == {"log": ([56, 57, 58], 59), "n": (59, 60)}


async def test_peers_of_fifty_coming_and_going_are_right_for_all(guests: Guests, room: str) -> None:
    """I11: who was told everything knows who is there."""
    watcher = await guests.join(room)
    wires = await asyncio.gather(*(guests.join(room) for _ in range(CLIENTS)))
    for wire in wires[::2]:
        await wire.call("room.leave", room=room)
    there = {watcher.id} | {wire.id for wire in wires[1::2]}
    await watcher.call("session.ping")
    known = {watcher.id}
    for name, told in watcher.notifications:
        if name == "room.peers":
            known |= {peer["session_id"] for peer in told["joined"]}
            known -= {peer["session_id"] for peer in told["left"]}
            assert told["count"] == len(known)
    assert known == there
    assert {peer["session_id"] for peer in (await watcher.call("room.peers", room=room))["peers"]} == there


async def test_writes_racing_a_clearing_land_in_one_epoch_whole(any_guests: Guests, room: str) -> None:
    """I10, P8: before it or after it, and then everybody sees it; nobody sees an epoch twice."""
    wires = await any_guests.crowd(room, 5)
    manager = await any_guests.open(token=mint_token("ops", permissions=["manage_room"]))
    for turn in range(6):
        asked = [wire.start("room.set", room=room, key=f"{n}", value=turn) for n, wire in enumerate(wires)]
        clearing = manager.start("room.clear", room=room)
        asked += [wire.start("room.set", room=room, key=f"{n}", value=turn + 1) for n, wire in enumerate(wires)]
        for reply in [clearing, *asked]:
            result_of(await within(reply, "a write or the clearing"))
    final = await converge(wires, room)
    # The last write of each was sent after the last clearing had been asked for; it may have come first all the same.
    assert all(value == 6 for value, _ in final.values())


async def test_joining_and_leaving_without_waiting_end_as_sent(any_guests: Guests, room: str) -> None:
    witness, wire = await any_guests.join(room), await any_guests.open()
    asked = []
    for _ in range(5):
        asked.append(wire.start("room.join", room=room, observe=["*"]))
        asked.append(wire.start("room.set", room=room, key="k", value=1))
        asked.append(wire.start("room.leave", room=room))
    for reply in asked:
        result_of(await within(reply, "an answer"))
    await wire.refused("room.get", "NOT_JOINED", room=room, key="k")
    assert (await witness.call("room.peers", room=room))["count"] == 1


async def test_a_session_that_closes_leaves_none_of_its_keys(any_guests: Guests, room: str) -> None:
    """Whatever it sent just before, or in the same breath behind it."""
    witness = await any_guests.join(room)
    for turn in range(8):
        wire = await any_guests.join(room)
        hand: Params = {"room": room, "key": f"hand/{turn}", "value": 1, "lifetime": "session"}
        before = [wire.start("room.set", **{**hand, "key": f"before/{turn}/{n}"}) for n in range(5)]
        closing = wire.start("session.close")
        after = [wire.start("room.set", **hand) for _ in range(3)]
        result_of(await within(closing, "session.close"))
        await asyncio.wait([*before, *after], timeout=10)
        await wire.expect_closed(4004)
    snapshot = await witness.call("room.snapshot", room=room)
    assert snapshot["entries"] == []
    assert await converge([witness], room) == {}


async def test_a_session_that_closes_in_a_batch_is_closed_for_the_rest_of_it(guests: Guests, room: str) -> None:
    witness, wire = await guests.join(room), await guests.join(room)
    hand: Params = {"room": room, "key": "hand", "value": 1, "lifetime": "session"}
    calls = [("room.set", hand), ("session.close", {}), ("room.set", hand), ("room.join", {"room": room})]
    wire.write(json.dumps([{"jsonrpc": "2.0", "id": n, "method": m, "params": p} for n, (m, p) in enumerate(calls)]))
    await wire.expect_closed(4004)
    replies = {reply["id"]: reply for frame in wire.frames if isinstance(frame, list) for reply in frame}
    assert "result" in replies[0]
    assert "result" in replies[1]
    assert "error" in replies[2]
    assert "error" in replies[3]
    assert (await witness.call("room.snapshot", room=room))["entries"] == []
    assert (await witness.call("room.peers", room=room))["count"] == 1


async def test_who_closes_its_session_is_answered_first_whenever_the_process_looks_at_what_it_serves(room: str) -> None:
    """The record says already that it has ended, and the rest of its batch is still being worked at."""
    with running(settings={"NODE_RENEW_SECONDS": 0.02}) as server:
        async with Guests(server) as guests:
            holder = await guests.open(token=mint_token("ann", permissions=["acquire_lock"]))
            await holder.call("lock.acquire", name=room)
            for number in range(5):
                wire = await guests.open(token=mint_token("bo", permissions=["acquire_lock"]))
                # Whoever is gone waits for no lock, however long it was ready to.
                wait = {"timeout_seconds": 0.3} if number % 2 else {}
                calls: list[tuple[str, Params]] = [("lock.acquire", {"name": room, **wait}), ("session.close", {})]
                sent = [{"jsonrpc": "2.0", "id": n, "method": m, "params": p} for n, (m, p) in enumerate(calls)]
                wire.write(json.dumps(sent))
                await wire.expect_closed(4004)
                replies = {reply["id"]: reply for frame in wire.frames if isinstance(frame, list) for reply in frame}
                assert replies.keys() == {0, 1}, number
                assert replies[1]["result"] == {}
