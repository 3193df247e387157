"""Listing and counting sessions on the wire (parity D37, D42, P19): pages, totals and people, on SQLite and PostgreSQL,
where the database decides alone and where the filter has to look itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from sessionstore_app import mint_token
from tests.support.guests import Guests
from tests.support.postgres import temporary_postgres
from tests.support.server import Server, manage, running
from tests.support.wire import Wire, eventually

PAGE = 5
# The same sessions: none, one that the database decides alone, one that it narrows down, one that it cannot.
FILTERS = {
    "none": None,
    "exact": "team is 'red' and not has left",
    "narrowed": "team is 'red' and $Principal matches '.*'",
    "looked at": "team matches 'r.d'",
}


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def listed_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    settings = {"SESSIONS_PER_PAGE": PAGE, "SELF_PROPERTIES": ["team", "seat"]}
    if request.param == "sqlite":
        with running(settings=settings) as server:
            yield server
        return
    with temporary_postgres() as url:
        manage("migrate", "--verbosity", "0", database_url=url)
        with running(settings=settings, database_url=url) as server:
            yield server


@pytest.fixture
async def listed(listed_server: Server) -> AsyncIterator[Guests]:
    async with Guests(listed_server) as opened:
        yield opened


async def _team(guests: Guests, room: str, number: int) -> list[str]:
    """Ids of so many sessions of one team in a room, in order."""
    opening = (guests.join(room, observe=[], properties={"team": "red", "seat": str(n % 2)}) for n in range(number))
    return sorted(wire.id for wire in await asyncio.gather(*opening))


def _ids(listing: dict[str, Any]) -> list[str]:
    return [session["session_id"] for session in listing["sessions"]]


async def _pages(staff: Wire, **params: Any) -> list[dict[str, Any]]:
    pages = [await staff.call("session.list", **params)]
    while pages[-1]["more"]:
        pages.append(await staff.call("session.list", after=_ids(pages[-1])[-1], **params))
    return pages


# --- pages


@pytest.mark.parametrize("name", FILTERS)
async def test_d37_pages_hold_every_session_once_and_each_tells_the_total(listed: Guests, room: str, name: str) -> None:
    """They go by session id, and the last says that it is."""
    staff, ids = await listed.staff(), await _team(listed, room, 7)
    await listed.join(f"{room}/other", properties={"team": "red"})
    params = {"room": room} if FILTERS[name] is None else {"room": room, "filter": FILTERS[name]}
    for limit, sizes in ((3, [3, 3, 1]), (7, [5, 2]), (1, [1] * 7), (1_000, [5, 2]), (None, [5, 2])):
        pages = await _pages(staff, **params, **({} if limit is None else {"limit": limit}))
        assert [len(page["sessions"]) for page in pages] == sizes
        assert [page["total"] for page in pages] == [7] * len(pages)
        assert [session for page in pages for session in _ids(page)] == ids


@pytest.mark.parametrize("name", FILTERS)
async def test_d37_a_page_ends_at_the_last_session_without_another_to_come(
    listed: Guests, room: str, name: str
) -> None:
    staff, ids = await listed.staff(), await _team(listed, room, PAGE)
    params = {"room": room} if FILTERS[name] is None else {"room": room, "filter": FILTERS[name]}
    full = await staff.call("session.list", **params)
    assert (_ids(full), full["total"], full["more"]) == (ids, PAGE, False)
    behind = await staff.call("session.list", **params, after=ids[-1])
    assert behind == {"sessions": [], "total": PAGE, "more": False}
    between = await staff.call("session.list", **params, after=ids[1] + "-", limit=2)
    assert (_ids(between), between["more"]) == (ids[2:4], True)


async def test_d37_pages_go_on_where_the_last_session_of_one_has_ended(listed: Guests, room: str) -> None:
    staff, ids = await listed.staff(), await _team(listed, room, 4)
    first = await staff.call("session.list", room=room, limit=2)
    await staff.call("session.terminate", session_id=ids[1])
    second = await staff.call("session.list", room=room, limit=2, after=_ids(first)[-1])
    assert (_ids(second), second["total"], second["more"]) == (ids[2:], 3, False)


async def test_d37_a_session_is_listed_with_its_state_and_the_properties_asked_for(listed: Guests, room: str) -> None:
    here, away = await listed.join(room, properties={"team": "red"}), await listed.join(room)
    staff = await listed.staff()
    await away.drop()

    async def told() -> bool:
        states = {one["session_id"]: one["state"] for one in (await staff.call("session.list", room=room))["sessions"]}
        return states == {here.id: "ACTIVE", away.id: "DISCONNECTED"}

    await eventually(told, "one session is away")
    plain = await staff.call("session.list", room=room)
    assert all(set(session) == {"session_id", "state", "properties"} for session in plain["sessions"])
    assert all(session["properties"] == {} for session in plain["sessions"])
    rich = await staff.call("session.list", room=room, properties=["team", "$Transport", "missing"])
    by_id = {session["session_id"]: session["properties"] for session in rich["sessions"]}
    assert by_id == {here.id: {"team": "red", "$Transport": "WEBSOCKET"}, away.id: {"$Transport": "WEBSOCKET"}}
    await staff.call("session.terminate", session_id=away.id)
    assert _ids(await staff.call("session.list", room=room)) == [here.id]


async def test_d37_without_a_room_sessions_are_listed_wherever_they_are(listed: Guests, room: str) -> None:
    staff = await listed.staff()
    seat = f"seat of {room}"
    lonely, joined = await listed.open(properties={"seat": seat}), await listed.join(room, properties={"seat": seat})
    found = await staff.call("session.list", filter=f"seat is '{seat}'")
    assert (set(_ids(found)), found["total"]) == ({lonely.id, joined.id}, 2)
    assert _ids(await staff.call("session.list", filter=f"seat is '{seat}'", room=room)) == [joined.id]
    assert (await staff.call("session.list", room=f"{room}/nobody"))["total"] == 0


# --- counting


def _grouped(counting: dict[str, Any]) -> dict[tuple[tuple[str, str], ...], tuple[int, int]]:
    return {tuple(group["properties"].items()): (group["count"], group["people"]) for group in counting["groups"]}


async def test_p19_many_tabs_of_one_person_are_one_person(listed: Guests, room: str) -> None:
    """Each anonymous session is a person of its own; the last tab takes the person with it."""
    staff = await listed.staff()
    tabs = [await listed.join(room, token=mint_token("ann")) for _ in range(3)]
    await listed.join(room, token=mint_token("bo"))
    for _ in range(2):
        await listed.join(room)
    for text in ("all", "$Principal matches '.*'"):
        counted = await staff.call("session.count", room=room, filter=text)
        assert counted == {"total": 6, "people": 4, "groups": []}
    for left, people in ((2, 4), (1, 4), (0, 3)):
        await tabs.pop().call("session.close")
        counted = await staff.call("session.count", room=room)
        assert (counted["total"], counted["people"]) == (left + 3, people)


async def test_d42_sessions_are_counted_in_groups_by_properties(listed: Guests, room: str) -> None:
    """What a session does not have is left out of its group; an empty value is a value."""
    staff = await listed.staff()
    for team, seat, token in (
        *(("red", "1", mint_token("ann")), ("red", "1", mint_token("ann")), ("red", "2", mint_token("ann"))),
        *(("blue", "1", None), ("", None, None), (None, None, None)),
    ):
        own = {key: value for key, value in (("team", team), ("seat", seat)) if value is not None}
        await listed.join(room, properties=own, **({} if token is None else {"token": token}))
    by_team = await staff.call("session.count", room=room, by=["team"])
    assert (by_team["total"], by_team["people"]) == (6, 4)
    assert _grouped(by_team) == {
        (("team", "red"),): (3, 1),
        (("team", "blue"),): (1, 1),
        (("team", ""),): (1, 1),
        (): (1, 1),
    }
    by_both = await staff.call("session.count", room=room, by=["team", "seat"], filter="has seat")
    assert by_both["total"] == 4
    assert _grouped(by_both) == {
        (("team", "red"), ("seat", "1")): (2, 1),
        (("team", "red"), ("seat", "2")): (1, 1),
        (("team", "blue"), ("seat", "1")): (1, 1),
    }
    principals = await staff.call("session.count", room=room, by=["$Principal"], filter="team matches '.+'")
    assert _grouped(principals) == {(("$Principal", "ann"),): (3, 1), (("$Principal", ""),): (1, 1)}


async def test_d42_nobody_is_counted_as_nobody(listed: Guests, room: str) -> None:
    staff = await listed.staff()
    for params in ({}, {"by": ["team"]}, {"filter": "team matches 'x'"}, {"filter": "$Roles is 'x'"}):
        assert await staff.call("session.count", room=room, **params) == {"total": 0, "people": 0, "groups": []}


async def test_d37_a_list_may_be_longer_than_a_row_of_pages(listed: Guests, room: str) -> None:
    """What is listed while sessions come is each of those that were there."""
    staff, ids = await listed.staff(), await _team(listed, room, 12)
    pages = [await staff.call("session.list", room=room, filter="team matches 'red'")]
    while pages[-1]["more"]:
        await listed.join(room, observe=[], properties={"team": "red"})
        after = _ids(pages[-1])[-1]
        pages.append(await staff.call("session.list", room=room, filter="team matches 'red'", after=after))
    told = [session for page in pages for session in _ids(page)]
    assert told == sorted(set(told))
    assert set(ids) <= set(told)
