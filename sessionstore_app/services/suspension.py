"""Coroutines that are run in place until they would wait, and what is left of them then."""

from __future__ import annotations

import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any


def run_to_first_suspension(awaitable: Awaitable[None]) -> Rest | None:
    """Run in place until it would wait; return the rest to be awaited by a task, or None when it is done.

    Most sends and most requests never wait: a task for each would cost more than their work.
    """
    if type(awaitable) is not types.CoroutineType:
        return Rest(_await(awaitable), None)
    try:
        waits_for = awaitable.send(None)
    except StopIteration:
        return None
    return Rest(awaitable, waits_for)


async def _await(awaitable: Awaitable[None]) -> None:
    await awaitable


class Rest(Coroutine[Any, Any, None]):
    """The rest of a coroutine that was started by hand and has yielded `waits_for` to nobody yet; `then` is called when
    it ends.

    One small object, not a coroutine around a generator, and no callback of a task: every request that waits has one,
    and what it holds the garbage collector looks at again and again.
    """

    __slots__ = ("_coroutine", "_waits_for", "then")

    def __init__(self, coroutine: Coroutine[Any, Any, None], waits_for: Any) -> None:
        self._coroutine = coroutine
        self._waits_for = waits_for
        self.then: Callable[[], object] | None = None

    def __await__(self) -> Generator[Any, Any, None]:
        return self

    def __iter__(self) -> Rest:
        return self

    def __next__(self) -> Any:
        return self.send(None)

    def send(self, value: None) -> Any:
        waits_for, self._waits_for = self._waits_for, None
        return self._go_on(self._coroutine.send, value) if waits_for is None else waits_for

    def throw(self, *error: Any) -> Any:
        # Cancellation too is the coroutine's to handle.
        self._waits_for = None
        return self._go_on(self._coroutine.throw, *error)

    def close(self) -> None:
        self._coroutine.close()
        self._end()

    def _go_on(self, step: Callable[..., Any], *given: Any) -> Any:
        try:
            return step(*given)
        except BaseException:
            self._end()
            raise

    def _end(self) -> None:
        then, self.then = self.then, None
        if then is not None:
            then()
