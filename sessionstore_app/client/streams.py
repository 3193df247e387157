"""Iterators over news. Knows who waits and what is kept for him; does not know what the news are.

An iterator belongs to who reads it: when he drops it, as `break` does, it is forgotten; nobody has to close it.
"""

from __future__ import annotations

import asyncio
import weakref
from abc import abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from types import TracebackType
from typing import Final, Generic, Self, TypeVar

from sessionstore_app.client.errors import ConsumerTooSlow
from sessionstore_app.core.entries import Entry

# News that an iterator holds for a slow reader.
MOST_NEWS: Final = 1_000

T = TypeVar("T")


def _nothing() -> None:
    """What there is to do at the end of most iterators."""


class Stream(AsyncIterator[T]):
    """One reader's news, in the order they came. What had come before the end is still given."""

    def __init__(self, ended: Callable[[], None] = _nothing) -> None:
        self._news = asyncio.Event()
        self._over = False
        self._error: Exception | None = None
        # Called once: at the end, or when nobody holds this any more. It must not hold this object itself.
        self._finish = weakref.finalize(self, ended)
        self._finish.atexit = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        while self._is_empty():
            if self._over:
                raise self._error or StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        return self._take()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Hear no more."""
        self.end()

    def end(self, error: Exception | None = None) -> None:
        """Nothing more comes: iteration stops after what has come, or raises `error`."""
        if self._over:
            return
        self._over, self._error = True, error
        self._finish()
        self._news.set()

    @property
    def is_over(self) -> bool:
        """True once nothing more comes."""
        return self._over

    @abstractmethod
    def put(self, news: T) -> None:
        """There is news."""

    @abstractmethod
    def _is_empty(self) -> bool: ...

    @abstractmethod
    def _take(self) -> T: ...


class Queued(Stream[T]):
    """Each piece of news, up to a number; one more, and the iterator raises ConsumerTooSlow after the others."""

    def __init__(self, limit: int = MOST_NEWS, ended: Callable[[], None] = _nothing) -> None:
        super().__init__(ended)
        self._limit = limit
        self._held: deque[T] = deque()

    def put(self, news: T) -> None:
        """There is news."""
        if self._over:
            return
        if len(self._held) >= self._limit:
            self.end(ConsumerTooSlow(f"It holds {self._limit}; read it faster, or give it a higher limit."))
            return
        self._held.append(news)
        self._news.set()

    def _is_empty(self) -> bool:
        return not self._held

    def _take(self) -> T:
        return self._held.popleft()


class Conflated(Stream[Entry]):
    """The newest entry of each key: a slow reader misses values in between, never the last."""

    def __init__(self, patterns: frozenset[str], ended: Callable[[], None] = _nothing) -> None:
        super().__init__(ended)
        self.patterns = patterns
        # Of these it was told what there is.
        self.ready: frozenset[str] = frozenset()
        self._held: dict[str, Entry] = {}

    def put(self, news: Entry) -> None:
        """An entry has changed."""
        if self._over:
            return
        self._held[news.key] = news
        self._news.set()

    def _is_empty(self) -> bool:
        return not self._held

    def _take(self) -> Entry:
        return self._held.pop(next(iter(self._held)))


S = TypeVar("S", bound=Stream)  # type: ignore[type-arg]  # of whatever


class Readers(Generic[S]):
    """Those who read the same kind of news; who drops his iterator is gone from here."""

    def __init__(self) -> None:
        self._streams: weakref.WeakSet[S] = weakref.WeakSet()

    def add(self, stream: S) -> S:
        """One more reader."""
        self._streams.add(stream)
        return stream

    def __iter__(self) -> Iterator[S]:
        return iter([stream for stream in self._streams if not stream.is_over])

    def end(self, error: Exception | None = None) -> None:
        """End all of them."""
        for stream in self:
            stream.end(error)
