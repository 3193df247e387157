"""What the type of a room says of lives: of its store, of keys, of what names a peer; and where its entries are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import time_machine
from asgiref.sync import sync_to_async
from django.db import transaction
from django.utils import timezone

from sessionstore_app import SESSION, Key, RoomType, backends, errors, rooms
from sessionstore_app.core.close import CloseReason
from sessionstore_app.core.entries import Change, Write
from sessionstore_app.core.limits import StoreLimits
from sessionstore_app.models import Room
from sessionstore_app.services import (
    endings,
    entrylog,
    hub,
    memberships,
    presence,
    reaping,
    removals,
    roomlist,
    spaces,
)
from sessionstore_app.services.roomtypes import declaring
from tests.services.processes import Client, Process
from tests.support import kinds

if TYPE_CHECKING:
    from pytest_django import Settings

ROOM = "typed/1"
MEMORY = {"BACKEND": "sessionstore_app.backends.memory.MemoryBackend"}
DATABASE = {"BACKEND": "sessionstore_app.backends.database.DatabaseBackend"}


def kind(name: str = "Typed", **attributes: Any) -> type[RoomType]:
    """A room type that is there while a test declares it."""
    return kinds.kind(name, **{"match": "typed/*", "topic": Key(), **attributes})


async def leave(client: Client, room: str = ROOM) -> None:
    """As its socket would."""
    await memberships.leave(client.process.hub, client.connection, room)


# --- how long the store is kept


async def clears_after(room: str) -> timedelta | None:
    """How long after it emptied a room is cleared; None for one that was, or is not empty."""
    found = await sync_to_async(Room.objects.get)(name=room)
    if found.clears_at is None or found.emptied_at is None:
        return None
    after: timedelta = found.clears_at - found.emptied_at
    return after


@pytest.mark.parametrize(("declared", "settings_say", "kept"), [(90.0, 0, 90), (None, 30, 30), (0.0, 30, None)])
async def test_a_store_is_kept_for_as_long_as_its_type_says(
    process: Process, settings: Settings, declared: float | None, settings_say: float, kept: int | None
) -> None:
    settings.SESSIONSTORE = {**settings.SESSIONSTORE, "GRACE_SECONDS": settings_say}
    with declaring(kind(grace_seconds=declared)):
        client = await process.client(ROOM)
        await process.write(ROOM, {"topic": "retro"})
        await leave(client)
        assert await clears_after(ROOM) == (None if kept is None else timedelta(seconds=kept))
        assert await rooms.aget(ROOM, "topic") == (None if kept is None else "retro")


async def test_a_store_goes_with_the_last_session_that_ends_there(process: Process) -> None:
    """Only who leaves may be about to come back."""
    with declaring(kind(grace_seconds=90)):
        client = await process.client(ROOM)
        await process.write(ROOM, {"topic": "retro"})
        await endings.end_session(client.id, "CLOSED_BY_CLIENT")
        assert await clears_after(ROOM) is None
        assert await rooms.aget(ROOM, "topic") is None


async def test_the_store_goes_when_its_time_has_come_and_not_before(process: Process) -> None:
    with declaring(kind(grace_seconds=90)):
        await leave(await process.client(ROOM))
        await rooms.aset(ROOM, "topic", "kept")
        with time_machine.travel(timezone.now() + timedelta(seconds=80)):
            await reaping.reap(process.hub.node_id)
            assert await rooms.asnapshot(ROOM) == {"topic": "kept"}
        client = await process.client(ROOM)
        with time_machine.travel(timezone.now() + timedelta(seconds=200), tick=False):
            assert await rooms.asnapshot(ROOM) == {"topic": "kept"}
        assert await clears_after(ROOM) is None
        await leave(client)
        assert await clears_after(ROOM) == timedelta(seconds=90)


# --- keys that go when nobody is there who would need them


async def test_a_key_goes_once_nobody_has_matched_for_so_long(process: Process) -> None:
    made = kind(
        poll=Key(pattern="poll/*", without="role is 'host'", for_seconds=60),
        slow=Key(without="role is 'host'", for_seconds=600),
    )
    with declaring(made):
        guest = await process.client(ROOM)
        await process.write(ROOM, {"poll/1": 1, "slow": 1, "topic": "retro"})
        started = timezone.now()
        for seconds, left in ((0, 3), (59, 3), (61, 2), (300, 2), (601, 1)):
            with time_machine.travel(started + timedelta(seconds=seconds), tick=False):
                process.acts()
                await removals.apply(process.hub)
                assert len(await rooms.asnapshot(ROOM)) == left, seconds
        assert await rooms.asnapshot(ROOM) == {"topic": "retro"}
        await guest.until(lambda: _is_told_gone(guest, "poll/1"), "it is told")


def _is_told_gone(client: Client, key: str) -> bool:
    changes = [entry for told in client.heard("room.changed") for entry in told["changes"]]
    return any(entry["key"] == key and entry["value"] is None for entry in changes)


async def test_rules_of_a_type_are_no_other_rooms(process: Process) -> None:
    with declaring(kind(poll=Key(without="role is 'host'", for_seconds=1))):
        await process.client("of no type")
        await process.write("of no type", {"poll": 1})
        started = timezone.now()
        for seconds in (0, 100, 200):
            with time_machine.travel(started + timedelta(seconds=seconds)):
                await removals.apply(process.hub)
        assert await rooms.asnapshot("of no type") == {"poll": 1}


# --- keys that live for a time


@pytest.mark.parametrize(("asked", "declared", "lives"), [(None, 60, 60), (5, 60, 5), (600, 60, 60), (600, None, 600)])
async def test_a_key_lives_for_the_shorter_of_what_is_asked_and_declared(
    process: Process, asked: float | None, declared: float | None, lives: float
) -> None:
    with declaring(kind(timed=Key(ttl=declared))):
        written = await rooms.aset(ROOM, "timed", 1, ttl_seconds=asked)
        assert written.at_ms is not None
        assert written.expires_at_ms == written.at_ms + lives * 1_000
        again = await rooms.aupdate(ROOM, "timed", do="increment")
        assert again.expires_at_ms == written.expires_at_ms


# --- keys that name a peer


@pytest.fixture
def named() -> type[RoomType]:
    return kind(spotlight=Key(str, names_session=True))


async def test_only_a_peer_can_be_named(process: Process, named: type[RoomType]) -> None:
    with declaring(named):
        here, elsewhere = await process.client(ROOM), await process.client("typed/2")
        assert (await rooms.aset(ROOM, "spotlight", here.id)).owner == here.id
        for nobody in (elsewhere.id, "", "nobody", here.id.swapcase()):
            with pytest.raises(errors.InvalidValue):
                await rooms.aset(ROOM, "spotlight", nobody)
        await leave(here)
        with pytest.raises(errors.InvalidValue):
            await rooms.aset(ROOM, "spotlight", here.id)


async def test_who_waits_to_be_resumed_is_still_named(process: Process, named: type[RoomType]) -> None:
    with declaring(named):
        client, _ = await process.client(ROOM), await process.client(ROOM)
        await rooms.aset(ROOM, "spotlight", client.id)
        await process.lose(client, CloseReason.CONNECTION_LOST)
        assert await rooms.aget(ROOM, "spotlight") == client.id
        await rooms.aset(ROOM, "spotlight", client.id)
        await endings.end_session(client.id, "TIMED_OUT")
        assert await rooms.aget(ROOM, "spotlight") is None


async def test_what_names_a_peer_that_left_another_room_stays(process: Process, named: type[RoomType]) -> None:
    with declaring(named):
        client, _ = await process.client(ROOM), await process.client("typed/2")
        await client.join("typed/2")
        for room in (ROOM, "typed/2"):
            await rooms.aset(room, "spotlight", client.id)
        await leave(client, "typed/2")
        assert await rooms.aget(ROOM, "spotlight") == client.id
        assert await rooms.aget("typed/2", "spotlight") is None


async def test_what_a_leaver_owns_stays_and_what_names_it_goes(process: Process) -> None:
    """`lifetime=SESSION` ends with the session; a leaver's session goes on."""
    with declaring(kind(spotlight=Key(str, names_session=True), hand=Key(pattern="hand/*", lifetime=SESSION))):
        client, _ = await process.client(ROOM), await process.client(ROOM)
        await rooms.aset(ROOM, "spotlight", client.id, as_session=client.id)
        await rooms.aset(ROOM, "hand/1", 1, as_session=client.id)
        await leave(client)
        assert await rooms.asnapshot(ROOM) == {"hand/1": 1}
        await client.join(ROOM)
        await endings.end_session(client.id, "CLOSED_BY_CLIENT")
        assert await rooms.asnapshot(ROOM) == {}


