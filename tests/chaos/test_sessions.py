"""What listeners on another process see of sessions whose process is killed or whose cable is cut; and that nothing is
left of thousands that came and went.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from sessionstore_app import mint_token
from tests.support.guests import Guests
from tests.support.hosts import Host, far_host
from tests.support.rows import cleared_once, rows
from tests.support.server import Kind, Server, running
from tests.support.wire import Wire, eventually, values_of

# Short, but a busy machine can keep them.
SHORT = {"NODE_LEASE_SECONDS": 4, "NODE_RENEW_SECONDS": 1, "REAP_SECONDS": 0.5, "RECONNECT_SECONDS": 6}
CROWD, BACK = 200, 50
WATCH = mint_token("watcher", permissions=["view_session", "register_handler"], expires_in=86_400)

_numbers = itertools.count(1)


@pytest.fixture
def room() -> str:
    """A room that no other test uses: they share a PostgreSQL."""
    return f"hall/{next(_numbers)}"


class Watch:
    """What a listener was told, by session, in the order told."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire

    @classmethod
    async def begin(cls, guests: Guests, **params: Any) -> Watch:
        """A client that listens, and has been told what is there."""
        wire = await guests.open(token=WATCH)
        listener = await wire.call("session.listen", **params)
        await wire.expect("session.listening", listener_id=listener["listener_id"])
        return cls(wire)

    def told(self) -> dict[str, list[dict[str, Any]]]:
        """Events by session."""
        found: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        for name, event in self.wire.notifications:
            if name == "session.event":
                found[event["session_id"]].append(event)
        return found

    def in_state(self, state: str) -> set[str]:
        """Sessions that were told to be in a state."""
        return {sid for sid, events in self.told().items() for event in events if event["state"] == state}

    async def until(self, state: str, sessions: set[str]) -> None:
        """Wait until these, at least, were told to be in a state; what comes first has a limit of its own."""
        await self.wire.until(lambda: self.in_state(state) & sessions, f"one of {len(sessions)} is {state}")
        await self.wire.until(lambda: self.in_state(state) >= sessions, f"all of {len(sessions)} are {state}")


async def test_i9_a_listener_elsewhere_sees_what_becomes_of_the_sessions_of_a_killed_process(
    database_url: str, room: str
) -> None:
    """D1, D3, D5: away, then gone, each once, with what is theirs; who comes back in time keeps everything."""
    with ExitStack() as stack:
        dying, other = (stack.enter_context(running(database_url=database_url, settings=SHORT)) for _ in range(2))
        lost, safe = Guests(dying), Guests(other)
        watch = await Watch.begin(safe, properties=["$ServerName"], filter="not $Principal is 'watcher'")
        crowd = await asyncio.gather(*(lost.join(room) for _ in range(CROWD - 10)))
        alone = await asyncio.gather(*(lost.join(f"{room}/{number}") for number in range(10)))
        for number, wire in enumerate(alone):
            await wire.call("room.set", room=f"{room}/{number}", key="k", value=number)
        for wire in crowd:
            await wire.call("room.set", room=room, key=f"hand/{crowd.index(wire) % 90}", value=wire.id)
        for wire in (*crowd[:5], *crowd[-5:]):
            await wire.call("room.set", room=room, key=f"mine/{wire.id}", value=1, lifetime="session")
        everybody = {wire.id for wire in (*crowd, *alone)}
        await watch.until("ACTIVE", everybody)
        dying.kill()
        await watch.until("DISCONNECTED", everybody)
        back = await asyncio.gather(*(_resume(safe, wire) for wire in crowd[:BACK]))
        returned = {wire.id for wire in back}
        await watch.until("FAILED_OVER", returned)
        await watch.until("CLOSED", everybody - returned)
        for session_id, events in watch.told().items():
            states = [event["state"] for event in events]
            end = "FAILED_OVER" if session_id in returned else "CLOSED"
            assert states == ["ACTIVE", "DISCONNECTED", end], (session_id, states)
            assert [event["revision"] for event in events] == sorted({event["revision"] for event in events})
            if end == "CLOSED":
                assert events[-1]["close_reason"] == "CONNECTION_LOST"
            else:
                assert events[-1]["changed_properties"] == {"$ServerName": events[0]["properties"]["$ServerName"]}
        kept = values_of((await back[0].call("room.snapshot", room=room, keys=["mine/*"]))["entries"])
        assert kept == {f"mine/{wire.id}": 1 for wire in crowd[:5]}
        peers = await back[0].call("room.peers", room=room)
        assert (peers["count"], {peer["state"] for peer in peers["peers"]}) == (BACK, {"ACTIVE"})
        for number in range(10):
            await cleared_once(other, f"{room}/{number}")
        await asyncio.gather(*(wire.call("session.close") for wire in (*back, watch.wire)))
        await lost.leave()
        await safe.leave()


async def _resume(guests: Guests, wire: Wire) -> Wire:
    back = await guests.connect()
    resume = {"session_id": wire.id, "resume_token": wire.session["resume_token"]}
    opened = await back.open(resume=resume)
    assert (opened["resumed"], opened["session_id"]) == (True, wire.id)
    return back


# --- cables


@pytest.fixture(scope="module")
def far() -> Iterator[Host]:
    """Another host, on a cable that can be pulled."""
    with far_host() as host:
        yield host


