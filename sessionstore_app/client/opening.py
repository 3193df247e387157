"""How a session begins and ends for its caller: as a block."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from sessionstore_app.client.link import Settings, Token
from sessionstore_app.client.session import Session


@asynccontextmanager
async def connect(
    url: str,
    *,
    token: Token = None,
    properties: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | Sequence[tuple[str, str]] = (),
    client: tuple[str, str] | None = None,
    environment: str | None = None,
    timeout_seconds: float | None = None,
    websocket_options: Mapping[str, Any] | None = None,
) -> AsyncIterator[Session]:
    """Open a session at a `ws://` or `wss://` address; it is closed, and its rooms left, at the end of the block.

    `token`: a text, or a function (also an async one) that is asked again before each attempt. `properties` are
    proposed. `headers` go with each handshake. `client` is `(name, version)`, told to the server, as `environment` is.
    `websocket_options` go to `websockets.connect`, such as `ssl` or `proxy`.

    It keeps trying while the network fails, at most `timeout_seconds`, then ClosedError with CONNECT_TIMEOUT. Raises
    the server's refusal (AccessDenied), ClosedError where the handshake is refused for good, and websockets'
    InvalidURI; what `token` raises is raised too.
    """
    pairs = tuple(headers.items()) if isinstance(headers, Mapping) else tuple(headers)
    settings = Settings(
        url=url,
        token=token,
        properties=properties,
        client=client,
        environment=environment,
        headers=pairs,
        options=websocket_options or {},
    )
    session = Session(settings)
    try:
        await session.until_opened(timeout_seconds)
        yield session
    finally:
        await session.close()
