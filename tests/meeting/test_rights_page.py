"""What the demo's page says each role may do is what the server lets it do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from project.rightstable import WORDS, RightsTable, rights_table
from project.rooms import Meeting
from sessionstore_app import CREATOR, NOBODY, OWNER, Key, RoomType, matching, mint_token, permission
from sessionstore_app.core.definitions import define
from tests.support.guests import Guests
from tests.support.server import Server, running
from tests.support.wire import Wire

ROOM = "meeting/what each may"
ROLES = ("host", "speaker", "guest")
# What is there already, and is somebody else's.
OTHERS: Mapping[str, Any] = {"hand/*": 1, "person/*": {"name": "Ann"}}
ACTS = ("see_peers", "broadcast", "clear")
# What can be done only with a permission over peers.
TO_PEERS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "view_session": ("session.get_properties", {"properties": ["name"]}),
    "register_handler": ("session.listen", {}),
    "modify_session": ("session.set_properties", {"properties": {"muted": None}}),
    "send_to_session": ("session.send", {"event": "hello"}),
}


@pytest.fixture(scope="module")
def demo() -> Iterator[Server]:
    with running() as server:
        yield server


@pytest.fixture
async def guests(demo: Server) -> AsyncIterator[Guests]:
    async with Guests(demo) as opened:
        yield opened


def table_of(kind: type[RoomType]) -> RightsTable:
    definition, problems = define(kind)
    assert problems == []
    return rights_table(definition)


def said(table: RightsTable, role: str) -> dict[str, str]:
    """What the table says that a role may, by the name of the row."""
    rows = [row for section in table.sections for row in section.rows]
    return {row.name: cell.may for row in rows for cell in row.cells if cell.role == role}


async def may(wire: Wire, action: str, key: str | None = None) -> bool:
    answer = await wire.call("room.can", room=ROOM, action=action, **({} if key is None else {"key": key}))
    return bool(answer["allowed"])


async def found_out(wire: Wire, pattern: str, other: Wire) -> str:
    """What the server lets somebody do with a key, in the words of the table."""
    if not await may(wire, "read", pattern.replace("*", other.id)):
        return "no"
    if await may(wire, "write", pattern.replace("*", other.id)):
        return "write"
    return "own" if await may(wire, "write", pattern.replace("*", wire.id)) else "read"


async def reaches(wire: Wire, permission: str, other: Wire) -> str:
    method, params = TO_PEERS[permission]
    target = {} if method == "session.listen" else {"session_id": other.id}
    reply = await wire.ask(method, room=ROOM, **target, **params)
    assert "result" in reply or reply["error"]["data"]["reason"] == "ACCESS_DENIED", reply
    return "yes" if "result" in reply else "no"


@pytest.mark.parametrize("role", ROLES)
async def test_each_role_may_do_what_the_table_says(guests: Guests, role: str) -> None:
    ann = await guests.join(ROOM)
    for pattern, value in OTHERS.items():
        await ann.call("room.set", room=ROOM, key=pattern.replace("*", ann.id), value=value)
    wire = await guests.join(ROOM, token=mint_token(role, rooms={ROOM: [role]}))
    table = table_of(Meeting)
    keys = [row.name for row in table.sections[0].rows]
    found = {pattern: await found_out(wire, pattern, ann) for pattern in keys}
    found |= {act: "yes" if await may(wire, act) else "no" for act in ACTS}
    found |= {permission: await reaches(wire, permission, ann) for permission in TO_PEERS}
    # Whoever asks has come in, and is not muted.
    assert {"join": "yes", **found} == {**said(table, role), "broadcast": "yes"}


def test_every_row_has_words_of_its_own() -> None:
    names = said(table_of(Meeting), "host")
    assert set(names) == set(WORDS)


class Library(RoomType):
    """What a meeting does not have."""

    match = "library/*"
    roles = ("reader", "keeper")
    join = ("keeper", CREATOR)
    broadcast = NOBODY
    shelf = Key(str, read="keeper", write=NOBODY)
    loans = Key(int, pattern="loan/*", read=(OWNER, "keeper"), write=(OWNER, "keeper"))
    audit = Key(str, read=permission("view_values"), write=matching("floor is '1'"))


def test_what_follows_neither_role_nor_owner_is_no_right_of_a_role() -> None:
    table = table_of(Library)
    assert (table.roles, table.width) == (("reader", "keeper"), 3)
    reader, keeper = said(table, "reader"), said(table, "keeper")
    assert [reader[key] for key in ("shelf", "loan/*", "audit")] == ["no", "own", "no"]
    assert [keeper[key] for key in ("shelf", "loan/*", "audit")] == ["read", "write", "no"]
    assert (reader["join"], keeper["join"], keeper["broadcast"], keeper["clear"]) == ("some", "yes", "no", "no")
    notes = {row.name: row.note for section in table.sections for row in section.rows}
    assert notes["join"] == "only the creator of the room"


def test_the_page_holds_the_whole_table() -> None:
    page = Client().get(reverse("rights")).content.decode()
    for section in table_of(Meeting).sections:
        for row in section.rows:
            assert f'data-what="{row.name}"' in page
    assert page.count('data-may="write"') == 5
