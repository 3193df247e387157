"""Tasks of a session: each has an owner, and none outlives it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


class Tasks:
    """Tasks that run beside the callers, until they are done or the session is over."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Begin. What it raises is a fault of the client; the loop's handler is told."""
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def cancel(self) -> None:
        """End all of them, and wait until they have ended."""
        ending = list(self._running)
        for task in ending:
            task.cancel()
        if ending:
            await asyncio.wait(ending)
