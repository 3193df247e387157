"""The public Python API of sessions: for views, tasks, signals, shells and consumers.

    from sessionstore_app import sessions
    sessions.list("hasRoles ['speaker'] and not muted is 'yes'", properties=["name"])
    await sessions.aset_properties({"muted": "yes"}, session_id=…)
    async for event in sessions.listen("$Country is 'FR'", properties=["$Language"]): …

Server code reaches every session and sees every property. Inside a transaction a change belongs to it, and sockets,
peers and listeners are told once it commits.
"""

from __future__ import annotations

import asyncio
import weakref
from collections import deque
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import datetime
from typing import Final

from sessionstore_app import conf
from sessionstore_app.core import clock, jsontext
from sessionstore_app.core.errors import InternalError, InvalidParams, LimitExceeded, Unavailable
from sessionstore_app.core.jsontext import JsonInput
from sessionstore_app.core.observer import Event, Interest
from sessionstore_app.core.properties import ALL_FIXED, ALL_USER
from sessionstore_app.protocol import frames, methods
from sessionstore_app.services import bridge, hub, presence, steering
from sessionstore_app.services.directory import Counting, Listing
from sessionstore_app.services.feed import Listener
from sessionstore_app.services.hub import Hub
from sessionstore_app.services.memberships import checked_patterns
from sessionstore_app.services.reach import Reach
from sessionstore_app.services.steering import Target

# Events that a slow reader may be behind.
_BEHIND: Final = 10_000


class LiveSessions:
    """Sessions of all processes. Every method but `listen` has a synchronous twin without the leading `a`.

    `filter` is in the session filter language, and None for all; `room` narrows to the peers of a room. All raise
    InvalidFilter, and Unavailable when the database is out of reach. Where an act takes `session_id` or `filter`,
    it takes one of them, and raises NoSuchSession for a session that is not open.
    """

    async def alist(
        self,
        filter: str | None = None,
        *,
        room: str | None = None,
        properties: Sequence[str] = (),
        limit: int | None = None,
        after: str = "",
    ) -> Listing:
        """A page of the open sessions, by session id: `sessions`, the `total` that match, and whether there is `more`.

        `properties` are keys, `*F` for all fixed ones, `*U` for all user ones; `after` is the last id of the page
        before. Raises InvalidParams or InvalidValue for a `limit` below 1, and what is no number or id.
        """
        jsontext.check([limit, after], max_depth=1)
        methods.read_params("session.list", {"limit": limit, "after": after})
        interest = _reach(room).interest(filter, properties)
        return await steering.listing(interest, limit or conf.current().sessions_per_page, after)

    async def acount(self, filter: str | None = None, *, room: str | None = None, by: Sequence[str] = ()) -> Counting:
        """How many sessions match (`total`), how many people have them (`people`), and in groups `by` properties."""
        return await steering.counting(_reach(room).interest(filter, by), by)

    async def aget_properties(
        self, session_id: str, properties: Sequence[str] = (ALL_FIXED, ALL_USER)
    ) -> dict[str, str]:
        """Properties of an open session; those it does not have are left out. Raises NoSuchSession."""
        return (await steering.get(_reach(None).interest(None, properties), session_id)).properties

    async def aset_properties(
        self,
        properties: Mapping[str, str | None],
        *,
        session_id: str | None = None,
        filter: str | None = None,
        room: str | None = None,
    ) -> int:
        """Set properties, None removes one; returns how many sessions were meant, changed or not.

        Fixed properties other than `$Country`, `$Language`, `$Latitude` and `$Longitude` are ignored. Raises
        InvalidKey, InvalidParams or LimitExceeded; then nothing was changed.
        """
        return len(await steering.set_properties(_target(session_id, filter, room), properties))

    async def aterminate(
        self, *, session_id: str | None = None, filter: str | None = None, room: str | None = None
    ) -> int:
        """End sessions, with the reason CLOSED_BY_CONTROLLER; returns how many."""
        return len(await steering.terminate(_target(session_id, filter, room)))

    async def achange_roles(
        self,
        *,
        add: Collection[str] = (),
        remove: Collection[str] = (),
        session_id: str | None = None,
        filter: str | None = None,
        room: str | None = None,
    ) -> int:
        """Change session-wide roles, and with them what open sockets may do; returns how many sessions were meant.

        Raises InvalidParams where nothing is to be changed, or a role is both to be added and removed.
        """
        return await steering.change_roles(_target(session_id, filter, room), add, remove)

    async def asend(
        self,
        event: str,
        data: JsonInput = None,
        *,
        session_id: str | None = None,
        filter: str | None = None,
        room: str | None = None,
    ) -> int:
        """Send a message to sessions that are ACTIVE; returns how many. Raises InvalidParams for the event's name,
        InvalidValue for what is not JSON, ValueTooLarge.
        """
        jsontext.check(data, conf.current().json_depth)
        methods.read_params("session.send", {"event": event})
        frame = frames.session_message(event, steering.message_text(data), "null", clock.now_ms())
        return await steering.send(_target(session_id, filter, room), frame)

    async def aobserve_for(
        self, room: str, keys: Collection[str], *, session_id: str | None = None, filter: str | None = None
    ) -> int:
        """Let peers of a room observe keys; returns how many. Raises InvalidKey, InvalidParams, LimitExceeded."""
        return await steering.observe_for(_target(session_id, filter, room), room, checked_patterns(keys))

    async def listen(
        self,
        filter: str | None = None,
        *,
        room: str | None = None,
        properties: Sequence[str] = (),
        after: datetime | None = None,
    ) -> AsyncIterator[Event]:
        """What happens to sessions, from all processes: first one ACTIVE event for each that is open, then each
        opening, change of a named property, loss, return and close.

        With `after` only sessions that open later than that. An event whose `matches` is false is the last of a
        session that left the filter. Ends when the iterator is closed; raises LimitExceeded for a reader that is
        10,000 events behind.
        """
        after_ms = None if after is None else round(after.timestamp() * 1000)
        async with _Watching(_reach(room).interest(filter, properties, after_ms)) as events:
            while True:
                yield await events.next()

    list = bridge.Twin(alist)
    count = bridge.Twin(acount)
    get_properties = bridge.Twin(aget_properties)
    set_properties = bridge.Twin(aset_properties)
    terminate = bridge.Twin(aterminate)
    change_roles = bridge.Twin(achange_roles)
    send = bridge.Twin(asend)
    observe_for = bridge.Twin(aobserve_for)


