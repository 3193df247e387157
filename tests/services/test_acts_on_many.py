"""An act on many sessions leaves the process time for everybody else (I15, T13)."""

from __future__ import annotations

import asyncio
import itertools

from sessionstore_app import sessions
from sessionstore_app.models import Session
from sessionstore_app.services import hub
from tests.services.ears import Ear
from tests.services.processes import Process

Pair = tuple[Process, Process]
MANY = hub.AT_A_TIME * 3


async def test_others_take_their_turn_while_an_act_on_many_sessions_is_told(pair: Pair) -> None:
    await Session.objects.abulk_create(Session(id=f"s{number:03}", revision=1) for number in range(MANY))
    ear = await Ear(pair[1], after_ms=1).begin()
    told_by_their_turns: list[int] = []

    def take_turn() -> None:
        told_by_their_turns.append(len(ear.events))
        if len(ear.events) < MANY:
            asyncio.get_running_loop().call_soon(take_turn)

    def begin_to_take_turns() -> None:
        ear.on_put = None
        take_turn()

    ear.on_put = begin_to_take_turns
    pair[1].acts()
    assert await sessions.aset_properties({"k": "1"}, filter="all") == MANY
    assert len(ear.events) == MANY
    told_at_once = [later - before for before, later in itertools.pairwise(told_by_their_turns)]
    assert max(told_at_once) <= hub.AT_A_TIME
