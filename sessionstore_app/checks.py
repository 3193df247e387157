"""System checks: what `manage.py check` says of a project that would surprise in production."""

from __future__ import annotations

from typing import Any

from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Error, Warning, register  # Django's names
from django.core.exceptions import ImproperlyConfigured

from sessionstore_app import backends, conf
from sessionstore_app.services import facts, policy


@register("sessionstore")
def check_settings(**_: Any) -> list[CheckMessage]:
    """Settings can be read, backends and policy can be made."""
    try:
        for alias in conf.current().backends:
            backends.backend(alias)
        policy.current()
        facts.current_resolver()
    except ImproperlyConfigured as error:
        return [Error(str(error), id="sessionstore.E001")]
    return []


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
