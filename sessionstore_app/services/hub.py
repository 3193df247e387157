"""The hub: one process's switchboard between its sockets and the bus.

It holds the rooms that local sockets are in, hears what the bus brings, puts it in order and hands it to the
connections at the end of each tick of the loop. What this process itself writes it takes in at once and then tells
the others. It knows neither rights nor what a value means; reading what was missed is its keeper's business
(`presence`).
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import logging
import secrets
from collections.abc import Callable, Collection, Coroutine, Sequence
from functools import partial
from typing import Any, Protocol, TypeVar

from sessionstore_app.core import clock
from sessionstore_app.core.close import CloseReason
from sessionstore_app.core.errors import Unavailable
from sessionstore_app.core.sessions import SessionChange
from sessionstore_app.services import events
from sessionstore_app.services.bus import Message, node_group, room_group
from sessionstore_app.services.connection import Connection
from sessionstore_app.services.events import (
    Changed,
    Delivered,
    LockTold,
    LookAgain,
    NodeEvent,
    ObserveMore,
    Revoked,
    RoomCleared,
    RoomEvent,
    RosterDelta,
    Said,
    SessionsChanged,
    TakenOver,
)
from sessionstore_app.services.feed import Feed
from sessionstore_app.services.heartbeat import Heartbeat
from sessionstore_app.services.layerbus import hub_bus
from sessionstore_app.services.line import Counters, Line
from sessionstore_app.services.localroom import LocalRoom, Telling
from sessionstore_app.services.roomhearing import RoomHearing
from sessionstore_app.services.rosters import Rosters
from sessionstore_app.services.served import Served
from sessionstore_app.services.suspension import run_to_first_suspension

T = TypeVar("T")

logger = logging.getLogger("sessionstore_app")

MAX_TIMER_SECONDS = 86_400 * 30
# What is cancelled has so long to end.
STOP_SECONDS = 2.0
# Changes of sessions that are told in one go.
AT_A_TIME = 50


class Keeper(Protocol):
    """What the hub asks of those who know the record and the backends."""

    async def heal(self, names: list[str]) -> None:
        """Bring these local rooms up to date by reading."""

    async def lost(self, connection: Connection, reason: CloseReason) -> None:
        """A connection is gone; its session waits, or ends, as the reason says."""

    async def rights_changed(self, connection: Connection) -> None:
        """The roles of a connection's session have changed: what it may no longer do ends."""

    def look_again(self, connections: Collection[Connection]) -> None:
        """Django may say something else of the users of these than it did: look soon."""

    async def observe_more(self, connection: Connection, event: ObserveMore) -> None:
        """A connection observes more of a room, and is given what there is."""


