"""`sessions.listen` in server code (parity D50, D60): with a server in the process, without one, from other loops."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, cast

import pytest
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer
from django.db import connection

from sessionstore_app import errors, sessions
from sessionstore_app.core.observer import Event
from sessionstore_app.core.sessions import Kind, State
from sessionstore_app.models import Node, Session
from sessionstore_app.services import hub, jobs, livesessions, presence, record, telling
from sessionstore_app.services.bus import SESSIONS_GROUP
from sessionstore_app.services.hub import Hub
from sessionstore_app.services.policy import ANONYMOUS
from tests.support.wire import eventually

if TYPE_CHECKING:
    from pytest_django import Settings

A, C = State.ACTIVE, State.CLOSED
LIMIT_SECONDS = 10

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def unreaped(settings: Settings) -> None:
    """The node that serves these sessions is not in the record: a reaper would take them for lost, and tell so."""
    settings.SESSIONSTORE = {**settings.SESSIONSTORE, "REAP_SECONDS": 3_600}


def _listen(*arguments: Any, **keywords: Any) -> aclosing[AsyncGenerator[Event, None]]:
    """A listener that ends with the block."""
    return aclosing(cast("AsyncGenerator[Event, None]", sessions.listen(*arguments, **keywords)))


async def _next(events: AsyncGenerator[Event, None]) -> Event:
    async with asyncio.timeout(LIMIT_SECONDS):
        return await anext(events)


async def _take(events: AsyncGenerator[Event, None], number: int) -> list[tuple[str, State, int]]:
    """The next events: of which session, its state and revision."""
    taken = [await _next(events) for _ in range(number)]
    return [(event.session_id, event.state, event.revision) for event in taken]


async def _run(job: record.Job) -> None:
    _, happened = await record.run(job)
    await telling.tell(happened)


async def _open(session_id: str, **properties: str) -> None:
    await _run(
        jobs.Open(session_id=session_id, identity=ANONYMOUS, node_id="elsewhere", token="", properties=properties)
    )


async def _close(session_id: str) -> None:
    await _run(jobs.Close(session_id=session_id, reason="CLOSED_BY_CLIENT"))


@sync_to_async
def _rows(number: int) -> None:
    Session.objects.bulk_create(Session(id=f"s{n:04}", node_id="elsewhere", revision=1) for n in range(number))


# --- what is told


async def test_d50_events_come_in_order_and_end_with_the_block(running_hub: Hub) -> None:
    await _open("s1", team="red", k="1")
    async with _listen("team is 'red'", properties=["k"]) as events:
        assert await _take(events, 1) == [("s1", A, 1)]
        await sessions.aset_properties({"k": "2"}, session_id="s1")
        changed = await _next(events)
        assert (changed.kind, changed.properties, changed.changed_properties) == (
            Kind.PROPERTIES,
            {"k": "2"},
            {"k": "1"},
        )
        await _open("s2", team="blue")
        await _open("s3", team="red")
        await sessions.aset_properties({"team": "blue"}, session_id="s3")
        await _close("s1")
        opened, left, closed = [await _next(events) for _ in range(3)]
        assert (opened.session_id, opened.state, opened.revision) == ("s3", A, 1)
        assert (left.session_id, left.matches, left.properties) == ("s3", False, {})
        assert (closed.session_id, closed.state, closed.close_reason) == ("s1", C, "CLOSED_BY_CLIENT")
    assert running_hub.feed.is_empty


async def test_d53_after_a_time_only_later_openings_are_told(running_hub: Hub) -> None:
    await _open("before")
    started = (await Session.objects.aget(id="before")).opened_at
    async with _listen(after=started) as events:
        reading = asyncio.create_task(_take(events, 2))
        await _listening(running_hub)
        await _close("before")
        await _open("later")
        await _close("later")
        assert await reading == [("later", A, 1), ("later", C, 2)]


async def _listening(on: Hub) -> None:
    """Wait until somebody listens there."""

    async def begun() -> bool:
        return bool(on.feed.groups)

    await eventually(begun, "somebody listens")


async def test_a_room_is_listened_to_by_its_name(running_hub: Hub) -> None:
    await _open("s1")
    async with _listen(room="standup") as events:
        reading = asyncio.create_task(_next(events))
        await _listening(running_hub)
        await _run(jobs.Join(session_id="s1", generation=1, room="standup", identity=ANONYMOUS, observed=[]))
        entered = await reading
        assert (entered.kind, entered.state, entered.matches) == (Kind.STATE, A, True)


async def test_d51_a_bad_filter_is_refused_at_the_first_event(running_hub: Hub) -> None:
    async with _listen("team is") as events:
        with pytest.raises(errors.InvalidFilter):
            await _next(events)
    assert running_hub.feed.is_empty


async def test_a_database_out_of_reach_is_the_readers(running_hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise errors.Unavailable("The database is away.")

    monkeypatch.setattr("sessionstore_app.services.directory.open_page", fail)
    async with _listen() as events:
        with pytest.raises(errors.Unavailable):
            await _next(events)
    assert running_hub.feed.is_empty


# --- how it ends


async def test_d60_closing_leaves_no_listener_no_task_and_no_group(settings: Settings) -> None:
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "tests.support.layers.DeafLayer"}}
    layer = get_channel_layer()
    assert layer is not None
    started = await presence.running_hub()
    before = asyncio.all_tasks()
    await _rows(5)
    listened = [_listen() for _ in range(3)]
    for each in listened:
        async with each as events:
            await _take(events, 2)
            assert layer.groups[SESSIONS_GROUP]

    async def left() -> bool:
        return not layer.groups.get(SESSIONS_GROUP) and asyncio.all_tasks() <= before

    await eventually(left, "the group is left and no task runs")
    assert started.feed.is_empty
    await presence.stop_hub()


async def test_d60_a_reader_that_is_cancelled_leaves_nothing(running_hub: Hub) -> None:
    async def read() -> None:
        async with _listen() as events:
            await _next(events)

    reader = asyncio.create_task(read())
    await _listening(running_hub)
    reader.cancel()
    await asyncio.wait([reader], timeout=LIMIT_SECONDS)
    assert reader.cancelled()
    assert running_hub.feed.is_empty


async def test_d60_a_reader_is_told_when_the_server_stops() -> None:
    started = await presence.running_hub()
    async with _listen() as events:
        reading = asyncio.create_task(_next(events))
        await _listening(started)
        await presence.stop_hub()
        with pytest.raises(errors.Unavailable):
            await reading


async def test_p32_a_reader_that_is_too_far_behind_is_given_up(
    running_hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits for it is bounded, and others do not notice."""
    monkeypatch.setattr(livesessions, "_BEHIND", 10)
    await _open("s1")
    async with _listen(properties=["k"]) as slow, _listen(properties=["k"]) as well:
        for events in (slow, well):
            await _next(events)
        for turn in range(30):
            await sessions.aset_properties({"k": str(turn)}, session_id="s1")
            assert (await _next(well)).properties == {"k": str(turn)}
        with pytest.raises(errors.LimitExceeded) as refused:
            await _next(slow)
        assert refused.value.limit == 10
        assert running_hub.feed.groups


