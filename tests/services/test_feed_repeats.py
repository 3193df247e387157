"""What comes again or comes late changes nothing for listeners, and when the last one goes nothing is kept."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from sessionstore_app import sessions
from sessionstore_app.core.close import CloseReason
from sessionstore_app.core.entries import SessionId
from sessionstore_app.core.errors import Unavailable
from sessionstore_app.core.filters import parse
from sessionstore_app.core.sessions import Kind, SessionChange, State
from sessionstore_app.models import Session, SessionEvent, SessionState
from sessionstore_app.services import history, jobs, record
from sessionstore_app.services.bus import SESSIONS_GROUP, node_group
from sessionstore_app.services.events import SessionsChanged, encode
from tests.services.churn import Churn, end, heal, opened_client, set_k
from tests.services.ears import Ear, recorded
from tests.services.processes import Process
from tests.support.layers import DeafLayer
from tests.support.wire import eventually

Pair = tuple[Process, Process]
A, C = State.ACTIVE, State.CLOSED


# --- what comes again, and what comes late


async def test_s45_repeats_of_all_that_ever_happened_change_nothing(
    pair: Pair, deaf_layer: DeafLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[str, dict[str, Any]]] = []
    send = deaf_layer.group_send

    async def note(group: str, message: dict[str, Any]) -> None:
        sent.append((group, message))
        await send(group, message)

    monkeypatch.setattr(deaf_layer, "group_send", note)
    ears = [await Ear(process).begin() for process in pair]
    churn = Churn(pair, 9)
    for number in range(30):
        await churn.step(number)
    for client, _ in [*churn.here]:
        await end(pair[0], client)
    wanted = await recorded()
    await heal(*pair)
    for group, message in [*reversed(sent), *sent]:
        if group == SESSIONS_GROUP:
            await send(group, message)
    # Behind them all: one that is new.
    last = await opened_client(pair[0])
    for ear in ears:
        await ear.until(lambda ear=ear: bool(ear.of(last.id)), "the last is told")  # type: ignore[misc]
        assert ear.told == {**wanted, last.id: (await recorded())[last.id]}
    await heal(*pair)
    assert [len(ear.told) for ear in ears] == [len(wanted) + 1] * 2


@sync_to_async
def _long_ended(session_id: str, revisions: int) -> list[SessionChange]:
    """A session of yesterday, and what its messages were."""
    at = datetime.now(UTC) - timedelta(days=1)
    row = Session.objects.create(id=session_id, state=SessionState.CLOSED, opened_at=at, closed_at=at, revision=3)
    for revision in range(1, revisions + 1):
        state = State.CLOSED if revision == revisions else State.ACTIVE
        kind = Kind.STATE if revision in (1, revisions) else Kind.PROPERTIES
        SessionEvent.objects.create(
            session=row, revision=revision, type=kind, state=state, properties={"k": str(revision)}, at=at
        )
    return history.changes_after({session_id: 0})


@pytest.mark.parametrize("revisions", [[1], [3], [2, 1], [1, 2, 3], [9]])
async def test_a_message_of_yesterday_is_told_to_nobody(
    pair: Pair, deaf_layer: DeafLayer, revisions: list[int]
) -> None:
    """Its session ended before anybody listened, or long after everybody was told."""
    told = {change.revision: change for change in await _long_ended("old", 3)}
    told[9] = SessionChange(
        session_id=SessionId("old"), revision=9, kind=Kind.STATE, state=A, properties={}, opened_at_ms=1
    )
    ear = await Ear(pair[1]).begin()
    late = SessionsChanged(tuple(told[revision] for revision in revisions))
    await deaf_layer.group_send(SESSIONS_GROUP, encode(late, "", pair[0].hub.node_id))
    # The gap it makes is looked at; what comes behind it is told.
    first = await opened_client(pair[0])
    await ear.until(lambda: bool(ear.of(first.id)), "the next is told")

    async def settled() -> bool:
        return not pair[1].hub.feed.is_gapped

    await eventually(settled, "the gap is closed")
    await heal(pair[1])
    assert list(ear.told) == [first.id]


async def test_t25_a_change_of_a_session_that_nobody_knows_is_told_to_nobody(pair: Pair, deaf_layer: DeafLayer) -> None:
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    ghost = SessionChange(
        session_id=SessionId("ghost"), revision=2, kind=Kind.STATE, state=C, properties={}, opened_at_ms=now_ms
    )
    ear = await Ear(pair[1]).begin()
    await deaf_layer.group_send(SESSIONS_GROUP, encode(SessionsChanged((ghost,)), "", "elsewhere"))
    client = await opened_client(pair[0])
    await ear.until(lambda: bool(ear.of(client.id)), "the next is told")

    async def settled() -> bool:
        return not pair[1].hub.feed.is_gapped

    await eventually(settled, "the gap is closed")
    assert list(ear.told) == [client.id]


async def test_t25_a_close_for_a_reason_that_nobody_knows_makes_no_process_deaf(
    pair: Pair, deaf_layer: DeafLayer
) -> None:
    """A newer version may have more reasons."""
    client = await opened_client(pair[0])
    news = SessionChange(
        session_id=SessionId(client.id), revision=2, kind=Kind.STATE, state=C, properties={}, close_reason="TIRED"
    )
    await deaf_layer.group_send(node_group(pair[0].hub.node_id), encode(SessionsChanged((news,)), "", "newer"))
    await client.until(lambda: client.closed_with is not None, "the socket is closed")
    assert client.closed_with == CloseReason.CONNECTION_LOST.code


async def test_t25_a_message_that_cannot_be_taken_in_makes_no_process_deaf(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever fails by it: the next message is heard, and what was in this one is read."""
    client = await opened_client(pair[0])
    ear = await Ear(pair[1]).begin()
    failed = asyncio.Event()

    def fail(changes: object) -> None:
        failed.set()
        raise RuntimeError("there is a fault")

    with monkeypatch.context() as patched:
        patched.setattr(pair[1].hub.feed, "take_in", fail)
        await set_k(pair[0], client, "1")
        async with asyncio.timeout(10):
            await failed.wait()
    await set_k(pair[0], client, "2")
    await ear.until(lambda: len(ear.events) >= 3, "both are told")
    assert ear.of(client.id) == [(A, 1), (A, 2), (A, 3)]
    assert "could not be taken in" in caplog.text


