"""Caches that do what caches may: forget without a word, be out of reach, or be changed by others in the middle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from django.core.cache.backends.locmem import LocMemCache


class Scripted(LocMemCache):
    """Before each call that a test has a script for, `before[name]` is called; true keeps the call from being done."""

    before: ClassVar[dict[str, Callable[..., object]]] = {}

    def _meet(self, name: str, *arguments: Any) -> object:
        script = self.before.get(name)
        return script(*arguments) if script is not None else None

    def set(self, key: str, *arguments: Any, **options: Any) -> None:
        if not self._meet("set", key, *arguments):
            super().set(key, *arguments, **options)

    def add(self, key: str, *arguments: Any, **options: Any) -> bool:
        return False if self._meet("add", key, *arguments) else super().add(key, *arguments, **options)

    def get(self, key: str, *arguments: Any, **options: Any) -> Any:
        return None if self._meet("get", key) else super().get(key, *arguments, **options)


class Down(LocMemCache):
    """Out of reach."""

    def get(self, *arguments: Any, **options: Any) -> Any:
        raise ConnectionRefusedError("No cache here.")
