"""How things stand at the end of a campaign: rooms as everybody sees them, the record's rows, what processes hold.

Only looks, by the doors that a user has and by the tables; knows no check.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg

from sessionstore_app import mint_token
from sessionstore_app.core.patterns import compiled
from tests.chaos.driver.history import Seen, seen
from tests.chaos.driver.world import CampaignServer, World
from tests.support.http import Http
from tests.support.wire import Wire

TOKEN_SECONDS = 86_400
Values = Mapping[str, tuple[Any, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomView:
    """A room as somebody sees it: key → (value, version) of what has a value."""

    epoch: str
    version: int
    values: Values
    # What it looks at of the room.
    patterns: tuple[str, ...] = ("*",)

    def agrees_with(self, whole: RoomView) -> bool:
        """Does it show what somebody sees who looks at everything?"""
        looked_at = compiled(frozenset(self.patterns))
        return self.epoch == whole.epoch and self.values == {
            key: value for key, value in whole.values.items() if looked_at.matches(key)
        }


@dataclass(slots=True)
class RoomFinal:
    """One room, as a fresh joiner, each server's HTTP door and each client see it; and who is in it."""

    joiner: RoomView
    entries: tuple[Seen, ...] = ()
    http: dict[str, RoomView] = field(default_factory=dict)
    clients: dict[str, RoomView] = field(default_factory=dict)
    # Session id → state, as the roster has it; and the sessions that clients hold open.
    roster: dict[str, str] = field(default_factory=dict)
    live: set[str] = field(default_factory=set)

    @property
    def disagreeing(self) -> list[str]:
        """Who sees something else than a fresh joiner."""
        everybody = {**self.http, **self.clients}
        return [name for name, view in everybody.items() if not view.agrees_with(self.joiner)]

    @property
    def is_one(self) -> bool:
        """Do all see the same?"""
        return not self.disagreeing


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRow:
    """A session and its log, oldest first: (revision, type, state, close_reason, seconds)."""

    id: str
    state: str
    close_reason: str
    revision: int
    events: tuple[tuple[int, str, str, str, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """A session in a room, in seconds of the database's clock since the campaign's start."""

    room: str
    session: str
    joined_at: float
    left_at: float | None


@dataclass(frozen=True, slots=True)
class Lag:
    """A client that was connected and showed a room as it is no more, for so many seconds at a stretch."""

    seconds: float
    room: str
    client: str


@dataclass(frozen=True, slots=True)
class Standing:
    """What one process, or a store, holds open."""

    files: int = 0
    sockets: int = 0
    threads: int = 0
    redis_connections: int = 0
    postgres_connections: int = 0


@dataclass(slots=True)
class Final:
    """Everything that is looked at once all is healed."""

    rooms: dict[str, RoomFinal] = field(default_factory=dict)
    sessions: list[SessionRow] = field(default_factory=list)
    stays: list[Stay] = field(default_factory=list)
    # Of rooms that everybody has left: name → (epoch before, epoch now, seconds it took).
    emptied: dict[str, tuple[str, str, float]] = field(default_factory=dict)
    before: dict[str, Standing] = field(default_factory=dict)
    after: dict[str, Standing] = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)
    canary: str = ""
    # Entries are in the database, and no fault takes them.
    is_durable: bool = False
    # Who was not back, or not done, when that was waited for too long.
    waited_for: list[str] = field(default_factory=list)
    # Sessions that have ended → what their private store says.
    left_stores: dict[str, str] = field(default_factory=dict)
    limits: Mapping[str, int] = field(default_factory=dict)
    # Who of those connected saw something old for longest, from healing on; None where nobody was seen to.
    lag: Lag | None = None
    # The driver's own loop stood still for so long while it measured times, and one look at a server took so long.
    stalled_seconds: float = 0
    look_seconds: float = 0


async def joiner_view(server: CampaignServer, room: str) -> tuple[RoomView, dict[str, str], tuple[Seen, ...]]:
    """What somebody finds who joins now, and the roster without himself."""
    async with await Wire.connect(server.address) as wire:
        await wire.open(token=mint_token("fresh", roles=["staff"], expires_in=TOKEN_SECONDS))
        joined = await wire.call("room.join", room=room, observe=["*"])
        peers = (await wire.call("room.peers", room=room))["peers"]
        await wire.call("session.close")
        roster = {peer["session_id"]: peer["state"] for peer in peers if peer["session_id"] != wire.id}
    return _view(joined), roster, tuple(map(seen, joined["entries"]))


async def http_view(server: CampaignServer, room: str) -> RoomView:
    """What the HTTP door shows."""
    token = mint_token("office", permissions=["manage_room"], expires_in=TOKEN_SECONDS)
    return _view(await Http(server.host, token).call("room.snapshot", room=room))


def _view(told: Mapping[str, Any]) -> RoomView:
    values = {each["key"]: (each["value"], each["version"]) for each in told["entries"] if each["value"] is not None}
    return RoomView(epoch=told["epoch"], version=told["version"], values=values)


# --- the record


def record_rows(url: str, started_at: float) -> tuple[list[SessionRow], list[Stay]]:
    """Sessions with their logs, and who was where when."""

    def seconds(at: datetime) -> float:
        return at.timestamp() - started_at

    with psycopg.connect(url, connect_timeout=5) as postgres:
        sessions = postgres.execute("SELECT id, state, close_reason, revision FROM sessionstore_app_session").fetchall()
        events = postgres.execute(
            "SELECT session_id, revision, type, state, close_reason, at FROM sessionstore_app_sessionevent"
            " ORDER BY session_id, revision"
        ).fetchall()
        stays = postgres.execute(
            "SELECT r.name, m.session_id, m.joined_at, m.left_at FROM sessionstore_app_membership m"
            " JOIN sessionstore_app_room r ON r.id = m.room_id ORDER BY m.joined_at"
        ).fetchall()
    logs: dict[str, list[tuple[int, str, str, str, float]]] = {}
    for session, revision, type_, state, reason, at in events:
        logs.setdefault(session, []).append((revision, type_, state, reason, seconds(at)))
    found = [
        SessionRow(id=id_, state=state, close_reason=reason, revision=revision, events=tuple(logs.get(id_, ())))
        for id_, state, reason, revision in sessions
    ]
    return found, [
        Stay(room=room, session=session, joined_at=seconds(joined), left_at=seconds(left) if left else None)
        for room, session, joined, left in stays
    ]


def open_sessions(url: str) -> int:
    """How many sessions have not ended."""
    with psycopg.connect(url, connect_timeout=5) as postgres:
        found = postgres.execute("SELECT count(*) FROM sessionstore_app_session WHERE state <> 'CLOSED'").fetchone()
    return int(found[0]) if found else 0


def room_epochs(url: str) -> dict[str, str]:
    """The present epoch of each room."""
    with psycopg.connect(url, connect_timeout=5) as postgres:
        return dict(postgres.execute("SELECT name, epoch FROM sessionstore_app_room").fetchall())


# --- what processes hold


async def standing(world: World) -> dict[str, Standing]:
    """What each server holds open, and how many connections Redis and PostgreSQL have of them."""
    return await asyncio.to_thread(_standing, world)


def _standing(world: World) -> dict[str, Standing]:
    found = {f"server {number}": _of_process(server.pid) for number, server in enumerate(world.servers)}
    with psycopg.connect(world.postgres.url, connect_timeout=5) as own, world.redis.client() as client:
        count = (
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        (postgres_connections,) = own.execute(count).fetchone() or (0,)
        redis_connections = len(client.client_list()) - 1
    found["stores"] = Standing(redis_connections=redis_connections, postgres_connections=postgres_connections)
    return found


def _of_process(pid: int) -> Standing:
    process = Path("/proc") / str(pid)
    files = []
    for each in (process / "fd").iterdir():
        try:
            files.append(str(each.readlink()))
        except FileNotFoundError:
            continue
    threads = len(list((process / "task").iterdir()))
    return Standing(files=len(files), sockets=sum(name.startswith("socket:") for name in files), threads=threads)
