"""Clients that write and read rooms: what one does next is decided by its seed and by the answers it got.

Each is a session of the Python client behind a door of its own. One call at a time, each written into the history.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

from sessionstore_app.client import ClientError, Room, Session, SessionStoreError, WriteItem, connect
from sessionstore_app.core.errors import Unavailable
from tests.chaos.driver.history import History, Operation, seen
from tests.chaos.driver.tap import Tap

# Between two calls of one client, on average.
THINK_SECONDS: Final = 0.15
KEYS: Final = tuple(f"k{number}" for number in range(5))
# So many that together with the others they are more than a room may hold.
FILLERS: Final = 40
LOCK: Final = "slides"
PERMISSIONS: Final = ("acquire_lock",)

Act = Callable[["Actor", Room], Awaitable[None]]

T = TypeVar("T")


class Actor:
    """One client. `run` until `stopped`, then it stays, silent, until `dismissed`."""

    def __init__(
        self,
        name: str,
        history: History,
        *,
        seed: int,
        url: str,
        token: str,
        rooms: tuple[str, ...],
        patterns: tuple[str, ...],
        canary: str,
    ) -> None:
        self.name = name
        self.history = history
        self.rooms = rooms
        self.patterns = patterns
        self.url = url
        self.token = token
        self.canary = canary
        self.chance = random.Random(f"{seed}/{name}")
        self.tap = Tap(name, history, observes_all="*" in patterns)
        self.session: Session | None = None
        self.joined: dict[str, Room] = {}
        self.stopped = asyncio.Event()
        self.dismissed = asyncio.Event()
        self._count = 0

    async def run(self) -> None:
        """Open a session, join, and act."""
        async with self.connected() as session:
            self.session = session
            for name in self.rooms:
                await self.join(name)
            while not self.stopped.is_set():
                await self.act()
                await self.think()
            await self.dismissed.wait()

    @property
    def is_settled(self) -> bool:
        """Is it back, in all its rooms, and with nothing left to say?"""
        session = self.session
        is_open = session is not None and session.state == "open" and not session.pending_writes
        is_in = all(room.is_joined for room in self.joined.values())
        return is_open and is_in and set(self.joined) == set(self.rooms)

    def connected(self) -> Any:
        """A session behind this client's door."""
        options = {"create_connection": self.tap.connection, "proxy": None}
        return connect(self.url, token=self.token, client=("chaos", "1"), websocket_options=options)

    async def join(self, name: str) -> Room | None:
        """Enter a room; None where that was refused."""
        assert self.session is not None
        operation = self.history.begin(self.name, "room.join", room=name)
        room = await self.recorded(operation, self.session.join(name, observe=self.patterns))
        if room is not None:
            self.joined[name] = room
        return room

    async def act(self) -> None:
        """One call, or one short run of calls."""
        room = self.joined[self.chance.choice(sorted(self.joined))]
        (act,) = self.chance.choices(_ACTS, _WEIGHTS)
        await act(self, room)

    async def think(self) -> None:
        """Wait a moment, shorter if there is nothing to wait for any more."""
        seconds = self.chance.expovariate(1 / THINK_SECONDS)
        try:
            async with asyncio.timeout(seconds):
                await self.stopped.wait()
        except TimeoutError:
            return

    def value(self) -> str:
        """A value that nobody else writes, and no log may show."""
        self._count += 1
        return f"{self.canary}-{self.name}-{self._count}"

    # --- the record

    async def recorded(self, operation: Operation, call: Awaitable[T]) -> T | None:
        """What a call gives, None where it was refused or nobody knows; the history knows which."""
        self.tap.replies.clear()
        operation.session = self.tap.session
        try:
            result = await call
        except Unavailable as error:
            # The only refusal after which it may have happened.
            self.history.finish(operation, "unknown", error.reason)
        except SessionStoreError as error:
            self.history.finish(operation, "refused", error.reason)
        except ClientError as error:
            self.history.finish(operation, "unknown", error.reason)
        except asyncio.CancelledError:
            self.history.finish(operation, "unknown", "CANCELLED")
            raise
        else:
            self._note_reply(operation)
            self.history.finish(operation, "ok")
            return result
        return None

    def _note_reply(self, operation: Operation) -> None:
        if not self.tap.replies:
            return
        reply: Mapping[str, Any] = self.tap.replies[-1]
        operation.entries = tuple(map(seen, reply.get("entries", None) or ([reply] if "key" in reply else [])))
        operation.is_repeat = bool(reply.get("duplicate"))
        operation.epoch, operation.version = reply.get("epoch", ""), reply.get("version")

    async def write(self, method: str, room: Room, call: Awaitable[Any], **what: Any) -> Any:
        """A write of this client."""
        operation = self.history.begin(self.name, method, room=room.name, **what)
        return await self.recorded(operation, call)

    # --- acts

    async def set(self, room: Room) -> None:
        key, value = self.chance.choice(KEYS), self.value()
        await self.write("room.set", room, room.set(key, value), key=key, values={key: value})

    async def fill(self, room: Room) -> None:
        key, value = f"fill/{self.chance.randrange(FILLERS)}", self.value()
        await self.write("room.set", room, room.set(key, value), key=key, values={key: value})

    async def guard(self, room: Room) -> None:
        key, value = self.chance.choice(KEYS), self.value()
        held = room.entries.get(key)
        version = held.version if held is not None else 0
        call = room.set(key, value, if_version=version)
        await self.write("room.set", room, call, key=key, values={key: value}, if_version=version)

    async def delete(self, room: Room) -> None:
        key = self.chance.choice((*KEYS, f"fill/{self.chance.randrange(FILLERS)}"))
        await self.write("room.delete", room, room.delete(key), key=key, values={key: None})

    async def increment(self, room: Room) -> None:
        await self.write("room.update", room, room.update("count", do="increment", by=1), key="count", do="increment")

    async def append(self, room: Room) -> None:
        item = self.value()
        call = room.update("list", do="append", item={"id": item}, unique="id")
        await self.write("room.update", room, call, key="list", do="append", item=item)

    async def merge(self, room: Room) -> None:
        self._count += 1
        call = room.update("doc", do="merge", patch={self.name: self._count})
        await self.write("room.update", room, call, key="doc", do="merge", item=self._count)

    async def write_many(self, room: Room) -> None:
        values = {key: self.value() for key in self.chance.sample((*KEYS, "pair/a", "pair/b"), 3)}
        items: list[WriteItem] = [{"key": key, "value": value} for key, value in values.items()]
        await self.write("room.write", room, room.write(items), values=values)

    async def set_own(self, room: Room) -> None:
        key, value = f"mine/{self.name}", self.value()
        call = room.set(key, value, lifetime="session")
        await self.write("room.set", room, call, key=key, values={key: value})

    async def get(self, room: Room) -> None:
        key = self.chance.choice(KEYS)
        await self.write("room.get", room, room.get_entry(key), key=key)

    async def snapshot(self, room: Room) -> None:
        await self.write("room.snapshot", room, room.snapshot())

    async def broadcast(self, room: Room) -> None:
        await self.write("room.broadcast", room, room.broadcast("wave", self.value()))

    async def set_mood(self, room: Room) -> None:
        assert self.session is not None
        operation = self.history.begin(self.name, "session.set_properties")
        await self.recorded(operation, self.session.set_properties({"mood": self.value()}))

    async def lock(self, room: Room) -> None:
        """Take a lock, write under it, give it back."""
        assert self.session is not None
        held = self.session.locks.acquire(f"{LOCK}/{room.name}", timeout_seconds=2)
        operation = self.history.begin(self.name, "lock.acquire", key=room.name)
        lock = await self.recorded(operation, held.__aenter__())
        if lock is None:
            return
        operation.fence = lock.sequence
        try:
            for _ in range(self.chance.randint(1, 3)):
                value = self.value()
                call = room.set("locked", value, lock=lock.name)
                values = {"locked": value}
                await self.write("room.set", room, call, key="locked", values=values, fence=lock.sequence)
        finally:
            release = self.history.begin(self.name, "lock.release", key=room.name, fence=lock.sequence)
            await self.recorded(release, held.__aexit__(None, None, None))


