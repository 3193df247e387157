"""The feed: what happens to sessions anywhere, in order and without gaps, for the listeners of this process.

It hears of changes as they are made, and knows of every open session which revision it has heard last: the next one
is told, an old one dropped, a gap is filled from the record. What the bus lost without a trace is found when the
revisions are compared, with each renewal of the lease.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterable, Mapping
from functools import partial
from typing import Any, Protocol, TypeVar

from sessionstore_app.core import clock
from sessionstore_app.core.errors import InternalError, LimitExceeded, SessionStoreError
from sessionstore_app.core.observer import Event, Interest, entered, event_of
from sessionstore_app.core.sessions import SessionChange, State
from sessionstore_app.services import directory, history, record
from sessionstore_app.services.allowance import FilterAllowance
from sessionstore_app.services.bus import SESSIONS_GROUP
from sessionstore_app.services.line import Counters, Line

T = TypeVar("T")

logger = logging.getLogger("sessionstore_app")

# How long a gap waits for stragglers before what is missing is read.
GAP_SECONDS = 0.05
# Open sessions that a new listener is told at a time.
PAGE = 200
# Late repeats of a session's end are known as such for so long.
_ENDED_SECONDS = 120.0


class Sink(Protocol):
    """Where a listener's events go. All are called on the hub's loop."""

    def put(self, event: Event) -> None:
        """Take an event. Must not raise."""

    async def ready(self) -> None:
        """Wait until more can be taken."""

    def listening(self, count: int) -> None:
        """All sessions that were open have been told."""

    def failed(self, reason: str = InternalError.reason) -> None:
        """The listener is told nothing more: it had a fault, or asked for too much."""


class Listener:
    """A standing interest. Until `is_live` it is being told what is there; `_told` holds the revisions it was told.

    Where it has an `allowance`, what its filter takes is spent of it; then all but the constructor raise LimitExceeded.
    """

    __slots__ = ("_allowance", "_held", "_told", "interest", "is_live", "sink")

    def __init__(self, interest: Interest, sink: Sink, allowance: FilterAllowance | None = None) -> None:
        self.interest = interest
        self.sink = sink
        self._allowance = allowance
        self.is_live = False
        self._told: dict[str, int] = {}
        self._held: defaultdict[str, list[SessionChange]] = defaultdict(list)

    def hear(self, change: SessionChange) -> None:
        """Take in the next change of a session."""
        told = self._told.get(change.session_id)
        if told is not None and change.revision <= told:
            return
        if not self.is_live:
            if told is None:
                # Its turn will come, and show it as it is then; but one that opens behind the reading has none.
                self._held[change.session_id].append(change)
                return
            self._told[change.session_id] = change.revision
        event = self._timed(partial(event_of, self.interest, change))
        if event is not None:
            self.sink.put(event)

    def _timed(self, judge: Callable[[], T]) -> T:
        if self._allowance is None:
            return judge()
        started = time.thread_time()
        judged = judge()
        self._allowance.spend(time.thread_time() - started, clock.monotonic())
        return judged

    def show(self, change: SessionChange) -> None:
        """Tell of a session that is open, as its last change left it."""
        self._told[change.session_id] = change.revision
        held = self._held.pop(change.session_id, [])
        event = entered(self.interest, change)
        if event.state is State.DISCONNECTED:
            # First that it opened, as of the revision before, then that it is away.
            self.sink.put(_replaced(event, State.ACTIVE, change.revision - 1))
        self.sink.put(event)
        for later in held:
            self.hear(later)

    def go_live(self) -> None:
        """All that was open is told, and all that was read is heard; what was held is told now."""
        self.is_live = True
        held, self._held = self._held, defaultdict(list)
        self._told.clear()
        for changes in held.values():
            self._catch_up(changes)

    def _catch_up(self, changes: Iterable[SessionChange]) -> None:
        """Tell what happened to a session that was not there, or not of interest, when it was its turn."""
        is_shown = False
        for change in changes:
            was_shown = is_shown
            covers = self._timed(partial(self.interest.covers, change.properties, change.rooms, change.opened_at_ms))
            is_shown = covers and change.state is not State.CLOSED
            if was_shown:
                event = self._timed(partial(event_of, self.interest, change))
            else:
                event = entered(self.interest, change) if is_shown else None
            if event is not None:
                self.sink.put(event)


def _replaced(event: Event, state: State, revision: int) -> Event:
    return Event(
        session_id=event.session_id, kind=event.kind, state=state, revision=revision, properties=event.properties
    )


class Feed:
    """One a process. All methods are called on the hub's loop."""

    def __init__(
        self,
        line: Line,
        counters: Counters,
        spawn: Callable[[Coroutine[Any, Any, None]], Any],
        now: Callable[[], float],
    ) -> None:
        self._line = line
        self._counters = counters
        self._spawn = spawn
        self._now = now
        self._listeners: dict[Listener, None] = {}
        # None while nobody listens: then nothing is kept.
        self._known: dict[str, int] | None = None
        self._unheard: list[SessionChange] | None = None
        self._starting = asyncio.Lock()
        self._early: dict[str, dict[int, SessionChange]] = {}
        self._ended: dict[str, float] = {}
        self._healing = False
        self._healed_at = history.BEGINNING

    @property
    def groups(self) -> list[str]:
        """The groups of the bus to be in now."""
        return [SESSIONS_GROUP] if self._listeners else []

    @property
    def is_gapped(self) -> bool:
        """True while something was heard too early, or too late: what lies between is about to be read."""
        return bool(self._early)

    @property
    def is_empty(self) -> bool:
        """True where nobody listens, and nothing is kept."""
        return self._known is None and not (self._listeners or self._early or self._ended or self._unheard)

    # --- listeners

    async def begin(self, listener: Listener) -> None:
        """Tell a listener of every open session it is interested in, unless it wants those that open later; then of
        all that happens. Raises Unavailable.
        """
        self._listeners[listener] = None
        try:
            await self._start()
            count = await self._tell_present(listener)
            # What was read may be ahead of what was heard: an end that is heard later would be told of a session
            # that was never shown.
            await self.heal()
            if listener in self._listeners:
                listener.go_live()
                listener.sink.listening(count)
        except BaseException:
            self.end(listener)
            raise

    def end(self, listener: Listener) -> None:
        """Tell it nothing more."""
        if self._listeners.pop(listener, listener) is None and not self._listeners:
            self._known = None
            self._early.clear()
            self._ended.clear()
            self._spawn(self._leave())

    async def _leave(self) -> None:
        if not self._listeners:
            await self._line.leave(SESSIONS_GROUP)
            if self._listeners:
                # Somebody came while we left: be in again, whichever was first on the bus.
                await self._line.join(SESSIONS_GROUP)

    async def _start(self) -> None:
        async with self._starting:
            if self._known is not None:
                return
            # Heard first, read second: what happens between the two is heard and dropped, never missed.
            self._unheard = []
            try:
                await self._line.join(SESSIONS_GROUP)
                reading = await record.look(history.open_revisions)
                ended = await record.look(partial(history.closed_since, reading.at))
            finally:
                unheard, self._unheard = self._unheard, None
            if self._listeners:
                self._known, self._healed_at = reading.revisions, reading.at
                # One that closed between the two readings has its end among what is unheard.
                self._ended = dict.fromkeys(set(ended) - reading.revisions.keys(), self._now())
                self.take_in(unheard)

    async def _tell_present(self, listener: Listener) -> int:
        count, after = 0, ""
        if listener.interest.after_ms is not None:
            return 0
        while listener in self._listeners:
            page = await record.search(partial(directory.open_page, listener.interest, after, PAGE))
            if listener not in self._listeners:
                break
            for change in page.changes:
                if listener in self._listeners:
                    listener.show(change)
                    await listener.sink.ready()
            count += len(page.changes)
            if page.next_after is None:
                break
            after = page.next_after
        return count

    # --- what is heard

    def take_in(self, changes: Iterable[SessionChange]) -> None:
        """Hear of changes, in whatever order and however often."""
        if self._unheard is not None:
            self._unheard.extend(changes)
        elif self._known is not None:
            self._hear_all(change for change in changes if not self._is_put_off(change))
            if self._early:
                self._heal_soon()

    def _is_put_off(self, change: SessionChange) -> bool:
        """Is it of a session that was there when all that were open were known, and is not known?

        Then it has ended, and this comes late; that is asked of the record before anybody is told.
        """
        session_id = change.session_id
        if self._known is None or session_id in self._known or session_id in self._ended:
            return False
        if change.opened_at_ms >= (self._healed_at - history.OVERLAP).timestamp() * 1000:
            return False
        self._early.setdefault(session_id, {})[change.revision] = change
        return True

    def _hear_all(self, changes: Iterable[SessionChange]) -> None:
        known = self._known
        for change in changes:
            if known is None or known is not self._known:
                # A socket may end by what it is told, and the last listener with it.
                return
            self._hear(change, known)

    def _hear(self, change: SessionChange, known: dict[str, int]) -> None:
        session_id = change.session_id
        if change.revision <= known.get(session_id, 0) or session_id in self._ended:
            return
        early = self._early.pop(session_id, {})
        early[change.revision] = change
        while (upcoming := early.pop(known.get(session_id, 0) + 1, None)) is not None:
            if upcoming.state is State.CLOSED:
                known.pop(session_id, None)
                self._ended[session_id] = self._now()
                early.clear()
            else:
                known[session_id] = upcoming.revision
            for listener in list(self._listeners):
                self._tell(listener, upcoming)
        if early and known is self._known:
            self._early[session_id] = early

    def _tell(self, listener: Listener, change: SessionChange) -> None:
        try:
            if listener in self._listeners:
                listener.hear(change)
        except LimitExceeded as error:
            self.end(listener)
            listener.sink.failed(error.reason)
        except Exception:  # a project's policy is asked what it sees; its fault is no other listener's
            logger.exception("A listener to sessions failed, and ends.")
            self.end(listener)
            listener.sink.failed()

    # --- healing

    def _heal_soon(self) -> None:
        if not self._healing:
            self._healing = True
            asyncio.get_running_loop().call_later(GAP_SECONDS, lambda: self._spawn(self._fill_gaps()))

    async def _fill_gaps(self) -> None:
        self._healing = False
        known = self._known
        if known is None or not self._early:
            return
        try:
            await self._forget_late(known)
            await self._read({session_id: known.get(session_id, 0) for session_id in self._early})
        except SessionStoreError as error:  # what is missing is read when the revisions are compared
            logger.warning("A gap in what is heard of sessions could not be read yet: %s", error)

    async def _forget_late(self, known: Mapping[str, int]) -> None:
        """Drop what came so late that its session has long ended: that was told, or was before our time."""
        unknown = [session_id for session_id in self._early if session_id not in known]
        late = await record.look(partial(history.long_closed, unknown, self._healed_at)) if unknown else []
        for session_id in late:
            self._early.pop(session_id, None)
            self._ended[session_id] = self._now()

    async def heal(self) -> None:
        """Compare what was heard with the record, and read what was missed. Raises Unavailable."""
        if self._known is None:
            return
        # As of now: what is heard while the record is read must not make up for what was missed.
        heard = dict(self._known)
        closed = set(await record.look(partial(history.closed_since, self._healed_at)))
        tally = await record.look(history.tally)
        missed = await self._missed({sid: at for sid, at in heard.items() if sid not in closed}, tally)
        known = self._known or {}
        missed |= {session_id: known.get(session_id, 0) for session_id in closed - self._ended.keys()}
        if missed and self._known is not None:
            await self._read(missed)
        # Only now: what could not be read is looked for again.
        self._healed_at = max(self._healed_at, tally.at)
        recent = self._now() - _ENDED_SECONDS
        self._ended = {sid: at for sid, at in self._ended.items() if at > recent or sid in closed}

    async def _missed(self, heard: Mapping[str, int], tally: history.Tally) -> dict[str, int]:
        """Sessions of which the record knows more than was heard, with the revision that was."""
        if (tally.count, tally.revisions) == (len(heard), sum(heard.values())):
            return {}
        recorded = (await record.look(history.open_revisions)).revisions
        known = self._known or {}
        missed = {sid: known.get(sid, 0) for sid, at in recorded.items() if at > known.get(sid, 0)}
        missed |= {sid: known[sid] for sid in heard.keys() & known.keys() if sid not in recorded}
        return {sid: at for sid, at in missed.items() if sid not in self._ended}

    async def _read(self, heard: Mapping[str, int]) -> None:
        changes = await record.look(partial(history.changes_after, heard))
        self._counters.healed_sessions += bool(changes)
        self._hear_all(changes)
        silent = heard.keys() - {change.session_id for change in changes}
        for session_id in silent:
            # What the record does not know of is waited for no longer.
            self._early.pop(session_id, None)
        for session_id in await record.look(partial(history.gone, silent)) if silent else ():
            if self._known is not None:
                self._known.pop(session_id, None)
