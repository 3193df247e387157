"""A session over many connections: opening, resuming, waiting in between, retries. Knows no room and no write."""

from __future__ import annotations

import asyncio
import inspect
import itertools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol, TypeAlias

from websockets.exceptions import InvalidHandshake, InvalidStatus

from sessionstore_app.client.backoff import full_jitter
from sessionstore_app.client.connection import Accept, Connection, Params, lost
from sessionstore_app.client.errors import RECONNECTED_AFTER, ClosedError, Disconnected, close_reason
from sessionstore_app.client.forms import given
from sessionstore_app.client.streams import Queued, Readers
from sessionstore_app.core.errors import InternalError, RateLimited, SessionStoreError, Unavailable

State = Literal["connecting", "open", "reconnecting", "closed"]
Bearer: TypeAlias = str | None
Token: TypeAlias = Bearer | Callable[[], Bearer | Awaitable[Bearer]]

# Tries of one call that the server cannot serve at this moment.
MOST_TRIES: Final = 8
# Answers to a handshake that another try will not change. Too many sockets are 503, or 403.
_REFUSED_FOR_GOOD: Final = frozenset({400, 401, 404, 405, 410, 426})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What `connect` was told."""

    url: str
    token: Token = None
    properties: Mapping[str, str] | None = None
    client: tuple[str, str] | None = None
    environment: str | None = None
    headers: Sequence[tuple[str, str]] = ()
    options: Mapping[str, Any] = field(default_factory=dict)


class Owner(Protocol):
    """Who is told what happens to the link; all of it at once, in the order of the socket."""

    def positions(self) -> dict[str, Params]:
        """What is held of each room, for the server to go on from."""

    def opened(self, result: Mapping[str, Any]) -> None:
        """The session is open, for the first time or again; `state` is already open."""

    def notified(self, method: str, params: Mapping[str, Any]) -> None:
        """The server tells something."""

    def away(self) -> None:
        """The connection is gone; another is tried."""

    def ended(self, error: ClosedError) -> None:
        """The session has ended; nothing more comes."""


class Link:
    """The way to the server. `run` keeps it up until the session ends."""

    def __init__(self, settings: Settings, owner: Owner) -> None:
        self._settings = settings
        self._owner = owner
        self._connection: Connection | None = None
        self._resume: Mapping[str, Any] | None = None
        self._waiters: set[asyncio.Future[None]] = set()
        self._tries = 0
        self._was_open = False
        self.opened: Mapping[str, Any] = {}
        self.state: State = "connecting"
        self.states: Readers[Queued[State]] = Readers()
        # Why the session has ended, and what the server refused where it did.
        self.end_error: ClosedError | None = None
        self.refusal: Exception | None = None

    # --- asking

    def start(self, method: str, params: Params, accept: Accept | None = None) -> asyncio.Future[Any]:
        """Send a call now. Raises Disconnected or ClosedError where there is no open session."""
        if self.end_error is not None:
            raise self.closed()
        if self._connection is None or self.state != "open":
            raise Disconnected
        return self._connection.request(method, params, *([accept] if accept else []))

    async def ask(self, method: str, params: Params, accept: Accept | None = None) -> Any:
        """The result of a call, asked again a bounded number of times where the server says so."""
        for tries in itertools.count(1):
            try:
                return await self.start(method, params, accept)
            except (Unavailable, RateLimited) as error:
                if tries >= MOST_TRIES:
                    raise
                jitter = full_jitter(tries - 1, first_seconds=0.5, most_seconds=10)
                await self._pause(max(error.retry_after_seconds or 0, jitter))
        raise AssertionError("the loop above has no end")

    async def insist(self, method: str, params: Params, accept: Accept | None = None) -> Any:
        """As `ask`, and once more after each reconnect, for what may be asked twice."""
        while True:
            await self.until_open()
            with suppress(Disconnected):
                return await self.ask(method, params, accept)

    async def until_open(self) -> None:
        """Wait until the session is open. Raises ClosedError when it has ended."""
        while self.state != "open":
            if self.end_error is not None:
                raise self.closed()
            await self._pause(None)

    def closed(self) -> ClosedError:
        """Why the session has ended, anew for each who asks: errors collect the places they were raised at."""
        known = self.end_error or ClosedError("CLOSED_BY_CLIENT")
        error = ClosedError(known.reason, known.code)
        error.__cause__ = self.refusal
        return error

    async def _pause(self, seconds: float | None) -> None:
        """Wait until the state changes, or so long."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            await asyncio.wait([waiter], timeout=seconds)
        finally:
            self._waiters.discard(waiter)

    # --- keeping it up

    async def run(self) -> None:
        """Connect, and again, until the session ends; also by cancelling this."""
        end = ClosedError("CLIENT_FAILED")
        try:
            end = await self._live()
        except asyncio.CancelledError:
            end = ClosedError("CLOSED_BY_CLIENT")
            raise
        finally:
            self.end(end)

    def end(self, error: ClosedError) -> None:
        """The session is over here, whether or not the server has been told."""
        if self.end_error is not None:
            return
        self.end_error = error
        self._hang_up(error)
        self._change("closed")
        self._owner.ended(error)
        # Leaving in order is no error to who reads the states; that they end says it all.
        self.states.end()

    async def _live(self) -> ClosedError:
        while True:
            outcome = await self._connected_once()
            if isinstance(outcome, ClosedError):
                return outcome
            self._hang_up(lost())
            self._change("reconnecting" if self._was_open else "connecting")
            self._owner.away()
            jitter = full_jitter(self._tries, first_seconds=3, most_seconds=10)
            self._tries += 1
            await asyncio.sleep(max(outcome, jitter))

    async def _connected_once(self) -> ClosedError | float:
        """One connection, from dialling to its end: why the session ended, or the seconds to wait at least."""
        self.refusal = None
        bearer = await self._bearer()
        try:
            connection = await Connection.dial(
                self._settings.url,
                headers=self._settings.headers,
                options=self._settings.options,
                notified=self._notified,
            )
        except InvalidStatus as error:
            if error.response.status_code in _REFUSED_FOR_GOOD and not self._was_open:
                self.refusal = error
                return ClosedError("HANDSHAKE_REFUSED")
            return 0
        except (OSError, TimeoutError, InvalidHandshake, EOFError):
            return 0
        self._connection = connection
        opening = connection.request("session.open", self._open_params(bearer), self._accept)
        opening.add_done_callback(self._hang_up_if_refused)
        code = await connection.run()
        refused = opening.exception() if opening.done() and not opening.cancelled() else None
        return self._after(code, refused)

    def _after(self, code: int, refused: BaseException | None) -> ClosedError | float:
        if isinstance(refused, Unavailable | RateLimited | InternalError):
            return refused.retry_after_seconds or 0
        if isinstance(refused, SessionStoreError):
            self.refusal = refused
            return ClosedError(refused.reason, code if code >= 4000 else None)
        if code in RECONNECTED_AFTER:
            return 0
        return ClosedError(close_reason(code), code)

    async def _bearer(self) -> str | None:
        token = self._settings.token
        if token is None or isinstance(token, str):
            return token
        answer = token()
        return await answer if inspect.isawaitable(answer) else answer

    def _open_params(self, bearer: str | None) -> Params:
        settings = self._settings
        client = settings.client and {"name": settings.client[0], "version": settings.client[1]}
        resume = self._resume and {**self._resume, "rooms": self._owner.positions()}
        return given(
            token=bearer,
            resume=resume,
            properties=settings.properties,
            environment=settings.environment,
            client=client,
            heartbeat=True,
            batch=True,
        )

    def _accept(self, result: Mapping[str, Any]) -> None:
        self.opened = result
        self._resume = {"session_id": result["session_id"], "resume_token": result["resume_token"]}
        if self._connection is not None:
            self._connection.frame_bytes = int(result["limits"]["frame_bytes"])
            self._connection.expect_heartbeat(result["heartbeat_seconds"])
        self._was_open = True
        self.state = "open"
        self._owner.opened(result)
        self._change("open")

    def _hang_up_if_refused(self, opening: asyncio.Future[Any]) -> None:
        if self._connection is not None and not opening.cancelled() and opening.exception() is not None:
            self._connection.close_soon()

    def _notified(self, method: str, params: Mapping[str, Any]) -> None:
        if method == "session.heartbeat":
            # Only now is it worth while to begin with short waits again.
            self._tries = 0
        self._owner.notified(method, params)

    def _hang_up(self, error: Exception) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abort()
            connection.fail(error)

    def _change(self, state: State) -> None:
        changed = state != self.state or state == "open"
        self.state = state
        waiters, self._waiters = self._waiters, set()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
        for stream in self.states if changed else ():
            stream.put(state)
