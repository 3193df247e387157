"""Listeners on several processes are told everything, in order and once, whatever the bus does (parity D1–D3, P9)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest
from asgiref.sync import sync_to_async

from sessionstore_app.core.close import CloseReason
from sessionstore_app.core.errors import Unavailable
from sessionstore_app.core.sessions import SessionChange, State
from sessionstore_app.models import Session
from sessionstore_app.services import history, hub
from sessionstore_app.services.bus import SESSIONS_GROUP
from sessionstore_app.services.endings import end_session
from tests.services.churn import Churn, end, heal, opened_client, set_k
from tests.services.ears import Ear, recorded
from tests.services.processes import Client, Process, settled
from tests.support import layers
from tests.support.layers import DeafLayer, LossyLayer
from tests.support.wire import eventually

if TYPE_CHECKING:
    from pytest_django import Settings

Pair = tuple[Process, Process]
A, D, R, F, C = State.ACTIVE, State.DISCONNECTED, State.RECONNECTED, State.FAILED_OVER, State.CLOSED


# --- a bus that works


async def test_d50_a_listener_hears_of_sessions_of_all_processes(pair: Pair, deaf_layer: DeafLayer) -> None:
    """By the bus alone: nothing has to be healed."""
    ears = [await Ear(process).begin() for process in pair]
    churn = Churn(pair, 50)
    for number in range(40):
        await churn.step(number)
    wanted = await recorded()
    total = sum(map(len, wanted.values()))
    for ear in ears:
        await ear.until(lambda ear=ear: len(ear.events) >= total, "all is told")  # type: ignore[misc]
        assert ear.told == wanted
    assert [process.hub.counters.healed_sessions for process in pair] == [0, 0]
    assert [process.hub.counters.dropped_messages for process in pair] == [0, 0]


async def test_d2_d3_a_return_says_whether_it_is_to_the_same_process(pair: Pair) -> None:
    ear = await Ear(pair[1]).begin()
    client = Client(pair[0])
    opened = await client.open()
    for process in (pair[0], pair[1]):
        await client.process.lose(client, CloseReason.CONNECTION_LOST)
        client = Client(process)
        back = await client.resume(opened)
        assert back is not None
        opened = back
    await ear.until(lambda: len(ear.events) >= 5, "the second return is told")
    assert ear.of(client.id) == [(A, 1), (D, 2), (R, 3), (D, 4), (F, 5)]
    moved = ear.events[-1].changed_properties
    assert moved == {"$ServerName": pair[0].hub.node_id}
    assert ear.events[-1].properties["$ServerName"] == pair[1].hub.node_id


async def test_p16_a_takeover_is_told_as_a_return(pair: Pair) -> None:
    """And the old socket's late end is told to nobody."""
    ear = await Ear(pair[1]).begin()
    old, new = Client(pair[0]), Client(pair[1])
    opened = await old.open()
    assert await new.resume(opened) is not None
    await old.until(lambda: old.closed_with is not None, "the old socket is closed")
    await pair[0].hub.settle()
    await heal(*pair)
    assert ear.of(new.id) == [(A, 1), (F, 2)]


