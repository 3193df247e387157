"""One socket as the rest of the process sees it: a slotted object with `put` and an outbox.

What is put during a tick of the loop leaves at its end, in order; a change that nothing waits to leave before, or with,
goes at once, for that is what a room sends to each of its peers. A peer that cannot keep up delays nobody and is not
buffered without bound: while its transport holds a `send` back, or too much is unacknowledged, it is only noted which
keys changed, and their newest values leave when it drains. Replies and heartbeats are not held back by missing acks,
for they are what the client asked for and answers to.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from sessionstore_app.core.close import CloseReason
from sessionstore_app.core.errors import NotOpen
from sessionstore_app.core.jsontext import size_bytes
from sessionstore_app.protocol import frames
from sessionstore_app.services import transports
from sessionstore_app.services.allowance import FilterAllowance
from sessionstore_app.services.suspension import run_to_first_suspension
from sessionstore_app.services.transports import TrySend, fast_path

if TYPE_CHECKING:
    from sessionstore_app.services.hub import Hub
    from sessionstore_app.services.roommember import Member
    from sessionstore_app.services.sessions import OpenSession
    from sessionstore_app.services.watching import Watch

logger = logging.getLogger("sessionstore_app")

# How many times the limit may be unacknowledged, replies included, before the connection is given up.
HOPELESS = 16

Send: TypeAlias = Callable[[dict[str, Any]], Awaitable[None]]


class Wait:
    """A lock that the session waits for, in so many requests: the sequence it was granted under; None: ask again."""

    __slots__ = ("granted", "waiters")

    def __init__(self, granted: asyncio.Future[int | None]) -> None:
        self.granted = granted
        self.waiters = 0


class Behind:
    """Newest values of one room that a slow peer was not sent yet."""

    __slots__ = ("changes", "epoch", "version")

    def __init__(self, epoch: str) -> None:
        self.epoch = epoch
        self.version = 0
        self.changes: dict[str, str] = {}


class Connection:
    """The server's end of one socket. All methods are called on its event loop."""

    __slots__ = (
        "_acked_bytes",
        "_behind",
        "_changed",
        "_hub",
        "_outbox",
        "_outbox_bytes",
        "_send",
        "_sending",
        "_sent_bytes",
        "_stalled_at",
        "_try_send",
        "_unstored_bytes",
        "batches",
        "beat_slot",
        "close_reason",
        "closing",
        "early",
        "expiry",
        "filter_allowance",
        "is_corked",
        "leaving",
        "limit_bytes",
        "listeners",
        "members",
        "scheduled",
        "session",
        "unanswered",
        "under_way",
        "waits",
        "wants_heartbeat",
        "watched",
    )

    def __init__(self, hub: Hub, send: Send, limit_bytes: int) -> None:
        self._hub = hub
        self._send = send
        # Known once the handshake is over; None for a server that is not known by type.
        self._try_send: TrySend | None = None
        self._sending: asyncio.Task[None] | None = None
        self._outbox: list[str] = []
        self._outbox_bytes = 0
        self._unstored_bytes = 0
        self.is_corked = False
        self._behind: dict[str, Behind] | None = None
        self._sent_bytes = 0
        self._acked_bytes = 0
        self._stalled_at: float | None = None
        self.limit_bytes = limit_bytes
        self.session: OpenSession | None = None
        # The rooms this session is in, with what it observes there.
        self.members: dict[str, Member] = {}
        # Rooms that are shut to it, and that it is still recorded to be in.
        self.leaving: set[str] = set()
        # Those it watches without being in them.
        self.watched: dict[str, Member] = {}
        # What it listens to, and the locks it waits for.
        self.listeners: dict[str, Watch] = {}
        self.filter_allowance = FilterAllowance()
        self.expiry: asyncio.TimerHandle | None = None
        self.waits: dict[str, Wait] = {}
        # What its session was made to observe in rooms that it is not in yet, here.
        self.early: dict[str, set[str]] = {}
        self.close_reason: CloseReason | None = None
        # It is closed for this reason once what its client has asked for is answered.
        self.closing: CloseReason | None = None
        self.scheduled = False
        self.batches = False
        self.wants_heartbeat = True
        self.unanswered = 0
        # Requests that are being worked at, without those that may wait long.
        self.under_way = 0
        self.beat_slot = 0
        # Set, where somebody waits, when the outbox drained, a request was done or the connection closed.
        self._changed: asyncio.Event | None = None

    @property
    def is_behind(self) -> bool:
        """True while changes are only noted, not sent."""
        return self._sending is not None or (
            self.wants_heartbeat and self._sent_bytes - self._acked_bytes > self.limit_bytes
        )

    @property
    def is_crowded(self) -> bool:
        """True while more waits to be sent than may; no further request should be read until it drains."""
        return self._outbox_bytes > self.limit_bytes

    def put(self, text: str) -> None:
        """Send a frame at the end of this tick."""
        if self.close_reason is not None:
            return
        self._outbox.append(text)
        if self._sending is not None:
            self._outbox_bytes += len(text)
        if not self.scheduled:
            self._hub.schedule(self)

    def accepted(self) -> None:
        """The handshake is over."""
        self._try_send = fast_path(self._send)

    def cork(self) -> None:
        """Keep what is put until `uncork`."""
        self.is_corked = True

    def uncork(self, first: str | None) -> None:
        """Send what was kept, behind `first`."""
        self.is_corked = False
        if first is not None:
            self._outbox.insert(0, first)
        if not self.scheduled:
            self._hub.schedule(self)

    def put_unstored(self, text: str) -> None:
        """Send a frame that has no newest value to fall back on (a roster, a clearing); too many end the connection."""
        self.put(text)
        if not self.is_behind:
            self._unstored_bytes = 0
            return
        self._unstored_bytes += len(text)
        if self._unstored_bytes > 2 * self.limit_bytes:
            self.close(CloseReason.MESSAGE_QUEUE_LIMIT_REACHED)

    def put_message(self, text: str) -> None:
        """Send a message of a peer; a connection that is far behind goes without, so that no talker can end it."""
        if not self.is_behind or self._unstored_bytes + len(text) <= self.limit_bytes:
            self.put_unstored(text)

    def put_changes(self, room: str, epoch: str, version: int, text: str, changes: Mapping[str, str]) -> None:
        """Send a `room.changed` frame, or note its changes (key → entry as text) while behind."""
        if self._behind is None:
            if self._sent_at_once(text):
                return
            if not self.is_behind:
                self.put(text)
                return
            self._behind = {}
        noted = self._behind.get(room)
        if noted is None or noted.epoch != epoch:
            noted = self._behind[room] = Behind(epoch)
        noted.version = version
        noted.changes.update(changes)

    def _sent_at_once(self, text: str) -> bool:
        """Hand a frame to the transport. False if it must take the way of all others: something leaves before it or
        with it, somebody waits for that, or too much is under way.
        """
        if (
            self._try_send is None
            or self._outbox
            or self.is_corked
            or self.close_reason is not None
            # A send waits, or too much was unacknowledged until now.
            or self._stalled_at is not None
            or self._changed is not None
            or (self.batches and len(self.members) + len(self.watched) > 1)
        ):
            return False
        try:
            size = size_bytes(text)
            if self.wants_heartbeat and self._sent_bytes + size - self._acked_bytes > self.limit_bytes:
                return False
            is_sent = self._try_send(text)
        except Exception:  # servers raise what they like at a socket that is gone, and will again
            return False
        if is_sent:
            self._sent_bytes += size
        return is_sent

    def forget_behind(self, room: str, keep: Callable[[str, str], bool] | None = None) -> None:
        """What was noted of the room is no longer wanted, or was given otherwise; `keep` says, of a key and its entry
        as text, whether it is.
        """
        noted = self._behind.get(room) if self._behind else None
        if noted is not None:
            noted.changes = {key: text for key, text in noted.changes.items() if keep is not None and keep(key, text)}

    def flush(self) -> None:
        """Send what waits, until the transport holds back."""
        self.scheduled = False
        if self.is_corked:
            return
        if self._behind is None and self._sending is None and self.close_reason is None:
            # Almost always: nothing is behind, so what waits is all there is.
            waiting, self._outbox = self._outbox, []
            self._send_all([f"[{','.join(waiting)}]"] if self.batches and len(waiting) > 1 else waiting)
            if self._stalled_at is None and not self.is_behind and self._changed is None:
                return
        while self._sending is None and self.close_reason is None:
            if self._behind and not self._outbox and not self.is_behind:
                self._render_behind()
            if not self._outbox:
                break
            waiting = self._outbox
            self._outbox = []
            self._outbox_bytes = 0
            self._send_all([f"[{','.join(waiting)}]"] if self.batches and len(waiting) > 1 else waiting)
        if self._sending is None and not self._behind:
            self._behind = None
        self._stalled_at = (self._stalled_at or self._hub.now()) if self.is_behind else None
        self.wake()

    def wake(self) -> None:
        """Wake whoever waits for the outbox to drain, or for a request to be done."""
        if self._changed is not None:
            self._changed.set()
            self._changed = None

    async def wait(self) -> None:
        """Wait until the outbox drained a little, a request was done, or the connection closed."""
        if self._changed is None:
            self._changed = asyncio.Event()
        await self._changed.wait()

    def done(self) -> None:
        """One of the requests under way is done."""
        self.under_way -= 1
        self.wake()

    async def settle(self) -> None:
        """Wait until all that its client has asked for is done."""
        while self.under_way:
            await self.wait()

    def granted(self, lock: str, sequence: int | None) -> None:
        """The lock that its session waits for was granted; None: the record knows of no such wait."""
        wait = self.waits.get(lock)
        if wait is not None and not wait.granted.done():
            wait.granted.set_result(sequence)

    def abandon_waits(self) -> None:
        """Nobody is there any more to be told of locks."""
        for wait in self.waits.values():
            if not wait.granted.done():
                wait.granted.set_exception(NotOpen("The socket was closed."))
                # Whoever is still recording its request does not look at it.
                wait.granted.exception()

    def ack(self, received_bytes: int) -> None:
        """The client has received so many bytes on this socket."""
        self.unanswered = 0
        self._acked_bytes = min(max(received_bytes, self._acked_bytes), self._sent_bytes)
        if not self.is_behind:
            self.wake()
            if self._behind and not self.scheduled:
                self._hub.schedule(self)

    def beat(self, text: str) -> None:
        """Ask the client whether it lives."""
        if self.wants_heartbeat:
            self.unanswered += 1
            self.put(text)

    def stalled_for(self, now: float) -> float:
        """Seconds since it last kept up."""
        return 0.0 if self._stalled_at is None else now - self._stalled_at

    def close(self, reason: CloseReason) -> None:
        """Close the socket, once; the session ends or waits, as the reason says."""
        if self.close_reason is not None:
            return
        if self._sending is None and self._outbox:
            self.flush()
        if self.close_reason is None:
            self.close_reason = reason
            self._behind = None
            self._outbox = []
            self._hub.spawn(self._close(reason.code))
            self._hub.lost(self, reason)
            self.wake()

    async def _close(self, code: int) -> None:
        try:
            await transports.close(self._send, code)
        except Exception as error:  # servers raise what they like at a socket that is gone already
            logger.debug("The socket was gone before it was closed: %r", error)

    def _render_behind(self) -> None:
        behind, self._behind = self._behind or {}, {}
        for room, noted in behind.items():
            if noted.changes:
                self._outbox.append(frames.room_changed(room, noted.epoch, noted.version, noted.changes.values()))

    def _send_all(self, texts: list[str]) -> None:
        """Hand frames to the server, in place; what is left when it holds back is finished by a task."""
        for position, text in enumerate(texts):
            self._sent_bytes += size_bytes(text)
            if self.wants_heartbeat and self._sent_bytes - self._acked_bytes > HOPELESS * self.limit_bytes:
                # It asks and asks, and takes no answer; a server that never holds back would keep them all.
                self.close(CloseReason.MESSAGE_QUEUE_LIMIT_REACHED)
                return
            try:
                if self._try_send is not None and self._try_send(text):
                    continue
                rest = run_to_first_suspension(self._send({"type": "websocket.send", "text": text}))
            except (Exception, asyncio.CancelledError) as error:  # servers raise what they like once it is gone
                self._fail(error)
                return
            if rest is not None:
                self._outbox = texts[position + 1 :] + self._outbox
                self._outbox_bytes = sum(map(len, self._outbox))
                self._sending = self._hub.spawn(self._finish(rest))
                return

    def _fail(self, error: BaseException) -> None:
        """A frame was lost with the socket: nothing may follow it."""
        logger.debug("A send failed: %r", error)
        self._outbox = []
        # By an OSError a server says that the client is gone (ASGI, WebSocket message format, "Send"): as its
        # disconnect would have, had that been read first (but for a server that stops).
        self.close(CloseReason.CONNECTION_LOST if isinstance(error, OSError) else CloseReason.IO_EXCEPTION)

    async def _finish(self, rest: Coroutine[Any, Any, None]) -> None:
        try:
            await rest
        except Exception as error:  # servers raise what they like at a socket that is gone
            self._sending = None
            self._fail(error)
            return
        self._sending = None
        self._outbox_bytes = 0
        self.flush()
