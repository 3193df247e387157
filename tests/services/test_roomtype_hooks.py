"""The hooks of room types: asked once, told once, and what fails in them harms nobody."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from sessionstore_app import Key, RoomType, rooms, sessions
from sessionstore_app.core.close import CloseReason
from sessionstore_app.core.errors import AccessDenied
from sessionstore_app.core.rules import Standing
from sessionstore_app.models import Membership
from sessionstore_app.services import endings, memberships, roomhooks
from sessionstore_app.services.roomtypes import declaring
from tests.services.processes import Client, Process
from tests.support import kinds
from tests.support.wire import eventually

ROOM, OTHER = "watched/1", "watched/2"
LIMIT_SECONDS = 5.0


def kind(**attributes: Any) -> type[RoomType]:
    """A room type that is there while a test declares it."""
    return kinds.kind("Watched", "watched/*", **{"topic": Key(), **attributes})


def members(room: str = ROOM) -> int:
    """How many the record has in a room, whoever is connected."""
    return Membership.objects.filter(room__name=room, left_at=None).count()


async def refused(process: Process) -> str:
    """What a client hears that may not join; it is nowhere, and nothing is left of its try."""
    client = Client(process)
    await client.open()
    with pytest.raises(AccessDenied) as told:
        await client.join(ROOM)
    assert await sync_to_async(members)() == 0
    assert not await sync_to_async(Membership.objects.exists)()
    assert ROOM not in client.connection.members
    assert ROOM not in process.hub.rooms
    return str(told.value)


# --- may_join


def _yes(self: Any, who: Any, room: str) -> bool:
    return True


async def _yes_later(self: Any, who: Any, room: str) -> bool:
    return await sync_to_async(members)() == 0


def _yes_to_await(self: Any, who: Any, room: str) -> Any:
    return _yes_later(self, who, room)


def _no(self: Any, who: Any, room: str) -> bool:
    return members() < 0


async def _no_later(self: Any, who: Any, room: str) -> bool:
    return False


def _no_to_await(self: Any, who: Any, room: str) -> Any:
    return _no_later(self, who, room)


def _no_answer(self: Any, who: Any, room: str) -> None:
    return None


def _fails(self: Any, who: Any, room: str) -> bool:
    raise LookupError("the project's own")


async def _fails_later(self: Any, who: Any, room: str) -> bool:
    raise LookupError("the project's own")


async def _never(self: Any, who: Any, room: str) -> bool:
    return await asyncio.Event().wait()


@pytest.mark.parametrize("hook", [_yes, _yes_later, _yes_to_await])
async def test_whom_the_hook_lets_in_is_in(process: Process, hook: Callable[..., Any]) -> None:
    with declaring(kind(may_join=hook)):
        client = await process.client(ROOM)
        assert ROOM in client.connection.members


@pytest.mark.parametrize("hook", [_no, _no_later, _no_to_await, _no_answer, _fails, _fails_later])
async def test_t6_whom_it_does_not_let_in_leaves_nothing_behind(
    process: Process, hook: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    """The refusal is that of a room which is closed to it by its rules, whatever went wrong."""
    with declaring(kind(may_join=hook)):
        told = await refused(process)
    assert ("Watched.may_join failed" in caplog.text) is hook.__name__.startswith("_fails")
    with declaring(kind(join="nobody")):
        assert await refused(process) == told
    assert "the project's own" not in told


async def test_t6_an_answer_that_does_not_come_is_a_no(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roomhooks, "ASKED_SECONDS", 0.05)
    with declaring(kind(may_join=_never)):
        async with asyncio.timeout(LIMIT_SECONDS):
            await refused(process)


async def test_t6_an_answer_that_a_thread_does_not_give_is_a_no(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And who waits for it is answered in time, though the thread goes on."""
    monkeypatch.setattr(roomhooks, "ASKED_SECONDS", 0.05)
    answered = threading.Event()

    def slow(self: Any, who: Any, room: str) -> bool:
        return answered.wait(LIMIT_SECONDS * 2)

    with declaring(kind(may_join=slow)):
        client = Client(process)
        await client.open()
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                with pytest.raises(AccessDenied):
                    await client.join(ROOM)
        finally:
            answered.set()
    assert await sync_to_async(members)() == 0


async def test_the_hook_is_asked_who_it_is_and_not_for_those_who_are_in(process: Process) -> None:
    asked: list[Any] = []

    async def ask(self: Any, who: Any, room: str) -> bool:
        asked.append((who.session_id, room))
        return True

    with declaring(kind(may_join=ask)):
        client = await process.client(ROOM)
        await client.join(ROOM)
        assert asked == [(client.id, ROOM)]


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
            await each.until(partial(each.heard, "room.changed"), "the change is told")  # type: ignore[arg-type]
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
    await process.lose(client, CloseReason.CONNECTION_LOST)
    back = Client(process)
    assert await back.resume(opened) is not None
    await process.client(OTHER)
    await notes.are(FIRST, ("first", OTHER, []))