async def test_p31_a_reader_may_take_its_time_with_what_is_there(
    running_hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first events wait for it, however many they are, and it is behind only with what happens."""
    monkeypatch.setattr(livesessions, "_BEHIND", 10)
    await _rows(100)
    async with _listen() as events:
        told = await _take(events, 1)
        await sessions.aset_properties({"k": "1"}, session_id="s0000")
        told += await _take(events, 99)
        assert told == [(f"s{number:04}", A, 1) for number in range(100)]
        await _close("s0050")
        assert await _take(events, 1) == [("s0050", C, 2)]


async def test_d60_closing_in_the_midst_of_what_is_there_leaves_nothing(
    running_hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(livesessions, "_BEHIND", 10)
    await _rows(100)
    before = asyncio.all_tasks()
    async with _listen() as events:
        await _take(events, 3)
    assert running_hub.feed.is_empty
    assert asyncio.all_tasks() <= before


# --- a process that serves nobody


async def test_without_a_server_one_is_started_for_as_long_as_somebody_listens() -> None:
    """What this process does itself is told at once; afterwards no task, no hub and no row of it is left."""
    await _rows(2)
    assert hub.running() is None
    before = asyncio.all_tasks()
    async with _listen() as first, _listen() as second:
        assert await _take(first, 2) == await _take(second, 2)
        assert hub.running() is not None
        await first.aclose()
        await _close("s0000")
        assert await _take(second, 1) == [("s0000", C, 2)]
    assert hub.running() is None
    assert await Node.objects.acount() == 0

    async def ended() -> bool:
        return asyncio.all_tasks() <= before

    await eventually(ended, "no task runs")


# --- other threads


def _in_a_thread(reading: Callable[[], Coroutine[Any, Any, Any]]) -> tuple[threading.Thread, list[Any]]:
    """Run in a thread with a loop of its own; the list holds what it returned or raised."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append(asyncio.run(reading()))
        except BaseException as error:  # handed to the test's thread
            outcome.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread, outcome


async def test_d50_a_reader_on_another_loop_hears_of_the_server_of_this_process(running_hub: Hub) -> None:
    await _rows(3)
    has_begun = threading.Event()

    async def read() -> list[tuple[str, State, int]]:
        async with _listen() as events:
            present = await _take(events, 3)
            has_begun.set()
            return present + await _take(events, 1)

    thread, outcome = _in_a_thread(read)
    assert await asyncio.to_thread(has_begun.wait, LIMIT_SECONDS)
    await _close("s0001")
    await asyncio.to_thread(thread.join, LIMIT_SECONDS)
    assert outcome == [[("s0000", A, 1), ("s0001", A, 1), ("s0002", A, 1), ("s0001", C, 2)]]

    async def ended() -> bool:
        return running_hub.feed.is_empty

    await eventually(ended, "the listener is gone")


async def test_d60_a_reader_on_another_loop_is_told_when_the_server_stops() -> None:
    started = await presence.running_hub()

    async def read() -> Event:
        async with _listen() as events:
            return await _next(events)

    thread, outcome = _in_a_thread(read)
    await _listening(started)
    await presence.stop_hub()
    await asyncio.to_thread(thread.join, LIMIT_SECONDS)
    assert isinstance(outcome[0], errors.Unavailable)


async def test_a_reader_whose_loop_has_ended_harms_nobody(running_hub: Hub) -> None:
    """It was forgotten rather than closed."""
    await _rows(1)
    forgotten: list[AsyncGenerator[Event, None]] = []

    def run() -> None:
        loop = asyncio.new_event_loop()
        forgotten.append(cast("AsyncGenerator[Event, None]", sessions.listen()))
        loop.run_until_complete(_next(forgotten[0]))
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    await asyncio.to_thread(thread.join, LIMIT_SECONDS)
    async with _listen() as events:
        await _take(events, 1)
        await _close("s0000")
        assert await _take(events, 1) == [("s0000", C, 2)]

    async def ended() -> bool:
        return running_hub.feed.is_empty

    await eventually(ended, "the forgotten listener is gone")