def _reach(room: str | None) -> Reach:
    return Reach(rooms=None if room is None else frozenset({room}))


def _target(session_id: str | None, filter_text: str | None, room: str | None) -> Target:
    if (session_id is None) == (filter_text is None):
        raise InvalidParams("Name either session_id or filter.", hint='The filter "all" means every session.')
    return Target(_reach(room).interest(filter_text), session_id)


# Hubs that were started for a reader: in a process that serves nobody they end with the last of them.
_started_here: weakref.WeakSet[Hub] = weakref.WeakSet()


class _Watching:
    """A listener of server code: events wait for its reader, who may be on another loop than the hub."""

    def __init__(self, interest: Interest) -> None:
        self._loop = asyncio.get_running_loop()
        # Filled on the hub's loop, emptied on the reader's.
        self._events: deque[Event | Exception] = deque()
        self._news = asyncio.Event()
        self._listener = Listener(interest, self)
        self._hub: Hub | None = None
        # On the hub's loop: the listener lives as long as this task; and the reader has taken in half of what it may
        # be behind.
        self._task: asyncio.Task[None] | None = None
        self._room = asyncio.Event()

    async def __aenter__(self) -> _Watching:
        found = hub.running()
        if found is None:
            found = await presence.running_hub()
            _started_here.add(found)
        self._hub = found
        # Told in the background: a reader may take its time with the first pages.
        if found.loop is self._loop:
            self._begin(found)
        else:
            found.loop.call_soon_threadsafe(self._begin, found)
        return self

    async def __aexit__(self, *_: object) -> None:
        on = self._hub
        if on is None or not on.loop.is_running():
            return
        if on.loop is not self._loop:
            on.loop.call_soon_threadsafe(self._end)
            return
        self._end()
        if self._task is not None:
            await asyncio.wait([self._task])
        if on in _started_here and not on.connections and not on.feed.groups:
            await presence.stop(on)

    def _begin(self, on: Hub) -> None:
        self._task = on.spawn(self._run(on))

    def _end(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _run(self, on: Hub) -> None:
        try:
            await on.feed.begin(self._listener)
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            # If not by the reader, then the server stops.
            self._put(Unavailable("The server stops."))
            raise
        except Exception as error:  # it is the reader's
            self._put(error)
        finally:
            on.feed.end(self._listener)

    async def next(self) -> Event:
        """The next event."""
        while not self._events:
            self._news.clear()
            await self._news.wait()
        if len(self._events) > _BEHIND:
            raise LimitExceeded("The reader of session events is too far behind.", limit=_BEHIND)
        event = self._events.popleft()
        if len(self._events) <= _BEHIND // 2 and not self._room.is_set() and self._hub is not None:
            self._hub.loop.call_soon_threadsafe(self._room.set)
        if isinstance(event, Exception):
            raise event
        return event

    # --- feed.Sink, on the hub's loop

    def put(self, event: Event) -> None:
        """See `feed.Sink`."""
        if len(self._events) <= _BEHIND:
            self._put(event)

    def _put(self, event: Event | Exception) -> None:
        self._events.append(event)
        try:
            self._loop.call_soon_threadsafe(self._news.set)
        except RuntimeError:  # the reader's loop has ended, and nobody closed the iterator
            self._end()

    async def ready(self) -> None:
        """See `feed.Sink`."""
        while len(self._events) > _BEHIND // 2:
            self._room.clear()
            # Cleared first, looked at second: a reader that was here before the clearing has seen no need to wake us.
            if len(self._events) > _BEHIND // 2:
                await self._room.wait()

    def listening(self, count: int) -> None:
        """See `feed.Sink`."""

    def failed(self, reason: str = InternalError.reason) -> None:
        """See `feed.Sink`."""
        self._put(InternalError())


sessions = LiveSessions()
