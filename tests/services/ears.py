"""Listeners of a process that write down what they are told, and what the record says they should have been told."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import sync_to_async

from sessionstore_app.core.errors import InternalError
from sessionstore_app.core.observer import Event, Interest
from sessionstore_app.core.sessions import Kind, State
from sessionstore_app.models import SessionEvent
from sessionstore_app.services.feed import Listener
from tests.services.processes import LIMIT_SECONDS, Process

ALL_KEYS = frozenset({"*F", "*U"})


class Ear:
    """A listener of a process, up to where a socket would send: `events` is what it was told, `count` the end mark."""

    def __init__(self, process: Process, **interest: Any) -> None:
        self.process = process
        self.events: list[Event] = []
        self.count: int | None = None
        self.has_failed = False
        # What happens while it takes in the first events, and whenever it is told one.
        self.on_ready: Callable[[], Awaitable[None]] | None = None
        self.on_put: Callable[[], None] | None = None
        self._news = asyncio.Event()
        self.listener = Listener(Interest(**{"keys": ALL_KEYS, **interest}), self)

    async def begin(self) -> Ear:
        """Be told of what there is, and from then on of what happens."""
        self.process.acts()
        await self.process.hub.feed.begin(self.listener)
        return self

    def end(self) -> None:
        """Be told nothing more."""
        self.process.hub.feed.end(self.listener)

    def put(self, event: Event) -> None:
        self.events.append(event)
        self._news.set()
        if self.on_put is not None:
            self.on_put()

    async def ready(self) -> None:
        if self.on_ready is not None:
            await self.on_ready()

    def listening(self, count: int) -> None:
        self.count = count

    def failed(self, reason: str = InternalError.reason) -> None:
        self.has_failed = True

    async def until(self, reached: Callable[[], bool], what: str) -> None:
        """Look at every event until it is so."""
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                while not reached():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"waited in vain until {what}; heard {self.events[-5:]}") from None

    def of(self, session_id: str) -> list[tuple[State, int]]:
        """State and revision of what was told of a session."""
        return [(event.state, event.revision) for event in self.events if event.session_id == session_id]

    @property
    def told(self) -> dict[str, list[Event]]:
        """What was told, by session, in the order told."""
        found: defaultdict[str, list[Event]] = defaultdict(list)
        for event in self.events:
            found[event.session_id].append(event)
        return dict(found)


@sync_to_async
def recorded() -> dict[str, list[Event]]:
    """What a listener to everything should have been told from the beginning, by session, as the record has it."""
    found: defaultdict[str, list[Event]] = defaultdict(list)
    for row in SessionEvent.objects.exclude(type=Kind.ROOMS).order_by("session_id", "revision"):
        closed = row.state == State.CLOSED
        found[row.session_id].append(
            Event(
                session_id=row.session_id,
                kind=Kind(row.type),
                state=State(row.state),
                revision=row.revision,
                properties=row.properties,
                changed_properties={} if closed else row.previous,
                close_reason=row.close_reason if closed else None,
            )
        )
    return dict(found)
