"""How a connection ends, and how what needs no waiting is run in place."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from functools import partial
from typing import Any

import pytest

from sessionstore_app.core.close import CloseReason
from sessionstore_app.services.connection import Connection
from sessionstore_app.services.suspension import run_to_first_suspension
from tests.unit.services.fakes import FakeHub, FakeSend, change, connection

# --- the end


async def test_a_close_leaves_after_what_was_put(bo: Connection, hub: FakeHub, send: FakeSend) -> None:
    bo.put("last")
    bo.close(CloseReason.CLOSED_BY_CLIENT)
    await hub.settle()
    assert send.sent == ["last"]
    assert send.codes == [4004]
    assert hub.losses == [CloseReason.CLOSED_BY_CLIENT]


async def test_the_first_reason_counts_and_nothing_is_sent_after_it(
    bo: Connection, hub: FakeHub, send: FakeSend
) -> None:
    bo.close(CloseReason.EXPIRED)
    bo.close(CloseReason.ABORTED)
    bo.put("late")
    change(bo, 1)
    hub.tick()
    await hub.settle()
    assert send.sent == []
    assert send.codes == [4013]
    assert hub.losses == [CloseReason.EXPIRED]


async def test_a_close_wakes_the_reader(bo: Connection, hub: FakeHub) -> None:
    readers = [asyncio.create_task(bo.wait()) for _ in range(2)]
    await asyncio.sleep(0)
    bo.close(CloseReason.EXPIRED)
    await asyncio.wait_for(asyncio.gather(*readers), 5)
    await hub.settle()


class ClientDisconnected(OSError):
    """As uvicorn has it."""


FAILURES = [
    (ClientDisconnected(), CloseReason.CONNECTION_LOST),
    (ConnectionResetError("gone"), CloseReason.CONNECTION_LOST),
    (RuntimeError("Unexpected ASGI message"), CloseReason.IO_EXCEPTION),
]


@pytest.mark.parametrize(("failure", "reason"), FAILURES)
async def test_t18_a_send_that_fails_while_it_waits_closes_this_connection_alone(
    bo: Connection, hub: FakeHub, send: FakeSend, failure: Exception, reason: CloseReason
) -> None:
    gate = send.hold()
    bo.put("1")
    bo.put("2")
    hub.tick()
    send.failure = failure
    gate.set()
    await hub.settle()
    assert bo.close_reason is reason
    assert send.sent == ["1"]


@pytest.mark.parametrize(("failure", "reason"), FAILURES)
async def test_t18_a_send_that_fails_at_once_closes_this_connection_alone(
    bo: Connection, hub: FakeHub, send: FakeSend, failure: Exception, reason: CloseReason
) -> None:
    other_send = FakeSend()
    other = connection(hub, other_send)
    send.failure = failure
    bo.put("1")
    other.put("1")
    hub.tick()
    await hub.settle()
    assert bo.close_reason is reason
    assert other_send.sent == ["1"]


async def test_t18_a_close_that_fails_is_nobodys_trouble(hub: FakeHub) -> None:
    async def fail(message: dict[str, Any]) -> None:
        raise RuntimeError("closed already")

    bo = Connection(hub, fail, 1_000)  # type: ignore[arg-type]  # a fake
    bo.close(CloseReason.EXPIRED)
    await hub.settle()
    assert hub.losses == [CloseReason.EXPIRED]


# --- running in place


async def give(value: str, into: list[str], *, after: asyncio.Event | None = None) -> None:
    if after is not None:
        await after.wait()
        await asyncio.sleep(0)
    into.append(value)


async def test_what_does_not_wait_is_done_in_place() -> None:
    done: list[str] = []
    assert run_to_first_suspension(give("a", done)) is None
    assert done == ["a"]


async def test_what_waits_is_finished_by_the_rest() -> None:
    done: list[str] = []
    event = asyncio.Event()
    rest: Coroutine[Any, Any, None] | None = run_to_first_suspension(give("a", done, after=event))
    assert rest is not None
    task = asyncio.create_task(rest)
    event.set()
    async with asyncio.timeout(5):
        await task
    assert done == ["a"]


async def test_an_awaitable_that_is_no_coroutine_is_awaited_by_the_rest() -> None:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    rest = run_to_first_suspension(future)
    assert rest is not None
    future.set_result(None)
    async with asyncio.timeout(5):
        await rest


async def test_who_waits_for_the_rest_is_told_once_that_it_ended() -> None:
    for ends in (asyncio.Event.set, None):
        told: list[str] = []
        event = asyncio.Event()
        rest = run_to_first_suspension(give("a", [], after=event))
        assert rest is not None
        rest.then = partial(told.append, "ended")
        task: asyncio.Task[None] = asyncio.create_task(rest)
        await asyncio.sleep(0)
        assert told == []
        if ends:
            ends(event)
        else:
            task.cancel()
        await asyncio.wait([task])
        assert told == ["ended"]


async def test_cancelling_the_rest_reaches_what_waits() -> None:
    done: list[str] = []

    async def tidy() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            done.append("tidied")

    rest: Coroutine[Any, Any, None] | None = run_to_first_suspension(tidy())
    assert rest is not None
    task = asyncio.create_task(rest)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done == ["tidied"]
