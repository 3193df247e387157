"""Listening where there is much to tell (P31, P32, D9): thousands of sessions, changes meanwhile, and clients that do
not read.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from pytest_django import DjangoDbBlocker

from sessionstore_app.models import Node, Session, SessionEvent
from tests.support.aliases import alias_for
from tests.support.guests import Guests
from tests.support.hearing import Event, Hearing
from tests.support.postgres import temporary_postgres
from tests.support.rows import rows
from tests.support.server import Server, manage, running
from tests.support.wire import Wire

CROWD = 2_200
SETTINGS = {"OUTBOX_BYTES": 100_000}


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def crowded_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """Little may be unacknowledged there."""
    with ExitStack() as stack:
        url = None
        if request.param == "postgres":
            url = stack.enter_context(temporary_postgres())
            manage("migrate", "--verbosity", "0", database_url=url)
        yield stack.enter_context(running(settings=SETTINGS, database_url=url))


@pytest.fixture
async def crowded(crowded_server: Server) -> AsyncIterator[Guests]:
    async with Guests(crowded_server) as opened:
        yield opened


def _make_crowd(server: Server, team: str) -> list[str]:
    """Rows as sessions of another process have them; returns their ids, in order."""
    with alias_for("crowded", server.database_url) as alias:
        Node.objects.using(alias).get_or_create(id="far", defaults={"lease_until": "2099-01-01T00:00:00Z"})
        rows = [
            Session(
                id=f"{team}-{number:05}", principal=f"p{number}", node_id="far", revision=1, properties={"team": team}
            )
            for number in range(CROWD)
        ]
        Session.objects.using(alias).bulk_create(rows)
        SessionEvent.objects.using(alias).bulk_create(
            SessionEvent(session=row, revision=1, type="STATE", state="ACTIVE", properties={}, at=row.opened_at)
            for row in rows
        )
    return [row.id for row in rows]


@pytest.fixture
async def crowd(crowded_server: Server, room: str, django_db_blocker: DjangoDbBlocker) -> list[str]:
    """So many sessions, whose `team` is the room's name."""
    with django_db_blocker.unblock():
        return await sync_to_async(_make_crowd)(crowded_server, room)


async def _by_filter(staff: Wire, session_ids: list[str], **properties: str) -> int:
    listed = ", ".join(f"'{session_id}'" for session_id in session_ids)
    params = {"filter": f"$SessionId in [{listed}]", "properties": properties}
    count: int = (await staff.call("session.set_properties_by_filter", **params))["count"]
    return count


def _assert_sane(events: list[Event]) -> None:
    """One beginning, then what happened, each once and in order, and nothing behind the end."""
    revisions = [event["revision"] for event in events]
    assert revisions == sorted(set(revisions)), events
    is_there = False
    for event in events:
        begins = event["type"] == "STATE" and event["state"] in ("ACTIVE", "DISCONNECTED") and not is_there
        assert is_there or begins, events
        is_there = event["matches"] and event["state"] != "CLOSED"


async def test_p31_two_thousand_sessions_are_told_once_each_with_an_end_mark(
    crowded: Guests, crowd: list[str], room: str
) -> None:
    """To a client that keeps up, with properties, by id; the answers to others do not wait for it."""
    staff, other = await crowded.staff(), await crowded.staff(principal="other")
    hearing = await Hearing.ask(staff, filter=f"team is '{room}'", properties=["*F", "*U"])
    assert (await other.call("session.count", filter=f"team is '{room}'"))["total"] == CROWD
    assert await hearing.settled() == CROWD
    told = hearing.told
    assert sorted(told) == crowd
    assert {len(events) for events in told.values()} == {1}
    assert all(events[0]["properties"]["team"] == room for events in told.values())


