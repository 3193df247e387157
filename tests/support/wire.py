"""A client of the wire protocol for tests, and the words in which they say what they expect.

It speaks exactly what it is told to: nothing is retried, hidden or made up. It answers heartbeats unless told not to.
Every wait has a limit; that nothing came is shown by a later answer, never by waiting.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidState, InvalidStatus

LIMIT_SECONDS = 10.0
# A client acks after so much at the latest.
ACK_BYTES = 65_536

Json = Any
Params = dict[str, Any]
Matches = Callable[[Params], bool]


class Refused(Exception):
    """The server answered a call with an error."""

    def __init__(self, error: Params) -> None:
        super().__init__(json.dumps(error))
        self.error = error
        self.reason: str = error["data"]["reason"]


class Wire:
    """One client socket."""

    def __init__(self, connection: ClientConnection, *, acks: bool) -> None:
        self._connection = connection
        self._acks = acks
        # Acknowledge so many bytes instead of those received: a client that lives, but does not keep up.
        self.claimed_bytes: int | None = None
        self._last_id = 0
        self._waiting: dict[str | int, asyncio.Future[Params]] = {}
        self._news = asyncio.Event()
        # All that came, heartbeats apart.
        self.frames: list[Json] = []
        # What was not asked for, or cannot be told whose answer it is: taken out by `expect` and `expect_error`.
        self.notifications: list[tuple[str, Params]] = []
        self.strays: list[Json] = []
        self.received_bytes = 0
        self._acked_bytes = 0
        self.session: Params = {}
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def connect(
        cls,
        address: str,
        *,
        origin: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
        acks: bool = True,
    ) -> Wire:
        """Open a socket. Raises `InvalidStatus` where the handshake is refused."""
        connection = await connect(
            address,
            compression=None,
            ping_interval=None,
            max_size=None,
            max_queue=None,
            additional_headers=[*headers, *([("Origin", origin)] if origin is not None else [])],
            open_timeout=LIMIT_SECONDS,
            close_timeout=2,
            proxy=None,
        )
        return cls(connection, acks=acks)

    async def __aenter__(self) -> Wire:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.drop()

    async def drop(self) -> None:
        """Cut the connection without a closing handshake, as a pulled cable does once the kernel has noticed."""
        self._connection.transport.abort()
        await self._connection.wait_closed()
        await asyncio.wait([self._reader], timeout=LIMIT_SECONDS)

    async def hang_up(self) -> None:
        """Close the socket in order, without ending the session."""
        await self._connection.close()
        await asyncio.wait([self._reader], timeout=LIMIT_SECONDS)

    # --- asking

    async def open(self, **params: Json) -> Params:
        """Open the session; its result is kept as `session`."""
        self.session = await self.call("session.open", **params)
        return self.session

    @property
    def id(self) -> str:
        """The session's id."""
        found: str = self.session["session_id"]
        return found

    async def call(self, method: str, **params: Json) -> Params:
        """Ask, and return the result. Raises Refused."""
        return result_of(await self.ask(method, **params))

    async def ask(self, method: str, **params: Json) -> Params:
        """Ask, and return the whole reply."""
        return await within(self.start(method, **params), f"the answer to {method}")

    def start(self, method: str, **params: Json) -> asyncio.Future[Params]:
        """Send a call now, wait for its reply later."""
        self._last_id += 1
        return self.start_raw({"jsonrpc": "2.0", "id": self._last_id, "method": method, "params": params})

    def start_raw(self, call: Params) -> asyncio.Future[Params]:
        """As `start`, for a call made by hand; `id` names the reply."""
        future = asyncio.get_running_loop().create_future()
        self._waiting[call["id"]] = future
        self.write(json.dumps(call))
        return future

    def write(self, frame: str | bytes) -> None:
        """Hand one frame to the transport now, so that frames leave in the order written."""
        with suppress(InvalidState):
            if isinstance(frame, str):
                self._connection.protocol.send_text(frame.encode())
            else:
                self._connection.protocol.send_binary(frame)
            self._connection.send_data()

    def write_bytes_as_text(self, payload: bytes) -> None:
        """Send a text frame that need not be UTF-8."""
        self._connection.protocol.send_text(payload)
        self._connection.send_data()

    def notify(self, method: str, **params: Json) -> None:
        """Send a notification."""
        self.write(json.dumps({"jsonrpc": "2.0", "method": method, "params": params}))

    async def refused(self, method: str, reason: str, **params: Json) -> Params:
        """Ask for something that must be refused with `reason`; returns the error."""
        return refusal_of(await self.ask(method, **params), reason)

    # --- hearing

    async def expect(self, method: str, matches: Matches | None = None, **members: Json) -> Params:
        """Wait for a notification whose params have `members` and match; it is taken out, earlier others stay."""

        def find() -> Params | None:
            for position, (name, params) in enumerate(self.notifications):
                if name == method and _has(params, members) and (matches is None or matches(params)):
                    del self.notifications[position]
                    return params
            return None

        found: Params = await self.until(find, f"{method} {members}")
        return found

    async def expect_change(self, key: str, value: Json, **members: Json) -> Params:
        """Wait until `room.changed` tells of `key` having `value`; returns the entry."""

        def holds(params: Params) -> bool:
            return any(entry["key"] == key and entry["value"] == value for entry in params["changes"])

        told = await self.expect("room.changed", holds, **members)
        return entry_of(told["changes"], key)

    async def expect_error(self, reason: str) -> Params:
        """Wait for an error reply without an id."""

        def find() -> Params | None:
            return self.strays.pop(0) if self.strays else None

        return refusal_of(await self.until(find, f"an error reply {reason}"), reason)

    async def expect_frame(self, start: int = 0) -> Json:
        """Wait for the frame at position `start` of all that were received."""
        return await self.until(lambda: self.frames[start] if len(self.frames) > start else None, f"frame {start}")

    async def expect_closed(self, *codes: int) -> int:
        """Wait until the server has closed the socket with one of `codes`."""
        done, _ = await asyncio.wait([self._reader], timeout=LIMIT_SECONDS)
        assert done, f"the socket was not closed; heard: {self.frames[-5:]}"
        code = self._connection.close_code
        assert code in codes, f"closed with {code} {self._connection.close_reason!r} instead of {codes}"
        return code

    async def assert_silent(self, *methods: str) -> None:
        """Fail if anything (or any of `methods`) was told until now: an answer asked for now comes behind it."""
        await self.call("session.ping")
        heard = [name for name, _ in self.notifications if not methods or name in methods]
        heard = [name for name in heard if name != "session.heartbeat"]
        assert not heard, f"heard {self.notifications}"

    async def forget(self) -> None:
        """Drop what was told until now."""
        await self.call("session.ping")
        self.notifications.clear()

    @property
    def is_open(self) -> bool:
        """True while the reader has not seen the end."""
        return not self._reader.done()

    def stop_reading(self) -> None:
        """Take no more bytes from the kernel: a stalled client."""
        self._connection.transport.pause_reading()

    def go_on_reading(self) -> None:
        """Take bytes again."""
        self._connection.transport.resume_reading()

    def acknowledge(self) -> None:
        """Send `session.ack` for all received so far."""
        self._acked_bytes = self.received_bytes
        claimed = self.received_bytes if self.claimed_bytes is None else self.claimed_bytes
        self.notify("session.ack", bytes=claimed)

    # --- the reader

    async def _read(self) -> None:
        with suppress(ConnectionClosed):
            async for text in self._connection:
                self._take(text if isinstance(text, str) else text.decode())
        lost = ConnectionError(f"the socket was closed with {self._connection.close_code}")
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(lost)
                future.exception()  # whoever waits for it sees it; nobody has to
        self._news.set()

    def _take(self, text: str) -> None:
        self.received_bytes += len(text.encode())
        if self._acks and self.received_bytes - self._acked_bytes >= ACK_BYTES:
            self.acknowledge()
        frame = json.loads(text)
        # A heartbeat comes when it comes, and is nobody's next frame.
        if not (isinstance(frame, dict) and frame.get("method") == "session.heartbeat"):
            self.frames.append(frame)
        for message in frame if isinstance(frame, list) else [frame]:
            self._sort(message)
        self._news.set()

    def _sort(self, message: Params) -> None:
        if "method" in message:
            if message["method"] == "session.heartbeat" and self._acks:
                self.acknowledge()
            self.notifications.append((message["method"], message["params"]))
            return
        future = self._waiting.pop(message["id"], None) if message["id"] is not None else None
        if future is None:
            self.strays.append(message)
        elif not future.done():
            future.set_result(message)

    async def until(self, find: Callable[[], Json | None], what: str) -> Json:
        """Look at every piece of news until something is found."""
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                while not (found := find()):
                    assert self.is_open, f"the socket was closed with {self._connection.close_code} before {what}"
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"waited in vain for {what}; heard {self.notifications} {self.strays}") from None
        return found


