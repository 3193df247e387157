"""A store backend as another project would write one: dictionaries behind one lock, named by its dotted path."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

from sessionstore_app.backends.stores import StoreBackend
from sessionstore_app.core.entries import Space
from sessionstore_app.core.errors import StoreDestroyed, TooManyKeys, ValueTooLarge
from sessionstore_app.core.limits import StoreLimits


class DictStore(StoreBackend):
    """`{"BACKEND": "tests.conformance.thirdparty.DictStore", "OPTIONS": {"NAME": "anything"}}`."""

    can_list = True

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        rest = dict(options or {})
        self.name: str = rest.pop("NAME", "")
        super().__init__(rest)
        self._lock = threading.Lock()
        self._spaces: dict[Space, dict[str, str]] = {}
        self._made_at_ms: dict[Space, int] = {}
        self._closed: dict[Space, int] = {}

    async def create(self, space: Space, limits: StoreLimits) -> None:
        with self._lock:
            if space in self._closed:
                raise StoreDestroyed
            if space not in self._spaces:
                self._spaces[space] = {}
                self._made_at_ms[space] = time.time_ns() // 1_000_000

    async def set(self, space: Space, key: str, text: str, limits: StoreLimits) -> None:
        size = len(text.encode())
        if size > limits.value_bytes:
            raise ValueTooLarge(limit=limits.value_bytes, actual=size)
        with self._lock:
            contents = self._contents(space)
            if key not in contents and len(contents) >= limits.keys:
                raise TooManyKeys(limit=limits.keys, actual=len(contents) + 1)
            contents[key] = text

    async def get(self, space: Space, key: str) -> str | None:
        with self._lock:
            return self._contents(space).get(key)

    async def has(self, space: Space, key: str) -> bool:
        with self._lock:
            return key in self._contents(space)

    async def delete(self, space: Space, key: str) -> None:
        with self._lock:
            self._contents(space).pop(key, None)

    async def items(self, space: Space) -> dict[str, str]:
        with self._lock:
            return dict(self._contents(space))

    async def destroy(self, space: Space, *, mark: bool = True) -> None:
        with self._lock:
            self._spaces.pop(space, None)
            self._made_at_ms.pop(space, None)
            if mark:
                self._closed[space] = 2**51

    async def spaces(self) -> AsyncIterator[Space]:
        for space in list(self._spaces):
            yield space

    async def made_at_ms(self, space: Space) -> int:
        with self._lock:
            self._contents(space)
            return self._made_at_ms[space]

    async def forget_destroyed(self, before_ms: int) -> None:
        with self._lock:
            self._closed = {space: at_ms for space, at_ms in self._closed.items() if at_ms >= before_ms}

    def _contents(self, space: Space) -> dict[str, str]:
        found = self._spaces.get(space)
        if found is None:
            raise StoreDestroyed
        return found
