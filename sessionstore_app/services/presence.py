"""Presence: the upkeep that does not depend on anybody saying goodbye.

Every process renews its lease, heals its local rooms and listeners, and reaps what lapsed. Each step can be done by
several processes at once and is done by one: the row decides.
"""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from sessionstore_app import conf
from sessionstore_app.backends.base import Backend
from sessionstore_app.core import clock
from sessionstore_app.core.close import CloseReason
from sessionstore_app.core.errors import SessionStoreError, Unavailable
from sessionstore_app.core.patterns import EVERYTHING
from sessionstore_app.core.sessions import Kind
from sessionstore_app.models import SessionState
from sessionstore_app.protocol import frames
from sessionstore_app.services import (
    drain,
    entrylog,
    facts,
    history,
    hub,
    jobs,
    locks,
    memberships,
    private,
    questions,
    reaping,
    record,
    removals,
    rights,
    spectating,
    storemark,
    watching,
)
from sessionstore_app.services.connection import Connection
from sessionstore_app.services.credentials import Credentials
from sessionstore_app.services.endings import disconnect
from sessionstore_app.services.events import ObserveMore
from sessionstore_app.services.hub import Hub
from sessionstore_app.services.line import Counters
from sessionstore_app.services.localroom import LocalRoom
from sessionstore_app.services.spaces import by_backend, room_backend, room_backends, room_space
from sessionstore_app.services.telling import peer_text, record_and_tell, tell, wipe_again

logger = logging.getLogger("sessionstore_app")

# Counts may agree by chance; every so many renewals the sessions themselves are compared.
_COMPARE_EVERY = 12
# A wiped space refuses late writes for so long; a write that took longer has long failed.
_WIPED_KEPT_MS = 3_600_000


@dataclass(slots=True)
class Gauge:
    """What was counted until when: the rates since then."""

    writes: int = 0
    deliveries: int = 0
    at: float | None = None

    def read(self, counters: Counters, now: float) -> jobs.Rates | None:
        """What happened a second since it was read before; None the first time. `now` is in seconds."""
        before = replace(self)
        self.writes, self.deliveries, self.at = counters.writes, counters.deliveries, now
        if before.at is None or now <= before.at:
            return None
        seconds = now - before.at
        return jobs.Rates(
            writes=(self.writes - before.writes) / seconds, deliveries=(self.deliveries - before.deliveries) / seconds
        )


