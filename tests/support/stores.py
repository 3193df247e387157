"""Private stores for tests: sessions that have one, settings that keep it elsewhere, and a store backend that counts,
fails, or lets something happen in the middle of a call.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

from django.conf import settings as project_settings
from django.db import connection
from django.test import override_settings

from sessionstore_app import backends
from sessionstore_app.core.entries import Space
from sessionstore_app.core.errors import Unavailable
from sessionstore_app.core.limits import StoreLimits
from sessionstore_app.models import Session, SessionState
from sessionstore_app.services import bridge, private
from sessionstore_app.services.private import PrivateStore, private_store
from sessionstore_app.signals import session_closed
from tests.conformance.thirdparty import DictStore

# Django's default of 300 entries is soon full.
ROOMY_CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "OPTIONS": {"MAX_ENTRIES": 100_000}},
}


def path_of(cls: type) -> str:
    """The dotted path that settings name a class by."""
    return f"{cls.__module__}.{cls.__qualname__}"


def keeping_in(cls: type, **more: Any) -> Any:
    """The project's settings, with private stores in such a backend."""
    private = {"private": {"BACKEND": path_of(cls)}}
    return override_settings(SESSIONSTORE={**project_settings.SESSIONSTORE, "BACKENDS": private, **more})


def new_session(state: str = SessionState.ACTIVE) -> str:
    """An open session that the record knows."""
    session_id = secrets.token_urlsafe(16)
    Session.objects.create(id=session_id, principal="ann", state=state)
    return session_id


def new_store() -> PrivateStore:
    """The store of a new session."""
    return private_store(new_session())


def in_threads(work: Callable[[int], None], count: int) -> list[BaseException]:
    """What failed in so many threads."""
    failures: list[BaseException] = []

    def run(number: int) -> None:
        try:
            work(number)
        except BaseException as error:  # handed to the test's thread
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return failures


class Heard:
    """Collects what a signal tells, and does something meanwhile."""

    def __init__(self, act: Callable[[str], object] = lambda session_id: None) -> None:
        self.told: list[dict[str, Any]] = []
        self._act = act
        # Django names a receiver that raised by this.
        self.__qualname__ = "Heard"

    def __call__(self, **told: Any) -> None:
        self.told.append(told)
        self._act(told["session_id"])

    def __enter__(self) -> Heard:
        session_closed.connect(self)
        return self

    def __exit__(self, *_: object) -> None:
        session_closed.disconnect(self)


def sweep() -> None:
    """What the upkeep does once a minute."""
    bridge.run(private.sweep())


def listed() -> set[str]:
    """Every store that is there."""

    async def spaces() -> set[str]:
        return {space async for space in backends.store().spaces()}

    return bridge.run(spaces())


class WatchedStore(DictStore):
    """Notes its calls; fails where it is told to; calls `between` before it makes a space, and `after` when one was
    destroyed. `reset` between tests.
    """

    calls: ClassVar[list[str]] = []
    fails: ClassVar[set[str]] = set()
    between: ClassVar[Callable[[], Awaitable[object]] | None] = None
    after: ClassVar[Callable[[], object] | None] = None

    @classmethod
    def reset(cls) -> None:
        """As new."""
        cls.calls.clear()
        cls.fails.clear()
        cls.between = cls.after = None

    def _note(self, call: str) -> None:
        self.calls.append(call)
        if call in self.fails:
            raise Unavailable("The test took it away.")

    async def create(self, space: Space, limits: StoreLimits) -> None:
        self._note("create")
        between, WatchedStore.between = WatchedStore.between, None
        if between is not None:
            await between()
        await super().create(space, limits)

    async def set(self, space: Space, key: str, text: str, limits: StoreLimits) -> None:
        self._note("set")
        await super().set(space, key, text, limits)

    async def items(self, space: Space) -> dict[str, str]:
        self._note("items")
        return await super().items(space)

    async def destroy(self, space: Space, *, mark: bool = True) -> None:
        self._note("destroy")
        await super().destroy(space, mark=mark)
        after = WatchedStore.after
        if after is not None:
            after()