# --- backends


@pytest.fixture
def two_backends(settings: Settings) -> Iterator[None]:
    """Rooms of a type are in this process's memory, all others in the database."""
    settings.SESSIONSTORE = {**settings.SESSIONSTORE, "BACKENDS": {"default": DATABASE, "quick": MEMORY}}
    with declaring(kind(backend="quick", timed=Key(ttl=60))):
        yield


@pytest.fixture
async def both(two_backends: None, process: Process) -> Process:
    """A process that was started where there are two."""
    return process


async def held_by(alias: str) -> set[str]:
    """The rooms of which this backend holds entries."""
    found = [spaces.room_of(space) async for space, tally in backends.backend(alias).spaces() if tally.keys]
    return {room[0] for room in found if room is not None}


async def test_entries_are_where_the_type_says(both: Process) -> None:
    for room in (ROOM, "plain"):
        await both.client(room)
        await rooms.aset(room, "topic", room)
    assert (await held_by("quick"), await held_by("default")) == ({ROOM}, {"plain"})
    assert [await rooms.aget(room, "topic") for room in (ROOM, "plain")] == [ROOM, "plain"]


async def test_rooms_of_both_backends_heal_expire_clear_and_are_listed(both: Process) -> None:
    clients = [await both.client(room) for room in (ROOM, "plain")]
    for room, key in ((ROOM, "timed"), ("plain", "timed")):
        await rooms.aset(room, key, 1, ttl_seconds=500)
        await rooms.aset(room, "topic", room)
    await both.heal()
    assert both.hub.counters.healed_rooms == 0
    listed = {found.name: (found.peers, found.version, found.keys) for found in await roomlist.rooms_matching()}
    assert listed == {ROOM: (1, 2, 2), "plain": (1, 2, 2)}
    tallied = await roomlist.tallies([(name, room.epoch) for name, room in both.hub.rooms.items()])
    assert {name: tally.keys for name, tally in tallied.items()} == {ROOM: 2, "plain": 2}
    found = await roomlist.find_room(ROOM)
    assert found is not None
    assert (found.version, found.keys) == (2, 2)
    with time_machine.travel(timezone.now() + timedelta(seconds=70)):
        assert (await reaping.expire_entries())[0] == 1
        assert await rooms.asnapshot(ROOM) == {"topic": ROOM}
        assert len(await rooms.asnapshot("plain")) == 2
    for room in (ROOM, "plain"):
        await rooms.aclear(room)
    assert await held_by("quick") == await held_by("default") == set()
    for client in clients:
        await client.until(lambda client=client: bool(client.heard("room.cleared")), "it is told")  # type: ignore[misc]


