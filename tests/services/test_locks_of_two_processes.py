"""Locks between processes: grants reach who waits elsewhere, whatever the bus loses or repeats, and nothing is left
behind (parity §2.8, P48).
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from sessionstore_app.core.close import CloseReason
from sessionstore_app.core.errors import AccessDenied, LockTimeout, NotOpen
from sessionstore_app.models import LockRequest, Session, SessionState
from sessionstore_app.services import jobs, locks, record
from sessionstore_app.services.events import LockTold
from sessionstore_app.services.locks import LockInfo
from tests.services.processes import LIMIT_SECONDS, Client, Process, settled
from tests.support.layers import DeafLayer, LossyLayer
from tests.support.wire import eventually

NAME = "desk"
Pair = tuple[Process, Process]


async def _client(process: Process) -> Client:
    made = Client(process)
    await made.open()
    return made


async def _acquire(client: Client, *, scope: str = "session", patience: float | None = LIMIT_SECONDS) -> int:
    client.process.acts()
    session = client.connection.session
    assert session is not None
    return await locks.acquire(client.connection, session, NAME, scope, patience)


async def _wait_in_line(client: Client, place: int = 1, **how: Any) -> asyncio.Task[int]:
    """Ask for the lock that is held; returns once that is recorded."""
    asked = asyncio.create_task(_acquire(client, **how))
    await _line(place)
    return asked


async def _line(length: int) -> None:
    """Wait until so many wait."""

    async def reached() -> bool:
        return await LockRequest.objects.acount() == length

    await eventually(reached, f"{length} wait")


async def _release(client: Client) -> bool:
    client.process.acts()
    return await locks.release(NAME, only=client.id, told=False)


async def _held() -> LockInfo:
    found = await locks.find(NAME)
    assert found is not None
    return found


async def _nothing_waits(*clients: Client) -> None:
    assert await LockRequest.objects.acount() == 0
    assert [client.connection.waits for client in clients] == [{}] * len(clients)


# --- grants


@pytest.mark.parametrize("holder", [0, 1])
async def test_d70_who_waits_on_another_process_is_granted_the_lock(pair: Pair, holder: int) -> None:
    first, second = await _client(pair[holder]), await _client(pair[1 - holder])
    sequence = await _acquire(first)
    asked = await _wait_in_line(second)
    assert await _release(first)
    assert await asked > sequence
    held = await _held()
    assert (held.session_id, held.server_name) == (second.id, second.process.hub.node_id)
    await _nothing_waits(first, second)


async def test_d70_a_grant_whose_message_was_lost_is_found_when_the_lease_is_renewed(
    pair: Pair, deaf_layer: DeafLayer
) -> None:
    first, second = await _client(pair[0]), await _client(pair[1])
    await _acquire(first)
    asked = await _wait_in_line(second, patience=None)
    deaf_layer.is_deaf = True
    assert await _release(first)
    await settled(pair)
    deaf_layer.is_deaf = False
    sequence = (await _held()).sequence
    assert not asked.done()
    pair[1].acts()
    await pair[1].presence.renew()
    async with asyncio.timeout(LIMIT_SECONDS):
        assert await asked == sequence
    await _nothing_waits(first, second)


async def test_d70_who_gives_up_though_it_was_granted_has_the_lock(
    pair: Pair, deaf_layer: DeafLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message was lost, and the request's own time ends before the next look."""
    first, second = await _client(pair[0]), await _client(pair[1])
    await _acquire(first)
    may_give_up, give_up = asyncio.Event(), locks._give_up

    async def give_up_late(*of: Any) -> int:
        await may_give_up.wait()
        return await give_up(*of)

    monkeypatch.setattr(locks, "_give_up", give_up_late)
    asked = await _wait_in_line(second, patience=0)
    deaf_layer.is_deaf = True
    assert await _release(first)
    await settled(pair)
    assert not asked.done()
    may_give_up.set()
    assert await asked == (await _held()).sequence
    await _nothing_waits(first, second)


