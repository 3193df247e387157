"""Data of site sessions in a Django cache, kept so that nothing old can be found there.

It is kept under key and update count, with the times of that update. Whoever looks for it has asked the database which
update there is now: so what is found is the data of the very row that the database has, in whatever process it was
kept and however late.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from django.core.cache import caches
from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.db import BaseDatabaseCache
from django.core.cache.backends.dummy import DummyCache

from sessionstore_app import conf
from sessionstore_app.backends.threadcaches import thread_cache
from sessionstore_app.core.site import SiteSessionInfo

logger = logging.getLogger("sessionstore_app")

T = TypeVar("T")

_PREFIX: Final = "sessionstore:site:"
# What is forgotten by nobody goes after a day.
_MOST_SECONDS: Final = 86_400
# Keys that one command of the cache names.
_AT_A_TIME: Final = 1_000


@dataclass(frozen=True, slots=True)
class SiteCache:
    """Data of site sessions in one cache. It may be away, or full: then it is as if nothing were kept."""

    alias: str
    timeout_seconds: int

    def fill(self, heads: Collection[SiteSessionInfo]) -> list[SiteSessionInfo]:
        """Those of the sessions whose data is kept, with it."""
        if not heads:
            return []
        nothing: dict[str, object] = {}
        kept = self._try(lambda cache: cache.get_many([_name(head.key) for head in heads]), nothing)
        texts = [(head, _text(kept.get(_name(head.key)), _stamp(head))) for head in heads]
        return [replace(head, text=text) for head, text in texts if text is not None]

    def keep(self, infos: Iterable[SiteSessionInfo]) -> None:
        """Keep the data of sessions as they were read."""
        data = {_name(info.key): _stamp(info) + info.text for info in infos}
        if data:
            self._try(lambda cache: cache.set_many(data, self.timeout_seconds), [])

    def forget(self, keys: Iterable[str]) -> None:
        """Of these keys, with their suffixes, nobody has any use any more."""
        names = [_name(key) for key in keys]

        def delete(cache: BaseCache) -> None:
            for start in range(0, len(names), _AT_A_TIME):
                cache.delete_many(names[start : start + _AT_A_TIME])

        self._try(delete, None)

    def _try(self, act: Callable[[BaseCache], T], otherwise: T) -> T:
        try:
            return act(thread_cache(self.alias))
        except Exception as error:  # each cache's client has errors of its own, and none may fail a request
            logger.warning("The cache %r of site sessions is out of reach: %r", self.alias, error)
            return otherwise


def current() -> SiteCache | None:
    """The project's cache; None if it wants none, or has none of use."""
    settings = conf.current()
    alias = settings.site_session_cache
    # One in a database spares no database, and one that keeps nothing spares nothing.
    if not alias or isinstance(caches[alias], BaseDatabaseCache | DummyCache):
        return None
    return SiteCache(alias, math.ceil(min(settings.site_session_lifetime_seconds, _MOST_SECONDS)))


def _name(key: str) -> str:
    return _PREFIX + key


def _stamp(info: SiteSessionInfo) -> str:
    """What tells this update from another of the same count: of an earlier session, or before a backup came back."""
    return f"{info.created.isoformat()} {info.updated.isoformat()} "


def _text(kept: object, stamp: str) -> str | None:
    return kept[len(stamp) :] if isinstance(kept, str) and kept.startswith(stamp) else None