async def test_a_write_that_nobody_told_of_is_found_in_either_backend(both: Process) -> None:
    clients = {room: await both.client(room) for room in (ROOM, "plain")}
    for room in clients:
        local = both.hub.rooms[room]
        write = Write(changes=(Change(key="topic", text='"untold"'),), by=None, at_ms=1_700_000_000_000)
        space = spaces.room_space(room, local.epoch)
        await spaces.room_backend(room).write(space, write, StoreLimits())
    await both.heal()
    assert both.hub.counters.healed_rooms == 2
    for room, client in clients.items():
        await client.until(lambda client=client: bool(client.heard("room.changed")), room)  # type: ignore[misc]


async def test_a_new_process_begins_anew_those_rooms_alone_whose_entries_are_gone(both: Process) -> None:
    for room in (ROOM, "plain"):
        await rooms.aset(room, "topic", room)
    before = {room: await entrylog.current_epoch(room) for room in (ROOM, "plain")}
    # Another process, to which the first one's memory is nothing.
    backends.close_all()
    for place in spaces.room_backends():
        await presence._start_anew(place)
    after = {room: await entrylog.current_epoch(room) for room in (ROOM, "plain")}
    assert {room: before[room] == after[room] for room in before} == {ROOM: False, "plain": True}
    assert await rooms.aget("plain", "topic") == "plain"


async def test_a_transaction_that_rolls_back_takes_back_what_its_database_holds(both: Process) -> None:
    """A store in memory joins no transaction, as with `default`."""
    await both.client(ROOM)

    @sync_to_async
    def write_and_roll_back() -> None:
        with transaction.atomic():
            for room in (ROOM, "plain"):
                rooms.set(room, "topic", room)
            transaction.set_rollback(True)

    await write_and_roll_back()
    assert [await rooms.aget(room, "topic") for room in (ROOM, "plain")] == [ROOM, None]


async def test_who_leaves_rooms_of_both_backends_is_named_and_owns_nothing_there(settings: Settings) -> None:
    settings.SESSIONSTORE = {**settings.SESSIONSTORE, "BACKENDS": {"default": DATABASE, "quick": MEMORY}}
    quick = kind(backend="quick", spotlight=Key(str, names_session=True))
    slow = kind("Slow", match="slow/*", spotlight=Key(str, names_session=True))
    with declaring(quick, slow):
        started = Process()
        await started.start()
        started.acts()
        client = await started.client(ROOM)
        await client.join("slow/1")
        for room in (ROOM, "slow/1"):
            await started.client(room)
            await rooms.aset(room, "spotlight", client.id)
        await endings.end_session(client.id, "CLOSED_BY_CLIENT")
        assert [await rooms.asnapshot(room) for room in (ROOM, "slow/1")] == [{}, {}]
        hub.set_running(None)
        await started.stop()


@pytest.mark.parametrize("ends", ["leaves", "ends"])
async def test_nobody_stays_named_who_left_while_it_was_written(
    process: Process, named: type[RoomType], monkeypatch: pytest.MonkeyPatch, ends: str
) -> None:
    """What names it was looked for, and it has not left yet: in between it is named once more."""
    with declaring(named):
        client, _ = await process.client(ROOM), await process.client(ROOM)

        def then_named(remove: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
            async def removed(*args: Any) -> Any:
                found = await remove(*args)
                monkeypatch.undo()
                await rooms.aset(ROOM, "spotlight", client.id)
                return found

            return removed

        if ends == "leaves":
            monkeypatch.setattr(endings, "remove_named", then_named(endings.remove_named))
            await leave(client)
        else:
            monkeypatch.setattr(endings, "remove_owned", then_named(endings.remove_owned))
            await endings.end_session(client.id, "CLOSED_BY_CLIENT")
        assert await rooms.aget(ROOM, "spotlight") is None
