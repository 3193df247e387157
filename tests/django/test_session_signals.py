"""Signals of sessions: each happening once, with what there is to know of it, after commit; receivers of any kind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, cast

import pytest
from django.db import transaction
from django.dispatch import Signal

from sessionstore_app import sessions, signals
from sessionstore_app.core.close import CloseReason
from sessionstore_app.models import Session
from sessionstore_app.services import hub
from sessionstore_app.services.hub import Hub
from sessionstore_app.services.presence import Presence
from tests.services.processes import Client, Process
from tests.support.wire import eventually

NAMES = ["session_opened", "session_changed", "session_disconnected", "session_returned", "session_closed"]
MEMBERS = frozenset({"signal", "sender", "session_id", "state", "properties", "changed_properties", "reason"})

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def _connected(signal: Signal, receiver: Any) -> Iterator[None]:
    signal.connect(receiver)
    try:
        yield
    finally:
        signal.disconnect(receiver)


class Told:
    """What was sent, as pairs of a signal's name and what it told; by a sync or an async receiver."""

    def __init__(self) -> None:
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.receivers: list[Any] = []

    def listen(self, stack: ExitStack, *, is_async: bool) -> None:
        """Receive all of them."""
        for name in NAMES:
            receiver = self._async_receiver(name) if is_async else self._receiver(name)
            self.receivers.append(receiver)
            stack.enter_context(_connected(getattr(signals, name), receiver))

    def _receiver(self, name: str) -> Any:
        def receive(**told: Any) -> None:
            self.told.append((name, told))

        return receive

    def _async_receiver(self, name: str) -> Any:
        async def receive(**told: Any) -> None:
            self.told.append((name, told))

        return receive

    async def until(self, number: int) -> list[str]:
        """Wait for so many; returns their names."""

        async def reached() -> bool:
            return len(self.told) >= number

        await eventually(reached, f"{number} signals were sent")
        return [name for name, _ in self.told]


@pytest.fixture(params=["sync", "async"])
def told(request: pytest.FixtureRequest) -> Iterator[Told]:
    """All signals of sessions, heard by either kind of receiver."""
    heard = Told()
    with ExitStack() as stack:
        heard.listen(stack, is_async=request.param == "async")
        yield heard


@pytest.fixture
async def here(running_hub: Hub) -> AsyncIterator[Process]:
    """This process, as a server."""
    process = Process.__new__(Process)
    process.hub, process.presence = running_hub, cast(Presence, running_hub.keeper)
    yield process
    await running_hub.settle()


async def test_a_whole_life_is_signalled_once_a_step(here: Process, told: Told) -> None:
    client = Client(here)
    opened = await client.open()
    assert await told.until(1) == ["session_opened"]
    await client.join("standup")
    await sessions.aset_properties({"k": "1", "gone": "x"}, session_id=client.id)
    await told.until(2)
    await sessions.aset_properties({"k": "2", "gone": None}, session_id=client.id)
    await told.until(3)
    await sessions.achange_roles(add=["host"], session_id=client.id)
    await told.until(4)
    await here.lose(client, CloseReason.CONNECTION_LOST)
    await told.until(5)
    back = Client(here)
    assert await back.resume(opened) is not None
    await told.until(6)
    await sessions.aterminate(session_id=back.id)
    assert await told.until(7) == [
        "session_opened",
        *["session_changed"] * 3,
        "session_disconnected",
        "session_returned",
        "session_closed",
    ]
    events = [event for _, event in told.told]
    assert frozenset.intersection(*map(frozenset, events)) >= MEMBERS
    assert {(event["session_id"], event["sender"]) for event in events} == {(client.id, None)}
    assert [event["state"] for event in events] == ["ACTIVE"] * 4 + ["DISCONNECTED", "RECONNECTED", "CLOSED"]
    changed = [event["changed_properties"] for event in events]
    assert changed == [{}, {"k": None, "gone": None}, {"k": "1", "gone": "x"}, {"$Roles": ""}, {}, {}, {}]
    assert events[0]["properties"].items() >= {"$SessionId": client.id, "$Principal": "", "$Roles": ""}.items()
    assert events[-1]["properties"].items() >= {"k": "2", "$Roles": '"host"'}.items()
    assert "gone" not in events[-1]["properties"]
    assert [event["reason"] for event in events] == [""] * 6 + ["CLOSED_BY_CONTROLLER"]


