"""What the client's tests share: a session that may do everything, and reading iterators with a limit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

from sessionstore_app import mint_token
from sessionstore_app.client import Entry, Session, connect
from tests.support.guests import STAFF
from tests.support.server import Server

LIMIT_SECONDS = 20.0

T = TypeVar("T")


def staff(server: Server, **options: Any) -> AbstractAsyncContextManager[Session]:
    """A session that may look at others and hold locks."""
    return connect(server.address, token=mint_token("staff", permissions=STAFF), **options)


async def until(stream: AsyncIterator[T], wanted: Callable[[T], bool]) -> T:
    """The first piece of news that is wanted."""
    async with asyncio.timeout(LIMIT_SECONDS):
        async for news in stream:
            if wanted(news):
                return news
    raise AssertionError("it ended before that")


async def rest(stream: AsyncIterator[T]) -> list[T]:
    """All that comes until the iterator ends."""
    async with asyncio.timeout(LIMIT_SECONDS):
        return [news async for news in stream]


def valued(value: object) -> Callable[[Entry], bool]:
    """Entries of this value."""
    return lambda entry: entry.value == value
