"""One thread a process and Redis: what waits goes out together, and one round trip answers all of it.

A job is a generator: it yields commands, is sent their replies, and returns its result. Jobs that touch the same are
done in the order they came, so a key that many change by operations is computed by one after the other in a process.
The thread and its connection live only while there is work.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from redis.exceptions import NoScriptError, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeout

from sessionstore_app.backends.waiting import IDLE_SECONDS, Pending, resolve
from sessionstore_app.backends.worker import Worker
from sessionstore_app.core.errors import SessionStoreError, Unavailable

logger = logging.getLogger("sessionstore_app")

# After it took too long everything is refused at once for so long; then the connection is tried again.
AWAY_SECONDS = 0.25

Command: TypeAlias = tuple[Any, ...]
Reply: TypeAlias = Any
Steps: TypeAlias = Generator[Sequence[Command], Sequence[Reply], Any]


class Job(Protocol):
    """Something to do. `touches` names what it works on; `takes_turns` says that it may need more than one step."""

    @property
    def touches(self) -> Collection[str]: ...
    @property
    def takes_turns(self) -> bool: ...
    def steps(self) -> Steps:
        """What is sent, and what comes of the replies. Raises SessionStoreError."""


@dataclass(slots=True)
class _Running:
    pending: Pending
    steps: Steps
    commands: Sequence[Command]


class Lane:
    """Does jobs on what `connect` connects to. `scripts` are those that commands name by hash, loaded when missing."""

    def __init__(self, connect: Callable[[], Any], scripts: Mapping[str, str], *, pipelines: bool = True) -> None:
        self._connect = connect
        self._scripts = scripts
        self._pipelines = pipelines
        self._worker = Worker("sessionstore-redis", self._serve)
        self._away_until = 0.0
        # Called on the loop with a job and what came of it, where the caller has gone or was told it took too long.
        self.orphaned: Callable[[Any, Any], None] = lambda job, outcome: None

    async def run(self, job: Job) -> Any:
        """Do one job and return its result. Raises what it raised, or Unavailable; then it may have happened or not."""
        loop = asyncio.get_running_loop()
        pending = Pending(job, loop.create_future(), loop)
        self._worker.caller(loop, lambda _: None).wait_for(pending)
        self._worker.put(pending)
        return await pending.future

    def close(self) -> None:
        """End the thread and close its connection; jobs already queued are done first."""
        self._worker.close()

    # --- in the thread

    def _serve(self) -> None:
        client: Any = None
        running: list[_Running] = []
        waiting: list[Pending] = []
        try:
            while self._take(waiting, is_busy=bool(running or waiting)):
                client = client or self._connect()
                running = self._round(client, running + self._begun(waiting, running))
        finally:
            if client is not None:
                client.close()

    def _take(self, waiting: list[Pending], *, is_busy: bool) -> bool:
        return self._worker.take(waiting.append, pause=0.0 if is_busy else IDLE_SECONDS, is_busy=is_busy)

    def _begun(self, waiting: list[Pending], running: Sequence[_Running]) -> list[_Running]:
        """Begin what need not wait for another; the rest stays in `waiting`, in its order."""
        held = {name for each in running for name in each.pending.job.touches}
        begun: list[_Running] = []
        rest: list[Pending] = []
        for pending in waiting:
            if not held.isdisjoint(pending.job.touches):
                held.update(pending.job.touches)
                rest.append(pending)
                continue
            if pending.job.takes_turns:
                held.update(pending.job.touches)
            if pending.begin():
                steps = pending.job.steps()
                begun.append(_Running(pending, steps, next(steps)))
        waiting[:] = rest
        return begun

    def _round(self, client: Any, running: list[_Running]) -> list[_Running]:
        """Send what each wants to be sent, and hand the replies to each; returns those that go on."""
        if not running:
            return []
        replies = iter(self._send(client, [command for each in running for command in each.commands]))
        more: list[_Running] = []
        done: defaultdict[asyncio.AbstractEventLoop, list[tuple[Pending, Any]]] = defaultdict(list)
        for each in running:
            outcome = _step(each, [next(replies) for _ in each.commands])
            if outcome is not each:
                done[each.pending.loop].append((each.pending, outcome))
            elif each.pending.is_late:
                done[each.pending.loop].append((each.pending, Unavailable("Others change the same all the time.")))
            else:
                more.append(each)
        for loop, results in done.items():
            try:
                loop.call_soon_threadsafe(resolve, results, self.orphaned)
            except RuntimeError:
                # The loop was closed meanwhile: nobody waits for the answer any more.
                continue
        return more

    def _send(self, client: Any, commands: Sequence[Command]) -> list[Reply]:
        """The replies, each of which may be an exception."""
        if time.monotonic() < self._away_until:
            return [Unavailable("Redis is out of reach.")] * len(commands)
        try:
            replies = self._execute(client, commands)
            missing = [place for place, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
            if missing:
                self._load(client)
                again = self._execute(client, [commands[place] for place in missing])
                for place, reply in zip(missing, again, strict=True):
                    replies[place] = reply
            return replies
        except (RedisError, OSError) as error:
            logger.warning("Redis is out of reach: %s", error)
            if isinstance(error, RedisTimeout):
                self._away_until = time.monotonic() + AWAY_SECONDS
            return [_unavailable(error)] * len(commands)

    def _execute(self, client: Any, commands: Sequence[Command]) -> list[Reply]:
        if not self._pipelines:
            return [_one(client, command) for command in commands]
        pipeline = client.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        replies: list[Reply] = pipeline.execute(raise_on_error=False)
        return replies

    def _load(self, client: Any) -> None:
        for text in self._scripts.values():
            client.script_load(text)


def _one(client: Any, command: Command) -> Reply:
    try:
        return client.execute_command(*command)
    except ResponseError as error:
        return error


def _step(running: _Running, replies: list[Reply]) -> Any:
    """What came of it: a result or an exception; the same again if it goes on."""
    failure = next((reply for reply in replies if isinstance(reply, Exception)), None)
    if failure is not None:
        running.steps.close()
        if not isinstance(failure, Unavailable):
            # Full, loading, a replica, a key of another kind: that is the database's state.
            logger.error("Redis refused a command: %s", failure)
        return failure if isinstance(failure, Unavailable) else _unavailable(failure)
    try:
        running.commands = running.steps.send(replies)
    except StopIteration as stop:
        return stop.value
    except SessionStoreError as error:
        return error
    except Exception as error:  # a fault in one job must not end the thread all others wait for
        logger.exception("A job on Redis failed.")
        return error
    return running


def _unavailable(error: Exception) -> Unavailable:
    told = Unavailable()
    told.__cause__ = error
    return told
