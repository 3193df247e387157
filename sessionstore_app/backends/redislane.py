"""A process and Redis: what waits goes out together, and one round trip answers all of it.

The event loop that serves sockets talks to Redis itself. For all other loops, and for a cluster, a thread does; it and
its connection live only while there is work.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from sessionstore_app.backends.redisaddress import Address
from sessionstore_app.backends.redisexchange import Groups, Reply
from sessionstore_app.backends.redisjobs import Away, Job, Outcome, Rounds
from sessionstore_app.backends.redisloop import OnLoop
from sessionstore_app.backends.rediswire import Wire
from sessionstore_app.backends.waiting import IDLE_SECONDS, Caller, Pending, leave, resolve
from sessionstore_app.backends.worker import Worker
from sessionstore_app.core.errors import Unavailable


class Lane:
    """Does jobs on what is at an address."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._worker = Worker("sessionstore-redis", self._serve)
        self._on_loop: OnLoop | None = None
        self._away = Away()
        # Called on the loop with a job and what came of it, where the caller has gone or was told it took too long.
        self.orphaned: Callable[[Any, Any], None] = lambda job, outcome: None

    async def run(self, job: Job) -> Any:
        """Do one job. Returns its result; raises what it raised, or Unavailable: then it may have happened or not."""
        loop = asyncio.get_running_loop()
        pending = Pending(job, loop.create_future(), loop)
        self._worker.caller(loop, _begin_nothing).wait_for(pending)
        on_loop = self._on_loop
        if on_loop is not None and on_loop.loop is loop:
            on_loop.put(pending)
        else:
            self._worker.put(pending)
        try:
            return await pending.future
        except asyncio.CancelledError:
            leave(pending, self.orphaned)
            raise

    def live_on_this_loop(self) -> None:
        """Talk to Redis on the running loop from now on, for those who ask on it; a cluster is left to the thread."""
        self.leave_loop()
        if self._address.pool is not None:
            self._on_loop = OnLoop(self._address.pool(), self._address.scripts, self._away, self._resolve)

    def leave_loop(self) -> None:
        """Leave all to the thread again."""
        left, self._on_loop = self._on_loop, None
        if left is None or left.loop.is_closed():
            return
        try:
            is_here = asyncio.get_running_loop() is left.loop
        except RuntimeError:
            is_here = False
        if is_here:
            left.close()
        else:
            # It may end at this moment, and all that is on it.
            with suppress(RuntimeError):
                left.loop.call_soon_threadsafe(left.close)

    def close(self) -> None:
        """End the thread and close its connection; jobs already queued are done first."""
        self.leave_loop()
        self._worker.close()

    def _resolve(self, done: list[Outcome]) -> None:
        resolve(done, self.orphaned)

    # --- in the thread

    def _serve(self) -> None:
        rounds = Rounds()
        wire: Wire | None = None
        try:
            while self._worker.take(rounds.waiting.append, pause=0.0 if rounds else IDLE_SECONDS, is_busy=bool(rounds)):
                groups = rounds.begin()
                if groups:
                    wire, replies = self._send(wire, groups)
                    rounds.take(replies)
                self._hand_out(rounds.done())
        finally:
            if wire is not None:
                wire.close()

    def _send(self, wire: Wire | None, groups: Groups) -> tuple[Wire | None, list[list[Reply]]]:
        if self._away:
            return wire, [[Unavailable("Redis is out of reach.")]] * len(groups)
        try:
            wire = wire or self._address.connect()
            return wire, wire.send(groups)
        except Exception as error:  # redis-py's errors of clusters have no class in common
            self._away.note(error)
            return wire, [[error]] * len(groups)

    def _hand_out(self, done: list[Outcome]) -> None:
        by_loop: defaultdict[asyncio.AbstractEventLoop, list[Outcome]] = defaultdict(list)
        for pending, outcome in done:
            by_loop[pending.loop].append((pending, outcome))
        for loop, results in by_loop.items():
            try:
                loop.call_soon_threadsafe(self._resolve, results)
            except RuntimeError:
                # The loop was closed meanwhile: nobody waits for the answer any more.
                continue


def _begin_nothing(caller: Caller) -> None:
    """Whatever loop asks, nothing needs to be known of it."""
