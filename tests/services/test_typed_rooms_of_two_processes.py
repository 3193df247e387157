"""A typed room that two processes serve: each tells its own peers what they may read, and nothing else (T6, I13)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from sessionstore_app import errors, rooms, sessions
from sessionstore_app.services import memberships as servers
from sessionstore_app.services.roomtypes import declaring
from tests.services.processes import Client, Process, settled
from tests.support.layers import DeafLayer, LossyLayer
from tests.support.typed import Stage

ROOM = "stage/1"
Pair = tuple[Process, Process]


@pytest.fixture(autouse=True)
def _stage() -> Iterator[None]:
    with declaring(Stage):
        yield


async def _joined(process: Process, *roles: str) -> Client:
    """A client in the room, with these roles everywhere; the first of all is the host."""
    client = Client(process)
    await client.open()
    if roles:
        await sessions.achange_roles(session_id=client.id, add=roles)
        await client.until(lambda: _has(client, *roles), "its roles are known")
    await client.join(ROOM)
    return client


def _has(client: Client, *roles: str) -> bool:
    assert client.connection.session is not None
    return set(roles) <= client.connection.session.identity.roles


def told(client: Client) -> list[tuple[str, Any]]:
    """Keys and values of all changes that it was told."""
    return [(entry["key"], entry["value"]) for change in client.heard("room.changed") for entry in change["changes"]]


async def _write(process: Process, key: str, value: Any, writer: Client | None = None) -> None:
    process.acts()
    await rooms.aset(ROOM, key, value, as_session=None if writer is None else writer.id)
    await process.hub.settle()


async def _hears(client: Client, key: str, value: Any) -> None:
    await client.until(lambda: (key, value) in told(client), f"{key} is told")


async def test_t6_a_write_is_told_in_the_other_process_to_those_who_may_read_it(pair: Pair) -> None:
    here, there = pair
    await _joined(here)
    host, guest = await _joined(there, "host"), await _joined(there)
    await _write(here, "notes", "secret")
    await _write(here, "count", 1)
    for client in (host, guest):
        await _hears(client, "count", 1)
    assert told(host) == [("notes", "secret"), ("count", 1)]
    assert told(guest) == [("count", 1)]
    assert "secret" not in str(guest.frames)


async def test_t6_what_is_its_writers_is_told_to_its_writer_wherever_that_is(pair: Pair) -> None:
    here, there = pair
    host = await _joined(here)
    asker, other = await _joined(there), await _joined(there)
    await _write(here, "question/1", "why?", asker)
    await _write(here, "count", 1)
    for client in (host, asker, other):
        await _hears(client, "count", 1)
    assert told(host) == told(asker) == [("question/1", "why?"), ("count", 1)]
    assert told(other) == [("count", 1)]
    # Whoever takes it over has it for itself; it is withdrawn from whoever had it.
    await _write(here, "question/1", "taken over")
    await _hears(asker, "question/1", None)
    await _hears(host, "question/1", "taken over")
    assert "taken over" not in str([*asker.frames, *other.frames])


async def test_i13_a_role_that_one_process_takes_is_gone_in_the_other(pair: Pair) -> None:
    here, there = pair
    await _joined(here)
    moderator = await _joined(there, "host")
    await _write(here, "notes", "secret")
    await _hears(moderator, "notes", "secret")
    here.acts()
    await sessions.achange_roles(session_id=moderator.id, remove=["host"])
    await settled(pair)
    await _hears(moderator, "notes", None)
    await _write(here, "notes", "a later secret")
    await _write(here, "count", 1)
    await _hears(moderator, "count", 1)
    assert "a later secret" not in str(moderator.frames)
    with pytest.raises(errors.AccessDenied):
        await rooms.aset(ROOM, "notes", "x", as_session=moderator.id)


async def test_i13_a_role_that_one_process_gives_counts_in_the_other(pair: Pair) -> None:
    here, there = pair
    await _joined(here)
    guest = await _joined(there)
    await _write(here, "notes", "secret")
    here.acts()
    await sessions.achange_roles(session_id=guest.id, add=["host"])
    await settled(pair)
    await _hears(guest, "notes", "secret")
    await _write(there, "spotlight", guest.id, guest)
    await _hears(guest, "spotlight", guest.id)


async def test_i13_a_role_taken_while_the_bus_is_deaf_is_gone_with_the_next_renewal(
    pair: Pair, deaf_layer: DeafLayer
) -> None:
    here, there = pair
    await _joined(here)
    moderator = await _joined(there, "host")
    await _write(here, "notes", "secret")
    await _hears(moderator, "notes", "secret")
    here.acts()
    deaf_layer.is_deaf = True
    await sessions.achange_roles(session_id=moderator.id, remove=["host"])
    await settled(pair)
    deaf_layer.is_deaf = False
    there.acts()
    await there.presence.renew()
    await _hears(moderator, "notes", None)


async def test_t6_what_is_made_good_after_a_loss_is_held_to_rights_too(lossy: Pair, lossy_layer: LossyLayer) -> None:
    """What the bus lost is read from the store, which knows nothing of rights."""
    here, there = lossy
    await _joined(here)
    host, guest, asker = await _joined(there, "host"), await _joined(there), await _joined(there)
    for number in range(40):
        await _write(here, "notes", f"secret {number}")
        await _write(here, "question/1", f"mine {number}", asker)
        await _write(here, "count", number)
    await settled(lossy)
    lossy_layer.is_lossy = False
    await there.heal()
    await _write(here, "count", 100)
    for client in (host, guest, asker):
        await _hears(client, "count", 100)
    assert there.hub.counters.healed_rooms > 0
    assert {key for key, _ in told(host)} == {"notes", "question/1", "count"}
    assert ("notes", "secret 39") in told(host)
    assert ("question/1", "mine 39") in told(asker)
    for client in (guest, asker):
        assert "secret" not in str(client.frames)
    assert "mine" not in str(guest.frames)


async def test_a_named_peer_that_leaves_one_process_is_named_in_no_other(pair: Pair) -> None:
    here, there = pair
    host, guest = await _joined(here), await _joined(there)
    await _write(here, "spotlight", guest.id, host)
    await _hears(guest, "spotlight", guest.id)
    there.acts()
    await servers.leave(there.hub, guest.connection, ROOM)
    await settled(pair)
    await _hears(host, "spotlight", None)


async def test_clearing_by_role_reaches_both(pair: Pair) -> None:
    here, there = pair
    host, guest = await _joined(here), await _joined(there)
    await _write(here, "count", 1)
    there.acts()
    with pytest.raises(errors.AccessDenied):
        await rooms.aclear(ROOM, as_session=guest.id)
    await rooms.aclear(ROOM, as_session=host.id)
    for client in (host, guest):
        await client.until(partial(_cleared, client), "it is told")


def _cleared(client: Client) -> bool:
    return bool(client.heard("room.cleared"))
