"""The hooks of room types that are told what happened: each thing once, in order, and one that fails harms nobody."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from sessionstore_app import Key, RoomType, rooms
from sessionstore_app.core.close import CloseReason
from sessionstore_app.services import endings, memberships
from sessionstore_app.services.roomtypes import declaring
from tests.services.processes import Client, Process
from tests.services.watched import OTHER, ROOM, kind
from tests.support.wire import eventually

LIMIT_SECONDS = 5.0


# --- on_change


class Notes:
    """What hooks were told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def sync(self, name: str) -> Callable[..., None]:
        """A sync hook of that name."""

        def hook(_: Any, room: str, entries: Any = ()) -> None:
            self.told.append((name, room, [(entry.key, entry.value) for entry in entries]))

        return hook

    def later(self, name: str) -> Callable[..., Any]:
        """An async one."""

        async def hook(_: Any, room: str, entries: Any = ()) -> None:
            self.told.append((name, room, [(entry.key, entry.value) for entry in entries]))

        return hook

    async def are(self, *expected: Any) -> None:
        """Wait until this has been told, and nothing else was."""

        async def reached() -> bool:
            return len(self.told) >= len(expected)

        await eventually(reached, f"{expected} is told, not only {self.told}")
        assert self.told == list(expected)


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture(params=["sync", "later"])
def note(request: pytest.FixtureRequest, notes: Notes) -> Callable[[str], Callable[..., Any]]:
    """Makes hooks that take notes, sync or async."""
    made: Callable[[str], Callable[..., Any]] = getattr(notes, request.param)
    return made


async def test_every_write_is_told_once(
    process: Process, notes: Notes, note: Callable[[str], Callable[..., Any]]
) -> None:
    with declaring(kind(on_change=note("change"), n=Key(int))):
        await process.client(ROOM)
        await process.write(ROOM, {"topic": "retro", "n": 1})
        await notes.are(("change", ROOM, [("topic", "retro"), ("n", 1)]))
        await rooms.adelete(ROOM, "topic")
        await notes.are(("change", ROOM, [("topic", "retro"), ("n", 1)]), ("change", ROOM, [("topic", None)]))


async def test_what_changes_nothing_is_not_told(process: Process, notes: Notes) -> None:
    with declaring(kind(on_change=notes.later("change"), topic=Key(skip_equal=True))):
        await rooms.aset(ROOM, "topic", "same")
        await rooms.aset(ROOM, "topic", "same")
        await rooms.aset(ROOM, "topic", "other")
        await notes.are(("change", ROOM, [("topic", "same")]), ("change", ROOM, [("topic", "other")]))


@pytest.mark.parametrize("name", ["on_change", "on_first_peer", "on_last_peer"])
@pytest.mark.parametrize("is_async", [True, False])
async def test_a_hook_that_fails_is_logged_and_harms_nobody(
    process: Process, caplog: pytest.LogCaptureFixture, name: str, is_async: bool
) -> None:
    def fails(self: Any, *told: Any) -> None:
        raise LookupError("the project's own")

    async def fails_later(self: Any, *told: Any) -> None:
        raise LookupError("the project's own")

    with declaring(kind(**{name: fails_later if is_async else fails})):
        client, other = await process.client(ROOM), await process.client(ROOM)
        await process.write(ROOM, {"topic": "retro"})
        for each in (client, other):
            await each.until(partial(each.heard, "room.changed"), "the change is told")
        for each in (client, other):
            await memberships.leave(process.hub, each.connection, ROOM)
        await process.client(ROOM)

        async def logged() -> bool:
            return f"Watched.{name} failed" in caplog.text

        await eventually(logged, "it is logged")


# --- on_first_peer and on_last_peer


@pytest.fixture
def present(notes: Notes, note: Callable[[str], Callable[..., Any]]) -> Iterator[type[RoomType]]:
    """A type that notes when its rooms fill and empty."""
    made = kind(on_first_peer=note("first"), on_last_peer=note("last"))
    with declaring(made):
        yield made


FIRST: tuple[str, str, list[Any]] = ("first", ROOM, [])
LAST: tuple[str, str, list[Any]] = ("last", ROOM, [])


