"""Django's caches, one of each alias a thread.

Django makes one for each context, and so for each task of a loop: with a cache in Redis every socket would hold
connections of its own, for as long as its task lives. Knows nothing of what is kept in them.
"""

from __future__ import annotations

import threading

from django.core.cache import caches
from django.core.cache.backends.base import BaseCache


class _Held(threading.local):
    """What one thread has made, and of which settings."""

    def __init__(self) -> None:
        self.settings: object = None
        self.caches: dict[str, BaseCache] = {}


_held = _Held()


def thread_cache(alias: str) -> BaseCache:
    """This thread's cache of an alias. Raises InvalidCacheBackendError for an alias that is none."""
    if _held.settings is not caches.settings:
        # Other settings, as a test has them.
        _held.settings, _held.caches = caches.settings, {}
    if alias not in _held.caches:
        # Django's own is asked first: it says what is wrong with an alias.
        _held.caches[alias] = caches.create_connection(alias) if alias in caches.settings else caches[alias]
    return _held.caches[alias]
