"""The WebSocket consumer: one socket from its handshake to its end.

A Channels consumer by its face (`as_asgi`, any `URLRouter`, any middleware), with a receive loop of its own: a frame
is parsed once, its requests start in the order sent, and those that need not wait end in place, without a task.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

from channels.consumer import AsyncConsumer

from sessionstore_app import conf, handshake, pacing, ratelimit
from sessionstore_app.core.close import CloseReason
from sessionstore_app.core.entries import Author
from sessionstore_app.core.errors import (
    InternalError,
    InvalidRequest,
    NotJoined,
    NotOpen,
    ParseError,
    SessionStoreError,
    Unavailable,
)
from sessionstore_app.core.jsontext import size_bytes
from sessionstore_app.core.patterns import check_room_name
from sessionstore_app.core.rules import SERVER, Standing
from sessionstore_app.core.sights import Sight
from sessionstore_app.handlers import HANDLERS, IN_TURN, PATIENT
from sessionstore_app.handlers.socket import Followed
from sessionstore_app.handshake import Handshake, Refusal, SocketCounts
from sessionstore_app.protocol import gate, jsonrpc, methods
from sessionstore_app.protocol.jsonrpc import Batch, Refused, Request
from sessionstore_app.ratelimit import RefusedFrames, WriteBucket
from sessionstore_app.services import hub, policy, presence, transports, watching
from sessionstore_app.services.connection import Connection
from sessionstore_app.services.hub import Hub
from sessionstore_app.services.localroom import LocalRoom
from sessionstore_app.services.policy import Identity
from sessionstore_app.services.reach import Reach
from sessionstore_app.services.sessions import OpenSession
from sessionstore_app.services.suspension import run_to_first_suspension

logger = logging.getLogger("sessionstore_app")

Scope: TypeAlias = dict[str, Any]
Event: TypeAlias = dict[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Event]]
Send: TypeAlias = Callable[[Event], Awaitable[None]]
# None for a notification, which is not answered.
Reply: TypeAlias = str | Followed | None

# Requests of one socket under way at once; the next is read when one of them is done.
MAX_UNDER_WAY = 32

counts = SocketCounts()


class SessionStoreConsumer(AsyncConsumer):  # type: ignore[misc]  # Channels has no types
    """Serves the protocol at whatever path a project routes to it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one socket."""
        await receive()
        found = handshake.read(scope, transports.real_peer(receive, send))
        refusal = found if isinstance(found, Refusal) else _admit(found)
        if refusal is not None or isinstance(found, Refusal):
            await _refuse(scope, send, refusal or found)  # type: ignore[arg-type]  # one of them is a refusal
            return
        try:
            try:
                running = await presence.running_hub()
            except Unavailable as error:
                # The process has just started, and the database is away.
                await _refuse(scope, send, Refusal(503, str(error), CloseReason.IO_EXCEPTION.code))
                return
            socket = Socket(running, found, send)
            await send({"type": "websocket.accept"})
            socket.connection.accepted()
            await socket.serve(receive)
        finally:
            counts.release(found.address)


def _admit(found: Handshake) -> Refusal | None:
    running = hub.running()
    if running is not None and running.is_draining:
        return Refusal(503, "The process was told to stop.", CloseReason.SERVER_SHUTDOWN.code)
    refusal = counts.admit(found.address)
    ratelimit.refusals["sockets"] += refusal is not None
    return refusal


async def _refuse(scope: Scope, send: Send, refusal: Refusal) -> None:
    logger.warning("A handshake was refused: %s", refusal.why)
    if refusal.status != 403 and "websocket.http.response" in scope.get("extensions", {}):
        await send({"type": "websocket.http.response.start", "status": refusal.status, "headers": []})
        await send({"type": "websocket.http.response.body", "body": b""})
    elif refusal.code is not None:
        await send({"type": "websocket.accept"})
        await transports.close(send, refusal.code)
    else:
        # Before it is accepted, a close is an HTTP 403.
        await send({"type": "websocket.close"})


class Socket:
    """A socket that was accepted: its frames, and what its handlers may ask of it."""

    __slots__ = (
        "_open_timer",
        "_principal",
        "_refused",
        "_writes",
        "connection",
        "handshake",
        "hub",
    )

    def __init__(self, hub: Hub, shaken: Handshake, send: Send) -> None:
        settings = conf.current()
        self.hub = hub
        self.handshake = shaken
        self.connection = Connection(hub, send, settings.outbox_bytes)
        self._writes: WriteBucket | None = None
        self._refused: RefusedFrames | None = None
        self._principal: str | None = None
        self._open_timer: asyncio.TimerHandle | None = None
        self.expect_open()

    # --- what handlers ask

    @property
    def session(self) -> OpenSession:
        """The open session. Raises NotOpen."""
        if self.connection.session is None:
            raise NotOpen
        return self.connection.session

    @property
    def identity(self) -> Identity:
        """Who it is. Raises NotOpen."""
        return self.session.identity

    @property
    def author(self) -> Author:
        """As whom it writes. Raises NotOpen."""
        return self.session.author

    @property
    def session_id(self) -> str:
        """Its session's id. Raises NotOpen."""
        return self.session.id

    def reach(self, *needed: str, room: str | None = None, any_room: bool = False) -> Reach:
        """Which sessions it reaches. Raises AccessDenied."""
        return watching.socket_reach(self.connection, *needed, room=room, any_room=any_room)

    def local_room(self, room: str) -> LocalRoom | None:
        """The room it is in; None for one that it manages. Raises NotJoined."""
        if room in self.connection.members and room in self.hub.rooms:
            return self.hub.rooms[room]
        check_room_name(room, conf.current().room_length)
        if "manage_room" not in policy.permissions(self.identity):
            raise NotJoined
        return None

    def standing(self, room: str) -> Standing:
        """How the rules of a room's type see it; one that manages rooms is held to none."""
        member = self.connection.members.get(room)
        if member is not None:
            return member.standing
        self.local_room(room)
        return SERVER

    def sight(self, room: str) -> Sight | None:
        """What it may read there; None: everything."""
        member = self.connection.members.get(room)
        if member is not None:
            return member.sight
        self.local_room(room)
        return None

    @contextmanager
    def sparing(self) -> Iterator[None]:
        """If its own session ends meanwhile, by its own request or by somebody else, it is answered first."""
        with self.hub.served.sparing(self.connection) as spared:
            try:
                yield
            finally:
                if spared.reason is not None:
                    self.close_soon(spared.reason)

    def expect_open(self) -> None:
        """Close the socket unless its session is asked for in time."""
        seconds = conf.current().open_seconds
        self._open_timer = self.hub.loop.call_later(seconds, self.connection.close, CloseReason.OPEN_TIMEOUT)

    def opened(self) -> None:
        """The session was asked for: the socket may stay."""
        if self._open_timer is not None:
            self._open_timer.cancel()
            self._open_timer = None

    def admit_user(self, principal: str) -> bool:
        """Count this socket for its user; false if the user has too many."""
        if self._principal is None and counts.admit_user(principal):
            self._principal = principal
        ratelimit.refusals["sockets"] += self._principal is None
        return self._principal is not None

    def take_writes(self, number: int, room: str | None = None) -> None:
        """Spend writes of this socket's allowance, and of the room's. Raises RateLimited; closes a socket that takes no
        notice of its own.
        """
        self._writes = self._writes or WriteBucket()
        pacing.take_writes(self.connection, self._writes, number, room)

    def take_join(self, room: str) -> None:
        """Spend a join of this user's allowance, unless it is in the room. Raises RateLimited or LimitExceeded."""
        pacing.take_join(self.connection, self.session, room)

    def close_soon(self, reason: CloseReason) -> None:
        """Close once the present request was answered."""
        self.connection.closing = reason

    # --- the loop

    async def serve(self, receive: Receive) -> None:
        """Read frames until the socket ends."""
        self.hub.attach(self.connection)
        reason = CloseReason.CONNECTION_LOST
        try:
            while True:
                event = await receive()
                if event["type"] == "websocket.disconnect":
                    if event.get("code") == CloseReason.SERVER_SHUTDOWN.code:
                        # A server that stops closes its sockets before it tells us that it does.
                        reason = CloseReason.SERVER_SHUTDOWN
                    break
                if self.connection.close_reason is None:
                    await self._read_frame(event)
        except Exception:
            reason = CloseReason.INTERNAL_ERROR
            logger.exception("A socket's loop failed.")
            self.connection.close(reason)
        finally:
            self._end(reason)

    def _end(self, reason: CloseReason) -> None:
        self.opened()
        if self._principal is not None:
            counts.release_user(self._principal)
        if self.connection.close_reason is None:
            self.connection.close_reason = reason
            self.hub.lost(self.connection, reason)

    async def _read_frame(self, event: Event) -> None:
        text = event.get("text")
        if text is None:
            self.connection.close(CloseReason.INVALID_INBOUND_MESSAGE)
            return
        limit = conf.current().frame_bytes
        if len(text) * 4 > limit and size_bytes(text) > limit:
            self.connection.close(CloseReason.MESSAGE_TOO_LARGE)
            return
        match _parse(text):
            case Batch(calls=batch):
                await self._run_batch(batch)
            case Refused() as refused:
                self._refuse_frame(refused)
            case Request() as request:
                await self._run(request)
        await self._wait_for_room()

    async def _wait_for_room(self) -> None:
        while self.connection.under_way >= MAX_UNDER_WAY or self.connection.is_crowded:
            # From a client that does not take its answers no more questions are taken.
            if self.connection.close_reason is not None:
                return
            await self.connection.wait()

    def _refuse_frame(self, refused: Refused) -> None:
        if not refused.is_notification:
            self.connection.put(jsonrpc.error_text(refused.id, refused.error))
        self._refused = self._refused or RefusedFrames()
        if self._refused.add(self.hub.now()):
            self.connection.close(CloseReason.INVALID_INBOUND_MESSAGE)

    async def _run(self, request: Request) -> None:
        if request.method in IN_TURN:
            self._answer(await self._reply(request))
        else:
            self._start(self._run_aside(request), is_patient=request.method in PATIENT)

    async def _run_aside(self, request: Request) -> None:
        self._answer(await self._reply(request))

    def _start(self, coroutine: Coroutine[Any, Any, None], *, is_patient: bool) -> asyncio.Task[None] | None:
        """Run in place until it waits; only then is it a task. One that may wait long does not count as under way."""
        rest = run_to_first_suspension(coroutine)
        if rest is None:
            return None
        if not is_patient:
            self.connection.under_way += 1
            rest.then = self.connection.done
        return self.hub.spawn(rest)

    def _answer(self, reply: Reply) -> None:
        text = reply.text if isinstance(reply, Followed) else reply
        if self.connection.is_corked:
            self.connection.uncork(text)
        elif text is not None:
            self.connection.put(text)
        if isinstance(reply, Followed):
            reply.then()
        if self.connection.closing is not None:
            self.connection.close(self.connection.closing)

    async def _run_batch(self, batch: tuple[Request | Refused, ...]) -> None:
        """Start the calls in order; answer them together when all are done."""
        replies: list[Reply] = [None] * len(batch)
        waiting: list[asyncio.Task[None]] = []
        patient = [isinstance(call, Request) and call.method in PATIENT for call in batch]
        for position, call in enumerate(batch):
            filling = self._fill(replies, position, call)
            if isinstance(call, Request) and call.method in IN_TURN:
                await filling
                continue
            task = self._start(filling, is_patient=patient[position])
            if task is not None:
                waiting.append(task)
                await self._wait_for_room()
        if waiting and self.connection.is_corked:
            # The session opens with this batch: its answer comes before all others.
            await self._answer_batch(replies, waiting)
        elif waiting:
            self._start(self._answer_batch(replies, waiting), is_patient=any(patient))
        else:
            self._answer(_batch_reply(replies))

    async def _answer_batch(self, replies: list[Reply], waiting: list[asyncio.Task[None]]) -> None:
        await asyncio.wait(waiting)
        self._answer(_batch_reply(replies))

    async def _fill(self, replies: list[Reply], position: int, call: Request | Refused) -> None:
        if isinstance(call, Refused):
            replies[position] = _refusal(call, call.error)
        elif call.method == "session.open" and position > 0:
            replies[position] = _refusal(call, InvalidRequest("session.open is the first call of a batch."))
        else:
            replies[position] = await self._reply(call)

    async def _reply(self, request: Request) -> Reply:
        """Handle one request; None for a notification. The only place that turns errors into replies."""
        try:
            if request.method != "session.open" and self.connection.session is None:
                raise NotOpen
            params = methods.read_params(request.method, request.params)
            result = await HANDLERS[request.method](self, params)
        except SessionStoreError as error:
            return _refusal(request, error)
        except Exception:
            logger.exception("The method %s failed.", request.method)
            return _refusal(request, InternalError())
        text = result.text if isinstance(result, Followed) else result
        answer = None if request.is_notification or text is None else jsonrpc.result_text(request.id, text)
        return Followed(answer, result.then) if isinstance(result, Followed) else answer


def _refusal(call: Request | Refused, error: SessionStoreError) -> str | None:
    return None if call.is_notification else jsonrpc.error_text(call.id, error)


def _parse(text: str) -> Request | Refused | Batch:
    try:
        return jsonrpc.read(gate.parse(text, conf.current().json_depth))
    except ParseError as error:
        return Refused(None, error)


def _batch_reply(replies: list[Reply]) -> Reply:
    texts = [reply.text if isinstance(reply, Followed) else reply for reply in replies]
    answers = [text for text in texts if text is not None]
    following = [reply.then for reply in replies if isinstance(reply, Followed)]

    def then() -> None:
        for act in following:
            act()

    return Followed(f"[{','.join(answers)}]" if answers else None, then)