@pytest.mark.usefixtures("present")
async def test_a_room_fills_once_and_empties_once_however_many_come_and_go(process: Process, notes: Notes) -> None:
    clients = [Client(process) for _ in range(6)]
    for client in clients:
        await client.open()
    for client in clients[:2]:
        await client.join(ROOM)
    await asyncio.gather(*(client.join(ROOM) for client in clients))
    await memberships.leave(process.hub, clients[0].connection, ROOM)
    await clients[0].join(ROOM)
    await notes.are(FIRST)
    await asyncio.gather(*(memberships.leave(process.hub, client.connection, ROOM) for client in clients))
    await notes.are(FIRST, LAST)
    await clients[0].join(ROOM)
    await notes.are(FIRST, LAST, FIRST)


@pytest.mark.usefixtures("present")
async def test_each_of_two_rooms_is_told_of_by_itself(process: Process, notes: Notes) -> None:
    """What happens in both at once may be one batch of the record."""
    here, there = Client(process), Client(process)
    for client in (here, there):
        await client.open()
    await asyncio.gather(here.join(ROOM), there.join(OTHER))
    await eventually(lambda: _has(notes, 2), "both are told")
    assert sorted(notes.told) == [FIRST, ("first", OTHER, [])]
    ends = (endings.end_session(client.id, "CLOSED_BY_CLIENT") for client in (here, there))
    await asyncio.gather(*ends)
    await eventually(lambda: _has(notes, 4), "both are told")
    assert sorted(notes.told[2:]) == [LAST, ("last", OTHER, [])]


async def _has(notes: Notes, number: int) -> bool:
    return len(notes.told) >= number


async def test_a_room_is_told_of_in_the_order_in_which_it_happened_and_holds_up_no_other(
    process: Process, notes: Notes
) -> None:
    """Though its hook takes its time, in a thread of its own."""
    may_go_on = threading.Event()
    note_last = notes.sync("last")

    def slow(self: Any, room: str) -> None:
        may_go_on.wait(LIMIT_SECONDS)
        note_last(self, room)

    with declaring(kind(on_first_peer=notes.sync("first"), on_last_peer=slow)):
        client = await process.client(ROOM)
        try:
            await notes.are(FIRST)
            await memberships.leave(process.hub, client.connection, ROOM)
            await client.join(ROOM)
            await process.client(OTHER)
            await notes.are(FIRST, ("first", OTHER, []))
        finally:
            may_go_on.set()
        await notes.are(FIRST, ("first", OTHER, []), LAST, FIRST)


@pytest.mark.usefixtures("present")
async def test_neither_a_lost_connection_nor_a_resume_is_told(process: Process, notes: Notes) -> None:
    client = Client(process)
    opened = await client.open()
    await client.join(ROOM)
    # Each room is told of by itself: only so is this one first.
    await notes.are(FIRST)
    await process.lose(client, CloseReason.CONNECTION_LOST)
    back = Client(process)
    assert await back.resume(opened) is not None
    await process.client(OTHER)
    await notes.are(FIRST, ("first", OTHER, []))


@pytest.mark.usefixtures("present")
async def test_a_session_that_ends_leaves_all_its_rooms(process: Process, notes: Notes) -> None:
    client = await process.client(ROOM)
    await notes.are(FIRST)
    await client.join(OTHER)
    await notes.are(FIRST, ("first", OTHER, []))
    await endings.end_session(client.id, "CLOSED_BY_CLIENT")
    await eventually(lambda: _has(notes, 4), "both are told")
    assert sorted(notes.told[2:]) == [LAST, ("last", OTHER, [])]


@pytest.mark.usefixtures("present")
async def test_whoever_comes_as_the_last_one_leaves_is_told_of_truly(process: Process, notes: Notes) -> None:
    """In whichever order the two happened: a room that emptied and filled says both, one that never did says neither,
    and its store is cleared if and only if it emptied.
    """
    leaver, comer = await process.client(ROOM), Client(process)
    await comer.open()
    await process.write(ROOM, {"topic": "retro"})
    await notes.are(FIRST)
    await asyncio.gather(memberships.leave(process.hub, leaver.connection, ROOM), comer.join(ROOM))
    cleared = await rooms.aget(ROOM, "topic") is None
    expected = [LAST, FIRST] if cleared else []
    await notes.are(FIRST, *expected)
    await process.client(OTHER)
    await notes.are(FIRST, *expected, ("first", OTHER, []))
