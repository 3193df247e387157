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
from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from redis.exceptions import NoScriptError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeout

from sessionstore_app.backends.waiting import IDLE_SECONDS, Pending, answer, resolve
from sessionstore_app.backends.worker import Worker
from sessionstore_app.core.errors import SessionStoreError, Unavailable

logger = logging.getLogger("sessionstore_app")

# What took too long to answer is not asked for so long: who wants something of it is refused at once.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Scripts:
    """Texts by hash, as commands name them. `once` is the hash of what must not be done twice; all others may be."""

    texts: Mapping[bytes, str]
    once: bytes

    def spelt_out(self, command: Command) -> Command:
        """The same command where the server has forgotten its scripts; it knows this one again afterwards."""
        return ("EVAL", self.texts[command[1]], *command[2:]) if command[0] == "EVALSHA" else command

    def may_be_repeated(self, command: Command) -> bool:
        """True for what is the same done twice."""
        return command[0] != "EVALSHA" or bool(command[1] != self.once)


class Wire(Protocol):
    """A way to the server. `send` gives the replies to each group of commands, exceptions among them; after one that
    failed, the rest of its group may not have been done.
    """

    def send(self, groups: Sequence[Sequence[Command]]) -> list[list[Reply]]: ...
    def close(self) -> None: ...


class Together:
    """A single server: all commands are one transaction, between which nothing of others is done."""

    def __init__(self, client: Any, scripts: Scripts) -> None:
        self._client = client
        self._scripts = scripts

    def send(self, groups: Sequence[Sequence[Command]]) -> list[list[Reply]]:
        """See `Wire`. Raises what the connection raises; then anything may have happened or not."""
        commands = [command for group in groups for command in group]
        try:
            replies = self._transaction(commands)
        except ResponseError:
            # Refused as a whole, because one command was refused, as by a server that is full: nothing was done.
            return [_in_turn(self._client.execute_command, self._scripts, group) for group in groups]
        if any(isinstance(reply, NoScriptError) for reply in replies):
            # What was done once stays done; what is read is read again, behind what is only done now.
            again = [place for place, reply in enumerate(replies) if self._is_due(commands[place], reply)]
            told = self._transaction([self._scripts.spelt_out(commands[place]) for place in again])
            for place, reply in zip(again, told, strict=True):
                replies[place] = reply
        rest = iter(replies)
        return [[next(rest) for _ in group] for group in groups]

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()

    def _is_due(self, command: Command, reply: Reply) -> bool:
        return isinstance(reply, NoScriptError) or self._scripts.may_be_repeated(command)

    def _transaction(self, commands: Iterable[Command]) -> list[Reply]:
        pipeline = self._client.pipeline(transaction=True)
        for command in commands:
            pipeline.execute_command(*command)
        replies: list[Reply] = pipeline.execute(raise_on_error=False)
        return replies


class OneByOne:
    """A cluster: each command goes to the node of its key, and one node that is away is no other's fault."""

    def __init__(self, client: Any, scripts: Scripts) -> None:
        self._client = client
        self._scripts = scripts
        self._away_until: dict[str, float] = {}

    def send(self, groups: Sequence[Sequence[Command]]) -> list[list[Reply]]:
        """See `Wire`."""
        return [_in_turn(self._execute, self._scripts, group) for group in groups]

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

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


def _in_turn(execute: Callable[..., Reply], scripts: Scripts, group: Sequence[Command]) -> list[Reply]:
    """The replies to commands done one by one; after one that failed, no further is done."""
    replies: list[Reply] = []
    try:
        for command in group:
            try:
                replies.append(execute(*command))
            except NoScriptError:
                replies.append(execute(*scripts.spelt_out(command)))
    except Exception as error:  # redis-py's errors of clusters have no class in common
        replies += [error] * (len(group) - len(replies))
    return replies


@dataclass(slots=True)
class _Running:
    pending: Pending
    steps: Steps
    commands: Sequence[Command]


