"""Listeners of session events, over many connections. Knows which listener of the server feeds which iterator."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from sessionstore_app.client.errors import ClientError, named
from sessionstore_app.client.forms import SessionEvent, event_of
from sessionstore_app.client.link import Link
from sessionstore_app.client.sightings import Sightings
from sessionstore_app.client.streams import Queued
from sessionstore_app.client.tasks import Tasks
from sessionstore_app.core.errors import SessionStoreError


class Listening(Queued[SessionEvent]):
    """An iterator over events. Bounded: who lets `limit` pile up gets ConsumerTooSlow."""

    def __init__(self, limit: int, ended: Any) -> None:
        super().__init__(limit, ended)
        self._ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def ready(self) -> int:
        """Wait until the sessions that were open have been put here; returns how many they were."""
        return await asyncio.shield(self._ready)

    def settle(self, count: int) -> None:
        """The sessions that were open have been told."""
        if not self._ready.done():
            self._ready.set_result(count)

    def end(self, error: Exception | None = None) -> None:
        """Nothing more comes."""
        super().end(error)
        if not self._ready.done():
            if error is None:
                self._ready.cancel()
            else:
                self._ready.set_exception(error)
                self._ready.exception()


class Ear:
    """One listener, for as long as its iterator is held by somebody."""

    def __init__(self, query: Mapping[str, Any], properties: Sequence[str], after: datetime | None) -> None:
        self.id: object = None
        self.is_deaf = False
        self.stream: weakref.ref[Listening] | None = None
        self.sightings = Sightings(query, properties=properties, after=after, tell=self._tell)

    def _tell(self, event: SessionEvent) -> None:
        if (stream := self.held()) is not None:
            stream.put(event)

    def held(self) -> Listening | None:
        """The iterator, while somebody holds it."""
        return None if self.stream is None else self.stream()


class Ears:
    """All listeners of one session."""

    def __init__(self, link: Link, tasks: Tasks) -> None:
        self._link = link
        self._tasks = tasks
        self._ears: set[Ear] = set()
        self._registered: dict[object, Ear] = {}

    def listen(
        self, query: Mapping[str, Any], *, properties: Sequence[str], after: datetime | None, limit: int
    ) -> Listening:
        """Begin to listen. Raises ClosedError once the session has ended."""
        if self._link.end_error is not None:
            raise self._link.closed()
        ear = Ear(query, properties, after)
        stream = Listening(limit, lambda: self._deafen(ear))
        ear.stream = weakref.ref(stream)
        self._ears.add(ear)
        if self._link.state == "open":
            self._tasks.spawn(self._register(ear))
        return stream

    def opened(self) -> None:
        """A connection is open: listeners ended with the one before."""
        self._registered.clear()
        for ear in self._ears:
            ear.sightings.lose()
            self._tasks.spawn(self._register(ear))

    def notified(self, method: str, params: Mapping[str, Any]) -> None:
        """One of `session.event`, `session.listening` and `session.listener_closed`."""
        ear = self._registered.get(params.get("listener_id"))
        if ear is None:
            return
        if method == "session.event":
            ear.sightings.see(event_of(params))
        elif method == "session.listening":
            ear.sightings.settle()
            if (stream := ear.held()) is not None:
                stream.settle(params["count"])
        elif method == "session.listener_closed":
            self._registered.pop(ear.id, None)
            ear.id = None
            self._end(ear, named(params["reason"]))

    def ended(self, error: Exception | None) -> None:
        """The session has ended."""
        self._registered.clear()
        for ear in list(self._ears):
            self._end(ear, error)

    async def _register(self, ear: Ear) -> None:
        def accept(told: Mapping[str, Any]) -> None:
            ear.id = told["listener_id"]
            if ear.is_deaf:
                self._tasks.spawn(self._unlisten(ear.id))
            else:
                self._registered[ear.id] = ear

        try:
            await self._link.ask("session.listen", ear.sightings.ask(), accept)
        except SessionStoreError as error:
            self._end(ear, error)
        except ClientError:
            return  # `opened` comes again, or the end.

    def _deafen(self, ear: Ear) -> None:
        """Nobody reads any more."""
        ear.is_deaf = True
        self._ears.discard(ear)
        if self._registered.pop(ear.id, None) is not None and self._link.state == "open":
            self._tasks.spawn(self._unlisten(ear.id))

    def _end(self, ear: Ear, error: Exception | None) -> None:
        self._ears.discard(ear)
        if (stream := ear.held()) is not None:
            stream.end(error)

    async def _unlisten(self, listener_id: object) -> None:
        with suppress(SessionStoreError, ClientError):
            await self._link.ask("session.unlisten", {"listener_id": listener_id})