class Presence:
    """The hub's keeper, and its upkeep."""

    hub: Hub

    def __init__(self) -> None:
        # Connections whose end the database could not take; told again with each renewal.
        self._unrecorded: list[tuple[Connection, CloseReason]] = []
        # Connections that may be in rooms that are not open to them any more, as long as that cannot be asked.
        self._unchecked: dict[Connection, None] = {}
        self._credentials = Credentials()
        self._renewals = 0
        self._gauge = Gauge()
        # Of the stores that hold the entries, as they were last seen.
        self._store_marks: dict[Backend, str] = {}

    async def lost(self, connection: Connection, reason: CloseReason) -> None:
        """See `hub.Keeper`."""
        try:
            await disconnect(connection, reason)
        except Exception as error:  # whatever it was, the session must not be forgotten
            self._unrecorded.append((connection, reason))
            logger.warning("A lost connection could not be recorded yet: %s", error)

    async def rights_changed(self, connection: Connection) -> None:
        """See `hub.Keeper`."""
        rights.recheck_sights(self.hub, connection)
        watching.recheck_listeners(self.hub, connection)
        spectating.recheck(self.hub, connection)
        try:
            await rights.recheck_rooms(self.hub, connection)
        except Exception as error:  # whatever it was, what was taken must not stay open: its news does not come again
            self._unchecked[connection] = None
            logger.warning("What a session may no longer do could not be ended yet: %s", error)

    def look_again(self, connections: Collection[Connection]) -> None:
        """See `hub.Keeper`."""
        self._credentials.look_soon(self.hub, connections)

    async def look_at_all(self) -> None:
        """See whether Django still knows the users of all sessions that are served, and what they may do."""
        await self._credentials.look_at_all(self.hub)

    async def observe_more(self, connection: Connection, event: ObserveMore) -> None:
        """See `hub.Keeper`."""
        await memberships.observe_more(self.hub, connection, event)

    async def heal(self, names: list[str]) -> None:
        """See `hub.Keeper`. Compares versions of all rooms at once, and reads rosters and entries where they differ."""
        local = {name: room for name in names if (room := self.hub.rooms.get(name)) is not None and room.epoch}
        if not local:
            return
        epochs = {name: room.epoch for name, room in local.items()}
        known = await record.ask(partial(questions.roster_versions, list(local)))
        stale = [name for name, at in known.items() if at != (local[name].roster, local[name].epoch)]
        for name, roster in (await record.ask(partial(questions.rosters, stale))).items() if stale else ():
            room = local[name]
            if room.epoch != epochs[name]:
                # Cleared while we read: what we read may be older than what we heard.
                continue
            if room.epoch != roster.epoch:
                room.restart(roster.epoch, "CLEARED")
            peers = {sid: peer_text(peer) for sid, peer in roster.peers.items()}
            for missed in room.replace_roster(roster.version, peers):
                self.hub.counters.healed_rooms += 1
                self.hub.rosters.tell(room, missed)
        await self._heal_stores(local)

    async def _heal_stores(self, local: Mapping[str, LocalRoom]) -> None:
        spaces = {room_space(name, room.epoch): room for name, room in local.items()}
        for place, named in by_backend(spaces).items():
            for space, version in (await place.versions(named)).items():
                room = spaces[space]
                if room_space(room.name, room.epoch) == space and version != room.version:
                    await self._heal_entries(room)

    async def _heal_entries(self, room: LocalRoom) -> None:
        epoch, since = room.epoch, room.version
        reading = await room_backend(room.name).read(room_space(room.name, epoch), EVERYTHING, since)
        if room.epoch != epoch or reading.version == room.version:
            return
        if reading.version < since:
            if await record.ask(partial(questions.epoch_of, room.name)) == epoch:
                await storemark.went_back(room.name, epoch)
            return
        self.hub.counters.healed_rooms += 1
        texts = [(entry.key, entry.version, frames.entry(entry)) for entry in reading.entries]
        if reading.complete:
            room.replace(reading.version, texts, "resync")
        else:
            room.catch_up(reading.version, texts)
        self.hub.mark_dirty(room)

    async def _meet_store(self) -> None:
        """A store that lost everything is another one: also rooms of which nobody remembered a version begin anew."""
        for place in room_backends():
            mark = await place.mark()
            if mark is not None and mark != self._store_marks.get(place):
                here = [name for name in self.hub.rooms if room_backend(name) is place]
                await asyncio.gather(*(storemark.meet(name, mark) for name in here))
                self._store_marks[place] = mark

    async def renew(self) -> None:
        """Say that this process lives, and make good what others recorded while it could not."""
        await record.run(replace(self._lease(), rates=self._gauge.read(self.hub.counters, self.hub.now())))
        clock.follow(await record.ask(questions.clock_ahead_ns))
        await self._reclaim()
        await self._tell_missed()
        unrecorded, self._unrecorded = self._unrecorded, []
        for connection, reason in unrecorded:
            await self.lost(connection, reason)
        await self.recheck()
        self._credentials.try_again(self.hub)
        await self.hub.feed.heal()
        await locks.heal(self.hub.connections)
        # Last what needs the store of the entries: where it is away, the rest is done all the same.
        await wipe_again()
        await self._meet_store()
        await self.heal(list(self.hub.rooms))

    async def recheck(self) -> None:
        """End what could not be ended when rights were taken."""
        unchecked, self._unchecked = self._unchecked, {}
        for connection in unchecked:
            if connection in self.hub.connections:
                await self.rights_changed(connection)

    def _lease(self) -> jobs.RenewLease:
        return jobs.RenewLease(node_id=self.hub.node_id, lease_seconds=conf.current().node_lease_seconds)

    async def _reclaim(self) -> None:
        """What we serve and what the record says we serve must be the same; it may have taken us for dead."""
        self._renewals += 1
        recorded_tally = await record.ask(partial(questions.served_tally, self.hub.node_id))
        if recorded_tally == self._tally() and self._renewals % _COMPARE_EVERY:
            return
        recorded = await record.ask(partial(questions.served, self.hub.node_id))
        served = self._served()
        states = await record.ask(partial(questions.states, list(served)))
        for session_id, connection in served.items():
            await self._settle(session_id, connection, states.get(session_id, questions.GONE))
        for session_id, generation in recorded.items():
            # Opened for a socket that went, or for a caller that was told it took too long: nobody serves it.
            if session_id not in self._served() and session_id not in self.hub.in_transit:
                await record_and_tell(reaping.lost(session_id, generation))

    def _tally(self) -> tuple[int, int]:
        served = self._served().values()
        return len(served), sum(connection.session.revision for connection in served if connection.session)

    def _served(self) -> dict[str, Connection]:
        return {c.session.id: c for c in self.hub.connections if c.session is not None}

    async def _tell_missed(self) -> None:
        """Tell sockets what others did to their sessions and the bus has lost: rights may have gone with it."""
        recorded = await record.look(partial(questions.served_revisions, self.hub.node_id))
        behind = {
            session_id: connection.session.revision
            for session_id, connection in self._served().items()
            if connection.session is not None and connection.session.revision < recorded.get(session_id, 0)
        }
        if behind:
            missed = await record.look(partial(history.changes_after, behind, Kind.PROPERTIES))
            self.hub.served.catch_up(missed, {session_id: recorded[session_id] for session_id in behind})

    async def _settle(self, session_id: str, connection: Connection, recorded: questions.Standing) -> None:
        state, generation, node_id, reason = recorded
        if connection.close_reason is not None or session_id in self.hub.in_transit:
            return
        if state == SessionState.CLOSED:
            # Who ended it is answered first.
            if not self.hub.served.is_spared(connection):
                connection.close(CloseReason.__members__.get(reason, CloseReason.CONNECTION_LOST))
        elif connection.session is not None and generation != connection.session.generation:
            connection.close(CloseReason.SESSION_TAKEN_OVER)
        elif state == SessionState.DISCONNECTED or node_id != self.hub.node_id:
            await record_and_tell(jobs.Reclaim(session_id=session_id, generation=generation, node_id=self.hub.node_id))

    async def reap(self) -> None:
        """End what has lapsed: sessions of dead processes or away too long, empty rooms, entries past their time."""
        # First of all: who looks for the dead is alive.
        await record.run(self._lease())
        await reaping.reap(self.hub.node_id)
        await removals.apply(self.hub)

    async def forget(self) -> None:
        """Drop the marks of spaces wiped long ago, sessions that ended long ago, and stores they left behind."""
        for place in room_backends():
            await place.forget_wiped(clock.now_ms() - _WIPED_KEPT_MS)
        await reaping.forget_history()
        await private.sweep()


