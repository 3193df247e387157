"""Ways to Redis for a thread, which waits for each answer: redis-py's own client, of one server or of a cluster."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeout

from sessionstore_app.backends.redisexchange import (
    Batch,
    Exchange,
    Groups,
    Reply,
    Scripts,
    each_in_turn,
    is_refused_whole,
    together,
)
from sessionstore_app.backends.redisjobs import AWAY_SECONDS
from sessionstore_app.core.errors import Unavailable


class Wire(Protocol):
    """A way to the server. `send` gives the replies to each group of commands, exceptions among them; after one that
    failed, the rest of its group may not have been done.
    """

    def send(self, groups: Groups) -> list[list[Reply]]: ...
    def close(self) -> None: ...


class Together:
    """A single server."""

    def __init__(self, client: Any, scripts: Scripts) -> None:
        self._client = client
        self._scripts = scripts

    def send(self, groups: Groups) -> list[list[Reply]]:
        """See `Wire`. Raises what the connection raises; then anything may have happened or not."""
        return _carried(together(groups, self._scripts), self._send)

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()

    def _send(self, batch: Batch) -> list[Reply]:
        pipeline = self._client.pipeline(transaction=len(batch.commands) > 1)
        for command in batch.commands:
            pipeline.execute_command(*command)
        replies: list[Reply] = pipeline.execute(raise_on_error=False)
        return replies


class OneByOne:
    """A cluster: each command goes to the node of its key, and one node that is away is no other's fault."""

    def __init__(self, client: Any, scripts: Scripts) -> None:
        self._client = client
        self._scripts = scripts
        self._away_until: dict[str, float] = {}

    def send(self, groups: Groups) -> list[list[Reply]]:
        """See `Wire`."""
        return _carried(each_in_turn(groups, self._scripts), self._send)

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def _send(self, batch: Batch) -> list[Reply]:
        try:
            return [self._execute(*command) for command in batch.commands]
        except Exception as error:  # redis-py's errors of clusters have no class in common
            return [error]

    def _execute(self, *command: Any) -> Reply:
        key = command[3] if command[0] in ("EVALSHA", "EVAL") else command[1]
        node = self._client.get_node_from_key(key).name
        if time.monotonic() < self._away_until.get(node, 0.0):
            raise Unavailable("A node of Redis is out of reach.")
        try:
            return self._client.execute_command(*command)
        except RedisTimeout:
            self._away_until[node] = time.monotonic() + AWAY_SECONDS
            raise


def _carried(exchange: Exchange, send: Callable[[Batch], list[Reply]]) -> list[list[Reply]]:
    """Lead a conversation to its end."""
    try:
        batch = next(exchange)
        while True:
            try:
                replies = send(batch)
            except ResponseError as error:
                if not is_refused_whole(error):
                    raise RedisError(str(error)) from error
                batch = exchange.throw(error)
            else:
                batch = exchange.send(replies)
    except StopIteration as stop:
        told: list[list[Reply]] = stop.value
        return told
