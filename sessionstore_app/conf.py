"""The one settings dictionary, `SESSIONSTORE`: typed, with defaults, and checked when it is first read.

An unknown name is an error with a suggestion. Numbers are bounds; durations are seconds, sizes are bytes.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import Any

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from sessionstore_app.core.limits import StoreLimits

DEFAULT_BACKENDS: Mapping[str, Mapping[str, Any]] = {
    "default": {"BACKEND": "sessionstore_app.backends.database.DatabaseBackend"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting with its default. Field names are the settings' names in lower case."""

    # Where entries live: alias → {"BACKEND": dotted path, "OPTIONS": {…}}.
    backends: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: dict(DEFAULT_BACKENDS))
    # Limits of a room's store.
    value_bytes: int = 1_024
    keys: int = 100
    store_bytes: int = 65_536
    # In characters.
    key_length: int = 128
    room_length: int = 128
    # What one inbound frame may be.
    frame_bytes: int = 65_536
    json_depth: int = 32
    # How long a socket may wait with session.open, how often it is asked whether it lives, how long it may be away.
    open_seconds: float = 5
    heartbeat_seconds: float = 10
    reconnect_seconds: float = 30
    # Leases of server processes, and how often what lapsed is looked for.
    node_lease_seconds: float = 15
    node_renew_seconds: float = 5
    reap_seconds: float = 2
    # How long a room keeps its store after the last peer left; and one that only the server wrote to.
    grace_seconds: float = 0
    room_idle_seconds: float = 3_600
    # Patterns a session may observe, over all its rooms.
    patterns_per_session: int = 128
    # How far a peer may be behind before it is sent only newest values, and for how long.
    outbox_bytes: int = 262_144
    stalled_seconds: float = 30
    # Writes of one socket: a bucket that holds `writes_burst` and fills by `writes_per_second`.
    writes_per_second: float = 20
    writes_burst: int = 100
    # Sockets, counted in each server process.
    sockets_per_user: int = 10
    sockets_per_address: int = 100
    sockets_per_process: int = 10_000
    # Peers in a page of the list; in larger rooms joins and leaves are told once an interval.
    peers_per_page: int = 100
    peers_interval_seconds: float = 1
    # Who may connect.
    allow_anonymous: bool = False
    allowed_origins: tuple[str, ...] = ()
    policy: str = "sessionstore_app.services.policy.Policy"

    @property
    def store_limits(self) -> StoreLimits:
        """The limits of a room's store."""
        return _store_limits(self.value_bytes, self.keys, self.store_bytes)


@lru_cache(maxsize=8)
def _store_limits(value_bytes: int, keys: int, store_bytes: int) -> StoreLimits:
    return StoreLimits(value_bytes=value_bytes, keys=keys, store_bytes=store_bytes)


_NAMES = {spec.name.upper(): spec.name for spec in fields(Settings)}
# A zero would stop the timers of these, or make every limit a refusal.
_POSITIVE = {
    "heartbeat_seconds",
    "node_lease_seconds",
    "node_renew_seconds",
    "reap_seconds",
    "open_seconds",
    "stalled_seconds",
}


def load(raw: Mapping[str, Any]) -> Settings:
    """Build `Settings` from the dictionary in settings. Raises ImproperlyConfigured."""
    if not isinstance(raw, Mapping):
        raise ImproperlyConfigured(f"SESSIONSTORE is a dictionary, not {raw!r}.")
    values: dict[str, Any] = {}
    for name, value in raw.items():
        if name not in _NAMES:
            close = difflib.get_close_matches(str(name), _NAMES, n=1)
            suggestion = f" Did you mean {close[0]!r}?" if close else f" Known names: {', '.join(sorted(_NAMES))}."
            raise ImproperlyConfigured(f"SESSIONSTORE has no setting {name!r}.{suggestion}")
        values[_NAMES[name]] = _checked(_NAMES[name], value)
    loaded = Settings(**values)
    if loaded.node_renew_seconds >= loaded.node_lease_seconds:
        raise ImproperlyConfigured("SESSIONSTORE: NODE_RENEW_SECONDS must be less than NODE_LEASE_SECONDS.")
    return loaded


def _checked(name: str, value: Any) -> Any:
    label = f"SESSIONSTORE[{name.upper()!r}]"
    if name == "backends":
        return _checked_backends(label, value)
    if name == "allowed_origins":
        return _checked_origins(label, value)
    default = getattr(_DEFAULTS, name)
    if isinstance(default, bool | str):
        if not isinstance(value, type(default)):
            raise ImproperlyConfigured(f"{label} is a {type(default).__name__}, not {value!r}.")
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise ImproperlyConfigured(f"{label} is a number of at least 0, not {value!r}.")
    if name in _POSITIVE and value == 0:
        raise ImproperlyConfigured(f"{label} is more than 0.")
    return int(value) if isinstance(default, int) and name not in _FRACTIONS else value


def _checked_origins(label: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple | set | frozenset) or not all(map(_is_origin, value)):
        raise ImproperlyConfigured(f"{label} is a list of origins such as 'https://example.com', without a path.")
    return tuple(value)


def _is_origin(value: object) -> bool:
    return isinstance(value, str) and bool(_ORIGIN.fullmatch(value))


_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#@\s]+")


def _checked_backends(label: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(v, Mapping) and "BACKEND" in v for v in value.values()):
        raise ImproperlyConfigured(f"{label} maps an alias to {{'BACKEND': dotted path, 'OPTIONS': {{…}}}}.")
    return {**DEFAULT_BACKENDS, **value}


_DEFAULTS = Settings()
# Durations and rates are whole numbers by default, but need not be.
_FRACTIONS = {name for name in _NAMES.values() if name.endswith("_seconds")} | {"writes_per_second"}


@lru_cache(maxsize=1)
def current() -> Settings:
    """The project's settings."""
    return load(getattr(django_settings, "SESSIONSTORE", {}))


def _forget(*, setting: str, **_: object) -> None:
    if setting == "SESSIONSTORE":
        current.cache_clear()


setting_changed.connect(_forget, dispatch_uid="sessionstore_app.conf")
