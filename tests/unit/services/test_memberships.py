"""Joining and observing are one instant: between the read and the first change that is told lies nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from sessionstore_app.backends.base import Reading
from sessionstore_app.core.entries import Entry, Epoch
from sessionstore_app.services import entrylog, memberships, record
from sessionstore_app.services.connection import Connection
from sessionstore_app.services.events import Changed
from sessionstore_app.services.hub import Hub
from sessionstore_app.services.localroom import LocalRoom
from sessionstore_app.services.roommember import Member
from tests.unit.services.fakes import FakeHub, FakeSend, connection, text_of

E1 = Epoch("e1")


class Room:
    """A room at version 5 whose next write is heard while the first read is on its way."""

    def __init__(self) -> None:
        self.hub = FakeHub()
        self.local = LocalRoom("r", epoch=E1, version=5)
        self.connection: Connection = connection(self.hub, FakeSend())
        member = Member(self.connection, "s1", ())
        self.local.add(member)
        self.connection.members["r"] = member
        # What `memberships` asks of the hub for a room that is held already.
        self.hub.rooms = {"r": self.local}  # type: ignore[attr-defined]
        self.connection.session = cast(Any, type("Session", (), {"id": "s1"})())

    async def read(self, *_: object) -> Reading:
        seen = self.local.version
        if seen == 5:
            self.local.hear(Changed(E1, 6, {"a": text_of("a", 6)}))
            self.local.flush()
        return Reading(version=seen, entries=(Entry(key="a", text=str(seen), version=seen),), complete=True)


async def no_record(*_: object) -> tuple[None, None]:
    return None, None


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Room:
    room = Room()
    read: Callable[..., Awaitable[Reading]] = room.read
    monkeypatch.setattr(entrylog, "read", read)
    monkeypatch.setattr(record, "run", no_record)
    return room


async def test_p7_a_change_heard_while_an_observer_reads_is_not_missed(room: Room) -> None:
    observed = await memberships.observe(cast(Hub, room.hub), room.connection, "r", ["a"])
    # The change to version 6 was told before it observed: only the read can show it.
    assert observed.version == 6
    assert [entry.version for entry in observed.entries] == [6]
