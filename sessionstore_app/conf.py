"""The one settings dictionary, `SESSIONSTORE`: typed, with defaults, and checked when it is first read.

An unknown name is an error with a suggestion. Numbers are bounds; durations are seconds, sizes are bytes.
"""

from __future__ import annotations

import difflib
import ipaddress
import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from typing import Any, TypeAlias

from django.conf import settings as django_settings
from django.core.cache import caches
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.db import connections

from sessionstore_app.core.errors import InvalidKey, InvalidParams, SessionStoreError
from sessionstore_app.core.limits import StoreLimits
from sessionstore_app.core.properties import (
    ALL_FIXED,
    ALL_USER,
    FIXED,
    check_changes,
    check_property_key,
    is_fixed,
    whole_value,
)
from sessionstore_app.core.removal import RemovalRule, removal_rule

DEFAULT_BACKENDS: Mapping[str, Mapping[str, Any]] = {
    "default": {"BACKEND": "sessionstore_app.backends.database.DatabaseBackend"},
    "private": {"BACKEND": "sessionstore_app.backends.cache.CacheStore", "OPTIONS": {"CACHE": "default"}},
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
    # How often it is looked whether Django still knows the users of open sessions, though no signal told of a change.
    recheck_seconds: float = 300
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
    # In each server process: writes to one room, by whomever, and joins of one user.
    room_writes_per_second: float = 200
    room_writes_burst: int = 1_000
    joins_per_minute: float = 60
    joins_burst: int = 100
    # Sockets, counted in each server process.
    sockets_per_user: int = 10
    sockets_per_address: int = 100
    sockets_per_process: int = 10_000
    # Over how long a process that is told to stop closes its sockets; 0 leaves SIGTERM to the server.
    drain_seconds: float = 5
    # Peers in a page of the list; in larger rooms joins and leaves are told once an interval.
    peers_per_page: int = 100
    peers_interval_seconds: float = 1
    # Properties of sessions: how many a user may have, and how large one value may be.
    property_count: int = 64
    property_bytes: int = 1_024
    # Properties that every session may set on itself, and those it may propose when it opens: key → allowed values, or
    # a regular expression that the whole value must match.
    self_properties: tuple[str, ...] = ()
    proposed_properties: Mapping[str, tuple[str, ...] | str] = field(default_factory=dict)
    # Properties that peers see of each other.
    public_properties: tuple[str, ...] = ("$ClientType",)
    # Who asks where a client is; a subclass of `PropertyResolver`.
    property_resolver: str = "sessionstore_app.services.facts.PropertyResolver"
    # Addresses and networks of proxies whose X-Forwarded-For is believed; "unix" for a proxy on a Unix socket.
    trusted_proxies: tuple[str, ...] = ()
    # Filters, listeners, locks and pages of sessions.
    filter_length: int = 4_096
    filter_depth: int = 32
    listeners_per_session: int = 16
    locks_per_session: int = 64
    sessions_per_page: int = 100
    # Keys that go when no peer of their room has matched a filter for a while; see the settings' page.
    removal_rules: tuple[RemovalRule, ...] = ()
    # For how long closed sessions are kept.
    history_days: float = 30
    # How often what is past its time is looked for and deleted.
    forget_seconds: float = 60
    # Site sessions: how long one lives after its last update, how large its data may be, in which database they are,
    # and through which cache they are read (empty: none).
    site_session_lifetime_seconds: float = 3_600
    site_session_bytes: int = 65_536
    site_session_database: str = "default"
    site_session_cache: str = "default"
    # How often `expire_sessions --every` looks, unless it is told otherwise.
    expiry_interval_seconds: float = 60
    # What one HTTP request may be.
    http_body_bytes: int = 262_144
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
    "recheck_seconds",
    "forget_seconds",
    "open_seconds",
    "sessions_per_page",
    "stalled_seconds",
    "site_session_lifetime_seconds",
    "site_session_bytes",
    "expiry_interval_seconds",
}
# Each level of a filter is read, and asked, by a call of its own: a thread's stack has room for this many.
_MOST_FILTER_DEPTH = 100
# Durations and rates are whole numbers by default, but need not be.
_FRACTIONS = {name for name in _NAMES.values() if name.endswith(("_seconds", "_per_second", "_per_minute"))} | {
    "history_days"
}