async def eventually(ask: Callable[[], Awaitable[bool]], what: str, seconds: float = LIMIT_SECONDS) -> None:
    """Ask until it is so. For what nobody is told: a row, a process, a room that nobody is in."""
    try:
        async with asyncio.timeout(seconds):
            while not await ask():  # noqa: ASYNC110  # nobody tells us: that is why we ask
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"waited in vain until {what}") from None


async def within(future: asyncio.Future[Params], what: str, seconds: float = LIMIT_SECONDS) -> Params:
    """Wait for a reply, with a limit."""
    try:
        async with asyncio.timeout(seconds):
            return await future
    except TimeoutError:
        raise AssertionError(f"waited in vain for {what}") from None


async def refused_handshake(address: str, **options: Any) -> int:
    """The HTTP status with which a handshake is refused."""
    try:
        wire = await Wire.connect(address, **options)
    except InvalidStatus as error:
        return error.response.status_code
    await wire.drop()
    raise AssertionError("the handshake was not refused")


def result_of(reply: Params) -> Params:
    """The result of a reply. Raises Refused."""
    assert reply["jsonrpc"] == "2.0"
    if "error" in reply:
        raise Refused(reply["error"])
    result: Params = reply["result"]
    return result


CODES: Mapping[str, int] = {
    "PARSE_ERROR": -32700,
    "INVALID_REQUEST": -32600,
    "METHOD_NOT_FOUND": -32601,
    "INVALID_PARAMS": -32602,
    "INTERNAL_ERROR": -32603,
    "NOT_OPEN": -32001,
    "ACCESS_DENIED": -32002,
    "NO_SUCH_SESSION": -32003,
    "NOT_JOINED": -32004,
    "VERSION_CONFLICT": -32005,
    "VALUE_TOO_LARGE": -32006,
    "TOO_MANY_KEYS": -32007,
    "STORE_TOO_LARGE": -32008,
    "INVALID_KEY": -32009,
    "INVALID_FILTER": -32010,
    "UNAVAILABLE": -32011,
    "RATE_LIMITED": -32012,
    "LIMIT_EXCEEDED": -32013,
    "INVALID_VALUE": -32014,
    "LOCK_NOT_HELD": -32015,
    "LOCK_TIMEOUT": -32016,
    "WRONG_TRANSPORT": -32017,
    "NOT_FOUND": -32018,
    "STORE_DESTROYED": -32019,
}


def refusal_of(reply: Params, reason: str) -> Params:
    """The error of a reply; its reason, code and hint must be as the protocol's table says."""
    assert "error" in reply, f"{reason} was expected, not {reply}"
    error: Params = reply["error"]
    assert error["data"]["reason"] == reason, error
    assert error["code"] == CODES[reason]
    assert error["message"]
    assert error["data"]["hint"]
    return error


def entry_of(entries: Iterable[Params], key: str) -> Params:
    """The entry of `key`."""
    found = [entry for entry in entries if entry["key"] == key]
    assert len(found) == 1, f"{key} is {len(found)} times in {entries}"
    return found[0]


def changes_of(wire: Wire) -> list[Params]:
    """All changes that a client was told and nobody took out, in the order told."""
    return [entry for name, told in wire.notifications if name == "room.changed" for entry in told["changes"]]


def values_of(entries: Iterable[Params]) -> dict[str, Json]:
    """Key → value, without those that have none."""
    return {entry["key"]: entry["value"] for entry in entries if entry["value"] is not None}


def _has(params: Params, members: Mapping[str, Json]) -> bool:
    return all(name in params and params[name] == value for name, value in members.items())
