"""One socket: calls and their answers, acknowledgements, silence. Knows no session, room or retry."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, Final

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from sessionstore_app.client.errors import Disconnected, refusal
from sessionstore_app.core.errors import LimitExceeded
from sessionstore_app.core.jsontext import check, dumps, size_bytes

# A client acknowledges after so much at the latest.
ACK_BYTES: Final = 65_536
# Until a server says how often it speaks, it must speak within this.
OPEN_SECONDS: Final = 10.0
MISSED_HEARTBEATS: Final = 2.5
# For the closing handshake of a socket that is closed in order.
CLOSE_SECONDS: Final = 2.0
_LOST: Final = 1006
# The whole frame may have 32 levels; the call around the parameters is one.
_JSON_DEPTH: Final = 31

Params = Mapping[str, Any]
# Turns a result into what the caller is given, before anything that follows on the socket is heard.
Accept = Callable[[Any], Any]


def _as_is(result: Any) -> Any:
    return result


class Connection:
    """Calls on one socket. Nothing is read until `run`, which returns when the socket has closed."""

    def __init__(self, socket: ClientConnection, *, notified: Callable[[str, Any], None]) -> None:
        self._socket = socket
        self._notified = notified
        self._outbox: asyncio.Queue[str] = asyncio.Queue()
        self._calls: dict[int, tuple[asyncio.Future[Any], Accept]] = {}
        self._last_id = 0
        self._received_bytes = 0
        self._acked_bytes = 0
        self._silence_seconds = OPEN_SECONDS
        self._silence: asyncio.Timeout | None = None
        # What the server said it takes; until then, what it surely does.
        self.frame_bytes = 65_536

    @classmethod
    async def dial(
        cls,
        url: str,
        *,
        headers: Iterable[tuple[str, str]],
        options: Mapping[str, Any],
        notified: Callable[[str, Any], None],
    ) -> Connection:
        """Open a socket. Raises OSError, TimeoutError or websockets' exceptions where that fails."""
        settings: dict[str, Any] = {"compression": None, "open_timeout": OPEN_SECONDS, **options}
        socket = await connect(
            url,
            additional_headers=list(headers),
            # The protocol has heartbeats of its own, and a room's snapshot may be large.
            ping_interval=None,
            max_size=None,
            close_timeout=CLOSE_SECONDS,
            **settings,
        )
        return cls(socket, notified=notified)

    def request(self, method: str, params: Params, accept: Accept = _as_is) -> asyncio.Future[Any]:
        """Send a call; its answer settles the future. Calls leave in the order of asking.

        Raises InvalidValue for what is not JSON and LimitExceeded for what is longer than a frame may be.
        """
        check(params, _JSON_DEPTH)
        text = dumps({"jsonrpc": "2.0", "id": self._last_id + 1, "method": method, "params": params})
        if (size := size_bytes(text)) > self.frame_bytes:
            raise LimitExceeded("The call is longer than a frame may be.", limit=self.frame_bytes, actual=size)
        self._last_id += 1
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._calls[self._last_id] = (future, accept)
        self._outbox.put_nowait(text)
        return future

    def expect_heartbeat(self, seconds: float) -> None:
        """The server speaks so often; a longer silence ends the connection."""
        self._silence_seconds = seconds * MISSED_HEARTBEATS
        self._hear()

    def abort(self) -> None:
        """Cut the connection; `run` returns."""
        self._socket.transport.abort()

    def close_soon(self) -> None:
        """The server has refused to open: give it the time to say why in its close code, then cut."""
        self._silence_seconds = CLOSE_SECONDS
        self._hear()

    def fail(self, error: Exception) -> None:
        """Refuse every call that has no answer."""
        calls, self._calls = self._calls, {}
        for future, _ in calls.values():
            _refuse(future, error)

    async def run(self) -> int:
        """Read until the socket has closed; returns its close code, 1006 where it just ended."""
        writer = asyncio.create_task(self._write())
        code = None
        try:
            async with asyncio.timeout(self._silence_seconds) as self._silence:
                async for text in self._socket:
                    self._take(text if isinstance(text, str) else text.decode())
                    # Frames may lie ready by the hundred; who reads their news gets a turn between them.
                    await asyncio.sleep(0)
        except (TimeoutError, msgspec.DecodeError, UnicodeDecodeError):
            code = _LOST
        except ConnectionClosed:
            pass
        finally:
            self._silence = None
            self.abort()
            writer.cancel()
            await asyncio.wait([writer])
            await self._socket.wait_closed()
        return code or self._socket.close_code or _LOST

    async def _write(self) -> None:
        try:
            with suppress(ConnectionClosed):
                while True:
                    await self._socket.send(await self._outbox.get())
        finally:
            # Without a writer it would only seem to be a connection.
            self.abort()

    def _take(self, text: str) -> None:
        self._received_bytes += size_bytes(text)
        frame = msgspec.json.decode(text)
        for message in frame if isinstance(frame, list) else [frame]:
            self._dispatch(message)
        if self._received_bytes - self._acked_bytes >= ACK_BYTES:
            self._ack()

    def _dispatch(self, message: Mapping[str, Any]) -> None:
        method = message.get("method")
        if method == "session.heartbeat":
            self._hear()
            self._ack()
        if method is not None:
            self._notified(method, message.get("params") or {})
        elif (call := self._calls.pop(message.get("id") or 0, None)) is not None:
            _settle(*call, message)

    def _ack(self) -> None:
        self._acked_bytes = self._received_bytes
        params = {"bytes": self._received_bytes}
        self._outbox.put_nowait(dumps({"jsonrpc": "2.0", "method": "session.ack", "params": params}))

    def _hear(self) -> None:
        # Once the time is over it cannot be put off.
        if self._silence is not None and not self._silence.expired():
            self._silence.reschedule(asyncio.get_running_loop().time() + self._silence_seconds)


def _settle(future: asyncio.Future[Any], accept: Accept, message: Mapping[str, Any]) -> None:
    if "error" in message:
        _refuse(future, refusal(message["error"]))
        return
    # Also where nobody waits any more: a lock that was granted must be given back.
    result = accept(message.get("result"))
    if not future.done():
        future.set_result(result)


def _refuse(future: asyncio.Future[Any], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
        # Who waits for it sees it; nobody has to.
        future.exception()


def lost() -> Disconnected:
    """The error of a call whose answer went with the connection."""
    return Disconnected("The connection was lost before the answer came.")
