"""Who takes part in a campaign: which clients there are, by which doors and in which rooms, decided by the seed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Collection, Iterator
from typing import Any, Final

from sessionstore_app import mint_token
from sessionstore_app.client import Room
from tests.chaos.driver import staff
from tests.chaos.driver.actors import PERMISSIONS, Actor, Visitor
from tests.chaos.driver.final import TOKEN_SECONDS
from tests.chaos.driver.history import History
from tests.chaos.driver.office import Office
from tests.chaos.driver.staff import Controller, Listener, Member
from tests.chaos.driver.vault import Vault
from tests.chaos.driver.world import World

# Where somebody always is, and where people come and go.
STEADY: Final = ("hall", "desk")
ROOMS: Final = (*STEADY, "cabin")
VAULTS: Final = 2
_LOOKED_AT: Final = 6
_PATIENCE_SECONDS: Final = 30.0
_START_SECONDS: Final = 40.0


class Cast:
    """All clients of a campaign, from their start to their leaving."""

    def __init__(self, world: World, history: History, canary: str) -> None:
        self._world = world
        self._history = history
        self._canary = canary
        self._chance = random.Random(f"{world.plan.seed}/cast")
        self.actors: list[Actor] = []
        self.vaults: list[Vault] = []
        self.controller: Any = None
        self._office: Office | None = None
        self._running: dict[str, asyncio.Task[Any]] = {}
        self.rooms = ROOMS

    async def start(self) -> None:
        """Everybody comes, and is at work."""
        await self._add(Listener, "listener", (), permissions=staff.LISTENS)
        members = [
            await self._add(Member, f"member{number}", (staff.STAFF_ROOM,), roles=(staff.ROLE,)) for number in range(2)
        ]
        self.controller = await self._add(Controller, "controller", (), permissions=staff.CONTROLS)
        self.controller.members = tuple(members)
        for number in range(self._world.plan.clients - len(self.actors)):
            if number % 5 == 4:
                await self._add(Visitor, f"visitor{number}", ("cabin",), permissions=PERMISSIONS)
            else:
                # The first two see to it that no steady room is ever empty.
                rooms = STEADY if number < 2 else self._chance.choice((("hall",), STEADY, ("desk",)))
                patterns = ("fill/*", "count") if number % 6 == 5 else ("*",)
                await self._add(Actor, f"writer{number}", rooms, permissions=PERMISSIONS, patterns=patterns)
        await self._start_servants()
        await self._until_all_are_in()
        self.controller.is_called.set()

    async def _add(
        self,
        kind: Any,
        name: str,
        rooms: tuple[str, ...],
        *,
        permissions: tuple[str, ...] = (),
        roles: tuple[str, ...] = (),
        patterns: tuple[str, ...] = ("*",),
    ) -> Any:
        host = await self._world.door(name, len(self.actors) % len(self._world.servers))
        store = {"seed": f"{self._canary}-{name}"}
        token = mint_token(name, permissions=permissions, roles=roles, store=store, expires_in=TOKEN_SECONDS)
        actor = kind(
            name,
            self._history,
            seed=self._world.plan.seed,
            url=f"ws://{host}/ws/sessionstore/",
            token=token,
            rooms=rooms,
            patterns=patterns,
            canary=self._canary,
        )
        self.actors.append(actor)
        self._running[name] = asyncio.create_task(actor.run())
        return actor

    async def _start_servants(self) -> None:
        seed = self._world.plan.seed
        host = await self._world.door("office", 0)
        office = Office("office", self._history, seed=seed, host=host, rooms=STEADY, canary=self._canary)
        self._office = office
        self._running["office"] = asyncio.create_task(office.run())
        for number in range(VAULTS):
            vault = Vault(
                f"vault{number}",
                self._history,
                seed=seed,
                canary=self._canary,
                environment=self._world.environment,
                log=self._world.folder / f"vault{number}.log",
                sessions=self._open_sessions,
            )
            await vault.start()
            self.vaults.append(vault)
            self._running[vault.name] = asyncio.create_task(vault.run())

    async def _until_all_are_in(self) -> None:
        async with asyncio.timeout(_START_SECONDS):
            while any(set(actor.joined) != set(actor.rooms) for actor in self.actors if type(actor) is Actor):
                self._look_for_failures()
                await asyncio.sleep(0.05)

    def _open_sessions(self) -> list[str]:
        return [
            actor.session.id for actor in self.actors if actor.session is not None and actor.session.state == "open"
        ]

    async def stop(self) -> None:
        """Nobody begins anything new."""
        self._look_for_failures()
        stopped = [each.stopped for each in self.actors] + [each.stopped for each in self.vaults]
        for event in stopped + ([self._office.stopped] if self._office is not None else []):
            event.set()

    def waits_for(self) -> list[str]:
        """Who is not back yet, or not done."""
        self._look_for_failures()
        pending = {operation.client for operation in self._history.operations if operation.outcome == "pending"}
        servants = [name for name in ("office", *(vault.name for vault in self.vaults)) if not self._is_done(name)]
        return servants + [actor.name for actor in self.actors if actor.name in pending or not actor.is_settled]

    def _is_done(self, name: str) -> bool:
        return self._running[name].done()

    def connected_members(self, name: str) -> Iterator[tuple[Actor, Room, str]]:
        """The clients that are connected, and in a room by their own lights, and their sessions."""
        for actor in self.actors:
            room = actor.joined.get(name)
            session = actor.session
            if room is not None and room.is_joined and session is not None and session.state == "open":
                yield actor, room, session.id

    async def dismiss(self) -> None:
        """Everybody closes its session."""
        for actor in self.actors:
            actor.dismissed.set()
        clients = [self._running[actor.name] for actor in self.actors]
        await asyncio.wait(clients, timeout=_PATIENCE_SECONDS)

    async def left_stores(self, ended: Collection[str]) -> dict[str, str]:
        """What the private stores of sessions say that have ended."""
        (vault, *_) = self.vaults
        used = dict.fromkeys(each.room for each in self._history.operations if each.method == "private.set")
        said: dict[str, str] = {}
        for session in [each for each in used if each in ended][:_LOOKED_AT]:
            operation = await vault.ask("private.last", {"do": "get", "session": session, "key": "cart"})
            said[session] = operation.reason or f"that it holds {operation.result}"
        return said

    async def close(self) -> None:
        """End whatever still runs."""
        for task in self._running.values():
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)
        for vault in self.vaults:
            await vault.close()

    def _look_for_failures(self) -> None:
        for task in self._running.values():
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                raise error
