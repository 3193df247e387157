"""What a listener is told first, while things go on happening (parity D53, D61, P31), and listeners that fail."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from sessionstore_app import sessions
from sessionstore_app.core.errors import Unavailable
from sessionstore_app.core.filters import parse
from sessionstore_app.core.observer import Interest
from sessionstore_app.core.sessions import Kind, State
from sessionstore_app.models import Session
from sessionstore_app.services import directory, feed, history, jobs, record, telling
from sessionstore_app.services.connection import Connection
from sessionstore_app.services.policy import ANONYMOUS
from sessionstore_app.services.reach import EVERYWHERE
from sessionstore_app.services.watching import begin_soon, listen
from tests.services.churn import end, heal, opened_client, set_k
from tests.services.ears import Ear
from tests.services.processes import Client, Process, settled
from tests.support.layers import DeafLayer

Pair = tuple[Process, Process]
A, D, C = State.ACTIVE, State.DISCONNECTED, State.CLOSED
WANTED = parse("k is 'yes'", max_length=99, max_depth=9)


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two rows a page, so that a handful of sessions is several pages."""
    monkeypatch.setattr(feed, "PAGE", 2)


@sync_to_async
def _rows(*ids: str, **members: Any) -> None:
    members = {"revision": 1, "properties": {"k": "yes"}, "node_id": "nowhere", **members}
    Session.objects.bulk_create(Session(id=session_id, **members) for session_id in ids)


async def _run(job: record.Job) -> None:
    _, happened = await record.run(job)
    await telling.tell(happened)


async def _open(session_id: str, k: str = "yes") -> None:
    await _run(jobs.Open(session_id=session_id, identity=ANONYMOUS, node_id="nowhere", token="", properties={"k": k}))


async def _change(session_id: str, k: str) -> None:
    await sessions.aset_properties({"k": k}, session_id=session_id)


async def _close(session_id: str) -> None:
    await _run(jobs.Close(session_id=session_id, reason="REVOKED"))


def _once(ear: Ear, after: int, act: Callable[[], Awaitable[None]]) -> None:
    """Let something happen when so many sessions of the burst were told."""
    turns = itertools.count(1)

    async def on_ready() -> None:
        if next(turns) == after:
            await act()

    ear.on_ready = on_ready


# Sessions a1…a6 are there; it happens when two were told. Expected are states, and whether they match.
HAPPENINGS: dict[str, tuple[str, list[tuple[str, ...]], list[tuple[State, bool]]]] = {
    "opened behind": ("a0", [("open",)], [(A, True)]),
    "opened ahead": ("a9", [("open",)], [(A, True)]),
    "opened and changed behind": ("a0", [("open",), ("change", "yes!")], [(A, True), (A, False)]),
    "opened and closed behind": ("a0", [("open",), ("close",)], [(A, True), (C, True)]),
    "opened and closed ahead": ("a9", [("open",), ("close",)], [(A, True), (C, True)]),
    "opened beside the filter": ("a0", [("open", "no"), ("close",)], []),
    "opened beside, then entered": ("a0", [("open", "no"), ("change", "yes")], [(A, True)]),
    "told, then closed": ("a1", [("close",)], [(A, True), (C, True)]),
    "told, then left": ("a1", [("change", "no")], [(A, True), (A, False)]),
    "told, left and came back": ("a1", [("change", "no"), ("change", "yes")], [(A, True), (A, False), (A, True)]),
    "told, left and closed": ("a1", [("change", "no"), ("close",)], [(A, True), (A, False)]),
    "closed before its turn": ("a6", [("close",)], []),
    "left before its turn": ("a6", [("change", "no")], []),
    "left before its turn and came back": ("a6", [("change", "no"), ("change", "yes")], [(A, True)]),
    "left before its turn and closed": ("a6", [("change", "no"), ("close",)], []),
    "entered behind": ("b-no", [("change", "yes")], [(A, True)]),
    "entered behind and closed": ("a0-no", [("change", "yes"), ("close",)], [(A, True), (C, True)]),
    "beside the filter all the time": ("a0-no", [("change", "never"), ("close",)], []),
}


@pytest.mark.parametrize("name", HAPPENINGS)
async def test_p31_what_happens_during_the_burst_is_told_once_and_in_order(pair: Pair, name: str) -> None:
    """A session is told as there before anything else of it, and of one that was never told as there nothing is."""
    session_id, acts, expected = HAPPENINGS[name]
    await _rows("a1", "a2", "a3", "a4", "a5", "a6")
    await _rows("a0-no", "b-no", properties={"k": "no"})
    ear = Ear(pair[1], filter=WANTED)
    does: dict[str, Callable[..., Awaitable[None]]] = {"open": _open, "change": _change, "close": _close}

    async def happen() -> None:
        pair[1].acts()
        for act, *values in acts:
            await does[act](session_id, *values)

    _once(ear, 2, happen)
    await ear.begin()
    told = [event for event in ear.events if event.session_id == session_id]
    assert [(event.state, event.matches) for event in told] == expected
    revisions = [event.revision for event in told]
    assert revisions == sorted(set(revisions))
    others = [event.session_id for event in ear.events if event.session_id != session_id]
    assert others == [found for found in ("a1", "a2", "a3", "a4", "a5", "a6") if found != session_id]
    # And from there on as ever.
    before = len(ear.events)
    await _close("a3")
    await heal(*pair)
    assert [(event.session_id, event.state) for event in ear.events[before:]] == [("a3", C)]


