"""The hooks of room types that are asked who may join, and as what: once, and one that fails harms nobody."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from sessionstore_app import Key, rooms, sessions
from sessionstore_app.core.errors import AccessDenied
from sessionstore_app.core.rules import Standing
from sessionstore_app.models import Membership
from sessionstore_app.services import memberships, roomhooks
from sessionstore_app.services.roomtypes import declaring
from tests.services.processes import Client, Process
from tests.services.watched import ROOM, kind
from tests.support import kinds
from tests.support.wire import eventually

LIMIT_SECONDS = 5.0


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
