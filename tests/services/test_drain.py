"""A process that is told to stop: its sockets go some at a time, and SIGTERM is handed on to whoever had it before."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from sessionstore_app.core.close import CloseReason
from sessionstore_app.core.errors import NotOpen
from sessionstore_app.services import drain, jobs, record
from tests.services.processes import Client, Process
from tests.support.wire import eventually

if TYPE_CHECKING:
    from pytest_django import Settings

Pair = tuple[Process, Process]


@pytest.fixture
def told() -> Iterator[list[int]]:
    """What the server's own handler is told."""
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: heard.append(number))
    yield heard
    signal.signal(signal.SIGTERM, before)


async def _open(process: Process, number: int) -> list[Client]:
    clients = [Client(process) for _ in range(number)]
    for client in clients:
        await client.open()
        await client.join("standup")
    return clients


def _open_ones(clients: list[Client]) -> int:
    return sum(client.closed_with is None for client in clients)


async def _open_while_closing(process: Process, clients: list[Client]) -> set[int]:
    """How many of them were open at each turn of the loop, until all are closed."""
    closing = asyncio.create_task(drain.close_some_at_a_time(process.hub))
    seen: set[int] = set()
    while not closing.done():
        seen.add(_open_ones(clients))
        await asyncio.sleep(0)
    return seen


async def test_sockets_are_closed_some_at_a_time_with_1012(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain, "PER_SECOND", 100)
    clients = await _open(pair[0], 15)
    assert await _open_while_closing(pair[0], clients) == {15, 10, 5, 0}
    assert {client.closed_with for client in clients} == {1012}
    assert not pair[0].hub.connections


async def test_however_many_they_are_it_takes_no_longer_than_the_setting(
    pair: Pair, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SESSIONSTORE = {**settings.SESSIONSTORE, "DRAIN_SECONDS": 0.1}
    monkeypatch.setattr(drain, "PER_SECOND", 0.001)
    clients = await _open(pair[0], 4)
    assert await _open_while_closing(pair[0], clients) == {4, 2, 0}


async def test_its_peers_elsewhere_see_them_away_and_nobody_leave(pair: Pair) -> None:
    clients = await _open(pair[0], 3)
    (witness,) = await _open(pair[1], 1)
    pair[0].acts()
    await drain.close_some_at_a_time(pair[0].hub)
    ids = {client.id for client in clients}

    def away() -> set[str]:
        return {peer["session_id"] for peer in _told(witness, "updated") if peer["state"] == "DISCONNECTED"}

    await witness.until(lambda: away() == ids, "they are away")
    assert _told(witness, "left") == []


def _told(client: Client, what: str) -> list[dict[str, Any]]:
    frames = [frame for frame in client.frames if frame.get("method") == "room.peers"]
    return [peer for frame in frames for peer in frame["params"][what]]


async def test_sigterm_means_what_it_did_once_all_sockets_are_closed(pair: Pair, told: list[int]) -> None:
    clients = await _open(pair[0], 3)
    server = signal.getsignal(signal.SIGTERM)
    drain.at_sigterm(pair[0].hub)
    signal.raise_signal(signal.SIGTERM)
    assert pair[0].hub.is_draining
    assert told == []
    await eventually(lambda: _is(told == [signal.SIGTERM]), "the server is told")
    assert _open_ones(clients) == 0
    assert signal.getsignal(signal.SIGTERM) is server


async def test_the_second_sigterm_goes_on_at_once(pair: Pair, told: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless it comes with the first: a group may be told, and its first process tells the others again."""
    clients = await _open(pair[0], 1)
    drain.at_sigterm(pair[0].hub)
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGTERM)
    assert told == []
    monkeypatch.setattr(drain, "SAME_SECONDS", -1)
    signal.raise_signal(signal.SIGTERM)
    assert told == [signal.SIGTERM]
    assert _open_ones(clients) == 1
    await eventually(lambda: _is(not pair[0].hub.connections), "the drain has ended")
    assert told == [signal.SIGTERM]


async def test_who_took_the_signal_after_us_and_hands_it_on_is_not_asked_again(pair: Pair, told: list[int]) -> None:
    await _open(pair[0], 1)
    drain.at_sigterm(pair[0].hub)
    ours: Any = signal.getsignal(signal.SIGTERM)
    asked: list[int] = []

    def theirs(number: int, frame: Any) -> None:
        asked.append(number)
        ours(number, frame)

    signal.signal(signal.SIGTERM, theirs)
    signal.raise_signal(signal.SIGTERM)
    await eventually(lambda: _is(bool(told)), "the server is told")
    assert (asked, told) == ([signal.SIGTERM], [signal.SIGTERM])
    assert signal.getsignal(signal.SIGTERM) is theirs


async def test_a_hub_that_stopped_leaves_the_signal_as_it_was(pair: Pair, told: list[int]) -> None:
    server = signal.getsignal(signal.SIGTERM)
    drain.at_sigterm(pair[0].hub)
    drain.at_sigterm(pair[1].hub)
    drain.leave_sigterm(pair[0].hub)
    assert signal.getsignal(signal.SIGTERM) is not server
    drain.leave_sigterm(pair[1].hub)
    assert signal.getsignal(signal.SIGTERM) is server


async def test_the_signal_is_left_to_the_server_where_it_should_be(
    pair: Pair, told: list[int], settings: Settings
) -> None:
    """With DRAIN_SECONDS at 0, and off the main thread, where Python lets nobody have it."""
    server = signal.getsignal(signal.SIGTERM)
    await asyncio.to_thread(drain.at_sigterm, pair[0].hub)
    assert signal.getsignal(signal.SIGTERM) is server
    settings.SESSIONSTORE = {**settings.SESSIONSTORE, "DRAIN_SECONDS": 0}
    drain.at_sigterm(pair[0].hub)
    assert signal.getsignal(signal.SIGTERM) is server


async def test_t19_a_resume_whose_socket_is_closed_meanwhile_burns_no_token(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that is drained while others come to it from the one before: they go on to the next."""
    old, late, again = Client(pair[0]), Client(pair[1]), Client(pair[0])
    opened = await old.open()
    await pair[0].lose(old, CloseReason.SERVER_SHUTDOWN)
    run = record.run

    async def run_and_close(job: Any) -> Any:
        done = await run(job)
        if isinstance(job, jobs.Resume):
            late.connection.close(CloseReason.SERVER_SHUTDOWN)
        return done

    with monkeypatch.context() as patched:
        patched.setattr(record, "run", run_and_close)
        with pytest.raises(NotOpen):
            await late.resume(opened)
    back = await again.resume(opened)
    assert back is not None
    assert back.session.id == opened.session.id


async def _is(truth: bool) -> bool:
    return truth