@pytest.mark.parametrize("kind", ["uvicorn", "daphne"])
async def test_i11_a_client_whose_cable_is_pulled_is_away_after_two_and_a_half_heartbeats(
    far: Host, kind: Kind, room: str
) -> None:
    """P10, P11: no FIN, no RST; only the missing answers tell. With the default of 10 s that is 25 s."""
    heartbeat = 2.0
    settings = {"HEARTBEAT_SECONDS": heartbeat, "RECONNECT_SECONDS": 60}
    with running(kind=kind, settings=settings, address=far.near_address) as server:
        guests = Guests(server)
        watch = await Watch.begin(guests)
        client = await far.client(server.address, room)
        await watch.until("ACTIVE", {client.session_id})
        loop = asyncio.get_running_loop()
        far.pull_the_cable()
        try:
            pulled_at = loop.time()
            await watch.until("DISCONNECTED", {client.session_id})
            # Not a measure of speed: the promise that is made of the server's own clockwork, whose every step a busy
            # machine may take late.
            assert loop.time() - pulled_at <= 2.5 * heartbeat + 4
        finally:
            far.plug_it_in()
            await client.end()
        await guests.leave()


@pytest.mark.parametrize("kind", ["uvicorn", "daphne"])
async def test_i11_a_server_that_is_told_to_stop_leaves_no_ghost(database_url: str, kind: Kind, room: str) -> None:
    """Also where the server program says goodbye to nobody: the lease runs out, and another process tidies up."""
    with ExitStack() as stack:
        stopping, other = (
            stack.enter_context(running(kind=kind, database_url=database_url, settings=SHORT)) for _ in range(2)
        )
        lost, safe = Guests(stopping), Guests(other)
        watch = await Watch.begin(safe, filter="not $Principal is 'watcher'")
        crowd = await asyncio.gather(*(lost.join(room) for _ in range(20)))
        ids = {wire.id for wire in crowd}
        await watch.until("ACTIVE", ids)
        await asyncio.to_thread(stopping.terminate)
        await watch.until("DISCONNECTED", ids)
        await watch.until("CLOSED", ids)
        counts = Counter((sid, event["state"]) for sid, events in watch.told().items() for event in events)
        assert set(counts.values()) == {1}
        await cleared_once(other, room)
        await lost.leave()
        await safe.leave()


# --- churn

CHURN, WARMING, AT_ONCE = 5_000, 3_000, 100
_TABLES = ("session", "sessionevent", "membership", "entry", "appliedop", "lock", "lockrequest", "node")


async def test_i15_nothing_is_left_of_five_thousand_who_came_and_went(room: str) -> None:
    """P21: rows, groups, tasks, timers and memory are where they were; history is kept for no time at all here."""
    settings = {
        "HISTORY_DAYS": 0, "FORGET_SECONDS": 0.5, "NODE_RENEW_SECONDS": 0.5, "NODE_LEASE_SECONDS": 5,
        "REAP_SECONDS": 0.5, "RECONNECT_SECONDS": 0.5, "SOCKETS_PER_USER": 1_000,
    }  # fmt: skip
    # As in production: with DEBUG on Django keeps thousands of statements for each connection.
    with running(settings=settings, environment={"DEBUG": "0"}) as server:
        guests = Guests(server)
        watch = await Watch.begin(guests, filter="$Principal is 'watcher'")
        # What is made once and kept is made first: caches that hold so many, and the allocator's own high-water mark.
        await _churn(server, room, WARMING)
        await _settled(server)
        before = _standing(server)
        await _churn(server, room, CHURN)
        await _settled(server)
        after = _standing(server)
        assert after["rows"] == before["rows"]
        assert after["files"] <= before["files"] + 2
        # A session that left its connection behind, or its outbox, would cost several kilobytes: 5,000 of them tell.
        assert after["memory_kib"] - before["memory_kib"] < 10_240, (before, after)
        await watch.wire.call("session.ping")
        await guests.leave()


async def _churn(server: Server, room: str, number: int) -> None:
    for start in range(0, number, AT_ONCE):
        await asyncio.gather(*(_come_and_go(server, room, start + place) for place in range(AT_ONCE)))


async def _come_and_go(server: Server, room: str, number: int) -> None:
    token = mint_token(f"p{number % 7}", permissions=["view_session", "register_handler", "acquire_lock"])
    wire = await Wire.connect(server.address)
    await wire.open(token=token)
    await wire.call("room.join", room=f"{room}/{number % 5}", observe=["*"])
    await wire.call("room.set", room=f"{room}/{number % 5}", key="k", value=1, lifetime="session")
    if number % 10 == 0:
        await wire.call("session.listen", filter=f"$Principal is 'p{number % 7}'")
        await wire.call("lock.acquire", name=f"{room}/{number % 3}", scope="connection", timeout_seconds=5)
    if number % 2:
        await wire.call("session.close")
    await wire.drop()


async def _settled(server: Server) -> None:
    """Wait until all have ended and were forgotten."""

    async def forgotten() -> bool:
        return rows(server, "SELECT count(*) FROM sessionstore_app_session") == [(1,)]

    await eventually(forgotten, "they are forgotten", seconds=60)


def _standing(server: Server) -> dict[str, Any]:
    process = Path("/proc") / str(server.pid)
    status = dict(line.split(":\t", 1) for line in (process / "status").read_text().splitlines() if ":\t" in line)
    counts = {name: rows(server, f"SELECT count(*) FROM sessionstore_app_{name}")[0][0] for name in _TABLES}
    return {
        "rows": {name: count for name, count in counts.items() if name not in ("lock", "sessionevent")},
        "files": len(list((process / "fd").iterdir())),
        "memory_kib": int(status["VmRSS"].split()[0]),
        "threads": int(status["Threads"]),
    }