def load(raw: Mapping[str, Any]) -> Settings:
    """Build `Settings` from the dictionary in settings. Raises ImproperlyConfigured."""
    if not isinstance(raw, Mapping):
        raise ImproperlyConfigured(f"SESSIONSTORE is a dictionary, not {raw!r}.")
    for name in raw:
        if name not in _NAMES:
            close = difflib.get_close_matches(str(name), _NAMES, n=1)
            suggestion = f" Did you mean {close[0]!r}?" if close else f" Known names: {', '.join(sorted(_NAMES))}."
            raise ImproperlyConfigured(f"SESSIONSTORE has no setting {name!r}.{suggestion}")
    given = {_NAMES[name]: value for name, value in raw.items()}
    plain = {name: _checked(name, value) for name, value in given.items() if name not in _CHECKERS}
    bounds = Settings(**plain)
    composed = {
        name: check(f"SESSIONSTORE[{name.upper()!r}]", given[name], bounds)
        for name, check in _CHECKERS.items()
        if name in given
    }
    loaded = replace(bounds, **composed)
    if loaded.node_renew_seconds >= loaded.node_lease_seconds:
        raise ImproperlyConfigured("SESSIONSTORE: NODE_RENEW_SECONDS must be less than NODE_LEASE_SECONDS.")
    if loaded.filter_depth > _MOST_FILTER_DEPTH:
        raise ImproperlyConfigured(f"SESSIONSTORE['FILTER_DEPTH'] is at most {_MOST_FILTER_DEPTH}.")
    return loaded


def _checked(name: str, value: Any) -> Any:
    """A number, a truth or a text, as its default is one."""
    label = f"SESSIONSTORE[{name.upper()!r}]"
    default = getattr(_DEFAULTS, name)
    if isinstance(default, bool | str):
        if not isinstance(value, type(default)):
            raise ImproperlyConfigured(f"{label} is a {type(default).__name__}, not {value!r}.")
        return value
    number = _number(label, value)
    counted = int(number) if isinstance(default, int) and name not in _FRACTIONS else number
    if name in _POSITIVE and counted == 0:
        raise ImproperlyConfigured(f"{label} is more than 0.")
    return counted


def _number(label: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise ImproperlyConfigured(f"{label} is a number of at least 0, not {value!r}.")
    return value


# --- settings that are composed of several things; each checker is given the numbers, which bound it


def _checked_backends(label: str, value: Any, bounds: Settings) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(v, Mapping) and "BACKEND" in v for v in value.values()):
        raise ImproperlyConfigured(f"{label} maps an alias to {{'BACKEND': dotted path, 'OPTIONS': {{…}}}}.")
    return {**DEFAULT_BACKENDS, **value}


def _listed(label: str, value: Any, what: str) -> tuple[str, ...]:
    if not isinstance(value, list | tuple | set | frozenset) or not all(isinstance(item, str) for item in value):
        raise ImproperlyConfigured(f"{label} is a list of {what}, not {value!r}.")
    return tuple(value)


def _checked_database(label: str, value: Any, bounds: Settings) -> str:
    return _alias(label, value, "DATABASES", connections.settings)


def _checked_cache(label: str, value: Any, bounds: Settings) -> str:
    return "" if value == "" else _alias(label, value, "CACHES", caches.settings)


def _alias(label: str, value: Any, setting: str, known: Mapping[str, Any]) -> str:
    if not isinstance(value, str) or value not in known:
        raise ImproperlyConfigured(f"{label} is an alias of {setting} ({', '.join(sorted(known))}), not {value!r}.")
    return value


_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#@\s]+")


def _checked_origins(label: str, value: Any, bounds: Settings) -> tuple[str, ...]:
    what = "origins such as 'https://example.com', without a path"
    origins = _listed(label, value, what)
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):
            raise ImproperlyConfigured(f"{label} is a list of {what}; {origin!r} is none.")
    return origins


def _checked_proxies(label: str, value: Any, bounds: Settings) -> tuple[str, ...]:
    proxies = _listed(label, value, "addresses and networks such as '10.0.0.0/8', or 'unix'")
    for proxy in proxies:
        try:
            if proxy != "unix":
                ipaddress.ip_network(proxy)
        except ValueError as error:
            raise ImproperlyConfigured(f"{label}: {error}; an address, a network or 'unix' is needed.") from error
    return proxies


def _checked_self_properties(label: str, value: Any, bounds: Settings) -> tuple[str, ...]:
    return tuple(_user_key(label, key, bounds) for key in _listed(label, value, "keys of user properties"))


