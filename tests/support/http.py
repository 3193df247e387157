"""A caller of the HTTP door for tests: it sends exactly what it is told to, and reads what comes back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any

from tests.support.wire import Params, refusal_of, result_of

LIMIT_SECONDS = 20.0
RPC = "/sessionstore/rpc/"


@dataclass(frozen=True)
class Answer:
    """A response: header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body's JSON."""
        return json.loads(self.body)


def request(
    host: str,
    method: str,
    path: str,
    *,
    body: bytes | Iterator[bytes] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Send one request on a connection of its own. An iterator as body is sent in chunks, without a length."""
    connection = HTTPConnection(host, timeout=LIMIT_SECONDS)
    try:
        connection.request(method, path, body=body, headers=dict(headers or {}), encode_chunked=_is_chunked(body))
        response = connection.getresponse()
        told = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, told, response.read())
    finally:
        connection.close()


def _is_chunked(body: object) -> bool:
    return body is not None and not isinstance(body, bytes)


def call_of(method: str, request_id: Any = 1, /, **params: Any) -> Params:
    """A JSON-RPC request."""
    return {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}


class Http:
    """Calls one server, by a token where one is given."""

    def __init__(self, host: str, token: str | None = None, headers: Mapping[str, str] | None = None) -> None:
        self._host = host
        self._headers = {
            "Content-Type": "application/json",
            **({"Authorization": f"Bearer {token}"} if token is not None else {}),
            **(headers or {}),
        }

    async def post(
        self, body: bytes | Iterator[bytes], *, path: str = RPC, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send a body as it is."""
        sent = {**self._headers, **(headers or {})}
        return await asyncio.to_thread(request, self._host, "POST", path, body=body, headers=sent)

    async def send(self, payload: Any, **options: Any) -> Answer:
        """Send JSON."""
        return await self.post(json.dumps(payload).encode(), **options)

    async def ask(self, method: str, **params: Any) -> Params:
        """Call, and return the whole reply."""
        answer = await self.send(call_of(method, **params))
        assert answer.status == 200, (answer.status, answer.body)
        assert answer.headers["content-type"] == "application/json"
        reply: Params = answer.json
        return reply

    async def call(self, method: str, **params: Any) -> Any:
        """Call, and return the result. Raises Refused."""
        return result_of(await self.ask(method, **params))

    async def refused(self, method: str, reason: str, **params: Any) -> Params:
        """Call for something that must be refused with `reason`; returns the error."""
        return refusal_of(await self.ask(method, **params), reason)