async def test_d71_all_requests_of_a_session_learn_of_a_grant_that_one_of_them_found(
    pair: Pair, deaf_layer: DeafLayer
) -> None:
    first, second = await _client(pair[0]), await _client(pair[1])
    await _acquire(first)
    asked = await _wait_in_line(second, patience=None)
    deaf_layer.is_deaf = True
    assert await _release(first)
    sequence = await _acquire(second)
    async with asyncio.timeout(LIMIT_SECONDS):
        assert await asked == sequence
    await _nothing_waits(first, second)


async def test_d73_old_news_that_the_bus_repeats_grants_nothing(pair: Pair) -> None:
    first, second = await _client(pair[0]), await _client(pair[1])
    await _acquire(first)
    asked = await _wait_in_line(second)
    await _release(first)
    old = LockTold(second.id, NAME, await asked, False)
    await _release(second)
    sequence = await _acquire(first)
    asked = await _wait_in_line(second)
    for _ in range(2):
        await pair[0].hub.tell_nodes([(pair[1].hub.node_id, old)])
    assert await _acquire(first) == sequence
    assert await _release(first)
    assert await asked > sequence
    assert (await _held()).sequence == await asked
    await _nothing_waits(first, second)


ROUNDS = 6


async def test_p48_on_a_lossy_bus_never_two_hold_a_lock_and_everybody_is_served(
    lossy: Pair, lossy_layer: LossyLayer
) -> None:
    clients = [await _client(process) for process in lossy for _ in range(6)]
    entered: list[int] = []
    inside: set[str] = set()

    async def work(client: Client) -> None:
        for _ in range(ROUNDS):
            entered.append(await _acquire(client, patience=None))
            assert not inside
            inside.add(client.id)
            assert (await _held()).session_id == client.id
            inside.remove(client.id)
            assert await _release(client)

    working = asyncio.gather(*map(work, clients))
    async with asyncio.timeout(60):
        while not working.done():
            for process in lossy:
                process.acts()
                await process.presence.renew()
            # Not at once: most grants come by the bus.
            await asyncio.wait([working], timeout=0.1)
        await working
    assert min(lossy_layer.dropped, lossy_layer.repeated, lossy_layer.swapped) > 1
    assert entered == sorted(set(entered))
    assert len(entered) == len(clients) * ROUNDS
    await _nothing_waits(*clients)


@pytest.mark.parametrize("is_named", [True, False])
async def test_d77_a_holder_elsewhere_is_told_that_the_lock_was_taken_from_it(pair: Pair, is_named: bool) -> None:
    first, second = await _client(pair[0]), await _client(pair[1])
    sequence = await _acquire(first)
    asked = await _wait_in_line(second)
    pair[1].acts()
    assert await locks.locks.arelease(NAME, first.id if is_named else None)
    assert await asked > sequence
    await first.until(lambda: bool(first.heard("lock.lost")), "it is told")
    assert first.heard("lock.lost") == [{"name": NAME, "sequence": sequence}]
    assert not second.heard("lock.lost")
    assert not await _release(first)


# --- sockets that go


async def test_d70_a_request_ends_with_its_socket(pair: Pair) -> None:
    first, second = await _client(pair[0]), await _client(pair[1])
    await _acquire(first)
    asked = await _wait_in_line(second)
    await pair[1].lose(second, CloseReason.CONNECTION_LOST)
    with pytest.raises(NotOpen):
        await asked
    await _nothing_waits(first, second)
    assert await _release(first)
    assert await locks.find(NAME) is None


async def test_d70_a_request_that_is_recorded_while_its_socket_goes_leaves_nothing(pair: Pair) -> None:
    first, second = await _client(pair[0]), await _client(pair[1])
    await _acquire(first)
    asked = asyncio.create_task(_acquire(second))
    pair[1].acts()
    losing = asyncio.create_task(pair[1].lose(second, CloseReason.CONNECTION_LOST))
    with pytest.raises((NotOpen, AccessDenied)):
        await asked
    await losing
    with pytest.raises(NotOpen):
        await _acquire(second)
    await _nothing_waits(first, second)