class Lane:
    """Does jobs on what `connect` connects to."""

    def __init__(self, connect: Callable[[], Wire]) -> None:
        self._connect = connect
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
        return await answer(pending, self.orphaned)

    def close(self) -> None:
        """End the thread and close its connection; jobs already queued are done first."""
        self._worker.close()

    # --- in the thread

    def _serve(self) -> None:
        running: list[_Running] = []
        waiting: list[Pending] = []
        wire: Wire | None = None
        try:
            while self._worker.take(
                waiting.append, pause=0.0 if running or waiting else IDLE_SECONDS, is_busy=bool(running or waiting)
            ):
                running += self._begun(waiting, running)
                wire, running = self._round(wire, running)
        finally:
            if wire is not None:
                wire.close()

    def _begun(self, waiting: list[Pending], running: Sequence[_Running]) -> list[_Running]:
        """Begin what need not wait for another; the rest stays in `waiting`, in its order."""
        held = {name for each in running for name in each.pending.job.touches}
        begun: list[_Running] = []
        rest: list[Pending] = []
        for pending in waiting:
            touches = pending.job.touches
            if not pending.is_wanted:
                continue
            if not held.isdisjoint(touches):
                held.update(touches)
                rest.append(pending)
            elif pending.begin():
                started = self._started(pending)
                begun += started
                if started and pending.job.takes_turns:
                    held.update(touches)
        waiting[:] = rest
        return begun

    def _started(self, pending: Pending) -> list[_Running]:
        try:
            steps = pending.job.steps()
            return [_Running(pending, steps, _packed(next(steps)))]
        except Exception as error:  # a fault in one job must not end the thread all others wait for
            self._hand_out({pending.loop: [(pending, error)]})
            return []

    def _round(self, wire: Wire | None, running: list[_Running]) -> tuple[Wire | None, list[_Running]]:
        """Send what each wants to be sent, and hand the replies to each; returns those that go on."""
        if not running:
            return wire, []
        wire, replies = self._send(wire, [each.commands for each in running])
        more: list[_Running] = []
        done: defaultdict[asyncio.AbstractEventLoop, list[tuple[Pending, Any]]] = defaultdict(list)
        for each, told in zip(running, replies, strict=True):
            outcome = _step(each, told)
            if outcome is not each:
                done[each.pending.loop].append((each.pending, outcome))
            elif each.pending.is_late:
                done[each.pending.loop].append((each.pending, Unavailable("Others change the same all the time.")))
            else:
                more.append(each)
        self._hand_out(done)
        return wire, more

    def _send(
        self, wire: Wire | None, groups: Sequence[Sequence[Command]]
    ) -> tuple[Wire | None, Sequence[Sequence[Reply]]]:
        if time.monotonic() < self._away_until:
            return wire, [[Unavailable("Redis is out of reach.")]] * len(groups)
        try:
            wire = wire or self._connect()
            return wire, wire.send(groups)
        except Exception as error:  # redis-py's errors of clusters have no class in common
            logger.warning("Redis is out of reach: %s", error)
            if isinstance(error, RedisTimeout):
                self._away_until = time.monotonic() + AWAY_SECONDS
            return wire, [[error]] * len(groups)

    def _hand_out(self, done: Mapping[asyncio.AbstractEventLoop, list[tuple[Pending, Any]]]) -> None:
        for loop, results in done.items():
            try:
                loop.call_soon_threadsafe(resolve, results, self.orphaned)
            except RuntimeError:
                # The loop was closed meanwhile: nobody waits for the answer any more.
                continue


def _packed(commands: Sequence[Command]) -> list[Command]:
    """With text as bytes: one that is no Unicode is a fault of its own job, not of all that are sent with it."""
    return [
        (command[0], *(part.encode() if isinstance(part, str) else part for part in command[1:]))
        for command in commands
    ]


def _step(running: _Running, replies: Sequence[Reply]) -> Any:
    """What came of it: a result or an exception; the same again if it goes on."""
    failure = next((reply for reply in replies if isinstance(reply, Exception)), None)
    if failure is not None:
        running.steps.close()
        return _unavailable(failure)
    try:
        running.commands = _packed(running.steps.send(replies))
    except StopIteration as stop:
        return stop.value
    except SessionStoreError as error:
        return error
    except Exception as error:  # a fault in one job must not end the thread all others wait for
        logger.exception("A job on Redis failed.")
        return error
    return running


def _unavailable(error: Exception) -> Unavailable:
    if isinstance(error, Unavailable):
        return error
    if isinstance(error, ResponseError):
        # Full, a replica, a key of another kind: that is the database's state.
        logger.error("Redis refused a command: %s", error)
    told = Unavailable()
    told.__cause__ = error
    return told