async def test_d53_every_open_session_is_told_once_and_then_the_end_of_it(pair: Pair) -> None:
    ids = [f"s{number}" for number in range(7)]
    await _rows(*ids)
    await _rows("closed", state="CLOSED")
    ear = await Ear(pair[1]).begin()
    assert [(event.session_id, event.kind, event.state) for event in ear.events] == [
        (session_id, Kind.STATE, A) for session_id in ids
    ]
    assert ear.count == 7


async def test_a_session_that_is_away_is_told_to_be_there_and_then_away(pair: Pair) -> None:
    await _rows("away", state="DISCONNECTED", revision=6)
    ear = await Ear(pair[1]).begin()
    assert [(event.state, event.revision) for event in ear.events] == [(A, 5), (D, 6)]
    assert ear.events[0].properties == ear.events[1].properties
    assert ear.count == 1


async def test_who_ends_during_the_burst_is_told_nothing_more(pair: Pair) -> None:
    await _rows("a", "b", "c", "d", "e")
    ear = Ear(pair[1])

    async def act() -> None:
        ear.end()

    _once(ear, 2, act)
    await ear.begin()
    assert [event.session_id for event in ear.events] == ["a", "b"]
    assert ear.count is None
    assert pair[1].hub.feed.is_empty


async def test_what_was_read_but_not_heard_is_told_to_who_knew_of_it_alone(pair: Pair, deaf_layer: DeafLayer) -> None:
    """The bus lost the end of a session; another listener, who comes later, finds it ended and never hears of it."""
    client = await opened_client(pair[0])
    early = await Ear(pair[1]).begin()
    deaf_layer.is_deaf = True
    await end(pair[0], client)
    await settled(pair)
    deaf_layer.is_deaf = False
    late = await Ear(pair[1]).begin()
    await heal(pair[1])
    assert early.of(client.id) == [(A, 1), (C, 2)]
    assert late.events == []


