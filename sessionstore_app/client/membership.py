"""One room as the server tells of it: entering, coming back, epochs, what is watched. Knows no caller's verbs.

The order of the socket is kept: an answer is taken in at once (`accept`), before the notifications behind it; what
comes before the answer to `room.join` waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sessionstore_app.client.connection import Params
from sessionstore_app.client.errors import ClosedError, Disconnected, named
from sessionstore_app.client.forms import Message, entry_of, message_of
from sessionstore_app.client.holding import NONE, Held
from sessionstore_app.client.link import Link
from sessionstore_app.client.roster import Roster
from sessionstore_app.client.streams import Conflated, Queued, Readers
from sessionstore_app.client.tasks import Tasks
from sessionstore_app.client.writes import Writes
from sessionstore_app.core.entries import Entry
from sessionstore_app.core.errors import SessionStoreError


@dataclass(frozen=True, slots=True)
class Context:
    """What the parts of a session share."""

    link: Link
    writes: Writes
    tasks: Tasks


class Membership:
    """This session in one room, over reconnects, until it leaves or is sent away."""

    def __init__(self, name: str, context: Context) -> None:
        self.name = name
        self.context = context
        self.epoch = ""
        self.version = 0
        self.roles: tuple[str, ...] = ()
        self.type: str | None = None
        self.is_joined = False
        # Why it is over.
        self.left: Exception | None = None
        self.held = Held()
        self.roster = Roster()
        self.messages: Readers[_MessageQueue] = Readers()
        self.entered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._early: list[tuple[str, Params]] = []
        self._wishes = asyncio.Event()
        context.tasks.spawn(self._watch())

    # --- entering and coming back

    def position(self) -> Params | None:
        """From where the server can go on: what is held is complete as of this version."""
        if not self.is_joined or not self.epoch or not self.held.is_complete():
            return None
        return {"epoch": self.epoch, "version": self.version}

    def reenter(self, *, kept: bool) -> None:
        """A connection is open. `kept`: the server has this session in the room."""
        since = self.position()
        if not kept:
            self.is_joined = False
            self.held.armed = NONE
        self.context.tasks.spawn(self._enter(since))

    async def _enter(self, since: Params | None) -> None:
        observe = self.held.wanted()
        self._early = []
        params = {"room": self.name, "observe": sorted(observe), **({"since": since} if since else {})}
        try:
            await self.context.link.ask("room.join", params, lambda told: self._adopt(told, observe, since is None))
        except (Disconnected, ClosedError):
            return  # `reenter` comes again, or the end.
        except SessionStoreError as error:
            if self.left is None:
                self.depart(error, error)

    def _adopt(self, told: Params, patterns: frozenset[str], whole: bool) -> None:
        if self.left is not None:
            return
        self.roles = tuple(told["roles"])
        self.type = told.get("type")
        self._take(told, told["entries"], whole=whole or bool(told.get("complete")))
        self.held.arm(patterns)
        self.roster.replace(told["peers"], told["count"])
        self.is_joined = True
        if not self.entered.done():
            self.entered.set_result(None)
        early, self._early = self._early, []
        for method, params in early:
            self._apply(method, params)
        self._wishes.set()
        self.context.writes.wake()

    def _resync(self) -> None:
        if self.is_joined:
            self.is_joined = False
            self.context.tasks.spawn(self._enter(None))

    def depart(self, error: Exception, told: Exception | None) -> None:
        """It is over: calls are refused with `error`; iterators end, or raise `told`."""
        if self.left is not None:
            return
        self.left = error
        self.is_joined = False
        self.context.writes.abandon(self, error)
        if not self.entered.done():
            self.entered.set_exception(error)
            self.entered.exception()
        self.held.end(told)
        self.roster.readers.end(told)
        self.messages.end(told)
        self._wishes.set()

    # --- what the server tells

    def notified(self, method: str, params: Params) -> None:
        """Something happened in this room."""
        if self.left is not None:
            return
        if method == "room.message":
            self._tell(message_of(params))
        elif self.is_joined:
            self._apply(method, params)
        else:
            self._early.append((method, params))

    def _apply(self, method: str, params: Params) -> None:
        if method == "room.peers":
            self._peers(params)
        elif method == "room.changed":
            if params["epoch"] == self.epoch:
                self._take(params, params["changes"], whole=False)
            else:
                self._resync()
        elif method == "room.snapshot":
            self._take(params, params["entries"], whole=True)
        elif method == "room.cleared" and params["epoch"] != self.epoch:
            self._take(params, (), whole=True)

    def _take(self, told: Params, entries: Iterable[Mapping[str, Any]], *, whole: bool) -> None:
        same = told["epoch"] == self.epoch
        version = told.get("version", 0)
        news = [entry_of(each) for each in entries]
        # All there is, and older than what is held: the store has lost something, and versions have begun anew.
        anew = not same or (whole and version < self.version)
        if whole or anew:
            self.held.replace(news, None if anew else version)
        else:
            self.held.apply(news, as_of=version)
        self.epoch = told["epoch"]
        self.version = version if anew else max(version, self.version)

    def _peers(self, params: Params) -> None:
        own = self.context.link.opened["session_id"]
        for gone in params.get("left", ()):
            if gone["session_id"] == own:
                error = named(gone["reason"])
                self.depart(error, error)
                return
        self.roster.merge(params)

    def _tell(self, message: Message) -> None:
        for reader in self.messages:
            if reader.event in (None, message.event):
                reader.put(message)

    def written(self, entries: Iterable[Entry], epoch: str) -> None:
        """A write was answered: its entries are held before the change is told."""
        if epoch == self.epoch:
            self.held.apply(entries)

    # --- what is watched

    async def hold(self, patterns: frozenset[str]) -> None:
        """Watch these until the room is left. Raises what the server refuses them with."""
        missing = patterns - self.held.armed
        before = self.held.kept
        self.held.kept |= patterns
        if missing:
            try:
                await self._observe(missing)
            except SessionStoreError:
                self.held.kept = before
                raise

    def observe(self, patterns: frozenset[str]) -> Conflated:
        """An iterator over these; the server is asked to watch them."""
        reader = self.held.readers.add(Conflated(patterns, self._wishes.set))
        self.held.greet()
        self._wishes.set()
        return reader

    def hear(self, event: str | None, limit: int) -> Queued[Message]:
        """An iterator over messages."""
        return self.messages.add(_MessageQueue(event, limit))

    async def _watch(self) -> None:
        """Ask the server to watch what is wanted, and no more what is not."""
        while self.left is None:
            await self._wishes.wait()
            self._wishes.clear()
            try:
                while self.is_joined and self.context.link.state == "open" and await self._watch_once():
                    pass
            except (Disconnected, ClosedError):
                continue  # All is asked for anew on return.

    async def _watch_once(self) -> bool:
        """One step; false if there is nothing to do."""
        wanted, armed = self.held.wanted(), self.held.armed
        if surplus := armed - wanted:
            self.held.disarm(surplus)
            # Refused it can only be because the session is not in the room any more, which is told by itself.
            with suppress(SessionStoreError):
                await self.context.link.ask("room.unobserve", {"room": self.name, "keys": sorted(surplus)})
        elif missing := wanted - armed:
            # Of several, one may be bad: then each is asked for alone.
            if not await self._observed(missing) and len(missing) > 1:
                for pattern in missing:
                    await self._observed(frozenset({pattern}))
        else:
            return False
        return True

    async def _observed(self, patterns: frozenset[str]) -> bool:
        try:
            await self._observe(patterns)
        except SessionStoreError as error:
            if len(patterns) == 1:
                self.held.refuse(next(iter(patterns)), error)
            return False
        return True

    async def _observe(self, patterns: frozenset[str]) -> None:
        def accept(told: Params) -> None:
            if told["epoch"] != self.epoch:
                self._resync()
                return
            self.held.apply([entry_of(each) for each in told["entries"]], as_of=told["version"])
            self.held.arm(patterns)

        await self.context.link.ask("room.observe", {"room": self.name, "keys": sorted(patterns)}, accept)


class _MessageQueue(Queued[Message]):
    """Messages of one event's name, or of any."""

    def __init__(self, event: str | None, limit: int) -> None:
        super().__init__(limit)
        self.event = event