async def test_p31_what_happens_in_the_midst_of_it_is_told_once_too(
    crowded: Guests, crowd: list[str], room: str
) -> None:
    """Opened, changed, closed, left and entered the filter; who was told already, and who was not yet."""
    staff, busy = await crowded.staff(), await crowded.staff(principal="busy")
    staff.claimed_bytes = 0
    hearing = await Hearing.ask(staff, filter=f"team is '{room}'", properties=["team", "k"])
    # Behind so much, the server waits with the rest.
    await staff.until(lambda: len(hearing.told) >= 200, "much is told")
    joined = [await crowded.open() for _ in range(6)]
    for wire in joined:
        await busy.call("session.set_properties", session_id=wire.id, properties={"team": room})
    expected: dict[str, str] = {}
    for part in (crowd[:100], crowd[-100:]):
        expected |= await _let_much_happen(busy, room, part)
    for wire in joined[:3]:
        await wire.call("session.close")
    expected |= {wire.id: "gone" if position < 3 else "there" for position, wire in enumerate(joined)}
    assert [name for name, _ in staff.notifications if name == "session.listening"] == []
    staff.claimed_bytes = None
    staff.acknowledge()
    await hearing.settled()
    # Behind all that happened meanwhile.
    await _by_filter(busy, [crowd[500]], k="last")
    await staff.until(lambda: hearing.brief(crowd[500])[-1:] == [("ACTIVE", 2)], "what happens is told")
    for events in hearing.told.values():
        _assert_sane(events)
    ends = {session_id: _end(events) for session_id, events in hearing.told.items()}
    assert {sid for sid, how in ends.items() if how == "there"} == {
        sid for sid in {*crowd, *expected} if expected.get(sid, "there") == "there"
    }
    assert {hearing.of(sid)[-1]["properties"]["k"] for part in (crowd[:20], crowd[-100:-80]) for sid in part} == {"new"}
    await busy.call("session.terminate", filter=f"team is '{room}'")


async def _let_much_happen(busy: Wire, room: str, part: list[str]) -> dict[str, str]:
    """To a hundred sessions; returns how those of them end that do not stay as they are."""
    assert await _by_filter(busy, part[:20], k="new") == 20
    assert await _by_filter(busy, part[20:60], team="elsewhere") == 40
    assert await _by_filter(busy, part[40:60], team=room) == 20
    for session_id in part[60:66]:
        await busy.call("session.terminate", session_id=session_id)
    return dict.fromkeys((*part[20:40], *part[60:66]), "gone")


def _end(events: list[Event]) -> str:
    return "there" if events[-1]["matches"] and events[-1]["state"] != "CLOSED" else "gone"


async def test_p32_a_listener_that_does_not_read_ends_and_nobody_else_does(crowded: Guests, room: str) -> None:
    """D9: what waits for it is bounded. Its session may come back, and listen anew."""
    busy, well = await crowded.staff(principal="busy"), await crowded.staff(principal="well")
    lazy, wire = await crowded.staff(), await crowded.join(room)
    lazy.claimed_bytes = 0
    only = f"$SessionId is '{wire.id}'"
    behind = await Hearing.begin(lazy, filter=only, properties=["k"])
    hearing = await Hearing.begin(well, filter=only, properties=["k"])
    await hearing.expect(wire.id)
    start = lazy.received_bytes
    for number in range(600):
        properties = {"k": f"{number}:" + "x" * 1_000}
        await busy.call("session.set_properties", session_id=wire.id, properties=properties)
    await lazy.expect_closed(4003)
    await well.until(lambda: len(hearing.of(wire.id)) >= 600, "all is told")
    told = [event["properties"]["k"].split(":")[0] for event in hearing.of(wire.id)]
    assert told == [str(number) for number in range(600)]
    # As much as may be unacknowledged, and twice that.
    assert lazy.received_bytes - start < 4 * SETTINGS["OUTBOX_BYTES"]
    back = await crowded.staff(resume={"session_id": lazy.id, "resume_token": lazy.session["resume_token"]})
    assert back.session["resumed"] is True
    await back.refused("session.unlisten", "NOT_FOUND", listener_id=behind.id)
    again = await Hearing.begin(back, filter=only, properties=["k"])
    assert (await again.expect(wire.id))["properties"]["k"].startswith("599:")


async def test_p32_a_listener_whose_kernel_is_full_ends_too(crowded: Guests, crowd: list[str], room: str) -> None:
    """One that cannot ack: only the transport tells that it does not read. It ends after what kernels hold."""
    lazy, staff = await crowded.staff(heartbeat=False), await crowded.staff(principal="other")
    team = f"team is '{room}'"
    await Hearing.begin(lazy, filter=team, properties=["*F", "*U"])
    hearing = await Hearing.begin(staff, filter=f"$SessionId is '{lazy.id}'")
    lazy.stop_reading()
    for number in range(30):
        properties = {"k": f"{number}:" + "x" * 900}
        await staff.call("session.set_properties_by_filter", filter=team, properties=properties)
        await staff.call("session.ping")
        if hearing.brief(lazy.id)[1:]:
            break
    assert [state for state, _ in hearing.brief(lazy.id)] == ["ACTIVE", "DISCONNECTED"]
    lazy.go_on_reading()
    await lazy.expect_closed(4003, 1006)
    await staff.call("session.terminate", filter=team)