@pytest.mark.parametrize("is_told", [True, False])
async def test_d72_what_a_session_awaited_and_held_by_its_old_socket_is_gone_with_it(
    pair: Pair, deaf_layer: DeafLayer, is_told: bool
) -> None:
    """P16: also where the old socket lives on, for it never heard that the session went to another process."""
    old, new, third = Client(pair[0]), Client(pair[1]), await _client(pair[1])
    opened = await old.open()
    await _acquire(third)
    asked = await _wait_in_line(old)
    deaf_layer.is_deaf = not is_told
    assert await new.resume(opened) is not None
    await settled(pair)
    deaf_layer.is_deaf = False
    await _line(0)
    pair[0].acts()
    await pair[0].presence.renew()
    with pytest.raises(NotOpen):
        await asked
    await old.until(lambda: old.closed_with is not None, "the old socket is closed")
    await pair[0].hub.settle()
    await _release(third)
    assert await locks.find(NAME) is None
    await _acquire(new, scope="connection")
    await _nothing_waits(old, new, third)


# --- processes that go


async def _is_taken_for_dead(dead: Process, by: Process) -> None:
    """SIGSTOP in small: the lease of one process ends, and the other's reaper disconnects its sessions."""
    by.acts()
    await record.run(jobs.EndLease(node_id=dead.hub.node_id))
    await by.presence.reap()


async def test_d72_a_lock_of_the_connection_is_lost_with_its_process(pair: Pair) -> None:
    first, second = await _client(pair[0]), await _client(pair[1])
    sequence = await _acquire(first, scope="connection")
    asked = await _wait_in_line(second)
    await _is_taken_for_dead(pair[0], by=pair[1])
    assert await asked > sequence


async def test_d72_a_lock_of_the_session_is_lost_when_that_has_lapsed(pair: Pair) -> None:
    """P48: released by the reaper, whose lease the holder's process did not renew."""
    first, second = await _client(pair[0]), await _client(pair[1])
    sequence = await _acquire(first)
    asked = await _wait_in_line(second)
    await _is_taken_for_dead(pair[0], by=pair[1])
    held = await _held()
    assert (held.session_id, held.sequence, held.waiters) == (first.id, sequence, 1)
    await sync_to_async(Session.objects.filter(id=first.id).update)(lapses_at="2020-01-01T00:00:00Z")
    await pair[1].presence.reap()
    assert await asked > sequence
    await _nothing_waits(second)


async def test_d72_who_was_taken_for_dead_is_told_what_it_lost(pair: Pair) -> None:
    first, second = await _client(pair[0]), await _client(pair[1])
    sequence = await _acquire(first, scope="connection")
    asked = await _wait_in_line(second)
    await _is_taken_for_dead(pair[0], by=pair[1])
    await asked
    await first.until(lambda: bool(first.heard("lock.lost")), "it is told")
    assert first.heard("lock.lost") == [{"name": NAME, "sequence": sequence}]


async def test_d70_who_waited_on_a_process_that_was_taken_for_dead_goes_on_waiting(pair: Pair) -> None:
    first, second = await _client(pair[0]), await _client(pair[1])
    sequence = await _acquire(second)
    asked = await _wait_in_line(first, patience=None)
    hasty = asyncio.create_task(_acquire(first, patience=0.5))
    await _is_taken_for_dead(pair[0], by=pair[1])
    await _line(0)
    pair[0].acts()
    await pair[0].presence.renew()
    assert await _state(first) == SessionState.ACTIVE
    await _line(1)
    with pytest.raises(LockTimeout):
        await hasty
    assert await _release(second)
    async with asyncio.timeout(LIMIT_SECONDS):
        assert await asked > sequence
    await _nothing_waits(first, second)


async def _state(client: Client) -> str:
    return str((await Session.objects.aget(id=client.id)).state)
