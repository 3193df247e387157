"""What happens to sessions of two processes, one thing at a time and by chance."""

from __future__ import annotations

import random
from typing import Any

from sessionstore_app import sessions
from sessionstore_app.core.close import CloseReason
from sessionstore_app.services.sessions import Opened
from tests.services.processes import Client, Process

Pair = tuple[Process, Process]


async def opened_client(process: Process) -> Client:
    """A client with an open session."""
    made = Client(process)
    await made.open()
    return made


async def set_k(process: Process, client: Client, value: str) -> None:
    """This process changes a property of the client's session."""
    process.acts()
    await sessions.aset_properties({"k": value}, session_id=client.id)


async def end(process: Process, client: Client) -> None:
    """This process ends the client's session."""
    process.acts()
    await sessions.aterminate(session_id=client.id)


async def heal(*processes: Process) -> None:
    """What a renewal of the lease does for listeners."""
    for process in processes:
        process.acts()
        await process.hub.feed.heal()


class Churn:
    """Sessions that come, change, go away, return and end, on either of two processes, by chance."""

    def __init__(self, pair: Pair, seed: int) -> None:
        self.pair = pair
        self.chance = random.Random(seed)
        self.here: list[tuple[Client, Opened]] = []
        self.away: list[tuple[Client, Opened]] = []

    async def step(self, number: int) -> None:
        """One thing happens."""
        acts: list[Any] = [self._open]
        if self.here:
            acts += [self._change, self._change, self._join, self._lose, self._end_one]
        if self.away:
            acts += [self._return, self._return]
        await self.chance.choice(acts)(str(number))

    async def _open(self, _: str) -> None:
        client = Client(self.chance.choice(self.pair))
        self.here.append((client, await client.open()))

    async def _change(self, value: str) -> None:
        await set_k(self.chance.choice(self.pair), self.chance.choice(self.here + self.away)[0], value)

    async def _join(self, value: str) -> None:
        await self.chance.choice(self.here)[0].join(f"room {value}")

    async def _lose(self, _: str) -> None:
        client, opened = self.here.pop(self.chance.randrange(len(self.here)))
        await client.process.lose(client, CloseReason.CONNECTION_LOST)
        self.away.append((client, opened))

    async def _return(self, value: str) -> None:
        _, opened = self.away.pop(self.chance.randrange(len(self.away)))
        client = Client(self.chance.choice(self.pair))
        back = await client.resume(opened)
        assert back is not None
        self.here.append((client, back))

    async def _end_one(self, value: str) -> None:
        client, _ = self.here.pop(self.chance.randrange(len(self.here)))
        await end(self.chance.choice(self.pair), client)
