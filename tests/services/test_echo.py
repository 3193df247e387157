"""A layer that loses its server and finds it again without a word: a process that hears itself knows."""

from __future__ import annotations

import asyncio

import pytest

from sessionstore_app.services import layerbus, line
from tests.services.processes import Process
from tests.support.layers import DeafLayer
from tests.support.wire import eventually

Pair = tuple[Process, Process]


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever says something to itself does it often."""
    monkeypatch.setattr(line, "ECHO_SECONDS", 0.05)


def _listen_to_themselves(processes: Pair) -> None:
    """Begun once the layer is gone: an echo that a slow machine misses before would be taken for one that it lost."""
    for process in processes:
        process.hub.spawn(process.hub.listen_to_itself())


async def test_p9_what_was_said_while_the_layer_was_deaf_is_read_once_it_is_heard(
    pair: Pair, deaf_layer: DeafLayer
) -> None:
    one, two = pair
    ann, bo = await one.client("standup"), await two.client("standup")
    deaf_layer.is_deaf = True
    await one.write("standup", {"topic": "Retro"})
    _listen_to_themselves(pair)

    async def both_have_missed_an_echo() -> bool:
        return all(process.hub.counters.missed_echoes for process in pair)

    await eventually(both_have_missed_an_echo, "nothing is heard")
    assert bo.heard("room.changed") == []
    two.acts()
    deaf_layer.is_deaf = False
    await bo.until(lambda: bool(bo.heard("room.changed")), "it is told what it missed")
    assert two.hub.counters.healed_rooms
    assert ann.closed_with is bo.closed_with is None


async def test_a_layer_that_stands_still_holds_up_no_write(
    pair: Pair, deaf_layer: DeafLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what waits for it has an end."""
    one, two = pair
    ann, bo = await one.client("standup"), await two.client("standup")

    async def stand_still(*_: object) -> None:
        await asyncio.Event().wait()

    with monkeypatch.context() as patch:
        patch.setattr(layerbus, "PUBLISH_SECONDS", 60)
        patch.setattr(line, "MOST_WAITING", 100)
        patch.setattr(deaf_layer, "group_send", stand_still)
        for number in range(120):
            await one.write("standup", {"topic": number}, waits=False)
        _listen_to_themselves(pair)
        await eventually(lambda: _is(bool(two.hub.counters.missed_echoes)), "it is known")
        assert 0 < one.hub.counters.bus_failures <= 20
    two.acts()
    await eventually(lambda: _is(bool(bo.heard("room.changed"))), "it is told what it missed")
    assert ann.closed_with is bo.closed_with is None


async def _is(truth: bool) -> bool:
    return truth
