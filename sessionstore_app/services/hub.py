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
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol, TypeVar

from sessionstore_app import conf
from sessionstore_app.core.close import CloseReason
from sessionstore_app.protocol import frames
from sessionstore_app.services import events
from sessionstore_app.services.bus import Bus, Message, layer_bus, node_group, room_group
from sessionstore_app.services.connection import Connection
from sessionstore_app.services.events import Changed, RoomCleared, RoomEvent, RosterDelta, Said, TakenOver
from sessionstore_app.services.heartbeat import Heartbeat
from sessionstore_app.services.localroom import LocalRoom

T = TypeVar("T")

logger = logging.getLogger("sessionstore_app")

# How long a gap waits for stragglers before what is missing is read.
GAP_SECONDS = 0.05
# The bus must not hold up a write that is already stored.
PUBLISH_SECONDS = 2.0
# After the bus failed, it is opened again after so long.
REOPEN_SECONDS = 0.5


class Keeper(Protocol):
    """What the hub asks of those who know the record and the backends."""

    async def heal(self, names: list[str]) -> None:
        """Bring these local rooms up to date by reading."""

    async def lost(self, connection: Connection, reason: CloseReason) -> None:
        """A connection is gone; its session waits, or ends, as the reason says."""


class Counters:
    """How often the bus failed or brought nonsense, and how often a room was read to heal it."""

    __slots__ = ("bus_failures", "dropped_messages", "healed_rooms")

    def __init__(self) -> None:
        self.bus_failures = 0
        self.dropped_messages = 0
        self.healed_rooms = 0


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
        # Sessions being opened, resumed or ended: the record and this process may differ about them for a moment.
        self.in_transit: set[str] = set()
        self._bus: Bus | None = layer_bus()
        self.keeper = keeper
        self._heartbeat = Heartbeat(self.loop)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._losses: set[asyncio.Task[None]] = set()
        self._touched: list[Connection] = []
        self._dirty: dict[LocalRoom, None] = {}
        self._rosters: dict[str, list[RosterDelta]] = {}
        self._ticking = False
        self._gapped: set[str] = set()

    # --- life

    async def start(self) -> None:
        """Take a place on the bus and begin to beat."""
        if self._bus is not None:
            await self._bus.open()
            await self._bus.join(node_group(self.node_id))
            self.spawn(self._listen(self._bus))
        self._heartbeat.start()

    async def stop(self) -> None:
        """End every task and timer."""
        self._heartbeat.stop()
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def settle(self, seconds: float = 5.0) -> None:
        """Wait until the connections closed so far are recorded."""
        if self._losses:
            await asyncio.wait(list(self._losses), timeout=seconds)

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run in the background; the hub owns the task, a failure is logged."""
        task = self.loop.create_task(coroutine, context=self._context.copy())
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def call(self, coroutine: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Run on the hub's loop, from another thread."""
        return self._context.copy().run(asyncio.run_coroutine_threadsafe, coroutine, self.loop)

    def later(self, seconds: float, act: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do something in so many seconds; from any thread."""

        def wait() -> None:
            self.loop.call_later(seconds, lambda: self.spawn(act()), context=self._context)

        self.loop.call_soon_threadsafe(wait, context=self._context)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error("A background task failed.", exc_info=task.exception())

    # --- connections

    def attach(self, connection: Connection) -> None:
        """Begin to serve a socket."""
        self.connections[connection] = None
        self._heartbeat.add(connection)

    def detach(self, connection: Connection) -> None:
        """The socket is gone; forget it everywhere."""
        self.connections.pop(connection, None)
        self._heartbeat.remove(connection)
        for name in list(connection.members):
            self.remove_member(name, connection)

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
        dirty, self._dirty = self._dirty, {}
        for room in dirty:
            _guarded(room.flush)
        if self._rosters:
            _guarded(self._flush_rosters)
        touched, self._touched = self._touched, []
        self._ticking = False
        for connection in touched:
            _guarded(connection.flush)

    # --- rooms

    async def hold(self, name: str) -> LocalRoom:
        """The local room, kept at least until `release`; heard on the bus from here on."""
        room = self.rooms.get(name)
        if room is None:
            room = self.rooms[name] = LocalRoom(name)
        room.holds += 1
        if self._bus is not None and not room.members:
            try:
                await self._bus.join(room_group(name))
            except BaseException:
                self.release(room)
                raise
        return room

    def release(self, room: LocalRoom) -> None:
        """Let go of a held room."""
        room.holds -= 1
        self._drop_unused(room)

    def remove_member(self, name: str, connection: Connection) -> None:
        """The connection's session is no longer in the room, here."""
        room = self.rooms.get(name)
        member = connection.members.pop(name, None)
        connection.forget_behind(name)
        if room is not None and member is not None:
            room.remove(member)
            self._drop_unused(room)

    def _drop_unused(self, room: LocalRoom) -> None:
        if room.is_unused and self.rooms.get(room.name) is room:
            del self.rooms[room.name]
            self._dirty.pop(room, None)
            if self._bus is not None:
                self.spawn(self._leave_group(self._bus, room.name))

    async def _leave_group(self, bus: Bus, name: str) -> None:
        if name not in self.rooms:
            await bus.leave(room_group(name))
            if name in self.rooms:
                # Somebody came while we left: be in again, whichever was first on the bus.
                await bus.join(room_group(name))

    # --- what this process did

    async def announce(self, happened: Sequence[tuple[str, RoomEvent]]) -> None:
        """What this process did in rooms: take all of it in, then tell the others."""
        for name, event in happened:
            self._take_in(name, event)
        if self._bus is not None:
            await self._publish(
                self._bus, [(room_group(name), events.encode(event, name, self.node_id)) for name, event in happened]
            )

    async def take_over(self, node_id: str, event: TakenOver) -> None:
        """A session has a newer socket: older ones on that node close."""
        self._close_older(event)
        if node_id != self.node_id and self._bus is not None:
            await self._publish(self._bus, [(node_group(node_id), events.encode(event, "", self.node_id))])

    async def _publish(self, bus: Bus, messages: Sequence[tuple[str, Message]]) -> None:
        # Tasks of their own: a caller may run outside of any task, where `asyncio.timeout` would hit somebody else's.
        tasks = {
            self.loop.create_task(bus.publish(group, message), context=self._context.copy())
            for group, message in messages
        }
        if not tasks:
            return
        done, late = await asyncio.wait(tasks, timeout=PUBLISH_SECONDS)
        for task in late:
            task.cancel()
        failed = [task.exception() for task in done if task.exception() is not None]
        if late or failed:
            # It is stored; other processes find it when they compare versions.
            self.counters.bus_failures += len(late) + len(failed)
            logger.warning("The channel layer did not take %s messages: %r", len(late) + len(failed), failed[:1])

    # --- what is heard

    def _take_in(self, name: str, event: RoomEvent) -> None:
        room = self.rooms.get(name)
        if room is None:
            return
        if not room.epoch:
            # The first here is about to read it; what the reading does not hold yet is heard then.
            room.unheard.append(event)
            return
        self._hear(room, event)
        if room.is_gapped:
            self._heal_soon(name)

    def _hear(self, room: LocalRoom, event: RoomEvent) -> None:
        match event:
            case Changed():
                self._take_in_change(room, event)
            case RosterDelta():
                for ready in room.hear_roster(event):
                    self.tell_roster(room, ready)
            case RoomCleared():
                self._take_in_clearing(room, event)
            case Said(text):
                room.say(text)

    def hear_again(self, room: LocalRoom) -> None:
        """Take in what came while the room was read."""
        unheard, room.unheard = room.unheard, []
        for event in unheard:
            self._take_in(room.name, event)

    def _take_in_change(self, room: LocalRoom, changed: Changed) -> None:
        if room.epoch != changed.epoch:
            self._heal_soon(room.name)
        elif room.hear(changed):
            self.mark_dirty(room)

    def _take_in_clearing(self, room: LocalRoom, cleared: RoomCleared) -> None:
        if room.epoch == cleared.old:
            room.restart(cleared.new, cleared.reason)
        elif room.epoch != cleared.new:
            self._heal_soon(room.name)

    def _close_older(self, event: TakenOver) -> None:
        for connection in list(self.connections):
            session = connection.session
            if session is not None and session.id == event.session_id and session.generation < event.generation:
                connection.close(CloseReason.SESSION_TAKEN_OVER)

    async def _listen(self, bus: Bus) -> None:
        while True:
            try:
                message = await bus.receive()
            except Exception as error:  # the layer is out of reach: try again, then compare all versions
                self.counters.bus_failures += 1
                logger.warning("The channel layer failed: %r", error)
                await asyncio.sleep(REOPEN_SECONDS)
                await self._reopen(bus)
            else:
                self._deliver(message)

    async def _reopen(self, bus: Bus) -> None:
        try:
            await bus.open()
            await bus.join(node_group(self.node_id))
            for name in list(self.rooms):
                await bus.join(room_group(name))
        except Exception as error:  # still out of reach; the next receive says so too
            logger.warning("The channel layer is still out of reach: %r", error)
            return
        self.spawn(self.keeper.heal(list(self.rooms)))

    def _deliver(self, message: Message) -> None:
        """Take in a message of the bus. What has not exactly our form is dropped: others may write to the layer."""
        try:
            name, event = events.decode(message)
        except ValueError as error:
            self.counters.dropped_messages += 1
            logger.warning("A message of the channel layer was dropped: %s.", error)
            return
        if message.get("node") == self.node_id:
            return
        if isinstance(event, TakenOver):
            self._close_older(event)
        else:
            self._take_in(name, event)

    def _heal_soon(self, name: str) -> None:
        if name not in self._gapped:
            self._gapped.add(name)
            self.loop.call_later(GAP_SECONDS, self._heal_gap, name, context=self._context)

    def _heal_gap(self, name: str) -> None:
        self._gapped.discard(name)
        if name in self.rooms:
            self.spawn(self.keeper.heal([name]))

    # --- rosters

    def tell_roster(self, room: LocalRoom, delta: RosterDelta) -> None:
        """Tell local members who came and went: at the end of the tick, or once an interval in a large room."""
        waiting = self._rosters.setdefault(room.name, [])
        waiting.append(delta)
        settings = conf.current()
        if len(room.peers) <= settings.peers_per_page:
            self._tick_soon()
        elif len(waiting) == 1:
            self.loop.call_later(settings.peers_interval_seconds, self._flush_roster, room.name, context=self._context)

    def _flush_rosters(self) -> None:
        page = conf.current().peers_per_page
        for name in list(self._rosters):
            room = self.rooms.get(name)
            if room is None or len(room.peers) <= page:
                self._flush_roster(name)

    def _flush_roster(self, name: str) -> None:
        deltas = self._rosters.pop(name, [])
        room = self.rooms.get(name)
        if room is None or not deltas:
            return
        told = events.merge(deltas)
        if not (told.joined or told.left or told.updated):
            return
        gone = [frames.left_peer(session_id, reason) for session_id, reason in told.left.items()]
        text = frames.room_peers(name, len(room.peers), list(told.joined.values()), gone, list(told.updated.values()))
        # A peer that came alone knows the room from the answer to its own join.
        alone = set(told.joined) if len(told.joined) == 1 and not (told.left or told.updated) else set()
        for member in list(room.members.values()):
            if member.session_id not in alone:
                member.connection.put_unstored(text)


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


async def announce(*happened: tuple[str, RoomEvent]) -> None:
    """Tell all processes what this one did, as pairs of room and event; from any thread or loop."""
    hub = running()
    if hub is None:
        await _announce_from_outside(happened)
    elif hub.loop is asyncio.get_running_loop():
        await hub.announce(happened)
    else:
        await asyncio.wrap_future(hub.call(hub.announce(happened)))


async def _announce_from_outside(happened: Sequence[tuple[str, RoomEvent]]) -> None:
    """From a process without a hub: a shell, a worker."""
    bus = layer_bus()
    if bus is None:
        return
    try:
        async with asyncio.timeout(PUBLISH_SECONDS):
            for room, event in happened:
                await bus.publish(room_group(room), events.encode(event, room, ""))
    except Exception as error:  # it is stored; servers find it when they compare versions
        logger.warning("The channel layer did not take a message: %r", error)
