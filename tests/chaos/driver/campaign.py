"""One campaign from start to end: clients at work under the schedule's faults, all healed, everything looked at."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import psycopg
import redis

from tests.chaos.driver import final as looking
from tests.chaos.driver.cast import Cast
from tests.chaos.driver.faults import KINDS, Planned, Track
from tests.chaos.driver.final import Final as FinalState
from tests.chaos.driver.final import RoomFinal, RoomView
from tests.chaos.driver.history import FaultRecord, History
from tests.chaos.driver.invariants import check
from tests.chaos.driver.invariants.bounds import FILES_SLACK
from tests.chaos.driver.invariants.stores import GONE
from tests.chaos.driver.invariants.violation import Violation
from tests.chaos.driver.lagging import Lagging
from tests.chaos.driver.sampling import Sampler, Stalls
from tests.chaos.driver.schedule import schedule
from tests.chaos.driver.world import SETTINGS, Plan, World, running_world
from tests.support.wire import Refused

# A client's jitter grows to 10 s, and half-open sockets are noticed after 5 s.
CONNECT_SECONDS: Final = 60.0
# Later than promised is a violation; it is waited for longer, to tell late from never.
CONVERGE_SECONDS: Final = 20.0
# After the last crash.
GHOST_SECONDS: Final = 20.0
# A lease, the time to come back, and 2 s.
EMPTY_SECONDS: Final = SETTINGS["NODE_LEASE_SECONDS"] + SETTINGS["RECONNECT_SECONDS"] + 2.0
DRAIN_SECONDS: Final = 20.0
# What could not be destroyed is tried again each FORGET_SECONDS.
STORES_SECONDS: Final = 2.0 * SETTINGS["FORGET_SECONDS"]
_LOOK_SECONDS: Final = 0.05


@dataclass(slots=True)
class Outcome:
    """What came of a campaign."""

    plan: Plan
    planned: Sequence[Planned]
    history: History
    final: FinalState
    folder: Path
    violations: list[Violation] = field(default_factory=list)


class Campaign:
    """Runs once."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan = plan
        self.folder = folder
        self.planned = schedule(plan.seed, plan.seconds, kinds=plan.kinds)
        self.history = History()
        self.final = FinalState(
            canary=f"canary{plan.seed}",
            limits={"keys": SETTINGS["KEYS"], "bytes": SETTINGS["STORE_BYTES"]},
            is_durable=plan.backend == "database",
        )

    async def run(self) -> Outcome:
        """All of it."""
        try:
            async with running_world(self.plan, self.folder) as world:
                await self._run(world)
            for number, server in enumerate(world.servers):
                self.final.logs[f"server {number}"] = server.log
        finally:
            self.history.write(self.folder / "history.jsonl", session=self.final.sessions, stay=self.final.stays)
        violations = check(self.history, self.final)
        return Outcome(self.plan, self.planned, self.history, self.final, self.folder, violations)

    async def _run(self, world: World) -> None:
        self.final.before = await looking.standing(world)
        cast = Cast(world, self.history, self.final.canary)
        stalls = Stalls()
        try:
            async with Sampler(world, self.history), stalls:
                await cast.start()
                await self._harm(world)
                await cast.stop()
                lagging = Lagging()
                await self._connect(cast, stalls, lagging)
                await self._converge(world, cast, stalls, lagging)
                self.final.lag = lagging.longest
                await self._settle_rosters(world, cast)
                await cast.controller.revoke_in_calm()
            await self._empty(world, cast)
            await self._drain(world)
            rows = await asyncio.to_thread(looking.record_rows, world.postgres.url, self.history.started_at)
            self.final.sessions, self.final.stays = rows
            ended = {row.id for row in self.final.sessions if row.state == "CLOSED"}
            await self._comes(partial(self._are_destroyed, cast, ended), STORES_SECONDS)
        finally:
            await cast.close()

    # --- faults

    async def _harm(self, world: World) -> None:
        tracks: tuple[Track, ...] = ("servers", "stores", "links")
        begun = self.history.mark("begun")
        await asyncio.gather(*(self._track(world, track, begun) for track in tracks))
        await self._until(begun + self.plan.seconds)
        self.history.mark("healed")

    async def _track(self, world: World, track: Track, begun: float) -> None:
        for planned in self.planned:
            if KINDS[planned.kind].track == track:
                await self._until(begun + planned.at)
                await self._fault(world, planned)

    async def _fault(self, world: World, planned: Planned) -> None:
        fault = KINDS[planned.kind](world, planned.target)
        record = FaultRecord(kind=planned.kind, target=fault.where, start=self.history.now())
        self.history.faults.append(record)
        try:
            await fault.inject()
            record.note = fault.note
            await self._until(record.start + planned.seconds)
        finally:
            await fault.heal()
            record.end = self.history.now()

    async def _until(self, at: float) -> None:
        await asyncio.sleep(max(0.0, at - self.history.now()))

    # --- after healing

    async def _connect(self, cast: Cast, stalls: Stalls, lagging: Lagging) -> None:
        """Wait until every client is back and has nothing left to say; meanwhile, look who lags."""

        async def is_back() -> bool:
            self._look(cast, stalls, lagging)
            self.final.waited_for = cast.waits_for()
            return not self.final.waited_for

        if await self._comes(is_back, CONNECT_SECONDS):
            self.history.mark("connected")

    def _look(self, cast: Cast, stalls: Stalls, lagging: Lagging) -> dict[str, dict[str, RoomView]]:
        rooms = {name: _clients(cast, name) for name in cast.rooms}
        lagging.look(self.history.now() - stalls.seconds, rooms, self.history.told)
        return rooms

    async def _converge(self, world: World, cast: Cast, stalls: Stalls, lagging: Lagging) -> None:
        """Wait until all clients agree, and what they agree on is what everybody else finds."""
        stalled = stalls.seconds
        agreed_at = 0.0

        async def is_one() -> bool:
            nonlocal agreed_at
            agreed_at = self.history.now()
            rooms = self._look(cast, stalls, lagging)
            self.final.waited_for = cast.waits_for()
            if self.final.waited_for or not all(_agree(views) for views in rooms.values()):
                return False
            self.final.rooms = {name: await self._view(world, cast, name) for name in cast.rooms}
            return all(room.is_one for room in self.final.rooms.values())

        if await self._comes(is_one, CONVERGE_SECONDS):
            self.history.marks["converged"] = agreed_at
        self.final.stalled_seconds = stalls.seconds - stalled

    async def _view(self, world: World, cast: Cast, name: str) -> RoomFinal:
        begun = self.history.now()
        joiner, roster, entries = await looking.joiner_view(world.servers[0], name)
        self.final.look_seconds = max(self.final.look_seconds, self.history.now() - begun)
        clients = _clients(cast, name)
        room = RoomFinal(joiner=joiner, entries=entries, roster=roster, clients=clients)
        for number, server in enumerate(world.servers):
            room.http[f"server {number}"] = await looking.http_view(server, name)
        return room

    async def _settle_rosters(self, world: World, cast: Cast) -> None:
        """Wait until the dead are gone from the rosters, 20 s after the last crash at the latest."""
        last = max((fault.end or 0 for fault in self.history.faults), default=0)

        async def are_true() -> bool:
            for name, room in self.final.rooms.items():
                _, room.roster, _ = await looking.joiner_view(world.servers[-1], name)
                room.live = {session for _, _, session in cast.connected_members(name)}
            shown = [
                {id for id, state in room.roster.items() if state == "ACTIVE"} for room in self.final.rooms.values()
            ]
            self.final.waited_for = cast.waits_for()
            return not self.final.waited_for and shown == [room.live for room in self.final.rooms.values()]

        if await self._comes(are_true, last + GHOST_SECONDS - self.history.now()):
            self.history.mark("rosters")

    async def _empty(self, world: World, cast: Cast) -> None:
        """Everybody leaves; then each room is cleared."""
        before = await asyncio.to_thread(looking.room_epochs, world.postgres.url)
        await cast.dismiss()
        begun = self.history.mark("dismissed")

        async def are_cleared() -> bool:
            now = await asyncio.to_thread(looking.room_epochs, world.postgres.url)
            took = self.history.now() - begun
            for name in cast.rooms:
                if self.final.emptied.get(name, ("", "", 0.0))[1] in ("", before[name]):
                    self.final.emptied[name] = before[name], now[name], took
            return all(was != now for was, now, _ in self.final.emptied.values())

        await self._comes(are_cleared, EMPTY_SECONDS)

    async def _drain(self, world: World) -> None:
        """Wait until what clients had open is closed, and the last session has ended."""

        async def is_drained() -> bool:
            self.final.after = after = await looking.standing(world)
            is_open = await asyncio.to_thread(looking.open_sessions, world.postgres.url)
            before = self.final.before
            return not is_open and all(after[name].files <= before[name].files + FILES_SLACK for name in after)

        await self._comes(is_drained, DRAIN_SECONDS)

    async def _are_destroyed(self, cast: Cast, ended: set[str]) -> bool:
        """Whoever ended a session destroys its store behind that."""
        self.final.left_stores = said = await cast.left_stores(ended)
        return set(said.values()) <= GONE

    async def _comes(self, ask: Callable[[], Awaitable[bool]], seconds: float) -> bool:
        """Ask until it is so, at least once; false where it never was."""
        until = self.history.now() + seconds
        while True:
            # What was just healed may not answer yet: then it is not so yet.
            with suppress(Refused, OSError, psycopg.Error, redis.RedisError):
                if await ask():
                    return True
            if self.history.now() > until:
                return False
            await asyncio.sleep(_LOOK_SECONDS)


def _clients(cast: Cast, name: str) -> dict[str, RoomView]:
    """A room as each client holds it."""
    found = {}
    for actor, room, _ in cast.connected_members(name):
        values = {key: (entry.value, entry.version) for key, entry in room.entries.items()}
        found[actor.name] = RoomView(epoch=room.epoch, version=room.version, values=values, patterns=actor.patterns)
    return found


def _agree(views: dict[str, RoomView]) -> bool:
    whole = next((view for view in views.values() if "*" in view.patterns), None)
    return whole is None or all(view.agrees_with(whole) for view in views.values())
