"""Between sync and async: the only place that may use `async_to_sync`.

A public operation is written once, as `async def aset`; `set = Twin("aset")` is its synchronous form. It works in
views, shells, threads and signal receivers, inside and outside transactions, and leaves no event loop, connection or
task behind.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from asgiref.sync import async_to_sync
from django.db import connections, transaction

from sessionstore_app.backends.groupcommit import ON_CALLERS_CONNECTION, hop

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")


class Twin(Generic[S, P, R]):
    """Descriptor: the synchronous form of an asynchronous method, with the same parameters and result."""

    def __init__(self, method: Callable[Concatenate[S, P], Coroutine[Any, Any, R]]) -> None:
        self._method = method
        self.__doc__ = method.__doc__

    def __get__(self, instance: S, owner: type[S]) -> Callable[P, R]:
        if instance is None:
            return self  # type: ignore[return-value]  # on the class: the descriptor itself, for documentation
        method = self._method

        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            return run(method(instance, *args, **kwargs))

        call.__doc__ = method.__doc__
        return call


def run(coroutine: Coroutine[Any, Any, R]) -> R:
    """Run to its end from synchronous code; what touches the database does so on the calling thread's connection."""

    async def body() -> R:
        return await coroutine

    token = ON_CALLERS_CONNECTION.set(True)
    try:
        return async_to_sync(body)()
    except BaseException:
        coroutine.close()
        raise
    finally:
        ON_CALLERS_CONNECTION.reset(token)


async def is_in_transaction(using: str) -> bool:
    """True for a synchronous caller inside a transaction: what it locks stays locked until that ends."""
    return ON_CALLERS_CONNECTION.get() and bool(await hop(using, lambda: connections[using].in_atomic_block))


async def after_commit(using: str, action: Callable[[], Awaitable[None]]) -> None:
    """Do `action` now, or, where the synchronous caller is inside a transaction, once that commits; never if it rolls
    back.
    """
    if not ON_CALLERS_CONNECTION.get() or not await hop(using, _defer, using, action):
        await action()


def _defer(using: str, action: Callable[[], Awaitable[None]]) -> bool:
    if not connections[using].in_atomic_block:
        return False

    async def body() -> None:
        await action()

    # Robust: peers who are told late (the hub notices within seconds) must not fail the caller's request.
    transaction.on_commit(lambda: run(body()), using=using, robust=True)
    return True