async def _every(seconds: Callable[[], float], act: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(seconds())
        try:
            await act()
        except SessionStoreError as error:
            logger.warning("Upkeep will try again: %s", error)
        except Exception:
            # Upkeep that ended would end the sessions of a living process, one lease later.
            logger.exception("Upkeep failed and will try again.")


def _spawn_on(started: Hub, act: Coroutine[Any, Any, None]) -> None:
    if hub.running() is started:
        started.spawn(act)
    else:
        act.close()


_starting: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Task[Hub]] = weakref.WeakKeyDictionary()


async def running_hub() -> Hub:
    """The hub of this process and loop, started if it does not run yet."""
    loop = asyncio.get_running_loop()
    found = hub.running()
    if found is not None and found.loop is loop:
        return found
    starting = _starting.get(loop)
    if starting is None or starting.done():
        # One try for all who come meanwhile: each after the other would wait for as long again.
        starting = _starting[loop] = loop.create_task(_start())
    # Who gives up ends nobody else's wait.
    return await asyncio.shield(starting)


async def _start() -> Hub:
    presence = Presence()
    started = Hub(presence)
    presence.hub = started
    # What needs the database comes first: a hub that could not be recorded is never started.
    await presence.renew()
    # The first look at a User-Agent takes a while: better now than when the first client opens.
    await record.look(partial(facts.fixed_properties, facts.ClientFacts(user_agent="Mozilla/5.0")))
    for place in room_backends():
        await _start_anew(place)
    await started.start()
    record.when_orphaned(lambda happened: _spawn_on(started, tell(happened)))
    for place in room_backends():
        place.orphaned = lambda space, result: _spawn_on(started, entrylog.announce_orphan(space, result))
    started.spawn(started.listen_to_itself())
    started.spawn(_every(lambda: conf.current().node_renew_seconds, presence.renew))
    started.spawn(_every(lambda: conf.current().reap_seconds, presence.reap))
    started.spawn(_every(lambda: conf.current().forget_seconds, presence.forget))
    started.spawn(_every(lambda: conf.current().recheck_seconds, presence.look_at_all))
    hub.set_running(started)
    for place in room_backends():
        place.live_on_this_loop()
    drain.at_sigterm(started)
    return started


_known_backends: weakref.WeakSet[Backend] = weakref.WeakSet()


async def _start_anew(backend: Backend) -> None:
    """Where entries did not outlive the last process, no room may go on under the epoch it had then."""
    if not backend.survives_process and backend not in _known_backends:
        await record.run(jobs.RenewEpochs(which=lambda room: room_backend(room) is backend))
        _known_backends.add(backend)


async def stop_hub() -> None:
    """Stop this loop's hub in order: its sessions wait to be resumed elsewhere."""
    found = hub.running()
    if found is not None and found.loop is asyncio.get_running_loop():
        await stop(found)


async def stop(found: Hub) -> None:
    """Stop a hub of this loop in order, whether or not it is the process's."""
    drain.leave_sigterm(found)
    for connection in list(found.connections):
        connection.close(CloseReason.SERVER_SHUTDOWN)
    await found.settle()
    if hub.running() is found:
        hub.set_running(None)
        for place in room_backends():
            place.leave_loop()
    await found.stop()
    clock.follow(None)
    with suppress(Unavailable):
        # Where it cannot be given back, it runs out.
        await record.run(jobs.EndLease(node_id=found.node_id))