class Lives:
    """Sessions of all sorts of lives, which end one way or the other."""

    def __init__(self, guests: Guests, room: str, staff: list[Wire]) -> None:
        self.guests, self.room, self.staff = guests, room, staff
        self.chance = random.Random(9)
        self.ids: list[str] = []

    async def live(self, number: int) -> None:
        """One session, from its beginning to its end."""
        wire = await self.guests.open()
        self.ids.append(wire.id)
        for turn in range(self.chance.randrange(5)):
            wire = await self.chance.choice([self._set, self._join, self._return, self._give])(wire, turn)
        if self.chance.random() < 0.5:
            await wire.call("session.close")
        else:
            await self.staff[number % 2].call("session.terminate", session_id=wire.id)

    async def _set(self, wire: Wire, turn: int) -> Wire:
        await self.staff[0].call("session.set_properties", session_id=wire.id, properties={"turn": str(turn)})
        return wire

    async def _give(self, wire: Wire, turn: int) -> Wire:
        await self.staff[1].call("session.change_roles", session_id=wire.id, add=[f"r{turn}"])
        return wire

    async def _join(self, wire: Wire, turn: int) -> Wire:
        await wire.call("room.join", room=f"{self.room}/{turn}")
        return wire

    async def _return(self, wire: Wire, turn: int) -> Wire:
        await wire.drop()
        resume = {"session_id": wire.id, "resume_token": wire.session["resume_token"]}
        back = await self.guests.open(resume=resume)
        assert back.session["resumed"] is True
        return back


async def test_i9_over_any_churn_a_session_opens_once_and_closes_once(crowded: Guests, room: str) -> None:
    """And every listener is told what the record has, in its order."""
    staff = [await crowded.staff(principal=f"staff {n}") for n in range(2)]
    hearings = [await Hearing.begin(wire, filter="not hasRoles 'x'", properties=["*U", "$Roles"]) for wire in staff]
    lives = Lives(crowded, room, staff)
    await asyncio.gather(*(lives.live(number) for number in range(60)))
    for hearing, session_id in itertools.product(hearings, lives.ids):
        events = await hearing.until(session_id, "CLOSED")
        _assert_sane(events)
        states = Counter(event["state"] for event in events if event["type"] == "STATE")
        assert (states["ACTIVE"], states["CLOSED"]) == (1, 1)
        assert [event["revision"] for event in events] == _recorded(crowded.server, session_id)


def _recorded(server: Server, session_id: str) -> list[int]:
    """The revisions of what listeners are told of a session, by the record."""
    statement = "SELECT revision FROM sessionstore_app_sessionevent WHERE session_id = ? AND type <> 'ROOMS' ORDER BY 1"
    return [int(revision) for (revision,) in rows(server, statement, session_id)]


def _apart(database_url: str | None) -> dict[str, Any]:
    return {"settings": {"NODE_RENEW_SECONDS": 0.5, "REAP_SECONDS": 0.5}, "database_url": database_url}


@pytest.mark.postgres
async def test_d50_processes_that_share_only_the_database_tell_each_other_all(room: str) -> None:
    """No channel layer between them: at the latest with the next renewal of the lease, everything, in order."""
    with temporary_postgres() as url:
        manage("migrate", "--verbosity", "0", database_url=url)
        with running(**_apart(url)) as here, running(**_apart(url)) as there:
            near, far = Guests(here), Guests(there)
            staff, busy = await near.staff(), await far.staff(principal="busy")
            hearing = await Hearing.begin(staff, room=room, properties=["*U", "$ServerName"])
            wires = [await far.join(room) for _ in range(5)]
            for number in range(4):
                await busy.call(
                    "session.set_properties_by_filter", room=room, filter="all", properties={"k": str(number)}
                )
            await wires[0].drop()
            await hearing.until(wires[0].id, "DISCONNECTED")
            resume = {"session_id": wires[0].id, "resume_token": wires[0].session["resume_token"]}
            moved = await near.open(resume=resume)
            for wire in (moved, *wires[1:]):
                await wire.call("session.close")
            for wire in wires:
                events = await hearing.until(wire.id, "CLOSED")
                values = [event["properties"].get("k") for event in events if event["type"] == "PROPERTIES"]
                assert values == ["0", "1", "2", "3"]
                _assert_sane(events)
            states = [event["state"] for event in hearing.of(wires[0].id) if event["type"] == "STATE"]
            assert states == ["ACTIVE", "DISCONNECTED", "FAILED_OVER", "CLOSED"]
            await near.leave()
            await far.leave()
