"""A caller of the HTTP door: reads and writes rooms without a session, and keeps site sessions until they run out."""

from __future__ import annotations

import asyncio
import json
import random
from http.client import HTTPException
from typing import Any, Final

from sessionstore_app import mint_token
from tests.chaos.driver.actors import KEYS, THINK_SECONDS
from tests.chaos.driver.final import TOKEN_SECONDS
from tests.chaos.driver.history import History, Operation, seen
from tests.support.http import Http, call_of

PERMISSIONS: Final = ("manage_room", "view_sitesession", "change_sitesession")
# Site sessions that are kept alive and looked at, the oldest dropped for a new one.
_KEPT: Final = 4


class Office:
    """One call at a time, each written into the history."""

    def __init__(
        self, name: str, history: History, *, seed: int, host: str, rooms: tuple[str, ...], canary: str
    ) -> None:
        self.name = name
        self.history = history
        self.chance = random.Random(f"{seed}/{name}")
        self.canary = canary
        self.rooms = rooms
        self.stopped = asyncio.Event()
        self._http = Http(host, mint_token(name, permissions=PERMISSIONS, expires_in=TOKEN_SECONDS))
        self._sites: list[str] = []
        self._count = 0

    async def run(self) -> None:
        """Call until stopped."""
        while not self.stopped.is_set():
            act = self.chance.choice(
                (self._get, self._set, self._site_create, self._site_load, self._site_load, self._site_update)
            )
            await act()
            await asyncio.sleep(self.chance.expovariate(1 / THINK_SECONDS))

    def _value(self) -> str:
        self._count += 1
        return f"{self.canary}-{self.name}-{self._count}"

    async def _get(self) -> None:
        room, key = self.chance.choice(self.rooms), self.chance.choice(KEYS)
        operation = self.history.begin(self.name, "room.get", room=room, key=key)
        result = await self._call(operation, room=room, key=key)
        if result is not None:
            operation.entries = (seen(result),)

    async def _set(self) -> None:
        room, key, value = self.chance.choice(self.rooms), self.chance.choice(KEYS), self._value()
        operation = self.history.begin(self.name, "room.set", room=room, key=key, values={key: value})
        result = await self._call(operation, room=room, key=key, value=value)
        if result is not None:
            operation.entries = (seen(result),)

    async def _site_create(self) -> None:
        operation = self.history.begin(self.name, "site.create")
        result = await self._call(operation, data={"value": self._value()})
        if result is not None:
            (operation.key,) = result
            self._sites = [*self._sites, operation.key][-_KEPT:]

    async def _site_load(self) -> None:
        if self._sites:
            key = self.chance.choice(self._sites)
            operation = self.history.begin(self.name, "site.load", key=key)
            operation.result = await self._call(operation, session_keys=key)

    async def _site_update(self) -> None:
        # The newest alone lives on; the others are watched as they run out.
        if self._sites:
            operation = self.history.begin(self.name, "site.update", key=self._sites[-1])
            await self._call(operation, session_key=operation.key, data={"value": self._value()}, mode="merge")

    async def _call(self, operation: Operation, **params: Any) -> Any:
        """The result; None where it was refused or nobody knows."""
        try:
            answer = await self._http.send(call_of(operation.method, **params))
            reply = answer.json if answer.status == 200 else {"error": {"data": {"reason": "UNAVAILABLE"}}}
        except (OSError, HTTPException, json.JSONDecodeError) as error:
            self.history.finish(operation, "unknown", type(error).__name__)
            return None
        except asyncio.CancelledError:
            self.history.finish(operation, "unknown", "CANCELLED")
            raise
        if "error" in reply:
            reason = reply["error"]["data"]["reason"]
            self.history.finish(operation, "unknown" if reason == "UNAVAILABLE" else "refused", reason)
            return None
        self.history.finish(operation, "ok")
        return reply["result"]