async def test_d3_a_return_to_another_process_is_a_return(here: Process, told: Told) -> None:
    client = Client(here)
    opened = await client.open()
    other = Process()
    await other.start()
    moved = Client(other)
    assert await moved.resume(opened) is not None
    here.acts()
    assert await told.until(2) == ["session_opened", "session_returned"]
    _, event = told.told[1]
    assert (event["state"], event["changed_properties"]) == ("FAILED_OVER", {"$ServerName": here.hub.node_id})
    await other.stop()
    hub.set_running(here.hub)


async def test_joins_and_leaves_are_no_signals_of_sessions(here: Process, told: Told) -> None:
    client = Client(here)
    await client.open()
    for room in ("a", "b"):
        await client.join(room)
    await sessions.aterminate(session_id=client.id)
    assert await told.until(2) == ["session_opened", "session_closed"]


async def test_a_bulk_act_is_a_signal_for_each_session_that_it_changed(here: Process, told: Told) -> None:
    clients = [Client(here) for _ in range(5)]
    for client in clients:
        await client.open()
    await sessions.aset_properties({"k": "1"}, session_id=clients[0].id)
    assert await sessions.aset_properties({"k": "1"}, filter="all") == 5
    await told.until(10)
    assert await sessions.aterminate(filter="all") == 5
    names = await told.until(15)
    assert names == ["session_opened"] * 5 + ["session_changed"] * 5 + ["session_closed"] * 5
    for name in ("session_changed", "session_closed"):
        ids = [event["session_id"] for sent, event in told.told if sent == name]
        assert sorted(ids) == sorted(client.id for client in clients)


async def test_of_many_who_end_a_session_one_signals(here: Process, told: Told) -> None:
    client = Client(here)
    await client.open()
    acts = [sessions.aterminate(filter="all") for _ in range(5)]
    assert sum(await asyncio.gather(*acts)) == 1
    await told.until(2)
    await Client(here).open()
    assert await told.until(3) == ["session_opened", "session_closed", "session_opened"]


async def test_a_receiver_that_raises_harms_nobody(here: Process, told: Told, caplog: pytest.LogCaptureFixture) -> None:
    """Neither the act, nor other receivers, nor what comes after; it is logged."""

    def fail(**_: Any) -> None:
        raise RuntimeError("a receiver is broken")

    async def fail_later(**_: Any) -> None:
        raise RuntimeError("another receiver is broken")

    with ExitStack() as stack:
        for name, receiver in ((name, receiver) for name in NAMES for receiver in (fail, fail_later)):
            stack.enter_context(_connected(getattr(signals, name), receiver))
        client = Client(here)
        await client.open()
        await sessions.aset_properties({"k": "1"}, session_id=client.id)
        await sessions.aterminate(session_id=client.id)
        assert await told.until(3) == ["session_opened", "session_changed", "session_closed"]

        async def logged() -> bool:
            return [record.name for record in caplog.records] == ["django.dispatch"] * 6

        await eventually(logged, "all faults are logged")
    await client.until(lambda: client.closed_with is not None, "the socket is closed")
    assert client.closed_with == 4011


async def test_a_receiver_may_act_on_sessions_itself(here: Process) -> None:
    """It greets whoever opens; and what it does is signalled in its turn."""
    greeted = asyncio.Event()

    async def greet(*, session_id: str, **_: Any) -> None:
        await sessions.aset_properties({"greeted": "yes"}, session_id=session_id)

    def note(*, changed_properties: dict[str, str | None], **_: Any) -> None:
        assert changed_properties == {"greeted": None}
        here.hub.loop.call_soon_threadsafe(greeted.set)

    with _connected(signals.session_opened, greet), _connected(signals.session_changed, note):
        client = Client(here)
        await client.open()
        async with asyncio.timeout(10):
            await greeted.wait()
    assert (await sessions.aget_properties(client.id, ["greeted"])) == {"greeted": "yes"}


def test_p37_from_a_view_signals_come_behind_the_commit(told: Told) -> None:
    Session.objects.create(id="s1", revision=1)
    with transaction.atomic():
        sessions.set_properties({"k": "1"}, session_id="s1")
        assert told.told == []
    assert [name for name, _ in told.told] == ["session_changed"]
    with transaction.atomic():
        sessions.terminate(session_id="s1")
        transaction.set_rollback(True)
    assert [name for name, _ in told.told] == ["session_changed"]


def test_a_process_without_a_server_signals_too(told: Told) -> None:
    Session.objects.create(id="s1", revision=1)
    sessions.terminate(session_id="s1")
    assert [(name, event["reason"]) for name, event in told.told] == [("session_closed", "CLOSED_BY_CONTROLLER")]
