"""A channel layer that cannot be reached is a fault that passes: whoever needs it is told to try again (§4)."""

from __future__ import annotations

from typing import Any

import pytest

from sessionstore_app.core.errors import Unavailable
from sessionstore_app.core.observer import Interest
from sessionstore_app.services import line
from sessionstore_app.services.line import Counters, Line
from sessionstore_app.services.reach import EVERYWHERE
from sessionstore_app.services.watching import begin_soon, listen
from tests.services.processes import Client, Process
from tests.support.layers import DeafLayer

Pair = tuple[Process, Process]


@pytest.fixture
def away(deaf_layer: DeafLayer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody can join a group of the layer."""

    async def fail(*_: object) -> None:
        raise ConnectionError("the layer is out of reach")

    monkeypatch.setattr(deaf_layer, "group_add", fail)


async def test_a_listener_that_cannot_hear_is_told_to_come_again(pair: Pair, away: None) -> None:
    client = Client(pair[1])
    await client.open()
    listener_id = listen(client.connection, EVERYWHERE, Interest(), None)
    begin_soon(client.process.hub, client.connection, listener_id)
    await client.until(lambda: bool(client.heard("session.listener_closed")), "it is told")
    assert client.heard("session.listener_closed") == [{"listener_id": listener_id, "reason": "UNAVAILABLE"}]


async def test_a_join_that_cannot_hear_the_room_is_unavailable_and_leaves_nothing(pair: Pair, away: None) -> None:
    client = Client(pair[1])
    await client.open()
    with pytest.raises(Unavailable):
        await client.join("standup")
    assert not pair[1].hub.rooms


@pytest.mark.parametrize("away", ["open", "join"])
async def test_a_process_that_cannot_take_its_place_is_unavailable(away: str) -> None:
    """It has just started: who comes is put off, and the next one is its next try."""

    class Bus:
        async def open(self) -> None:
            if away == "open":
                raise ConnectionError

        async def join(self, group: str) -> None:
            raise ConnectionError

    bus: Any = Bus()
    with pytest.raises(Unavailable):
        await Line(bus, Counters()).open(["sessionstore.node.1"])


async def test_who_joins_while_the_bus_is_opened_again_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "JOIN_SECONDS", 60)

    class Bus:
        tries = 0

        async def join(self, group: str) -> None:
            self.tries += 1
            if self.tries < 3:
                raise ConnectionError

    bus: Any = Bus()
    await Line(bus, Counters()).join("sessionstore.node.1")
    assert bus.tries == 3
