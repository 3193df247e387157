"""What goes from process to process (parity S42–S46), and what does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from channels.layers import get_channel_layer

from sessionstore_app.services import bus, hub, layerbus
from tests.services.processes import Process, converge
from tests.support.layers import DeafLayer

if TYPE_CHECKING:
    from pytest_django import Settings

Pair = tuple[Process, Process]
ROOM = "standup"


async def test_s42_a_process_that_hears_its_own_word_passes_it_over(pair: Pair) -> None:
    """It is in the group that it tells; what it did it has taken in before."""
    ann, bo = [await process.client(ROOM) for process in pair]
    for number in range(5):
        await pair[0].write(ROOM, {"topic": number})
        await bo.until(lambda number=number: len(bo.heard("room.changed")) > number, "it is told")  # type: ignore[misc]
    await pair[1].write(ROOM, {"last": 1})
    await ann.until(lambda: len(ann.heard("room.changed")) > 5, "the other's word came behind all of its own")
    versions = [told["version"] for told in ann.heard("room.changed")]
    assert versions == list(range(1, 7))


@pytest.mark.usefixtures("transactional_db")
async def test_s43_without_a_shared_layer_a_process_is_alone_and_all_works(settings: Settings) -> None:
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    assert get_channel_layer() is not None
    assert layerbus.hub_bus() is None
    process = Process()
    await process.start()
    ann, bo = [await process.client(ROOM) for _ in range(2)]
    await process.write(ROOM, {"topic": "Retro"})
    await converge([ann, bo], ROOM)
    hub.set_running(None)
    await process.stop()


async def test_s44_a_process_that_starts_later_reads_what_there_is(pair: Pair, deaf_layer: DeafLayer) -> None:
    """Nothing is told again for it."""
    ann = await pair[0].client(ROOM)
    await pair[0].write(ROOM, {"topic": "Retro"})
    late = Process()
    await late.start()
    bo = await late.client(ROOM)
    assert await converge([ann, bo], ROOM) == {"topic": ("Retro", 1)}
    assert bo.heard("room.changed") == []
    await late.stop()


@pytest.mark.parametrize("room", ["standup", "é" * 128, "a b/*?[]{}:;", "x" * 128])
def test_s46_names_of_groups_are_those_that_every_layer_takes(room: str) -> None:
    """Under a prefix of ours, ASCII letters, digits, hyphens and periods, fewer than 100 of them."""
    names = [bus.room_group(room), bus.node_group("n1"), bus.SESSIONS_GROUP]
    assert len(set(names)) == 3
    for name in names:
        assert name.startswith("sessionstore.")
        assert len(name) < 100
        assert name.replace(".", "").replace("-", "").isalnum()
        assert name.isascii()