class Hub:
    """One a process. All methods are called on its event loop."""

    def __init__(self, keeper: Keeper) -> None:
        self.loop = asyncio.get_running_loop()
        self.now = self.loop.time
        # What the hub does later must not happen in the context of whoever caused it: that may be a view's thread.
        self._context = contextvars.Context()
        self.node_id = secrets.token_hex(8)
        self.rooms: dict[str, LocalRoom] = {}
        self.connections: dict[Connection, None] = {}
        self.counters = Counters()
        # The process was told to stop: no new sockets.
        self.is_draining = False
        # Sessions being opened, resumed or ended: the record and this process may differ about them for a moment.
        self.in_transit: set[str] = set()
        self._line = Line(hub_bus(), self.counters)
        self.feed = Feed(self._line, self.counters, self.spawn, self.now)
        self.served = Served(self._rights_changed)
        self.keeper = keeper
        self._heartbeat = Heartbeat(self.loop)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._losses: set[asyncio.Task[None]] = set()
        self._touched: list[Connection] = []
        self._dirty: dict[LocalRoom, None] = {}
        self.rosters = Rosters(self.rooms, self._tick_soon, self._later)
        self.hearing = RoomHearing(self.rooms, self.rosters, self.counters, self.mark_dirty, self._later, self._heal)
        self._ticking = False

    # --- life

    async def start(self) -> None:
        """Take a place on the bus and begin to beat."""
        await self._line.open([node_group(self.node_id)])
        self.spawn(self._line.listen(self._deliver, self._reopen))
        self._heartbeat.start()

    async def stop(self) -> None:
        """End every task and timer."""
        self._heartbeat.stop()
        try:
            await self._end_tasks()
        finally:
            self._line.close()

    async def _end_tasks(self) -> None:
        # Until there are no more: what is cancelled may have something to undo.
        while tasks := self._tasks - {asyncio.current_task()}:
            for task in tasks:
                task.cancel()
            _, late = await asyncio.wait(tasks, timeout=STOP_SECONDS)
            if late:
                # A layer that stands still may wait for its server even then; the process must end all the same.
                logger.warning("%s tasks did not end in time.", len(late))
                return

    async def settle(self, seconds: float = 5.0) -> None:
        """Wait until the connections closed so far are recorded, and others told of it."""
        if self._losses:
            await asyncio.wait(list(self._losses), timeout=seconds)
        await self._line.flush(seconds)

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run in the background; the hub owns the task, a failure is logged."""
        task = self.loop.create_task(coroutine, context=self._context.copy())
        self._tasks.add(task)
        task.add_done_callback(self._done, context=self._context)
        return task

    def call(self, coroutine: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Run on the hub's loop, from another thread."""
        return self._context.copy().run(asyncio.run_coroutine_threadsafe, coroutine, self.loop)

    def later(self, seconds: float, act: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do something in so many seconds; from any thread."""

        def wait() -> None:
            self.loop.call_later(seconds, lambda: self.spawn(act()), context=self._context)

        self.loop.call_soon_threadsafe(wait, context=self._context)

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        self.loop.call_later(seconds, act, context=self._context)

    def _rights_changed(self, connection: Connection) -> None:
        # In place up to its first wait: what is heard next is told by the rights that there are now.
        rest = run_to_first_suspension(self.keeper.rights_changed(connection))
        if rest is not None:
            self.spawn(rest)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Unavailable):
            # The next renewal of the lease makes it good.
            logger.warning("A background task has to wait: %s", error)
        elif error is not None:
            logger.error("A background task failed.", exc_info=error)

    # --- connections

    def attach(self, connection: Connection) -> None:
        """Begin to serve a socket."""
        self.connections[connection] = None
        self._heartbeat.add(connection)

    def detach(self, connection: Connection) -> None:
        """The socket is gone; forget it everywhere."""
        self.connections.pop(connection, None)
        self.served.remove(connection)
        self._heartbeat.remove(connection)
        for watch in connection.listeners.values():
            self.feed.end(watch.listener)
        connection.listeners.clear()
        if connection.expiry is not None:
            connection.expiry.cancel()
        connection.abandon_waits()
        for name in list(connection.members):
            self.remove_member(name, connection)
        for name in list(connection.watched):
            self._remove_watcher(name, connection)

    def expire(self, connection: Connection) -> None:
        """Close the connection when its credential ends; upkeep does it where this clock is off or the socket gone."""
        session = connection.session
        if session is None or session.identity.expires_at is None:
            return
        seconds = session.identity.expires_at.timestamp() - clock.now_ms() / 1000
        # Timers of some platforms take no more than a month.
        if seconds < MAX_TIMER_SECONDS:
            connection.expiry = self.loop.call_later(
                max(seconds, 0.0), connection.close, CloseReason.EXPIRED, context=self._context
            )

    def lost(self, connection: Connection, reason: CloseReason) -> None:
        """A connection was closed from this side."""
        self.detach(connection)
        task = self.spawn(self.keeper.lost(connection, reason))
        self._losses.add(task)
        task.add_done_callback(self._losses.discard)

    def schedule(self, connection: Connection) -> None:
        """Flush this connection at the end of the tick."""
        connection.scheduled = True
        self._touched.append(connection)
        self._tick_soon()

    def mark_dirty(self, room: LocalRoom) -> None:
        """The room has changes to tell at the end of the tick."""
        self._dirty[room] = None
        self._tick_soon()

    def _tick_soon(self) -> None:
        if not self._ticking:
            self._ticking = True
            self.loop.call_soon(self._tick, context=self._context)

    def _tick(self) -> None:
        # First of all: whatever happens in this one, there is a next.
        self._ticking = False
        dirty, self._dirty = self._dirty, {}
        later: list[Telling] = []
        for room in dirty:
            _guarded(partial(room.flush, later))
            self.counters.deliveries += room.delivered
            room.delivered = 0
        # Whoever waits for an answer gets it before all others are told what came of it; and what went with a peer goes
        # before the peer does.
        self._flush_touched()
        for telling in later:
            _guarded(telling.tell)
        _guarded(self.rosters.flush)
        self._flush_touched()

    def _flush_touched(self) -> None:
        touched, self._touched = self._touched, []
        for connection in touched:
            _guarded(connection.flush)

    # --- rooms

    async def hold(self, name: str) -> LocalRoom:
        """The local room, kept at least until `release`; heard on the bus from here on."""
        room = self.rooms.get(name)
        if room is None:
            room = self.rooms[name] = LocalRoom(name)
        room.holds += 1
        if not self._line.is_alone and not room.members:
            try:
                await self._line.join(room_group(name))
            except BaseException:
                self.release(room)
                raise
        return room

    def release(self, room: LocalRoom) -> None:
        """Let go of a held room."""
        room.holds -= 1
        self.drop_unused(room)

    def remove_member(self, name: str, connection: Connection) -> None:
        """The connection's session is no longer in the room, here."""
        room = self.rooms.get(name)
        member = connection.members.pop(name, None)
        connection.forget_behind(name)
        if room is not None and member is not None:
            room.remove(member)
            self.drop_unused(room)

    def _remove_watcher(self, name: str, connection: Connection) -> None:
        room, watcher = self.rooms.get(name), connection.watched.pop(name)
        if room is not None:
            room.remove(watcher)
            self.drop_unused(room)

    def drop_unused(self, room: LocalRoom) -> None:
        """Hear a room no longer that nobody here is in, watches, or is about to."""
        if room.is_unused and self.rooms.get(room.name) is room:
            del self.rooms[room.name]
            self._dirty.pop(room, None)
            if not self._line.is_alone:
                self.spawn(self._leave_group(room.name))

    async def _leave_group(self, name: str) -> None:
        if name not in self.rooms:
            await self._line.leave(room_group(name))
            if name in self.rooms:
                # Somebody came while we left: be in again, whichever was first on the bus.
                await self._line.join(room_group(name))

    # --- what this process did

    async def announce(self, happened: Sequence[tuple[str, RoomEvent]]) -> None:
        """What this process did in rooms: take all of it in, then tell the others."""
        for name, event in happened:
            self.counters.writes += isinstance(event, Changed)
            self.hearing.take_in(name, event)
        self._line.publish(events.room_messages(happened, self.node_id))

    async def announce_sessions(self, changes: Sequence[SessionChange]) -> None:
        """What this process did to sessions: tell who listens, and the nodes that serve them."""
        for start in range(0, len(changes), AT_A_TIME):
            if start:
                # An act on thousands of sessions must not hold up everybody else.
                await asyncio.sleep(0)
            self._take_in_node_event(SessionsChanged(tuple(changes[start : start + AT_A_TIME])))
        if not self._line.is_alone:
            self._line.publish(events.session_messages(changes, self.node_id))

    async def tell_nodes(self, told: Sequence[tuple[str, NodeEvent]]) -> None:
        """Tell nodes something that concerns sessions they serve."""
        for node_id, event in told:
            if node_id == self.node_id:
                self._take_in_node_event(event)
        self._line.publish(events.node_messages(told, self.node_id))

    # --- what is heard

    def _take_in_node_event(self, event: NodeEvent) -> None:
        match event:
            case TakenOver():
                self.served.take_over(event)
            case SessionsChanged(changes):
                self.feed.take_in(changes)
                self.served.take_in(changes)
            case Delivered():
                self.served.deliver(event)
            case ObserveMore():
                for connection in self.served.of(event.session_ids):
                    self.spawn(self.keeper.observe_more(connection, event))
            case LockTold():
                self.served.tell_lock(event)
            case _:
                self._take_in_credentials(event)

    def _take_in_credentials(self, event: LookAgain | Revoked) -> None:
        match event:
            case LookAgain(session_ids):
                self.keeper.look_again(self.served.of(session_ids))
            case Revoked():
                self.served.revoke(event)

    async def _reopen(self) -> None:
        groups = [node_group(self.node_id), *map(room_group, list(self.rooms)), *self.feed.groups]
        await self._line.open(groups)
        self.spawn(self._hear_again())

    async def listen_to_itself(self) -> None:
        """Notice a bus that was deaf for a while, and read what may have been missed."""
        await self._line.echo(node_group(self.node_id), self._hear_again)

    async def _hear_again(self) -> None:
        await self.keeper.heal(list(self.rooms))
        await self.feed.heal()

    def _heal(self, name: str) -> None:
        self.spawn(self.keeper.heal([name]))

    def _deliver(self, message: Message) -> None:
        """Take in a message of the bus. What has not exactly our form is dropped: others may write to the layer."""
        if message.get("node") == self.node_id:
            return
        try:
            name, event = events.decode(message)
        except ValueError as error:
            self.counters.dropped_messages += 1
            logger.warning("A message of the channel layer was dropped: %s.", error)
            return
        if isinstance(event, Changed | RosterDelta | RoomCleared | Said):
            self.hearing.take_in(name, event)
        else:
            self._take_in_node_event(event)


def _guarded(act: Callable[[], None]) -> None:
    """One room's or connection's fault is no other's."""
    try:
        act()
    except Exception:
        logger.exception("A tick of the hub failed for one of many.")


_running: Hub | None = None


def running() -> Hub | None:
    """The hub of this process, if a server runs in it."""
    return _running if _running is not None and _running.loop.is_running() else None


def set_running(hub: Hub | None) -> None:
    """Make this the process's hub."""
    global _running  # noqa: PLW0603  # one a process, by design
    _running = hub