def _checked_public_properties(label: str, value: Any, bounds: Settings) -> tuple[str, ...]:
    keys = _listed(label, value, "keys of properties")
    for key in keys:
        if not is_fixed(key):
            _user_key(label, key, bounds)
        elif key not in FIXED:
            raise ImproperlyConfigured(f"{label}: there is no fixed property {key!r}, only {', '.join(sorted(FIXED))}.")
    return keys


def _user_key(label: str, key: Any, bounds: Settings) -> str:
    if not isinstance(key, str) or is_fixed(key) or key in (ALL_FIXED, ALL_USER):
        raise ImproperlyConfigured(f"{label}: {key!r} is not the key of one user property; those with $ are fixed.")
    with _refusals_of(label):
        return check_property_key(key, bounds.key_length)


def _checked_proposed_properties(label: str, value: Any, bounds: Settings) -> Mapping[str, tuple[str, ...] | str]:
    if not isinstance(value, Mapping):
        raise ImproperlyConfigured(f"{label} maps keys to lists of values or regular expressions, not {value!r}.")
    return {_user_key(label, key, bounds): _allowed(f"{label}[{key!r}]", key, value[key], bounds) for key in value}


def _allowed(label: str, key: str, value: Any, bounds: Settings) -> tuple[str, ...] | str:
    if isinstance(value, str):
        with _refusals_of(label):
            whole_value(value)
        return value
    values = _listed(label, value, "values, or one regular expression")
    for one in values:
        with _refusals_of(label):
            check_changes({key: one}, key_length=bounds.key_length, value_bytes=bounds.property_bytes)
    return values


_RULE = {"ROOMS", "KEYS", "WITHOUT", "FOR_SECONDS"}


def _checked_rules(label: str, value: Any, bounds: Settings) -> tuple[RemovalRule, ...]:
    if not isinstance(value, list | tuple):
        raise ImproperlyConfigured(f"{label} is a list of dictionaries, not {value!r}.")
    return tuple(_rule(f"{label}[{position}]", raw, bounds) for position, raw in enumerate(value))


def _rule(label: str, raw: Any, bounds: Settings) -> RemovalRule:
    if not isinstance(raw, Mapping) or raw.keys() != _RULE:
        raise ImproperlyConfigured(
            f"{label} is {{'ROOMS': pattern, 'KEYS': [patterns], 'WITHOUT': filter, 'FOR_SECONDS': seconds}}, "
            f"not {raw!r}."
        )
    for name in ("ROOMS", "WITHOUT"):
        if not isinstance(raw[name], str):
            raise ImproperlyConfigured(f"{label}[{name!r}] is a str, not {raw[name]!r}.")
    with _refusals_of(label):
        return removal_rule(
            rooms=raw["ROOMS"],
            keys=_listed(f"{label}['KEYS']", raw["KEYS"], "patterns of keys"),
            without=raw["WITHOUT"],
            for_ms=round(_number(f"{label}['FOR_SECONDS']", raw["FOR_SECONDS"]) * 1_000),
            room_length=bounds.room_length,
            key_length=bounds.key_length,
            filter_length=bounds.filter_length,
            filter_depth=bounds.filter_depth,
        )


@contextmanager
def _refusals_of(label: str) -> Iterator[None]:
    try:
        yield
    except SessionStoreError as error:
        figures = "" if error.limit is None else f" The limit is {error.limit}, this is {error.actual}."
        hint = f" {error.advice}" if isinstance(error, InvalidKey | InvalidParams) else ""
        raise ImproperlyConfigured(f"{label}: {error}{figures}{hint}") from error


Checker: TypeAlias = Callable[[str, Any, Settings], Any]

_CHECKERS: Mapping[str, Checker] = {
    "backends": _checked_backends,
    "allowed_origins": _checked_origins,
    "trusted_proxies": _checked_proxies,
    "self_properties": _checked_self_properties,
    "public_properties": _checked_public_properties,
    "proposed_properties": _checked_proposed_properties,
    "removal_rules": _checked_rules,
    "site_session_database": _checked_database,
    "site_session_cache": _checked_cache,
}

_DEFAULTS = Settings()


@lru_cache(maxsize=1)
def current() -> Settings:
    """The project's settings."""
    return load(getattr(django_settings, "SESSIONSTORE", {}))


def _forget(*, setting: str, **_: object) -> None:
    if setting == "SESSIONSTORE":
        current.cache_clear()


setting_changed.connect(_forget, dispatch_uid="sessionstore_app.conf")
