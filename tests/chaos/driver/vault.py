"""Server code that keeps private stores of the clients' sessions, from a process of its own (`keeper`)."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from tests.chaos.driver.actors import THINK_SECONDS
from tests.chaos.driver.history import History, Operation
from tests.support.server import CHECKOUT

_KEYS: Final = ("cart", "nonce")
# Not only a refusal: it may have happened.
_UNKNOWN: Final = frozenset({"UNAVAILABLE", "INTERNAL_ERROR"})
_ANSWER_SECONDS: Final = 30.0


class Vault:
    """One such process. `sessions` says which sessions there are at the moment."""

    def __init__(
        self,
        name: str,
        history: History,
        *,
        seed: int,
        canary: str,
        environment: Mapping[str, str],
        log: Path,
        sessions: Callable[[], list[str]],
    ) -> None:
        self.name = name
        self.history = history
        self.chance = random.Random(f"{seed}/{name}")
        self.canary = canary
        self.stopped = asyncio.Event()
        self._environment = environment
        self._log = log
        self._sessions = sessions
        self._process: asyncio.subprocess.Process | None = None
        self._count = 0

    async def start(self) -> None:
        """Start the process."""
        with self._log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.chaos.driver.keeper"),
                cwd=CHECKOUT,
                env=os.environ | dict(self._environment),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )

    async def run(self) -> None:
        """Keep until stopped."""
        while not self.stopped.is_set():
            sessions = self._sessions()
            if sessions:
                await self._act(self.chance.choice(sessions[:3]))
            await asyncio.sleep(self.chance.expovariate(1 / THINK_SECONDS))

    async def _act(self, session: str) -> None:
        do = self.chance.choices(("set", "get", "items", "sweep"), (3, 3, 1, 1))[0]
        if do == "sweep":
            await self.ask("site.expire", {"do": "sweep"})
            return
        key = self.chance.choice(_KEYS)
        call: dict[str, Any] = {"do": do, "session": session, "key": key}
        if do == "set":
            self._count += 1
            # It names whose it is, so that it is known where it must not be.
            call["value"] = f"{self.canary}-{session}-{self.name}-{self._count}"
        await self.ask(f"private.{do}", call)

    async def ask(self, method: str, call: Mapping[str, Any]) -> Operation:
        """One call of the process, written into the history."""
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        values = {call["key"]: call["value"]} if "value" in call else {}
        key, session = str(call.get("key", "")), str(call.get("session", ""))
        operation = self.history.begin(self.name, method, key=key, room=session, values=values)
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                self._process.stdin.write(json.dumps(call).encode() + b"\n")
                await self._process.stdin.drain()
                answer = json.loads(await self._process.stdout.readline())
        except (OSError, ValueError, TimeoutError, asyncio.CancelledError) as error:
            self.history.finish(operation, "unknown", type(error).__name__)
            raise
        if "error" in answer:
            self.history.finish(operation, "unknown" if answer["error"] in _UNKNOWN else "refused", answer["error"])
        else:
            operation.result = answer["result"]
            self.history.finish(operation, "ok")
        return operation

    async def close(self) -> None:
        """End the process."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