async def test_who_ends_while_the_first_listener_begins_is_known_no_longer(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was open at the first reading and has ended at the second: its end is heard, not taken for a repeat."""
    client = await opened_client(pair[1])
    look = record.look

    async def look_late(question: Callable[[], Any]) -> Any:
        if isinstance(question, partial) and question.func is history.closed_since:
            monkeypatch.setattr(record, "look", look)
            await end(pair[1], client)
        return await look(question)

    monkeypatch.setattr(record, "look", look_late)
    ear = await Ear(pair[1]).begin()
    assert (ear.events, ear.count) == ([], 0)
    healed = pair[1].hub.counters.healed_sessions
    await heal(pair[1])
    assert pair[1].hub.counters.healed_sessions == healed


async def test_d53_after_a_time_only_later_openings_are_told(pair: Pair, deaf_layer: DeafLayer) -> None:
    before = await opened_client(pair[0])
    row = await sync_to_async(Session.objects.get)(id=before.id)
    ear = await Ear(pair[1], after_ms=round(row.opened_at.timestamp() * 1000)).begin()
    assert (ear.events, ear.count) == ([], 0)
    await set_k(pair[0], before, "1")
    later = await opened_client(pair[0])
    await ear.until(lambda: bool(ear.events), "a later one is told")
    await end(pair[0], before)
    await end(pair[0], later)
    await heal(pair[1])
    assert list(ear.told) == [later.id]
    assert ear.of(later.id) == [(A, 1), (C, 2)]


# --- listeners that fail harm nobody


def _broken(key: str) -> bool:
    raise RuntimeError("the policy of a project is broken")


async def test_a_listener_whose_rights_cannot_be_told_ends_and_others_go_on(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    first, well = Ear(pair[1], sees=_broken), Ear(pair[1])
    await first.begin()
    await well.begin()
    client = await opened_client(pair[1])
    await set_k(pair[1], client, "1")
    await end(pair[1], client)
    assert (first.events, first.has_failed) == ([], True)
    assert well.of(client.id) == [(A, 1), (A, 2), (C, 3)]
    assert caplog.text.count("A listener to sessions failed, and ends.") == 1


async def test_the_last_listener_may_end_by_what_it_is_told(pair: Pair) -> None:
    """A socket that is closed because it does not keep up, in the middle of a bulk change."""
    clients = [await opened_client(pair[1]) for _ in range(4)]
    ear = await Ear(pair[1]).begin()
    ear.on_put = ear.end
    pair[1].acts()
    assert await sessions.aset_properties({"k": "1"}, filter="all") == 4
    assert len(ear.events) == len(clients) + 1
    assert pair[1].hub.feed.is_empty


async def test_a_listener_that_is_ended_by_another_is_told_nothing_more(pair: Pair) -> None:
    first, second = await Ear(pair[1]).begin(), await Ear(pair[1]).begin()
    first.on_put = second.end
    await opened_client(pair[1])
    assert (len(first.events), len(second.events)) == (1, 0)


async def test_a_burst_that_cannot_be_read_ends_the_listener(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    await _rows("a", "b", "c")

    def fail(interest: Interest, after: str, limit: int) -> directory.Page:
        raise Unavailable("The database is away.")

    ear = Ear(pair[1])
    monkeypatch.setattr(directory, "open_page", fail)
    with pytest.raises(Unavailable):
        await ear.begin()
    assert ear.count is None
    assert pair[1].hub.feed.is_empty


# --- a socket's listeners


def _listen(client: Client, **interest: Any) -> str:
    client.process.acts()
    made = listen(client.connection, EVERYWHERE, Interest(**interest), None)
    begin_soon(client.process.hub, client.connection, made)
    return made


async def test_d60_a_socket_is_told_why_its_listener_ended(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the database, by a fault before the first event, or by one later; then the place is free again."""
    client = await opened_client(pair[1])

    def fail(interest: Interest, after: str, limit: int) -> directory.Page:
        raise Unavailable("The database is away.")

    expected: list[dict[str, str]] = []

    async def ended(listener_id: str, reason: str) -> None:
        expected.append({"listener_id": listener_id, "reason": reason})
        await client.until(lambda: len(client.heard("session.listener_closed")) >= len(expected), "it has ended")
        assert client.heard("session.listener_closed") == expected
        assert client.connection.listeners == {}
        assert pair[1].hub.feed.is_empty

    with monkeypatch.context() as patched:
        patched.setattr(directory, "open_page", fail)
        await ended(_listen(client), "UNAVAILABLE")
    await ended(_listen(client, keys=frozenset({"*F"}), sees=_broken), "INTERNAL_ERROR")
    later = _listen(client, keys=frozenset({"k"}), sees=_broken)
    await client.until(lambda: bool(client.heard("session.listening")), "it listens")
    await set_k(pair[1], client, "1")
    await ended(later, "INTERNAL_ERROR")


async def test_a_socket_that_has_ended_cannot_listen(pair: Pair) -> None:
    client = await opened_client(pair[1])
    await end(pair[1], client)
    assert client.connection.close_reason is not None
    with pytest.raises(Exception, match="The socket was closed"):
        _listen(client)
    assert pair[1].hub.feed.is_empty


async def test_a_socket_that_ends_takes_its_listeners_with_it(pair: Pair) -> None:
    client = await opened_client(pair[1])
    for _ in range(3):
        _listen(client)
    await client.until(lambda: len(client.heard("session.listening")) == 3, "all listen")
    assert not pair[1].hub.feed.is_empty
    await end(pair[1], client)
    assert pair[1].hub.feed.is_empty


async def test_p31_a_burst_waits_for_a_socket_that_keeps_up_however_much_it_is(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page of large properties is more than a socket may be behind: it leaves bit by bit, as it is acknowledged."""
    monkeypatch.setattr(feed, "PAGE", 500)
    large = {f"k{number}": "x" * 1_000 for number in range(30)}
    await _rows(*(f"s{number:03}" for number in range(100)), properties=large)
    client = await opened_client(pair[1])
    connection = client.connection
    connection.limit_bytes = 100_000
    connection.wants_heartbeat = True
    most = _acknowledging(client, connection)
    _listen(client, keys=frozenset({"*U"}))
    await client.until(lambda: bool(client.heard("session.listening")) or client.closed_with is not None, "all is told")
    assert client.closed_with is None
    assert len(client.heard("session.event")) == 101
    assert client.heard("session.listening")[0]["count"] == 101
    assert max(most) < 4 * connection.limit_bytes


def _acknowledging(client: Client, connection: Connection) -> list[int]:
    """Let the client ack each frame it gets, a turn of the loop later; returns what was unacknowledged each time."""
    unacknowledged = [0]
    send = connection._send
    sent = acked = 0

    async def counted(event: dict[str, Any]) -> None:
        nonlocal sent
        await send(event)
        sent += len(event.get("text", "").encode())
        unacknowledged.append(sent - acked)
        client.process.hub.loop.call_soon(acknowledge, sent)

    def acknowledge(so_far: int) -> None:
        nonlocal acked
        acked = so_far
        connection.ack(so_far)

    connection._send = counted
    return unacknowledged
