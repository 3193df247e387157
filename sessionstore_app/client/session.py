"""A session for callers: its facts, its rooms, and the parts that look beyond it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from sessionstore_app.client.connection import Params
from sessionstore_app.client.errors import ClientError, ClosedError, Disconnected
from sessionstore_app.client.forms import Message, message_of
from sessionstore_app.client.link import Link, Settings, State
from sessionstore_app.client.locks import Locks
from sessionstore_app.client.membership import Context, Membership
from sessionstore_app.client.room import Room, checked
from sessionstore_app.client.sessions import Sessions
from sessionstore_app.client.streams import MOST_NEWS, Queued, Readers
from sessionstore_app.client.tasks import Tasks
from sessionstore_app.client.writes import Writes
from sessionstore_app.core.errors import SessionStoreError

logger = logging.getLogger("sessionstore_app.client")

# For the answer to `session.close`.
GOODBYE_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PropertiesSet:
    """What `set_properties` did: the former values of what changed, and the keys one may not set."""

    changed: Mapping[str, str | None]
    ignored: tuple[str, ...]


class Session:
    """An open session; made by `connect`. It goes on over reconnects, as the same session or as a new one.

    After `state` is `"closed"` every call raises ClosedError. It belongs to one event loop.
    """

    def __init__(self, settings: Settings) -> None:
        self._link = Link(settings, self)
        self._tasks = Tasks()
        self._writes = Writes(self._link)
        self._context = Context(self._link, self._writes, self._tasks)
        self._rooms: dict[str, Room] = {}
        self._messages: Readers[_Messages] = Readers()
        self._revision = -1
        self.properties: Mapping[str, str] = {}
        self.roles: tuple[str, ...] = ()
        self.permissions: tuple[str, ...] = ()
        self.sessions = Sessions(self._link, self._tasks)
        self.locks = Locks(self._link, self._tasks)
        self._running = asyncio.get_running_loop().create_task(self._link.run())
        self._tasks.spawn(self._writes.run())

    # --- facts

    @property
    def id(self) -> str:
        """The session's id; another one after a reconnect that could not resume."""
        return str(self._link.opened["session_id"])

    @property
    def principal(self) -> str:
        """Who this is for the server; `""` where it does not know."""
        return str(self._link.opened["principal"])

    @property
    def limits(self) -> Mapping[str, float]:
        """The server's limits by name, as `session.open` told them."""
        limits: Mapping[str, float] = self._link.opened["limits"]
        return limits

    @property
    def is_resumed(self) -> bool:
        """True if the present connection goes on with the session of the one before."""
        return bool(self._link.opened["resumed"])

    @property
    def state(self) -> State:
        """`connecting`, `open`, `reconnecting` or `closed`."""
        return self._link.state

    @property
    def end_error(self) -> ClosedError | None:
        """Why the session has ended; None while it has not."""
        return self._link.end_error

    @property
    def pending_writes(self) -> int:
        """Writes that are not acknowledged."""
        return len(self._writes)

    def states(self, *, limit: int = MOST_NEWS) -> Queued[State]:
        """An iterator over states: the present one, then each change; it ends after `closed`."""
        reader = self._link.states.add(Queued[State](limit))
        reader.put(self.state)
        if self.state == "closed":
            reader.end()
        return reader

    # --- acts

    async def join(self, name: str, *, observe: Iterable[str] = ()) -> Room:
        """Enter a room; entries that match `observe` are held until it is left. Joining twice gives the same room.

        Raises AccessDenied, InvalidParams and LimitExceeded as the server refuses; waits while the connection is away.
        """
        if self._link.end_error is not None:
            raise self._link.closed()
        patterns = checked(observe, self.limits)
        self._rooms = dict(self._alive())
        room = self._rooms.get(name)
        if room is None:
            room = self._rooms[name] = Room(Membership(name, self._context))
            room._membership.held.kept = patterns
            room._membership.reenter(kept=False)
        membership = room._membership
        await asyncio.shield(membership.entered)
        while True:
            with suppress(Disconnected):
                await membership.hold(patterns)
                return room
            await self._link.until_open()

    async def set_properties(self, properties: Mapping[str, str | None]) -> PropertiesSet:
        """Set properties of this session; None takes one away. What one may not set is `ignored`."""
        told = await self._link.insist("session.set_properties", {"properties": dict(properties)})
        return PropertiesSet(changed=told["changed"], ignored=tuple(told["ignored"]))

    def messages(self, event: str | None = None, *, limit: int = MOST_NEWS) -> Queued[Message]:
        """An iterator over messages to this session, not to a room: of that name, or all."""
        if self._link.end_error is not None:
            raise self._link.closed()
        return self._messages.add(_Messages(event, limit))

    async def call(self, method: str, **params: Any) -> Any:
        """The raw door: ask any method of the protocol, once. Returns its result as it came.

        Raises Disconnected while there is no connection, and when it is lost before the answer.
        """
        return await self._link.start(method, params)

    async def close(self) -> None:
        """End the session at once, on the server too, and leave its rooms. Harmless where it has ended."""
        try:
            with suppress(SessionStoreError, ClientError, TimeoutError):
                async with asyncio.timeout(GOODBYE_SECONDS):
                    await self._link.start("session.close", {})
        finally:
            self._link.end(ClosedError("CLOSED_BY_CLIENT"))
            self._running.cancel()
            await asyncio.wait([self._running])
            await self._tasks.cancel()
            if not self._running.cancelled() and (fault := self._running.exception()) is not None:
                raise fault

    async def until_opened(self, timeout_seconds: float | None) -> None:
        """Wait until it is open for the first time; `connect` does."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._link.until_open()
        except TimeoutError:
            self._link.end(ClosedError("CONNECT_TIMEOUT"))
            raise self._link.closed() from None
        except ClosedError:
            if isinstance(self._link.refusal, SessionStoreError):
                raise self._link.refusal from None
            raise

    # --- what the link tells

    def positions(self) -> dict[str, Params]:
        """What is held of each room."""
        held = {name: room._membership.position() for name, room in self._alive()}
        return {name: position for name, position in held.items() if position is not None}

    def opened(self, result: Mapping[str, Any]) -> None:
        """The session is open, for the first time or again."""
        self._revision = -1
        self._describe(result)
        kept = {told["room"] for told in result["rooms"]}
        for name, room in self._alive():
            room._membership.reenter(kept=name in kept)
            kept.discard(name)
        for name in kept:
            self._tasks.spawn(self._leave(name))
        self._writes.reopened(resumed=result["resumed"])
        self.sessions.opened()
        self.locks.opened(resumed=result["resumed"])

    def notified(self, method: str, params: Mapping[str, Any]) -> None:
        """The server tells something."""
        if method == "session.changed":
            self._changed(params)
        elif method == "session.message":
            self._tell(message_of(params))
        elif method == "lock.lost":
            self.locks.lost(params)
        elif method == "session.warning":
            _warn(params)
        elif method.startswith("session."):
            self.sessions.notified(method, params)
        elif (room := self._rooms.get(params.get("room", ""))) is not None:
            room._membership.notified(method, params)

    def away(self) -> None:
        """The connection is gone; another is tried."""
        self.locks.away()

    def ended(self, error: ClosedError) -> None:
        """The session has ended: every wait ends."""
        told: Callable[[], ClosedError | None] = self._link.closed
        if error.reason == "CLOSED_BY_CLIENT":
            # Who closed it knows; iterators just end.
            told = _quietly
        self._writes.end(self._link.closed)
        for _, room in self._alive():
            room._membership.depart(self._link.closed(), told())
        self._messages.end(told())
        self.sessions.ended(told())
        self.locks.ended(error)

    def _alive(self) -> list[tuple[str, Room]]:
        return [(name, room) for name, room in self._rooms.items() if room._membership.left is None]

    def _changed(self, told: Mapping[str, Any]) -> None:
        if told["revision"] > self._revision:
            self._describe(told)

    def _tell(self, message: Message) -> None:
        for reader in self._messages:
            if reader.event in (None, message.event):
                reader.put(message)

    def _describe(self, told: Mapping[str, Any]) -> None:
        self.properties = told["properties"]
        self.roles, self.permissions = tuple(told["roles"]), tuple(told["permissions"])
        self._revision = told.get("revision", 0)

    async def _leave(self, name: str) -> None:
        with suppress(SessionStoreError, ClientError):
            await self._link.ask("room.leave", {"room": name})


def _warn(told: Mapping[str, Any]) -> None:
    logger.warning(
        "The server warns: %s. It refused %s in a row, and closes the connection after %s; wait for %s s.",
        told.get("reason"),
        told.get("refused"),
        told.get("closes_after"),
        told.get("retry_after_seconds"),
    )


def _quietly() -> None:
    """No error."""


class _Messages(Queued[Message]):
    """Messages of one event's name, or of any."""

    def __init__(self, event: str | None, limit: int) -> None:
        super().__init__(limit)
        self.event = event