@pytest.mark.usefixtures("present")
async def test_a_session_that_ends_leaves_all_its_rooms(process: Process, notes: Notes) -> None:
    client = await process.client(ROOM)
    await client.join(OTHER)
    await notes.are(FIRST, ("first", OTHER, []))
    await endings.end_session(client.id, "CLOSED_BY_CLIENT")
    await eventually(lambda: _has(notes, 4), "both are told")
    assert sorted(notes.told[2:]) == [LAST, ("last", OTHER, [])]


# --- joins_as


async def _roles(client: Client) -> list[str]:
    found = await sync_to_async(Membership.objects.get)(session_id=client.id, left_at=None)
    return sorted(found.roles)


async def test_roles_are_given_to_whoever_joins_and_the_first_is_known(process: Process) -> None:
    def joins_as(self: Any, who: Any, *, first: bool) -> list[str]:
        return ["host"] if first else ["guest"]

    with declaring(kind(joins_as=joins_as, roles=("host", "guest"))):
        host, guest = await process.client(ROOM), await process.client(ROOM)
        assert [await _roles(host), await _roles(guest)] == [["host"], ["guest"]]
        for each in (host, guest):
            await memberships.leave(process.hub, each.connection, ROOM)
        await guest.join(ROOM)
        assert await _roles(guest) == ["host"]


async def test_of_many_who_come_at_once_one_is_the_first(process: Process) -> None:
    def joins_as(self: Any, who: Any, *, first: bool) -> list[str]:
        return ["host"] if first else []

    with declaring(kind(joins_as=joins_as)):
        clients = [Client(process) for _ in range(6)]
        for client in clients:
            await client.open()
        await asyncio.gather(*(client.join(ROOM) for client in clients))
        assert sorted([await _roles(client) for client in clients]) == [[], [], [], [], [], ["host"]]


async def test_joins_as_that_fails_lets_nobody_in_and_keeps_no_other_room_from_its_peers(process: Process) -> None:
    def joins_as(self: Any, who: Any, *, first: bool) -> list[str]:
        raise LookupError("the project's own")

    with declaring(kind(joins_as=joins_as)):
        broken, fine = Client(process), Client(process)
        for client in (broken, fine):
            await client.open()
        results = await asyncio.gather(broken.join(ROOM), fine.join("of no type"), return_exceptions=True)
        assert [isinstance(result, Exception) for result in results] == [True, False]
        assert await sync_to_async(members)() == 0
        assert ROOM not in broken.connection.members


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
    await process.client(OTHER)
    expected = [LAST, FIRST] if cleared else []
    await notes.are(FIRST, *expected, ("first", OTHER, []))


@pytest.mark.parametrize(
    ("given", "roles"),
    [("host", ["host"]), (None, []), (["host", "hots"], ["host"]), ({"host", "guest"}, ["guest", "host"])],
)
async def test_roles_are_given_as_they_are_declared(process: Process, given: Any, roles: list[str]) -> None:
    """One as a text, none at all; those that there are not count for nothing."""

    def joins_as(self: Any, who: Any, *, first: bool) -> Any:
        return given

    with declaring(kind(joins_as=joins_as, roles=["host", "guest"])):
        assert await _roles(await process.client(ROOM)) == roles


async def test_who_joins_is_known_to_whoever_gives_roles(process: Process) -> None:
    asked: list[Standing] = []

    def joins_as(self: Any, who: Standing, *, first: bool) -> list[str]:
        asked.append(who)
        return []

    with declaring(kind(joins_as=joins_as)):
        client = await process.client(ROOM)
        assert (asked[0].session_id, asked[0].is_creator) == (client.id, True)


async def test_i13_a_hook_that_fails_keeps_no_other_room_from_being_left_or_withdrawn(process: Process) -> None:
    """Who is in the room of that hook stays there, and it is asked again."""
    fails = False

    async def may_join(self: Any, who: Standing, room: str) -> bool:
        if fails:
            raise RuntimeError("nobody knows")
        return True

    shut = kinds.kind("Shut", "shut/*", join="crew", topic=Key())
    told = kinds.kind("Told", "told/*", notes=Key(read="crew"))
    with declaring(kind(may_join=may_join), shut, told):
        client = Client(process)
        await client.open()
        await sessions.achange_roles(session_id=client.id, add=["crew"])
        await client.until(lambda: bool(client.heard("session.changed")), "it has the role")
        for room in (ROOM, "shut/1", "told/1"):
            await client.join(room)
        await rooms.aset("told/1", "notes", "secret")
        await client.until(lambda: bool(client.heard("room.changed")), "it is told of the notes")
        fails = True
        await sessions.achange_roles(session_id=client.id, remove=["crew"])
        await client.until(
            lambda: client.heard("room.changed")[-1]["changes"][0].get("reason") == "ACCESS_DENIED",
            "the notes are withdrawn",
        )

        async def is_recorded() -> bool:
            return await sync_to_async(members)("shut/1") == 0

        await eventually(is_recorded, "it is no longer in the shut room")
        assert set(client.connection.members) == {ROOM, "told/1"}
        assert await sync_to_async(members)(ROOM) == 1