# --- a bus that does not


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_p9_listeners_are_told_all_in_order_and_once_though_every_third_message_is_lost(
    lossy: Pair, lossy_layer: LossyLayer, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(layers, "DROP_EVERY", 3)
    ears = [await Ear(process).begin() for process in lossy]
    churn = Churn(lossy, seed)
    for number in range(60):
        await churn.step(number)
    assert min(lossy_layer.dropped, lossy_layer.repeated, lossy_layer.swapped) > 5
    await heal(*lossy)
    wanted = await recorded()
    assert len(wanted) > 5
    for ear in ears:
        assert ear.told == wanted
        assert ear.process.hub.counters.healed_sessions > 0
    # What is still on its way changes nothing.
    await settled(lossy)
    lossy_layer.is_lossy = False
    last = [await opened_client(process) for process in lossy]
    for ear in ears:
        await ear.until(lambda ear=ear: all(ear.of(client.id) for client in last), "the last is told")  # type: ignore[misc]
        assert ear.told == await recorded()


async def test_d57_a_gap_is_filled_by_itself_when_the_next_change_shows_it(pair: Pair, deaf_layer: DeafLayer) -> None:
    client = await opened_client(pair[0])
    ear = await Ear(pair[1]).begin()
    deaf_layer.is_deaf = True
    await set_k(pair[0], client, "missed")
    await settled(pair)
    deaf_layer.is_deaf = False
    await set_k(pair[0], client, "heard")
    await ear.until(lambda: len(ear.events) >= 3, "both are told")
    assert [event.properties.get("k") for event in ear.events] == [None, "missed", "heard"]
    assert [event.changed_properties.get("k") for event in ear.events[1:]] == [None, "missed"]


async def test_what_a_deaf_listener_missed_is_told_when_it_is_healed(pair: Pair, deaf_layer: DeafLayer) -> None:
    """Sessions that came and went meanwhile too."""
    kept, ended = await opened_client(pair[0]), await opened_client(pair[0])
    ear = await Ear(pair[1]).begin()
    deaf_layer.is_deaf = True
    await set_k(pair[0], kept, "1")
    await end(pair[0], ended)
    came = await opened_client(pair[0])
    passed = await opened_client(pair[0])
    await set_k(pair[0], passed, "2")
    await end(pair[0], passed)
    await settled(pair)
    deaf_layer.is_deaf = False
    assert len(ear.events) == 2
    await heal(pair[1])
    assert ear.of(kept.id) == [(A, 1), (A, 2)]
    assert ear.of(ended.id) == [(A, 1), (C, 2)]
    assert ear.of(came.id) == [(A, 1)]
    assert ear.of(passed.id) == [(A, 1), (A, 2), (C, 3)]
    before = list(ear.events)
    await heal(pair[1])
    assert ear.events == before


async def test_what_was_missed_is_told_when_the_layer_is_back(pair: Pair, deaf_layer: DeafLayer) -> None:
    """Without waiting for the next renewal of the lease."""
    ear = await Ear(pair[1]).begin()
    deaf_layer.is_deaf = True
    missed = await opened_client(pair[0])
    await deaf_layer.send_anyway(SESSIONS_GROUP)

    async def noticed() -> bool:
        return pair[1].hub.counters.bus_failures > 0

    await eventually(noticed, "the listener has noticed")
    await settled(pair)
    deaf_layer.is_deaf = False
    await ear.until(lambda: bool(ear.events), "what was missed is told")
    await end(pair[0], missed)
    await ear.until(lambda: len(ear.events) > 1, "what happens is heard again")
    assert ear.of(missed.id) == [(A, 1), (C, 2)]


async def test_one_that_ended_is_not_made_up_for_by_one_that_opened(pair: Pair, deaf_layer: DeafLayer) -> None:
    """As many sessions as before, and as many changes: nothing that is counted tells the difference."""
    ended = await opened_client(pair[0])
    ear = await Ear(pair[1]).begin()
    deaf_layer.is_deaf = True
    await end(pair[0], ended)
    came = await opened_client(pair[0])
    await settled(pair)
    deaf_layer.is_deaf = False
    await heal(pair[1])
    assert ear.of(ended.id) == [(A, 1), (C, 2)]
    assert ear.of(came.id) == [(A, 1)]


@pytest.fixture
async def apart(settings: Settings) -> AsyncIterator[Pair]:
    """Two processes that share the record alone."""
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    first, second = Process(), Process()
    await first.start()
    await second.start()
    yield first, second
    hub.set_running(None)
    await first.stop()
    await second.stop()


@pytest.mark.parametrize("seed", [4, 5])
async def test_without_a_shared_layer_everything_is_told_at_the_next_look(apart: Pair, seed: int) -> None:
    ears = [await Ear(process).begin() for process in apart]
    churn = Churn(apart, seed)
    for number in range(60):
        await churn.step(number)
        if number % 15 == 14:
            await heal(*apart)
            wanted = await recorded()
            assert [ear.told == wanted for ear in ears] == [True, True]


async def test_who_was_put_out_is_told_of_as_soon_as_the_record_is_in_reach(
    pair: Pair, deaf_layer: DeafLayer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Healing that fails is tried again, by itself or at the next look, and is nobody's error."""
    client = await opened_client(pair[0])
    ear = await Ear(pair[1]).begin()
    failed: list[object] = []

    def fail(heard: object) -> list[SessionChange]:
        failed.append(heard)
        raise Unavailable("The database is away.")

    deaf_layer.is_deaf = True
    await set_k(pair[0], client, "missed")
    await settled(pair)
    deaf_layer.is_deaf = False
    with monkeypatch.context() as patched:
        patched.setattr(history, "changes_after", fail)
        await set_k(pair[0], client, "heard")

        async def tried() -> bool:
            return bool(failed)

        await eventually(tried, "the gap is read")
        with pytest.raises(Unavailable):
            await heal(pair[1])
    await heal(pair[1])
    assert ear.of(client.id) == [(A, 1), (A, 2), (A, 3)]
    assert "A background task failed" not in caplog.text


# --- ends that no client can bring about


async def _break(client: Client) -> None:
    async def fail(event: dict[str, Any]) -> None:
        raise RuntimeError("the server cannot send")

    client.connection._send = fail
    client.connection.put("{}")


async def _fault(client: Client) -> None:
    client.connection.close(CloseReason.INTERNAL_ERROR)


@pytest.mark.parametrize(
    ("act", "code", "reason"), [(_break, None, "IO_EXCEPTION"), (_fault, 4006, "INTERNAL_ERROR")], ids=["io", "fault"]
)
async def test_s2_6_faults_of_a_socket_and_of_the_server_have_their_reasons(
    pair: Pair, act: Callable[[Client], Awaitable[None]], code: int | None, reason: str
) -> None:
    """D5: told when the time to come back is over, which the other process may find."""
    client, ear = await opened_client(pair[0]), await Ear(pair[1]).begin()
    await act(client)
    await ear.until(lambda: len(ear.events) >= 2, "it is away")
    assert client.closed_with == code
    await sync_to_async(Session.objects.filter(id=client.id).update)(lapses_at="2020-01-01T00:00:00Z")
    pair[1].acts()
    await pair[1].presence.reap()
    assert ear.of(client.id) == [(A, 1), (D, 2), (C, 3)]
    assert [event.close_reason for event in ear.events] == [None, None, reason]


async def test_s2_6_a_socket_whose_session_ended_unheard_is_closed_for_its_reason(
    pair: Pair, deaf_layer: DeafLayer
) -> None:
    """4000: a process that stood still was taken for dead, and its sessions lapsed before it went on."""
    client, ear = await opened_client(pair[0]), await Ear(pair[1]).begin()
    deaf_layer.is_deaf = True
    pair[1].acts()
    assert await end_session(client.id, CloseReason.CONNECTION_LOST.name)
    await settled(pair)
    deaf_layer.is_deaf = False
    pair[0].acts()
    await pair[0].presence.renew()
    await client.until(lambda: client.closed_with is not None, "the socket is closed")
    assert client.closed_with == 4000
    await pair[0].hub.settle()
    await heal(pair[1])
    assert ear.of(client.id) == [(A, 1), (C, 2)]
    assert ear.events[-1].close_reason == "CONNECTION_LOST"


async def test_a_listener_that_fails_as_it_goes_live_is_told_nothing_more(pair: Pair) -> None:
    class Failing(Ear):
        def listening(self, count: int) -> None:
            raise RuntimeError

    ear = Failing(pair[0])
    with pytest.raises(RuntimeError):
        await ear.begin()
    assert pair[0].hub.feed.is_empty
    await opened_client(pair[0])
    assert ear.events == []