_MIX: Final[tuple[tuple[float, Act], ...]] = (
    (6, Actor.set),
    (4, Actor.guard),
    (2, Actor.delete),
    (3, Actor.increment),
    (2, Actor.append),
    (2, Actor.merge),
    (2, Actor.write_many),
    (2, Actor.fill),
    (1, Actor.set_own),
    (2, Actor.get),
    (1, Actor.snapshot),
    (1, Actor.broadcast),
    (1, Actor.set_mood),
    (1, Actor.lock),
)
_WEIGHTS: Final = [weight for weight, _ in _MIX]
_ACTS: Final = [act for _, act in _MIX]


class Visitor(Actor):
    """A client that comes and goes: leaves its rooms, closes its session, comes back as a new one."""

    async def run(self) -> None:
        is_last = False
        while not is_last:
            async with self.connected() as session:
                self.session = session
                while not self.stopped.is_set() and self.chance.random() > 0.2:
                    await self._visit()
                    await self.think()
                is_last = self.stopped.is_set()
                if is_last:
                    for name in self.rooms:
                        await self.join(name)
                    await self.dismissed.wait()
            self.joined = {}
            await self.think()

    async def _visit(self) -> None:
        for name in self.rooms:
            room = await self.join(name)
            if room is None:
                continue
            for _ in range(self.chance.randint(1, 4)):
                if not self.stopped.is_set():
                    (act,) = self.chance.choices(_ACTS, _WEIGHTS)
                    await act(self, room)
                    await self.think()
            if not self.stopped.is_set():
                operation = self.history.begin(self.name, "room.leave", room=name)
                await self.recorded(operation, room.leave())
                self.joined.pop(name, None)
