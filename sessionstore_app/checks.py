"""System checks: what `manage.py check` says of a project that would surprise in production."""

from __future__ import annotations

from typing import Any

from django.conf import settings as django_settings
from django.core.cache import caches
from django.core.cache.backends.db import BaseDatabaseCache
from django.core.cache.backends.filebased import FileBasedCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.checks import CheckMessage, Error, Info, Warning, register  # Django's names
from django.core.exceptions import ImproperlyConfigured

from sessionstore_app import backends, conf
from sessionstore_app.backends.cache import CacheStore
from sessionstore_app.services import facts, policy, roomtypes


@register("sessionstore")
def check_settings(**_: Any) -> list[CheckMessage]:
    """Settings can be read, backends and policy can be made."""
    try:
        for alias in conf.current().backends:
            backends.made(alias)
        policy.current()
        facts.current_resolver()
    except ImproperlyConfigured as error:
        return [Error(str(error), id="sessionstore.E001")]
    return []


@register("sessionstore")
def check_room_types(**_: Any) -> list[CheckMessage]:
    """What projects declare in `rooms.py` can be used."""
    try:
        wrong = roomtypes.compiled()[1]
    except ImproperlyConfigured:
        # E001 says so.
        return []
    return [Error(problem.text, hint=problem.hint, id="sessionstore.E003") for problem in wrong]


@register("sessionstore")
def check_time_zones(**_: Any) -> list[CheckMessage]:
    """Times of several machines are compared with each other, and told to browsers."""
    if django_settings.USE_TZ:
        return []
    hint = "Set USE_TZ = True; TIME_ZONE may stay what it is."
    return [Error("USE_TZ is off: times without a zone cannot be compared.", hint=hint, id="sessionstore.E002")]


@register("sessionstore", deploy=True)
def check_layer(**_: Any) -> list[CheckMessage]:
    """No layer, or the in-memory one, reaches one process only."""
    layer = getattr(django_settings, "CHANNEL_LAYERS", {}).get("default", {}).get("BACKEND", "")
    if django_settings.DEBUG or (layer and not layer.endswith("InMemoryChannelLayer")):
        return []
    hint = "With more than one server process, use channels_redis.pubsub.RedisPubSubChannelLayer."
    return [
        Warning(
            "Without a channel layer, or with the in-memory one, peers hear their own process only.",
            hint=hint,
            id="sessionstore.W001",
        )
    ]


@register("sessionstore")
def check_sqlite(**_: Any) -> list[CheckMessage]:
    """SQLite without write-ahead log makes readers wait for writers."""
    database = django_settings.DATABASES.get("default", {})
    if not database.get("ENGINE", "").endswith("sqlite3"):
        return []
    if "wal" in str(database.get("OPTIONS", {}).get("init_command", "")).lower():
        return []
    hint = "Add OPTIONS: {'init_command': 'PRAGMA journal_mode=WAL;', 'transaction_mode': 'IMMEDIATE'}."
    return [Warning("SQLite runs without its write-ahead log.", hint=hint, id="sessionstore.W002")]


# A store may hold KEYS entries, and each is two of the cache's: fewer than this are soon full.
_FEW_ENTRIES = 10_000


@register("sessionstore", deploy=True)
def check_private_cache(**_: Any) -> list[CheckMessage]:
    """A cache of one process, or one that throws entries away, loses what open sessions have stored."""
    try:
        store = backends.store()
    except ImproperlyConfigured:
        # E001 says so.
        return []
    if django_settings.DEBUG or not isinstance(store, CacheStore):
        return []
    cache = caches[store.alias]
    found: list[CheckMessage] = []
    hint = "Let SESSIONSTORE['BACKENDS']['private'] name a cache that all processes share, or a backend of entries."
    if isinstance(cache, LocMemCache):
        text = f"Private stores are in the cache {store.alias!r}, which each server process has for itself."
        found.append(Warning(text, hint=hint, id="sessionstore.W003"))
    spec: dict[str, Any] = django_settings.CACHES[store.alias]
    most = spec.get("OPTIONS", {}).get("MAX_ENTRIES", 300)
    if isinstance(cache, LocMemCache | BaseDatabaseCache | FileBasedCache) and most < _FEW_ENTRIES:
        text = f"Private stores are in the cache {store.alias!r}, which throws entries away beyond {most}."
        hint = f"Raise MAX_ENTRIES in its OPTIONS, to {_FEW_ENTRIES} at least."
        found.append(Warning(text, hint=hint, id="sessionstore.W004"))
    return found


@register("sessionstore")
def check_atomic_requests(**_: Any) -> list[CheckMessage]:
    """Who has all requests in transactions should know of those that are not."""
    atomic = sorted(alias for alias, options in django_settings.DATABASES.items() if options.get("ATOMIC_REQUESTS"))
    if not atomic:
        return []
    text = f"ATOMIC_REQUESTS is on for {', '.join(map(repr, atomic))}; the views of sessionstore_app.urls stay outside."
    hint = "Each call over HTTP commits by itself; what your own views write by the Python API commits with them."
    return [Info(text, hint=hint, id="sessionstore.I001")]
