"""Callers that wait for a store: what is kept of them, and for how long."""

from __future__ import annotations

import asyncio
import weakref

from sessionstore_app.backends.waiting import Caller, Pending


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