async def test_a_session_that_was_deleted_is_waited_for_no_longer(pair: Pair) -> None:
    """By hand, in the admin or a shell: nobody recorded its end."""
    client, other = await opened_client(pair[0]), await opened_client(pair[0])
    ear = await Ear(pair[1]).begin()
    await sync_to_async(Session.objects.filter(id=client.id).delete)()
    await heal(pair[1])
    healed = pair[1].hub.counters.healed_sessions
    await heal(pair[1])
    await set_k(pair[0], other, "1")
    await ear.until(lambda: len(ear.events) >= 3, "what happens is told")
    assert pair[1].hub.counters.healed_sessions == healed


# --- nobody listens any more


async def test_when_the_last_listener_goes_nothing_is_kept(pair: Pair, deaf_layer: DeafLayer) -> None:
    feed = pair[1].hub.feed
    ears = [await Ear(pair[1]).begin() for _ in range(2)]
    client = await opened_client(pair[0])
    for ear in ears:
        await ear.until(lambda ear=ear: bool(ear.events), "it is told")  # type: ignore[misc]
    ears[0].end()
    assert feed.groups == [SESSIONS_GROUP]
    ears[1].end()
    ears[1].end()
    assert feed.groups == []
    assert feed.is_empty

    async def left() -> bool:
        return not deaf_layer.groups.get(SESSIONS_GROUP)

    await eventually(left, "the group is left")
    await end(pair[0], client)
    await heal(pair[1])
    assert feed.is_empty
    again = await Ear(pair[1]).begin()
    assert (again.events, again.count) == ([], 0)


async def test_who_comes_while_the_last_one_goes_hears_everything(pair: Pair) -> None:
    for number in range(5):
        first = await Ear(pair[1]).begin()
        first.end()
        second = await Ear(pair[1], filter=parse(f"k is '{number}'", max_length=99, max_depth=9)).begin()
        client = await opened_client(pair[0])
        await set_k(pair[0], client, str(number))
        await second.until(lambda second=second: bool(second.events), "it is told")  # type: ignore[misc]
        second.end()


async def test_a_listener_that_could_not_begin_leaves_nothing(
    pair: Pair, deaf_layer: DeafLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise Unavailable("The database is away.")

    with monkeypatch.context() as patched:
        patched.setattr(history, "open_revisions", fail)
        with pytest.raises(Unavailable):
            await Ear(pair[1]).begin()
    assert pair[1].hub.feed.is_empty
    client = await opened_client(pair[0])
    ear = await Ear(pair[1]).begin()
    assert ear.of(client.id) == [(A, 1)]


async def test_sessions_that_nobody_recorded_the_opening_of_are_told_of_like_others(pair: Pair) -> None:
    """Rows made by hand: their first change is no opening."""
    await sync_to_async(Session.objects.create)(id="made", node_id="nowhere")
    ear = await Ear(pair[1]).begin()
    pair[0].acts()
    await sessions.aset_properties({"k": "1"}, session_id="made")
    await record.run(jobs.Close(session_id="made", reason="REVOKED"))
    await heal(pair[1])
    assert ear.of("made") == [(A, 0), (A, 1), (C, 2)]
    assert [event.kind for event in ear.events] == [Kind.STATE, Kind.PROPERTIES, Kind.STATE]
