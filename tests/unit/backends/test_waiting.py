"""Callers that wait for a store: what is kept of them, and for how long."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from typing import Any, cast

import pytest

from sessionstore_app.backends import waiting
from sessionstore_app.backends.waiting import PATIENCE_SECONDS, Caller, Pending
from sessionstore_app.core.errors import Unavailable


class Job:
    touches = ("room",)


def handed_over(caller: Caller) -> tuple[asyncio.Future[None], weakref.ref[Job]]:
    """A job whose caller waits, held by nobody else."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()
    job = Job()
    caller.wait_for(Pending(job, future, loop))
    return future, weakref.ref(job)


async def test_who_was_answered_is_let_go_of_when_the_next_one_comes() -> None:
    caller = Caller(asyncio.get_running_loop())
    waiting = [handed_over(caller) for _ in range(3)]
    for future, _ in waiting[:2]:
        future.set_result(None)
    handed_over(caller)
    assert [job() is None for _, job in waiting] == [True, True, False]


async def test_who_waits_at_the_front_keeps_those_behind_until_it_is_answered_too() -> None:
    caller = Caller(asyncio.get_running_loop())
    (first, first_job), (second, second_job) = handed_over(caller), handed_over(caller)
    second.set_result(None)
    handed_over(caller)
    assert second_job() is not None
    first.set_result(None)
    handed_over(caller)
    assert (first_job(), second_job()) == (None, None)


# --- how long


class Loop:
    """The time, and a loop with one timer, as the test moves them."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timer: tuple[float, Callable[[], None]] | None = None

    def monotonic(self) -> float:
        return self.now

    time = monotonic

    def call_at(self, when: float, callback: Callable[[], None], **_: Any) -> None:
        self.timer = (when, callback)

    def look(self, *, late: float = 0.0) -> None:
        """Go on until so many seconds after the timer is due."""
        assert self.timer is not None
        (due, callback), self.timer = self.timer, None
        self.now = due + late
        callback()


STALL = PATIENCE_SECONDS


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
async def waits(loop: Loop) -> asyncio.Future[None]:
    """For a job that was handed over so long ago that it is to be given up."""
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    pending = Pending(Job(), future, asyncio.get_running_loop())
    pending.started_at -= 10 * PATIENCE_SECONDS
    Caller(cast(asyncio.AbstractEventLoop, loop)).wait_for(pending)
    return future


async def test_who_waits_too_long_is_told(loop: Loop, waits: asyncio.Future[None]) -> None:
    loop.look()
    with pytest.raises(Unavailable):
        waits.result()
    assert loop.timer is None


async def test_nobody_is_given_up_for_time_in_which_the_process_stood_still(
    loop: Loop, waits: asyncio.Future[None]
) -> None:
    loop.look(late=STALL)
    assert not waits.done()
    waits.set_result(None)
    loop.look()
    assert loop.timer is None


async def test_a_process_that_always_comes_late_gives_up_all_the_same(loop: Loop, waits: asyncio.Future[None]) -> None:
    loop.look(late=STALL)
    loop.look(late=STALL)
    with pytest.raises(Unavailable):
        waits.result()


async def test_a_later_stall_is_excused_too(loop: Loop) -> None:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    pending = Pending(Job(), future, asyncio.get_running_loop())
    Caller(cast(asyncio.AbstractEventLoop, loop)).wait_for(pending)
    loop.look(late=STALL)
    loop.look()
    pending.started_at -= 10 * PATIENCE_SECONDS
    loop.look(late=STALL)
    assert not future.done()
    future.cancel()


async def test_whoever_waits_for_a_database_that_stands_still_is_told_within_two_seconds(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whenever it was handed over, for one timer serves all."""
    monkeypatch.setattr(waiting, "time", loop)
    ours = asyncio.get_running_loop()
    caller = Caller(cast(asyncio.AbstractEventLoop, loop))
    handed: list[Pending] = []
    for _ in range(100):
        handed.append(Pending(Job(), ours.create_future(), ours, started_at=loop.now))
        caller.wait_for(handed[-1])
        loop.now += 0.001
    while waits := [each for each in handed if each.is_wanted]:
        loop.look()
        assert all(loop.now - each.started_at <= 2 for each in waits)
    assert all(isinstance(each.future.exception(), Unavailable) for each in handed)
