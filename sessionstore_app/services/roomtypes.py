"""Which type a room has: the classes that projects declare in `rooms.py` of their apps, found by the room's name.

Where one of them is wrong, no room can be used: `check` and the server's start say why.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from sessionstore_app import backends, conf
from sessionstore_app.backends.base import Backend
from sessionstore_app.core import roomtypes
from sessionstore_app.core.definitions import Definition, Problem, define, overlaps
from sessionstore_app.core.limits import StoreLimits
from sessionstore_app.core.patterns import PatternSet, pattern_set
from sessionstore_app.core.removal import RemovalRule
from sessionstore_app.core.roomtypes import RoomType

NO_PROPERTIES: Final[Mapping[str, str]] = MappingProxyType({})

# Set by `declaring`: these instead of those that apps declare.
_instead: list[Sequence[type[RoomType]]] = []


def compiled() -> tuple[tuple[Definition, ...], tuple[Problem, ...]]:
    """All room types, and everything that is wrong with them."""
    return _compiled(tuple(_instead[-1] if _instead else roomtypes.declared.values()))


@lru_cache(maxsize=8)
def _compiled(kinds: tuple[type[RoomType], ...]) -> tuple[tuple[Definition, ...], tuple[Problem, ...]]:
    made = [define(kind) for kind in kinds]
    definitions = tuple(definition for definition, _ in made)
    wrong = [problem for _, problems in made for problem in problems]
    wrong += _unknown_backends(definitions)
    return definitions, (*wrong, *overlaps(definitions))


def _unknown_backends(definitions: Sequence[Definition]) -> Iterator[Problem]:
    known = conf.current().backends
    for each in definitions:
        if each.backend not in known or not isinstance(backends.made(each.backend), Backend):
            names = ", ".join(sorted(alias for alias in known if isinstance(backends.made(alias), Backend)))
            yield Problem(f"{each.name}: there is no backend {each.backend!r} for rooms.", f"BACKENDS has {names}.")


def definitions() -> tuple[Definition, ...]:
    """All room types. Raises ImproperlyConfigured where something is wrong with one."""
    found, wrong = compiled()
    if wrong:
        raise ImproperlyConfigured(f"{wrong[0].text} {wrong[0].hint}")
    return found


def of(room: str) -> Definition | None:
    """The type of a room; None for one that follows the settings. Raises ImproperlyConfigured."""
    return _of(room)


@lru_cache(maxsize=4_096)
def _of(room: str) -> Definition | None:
    return next((each for each in definitions() if _names(each).matches(room)), None)


def _names(definition: Definition) -> PatternSet:
    return pattern_set(frozenset({definition.match}))


def forget() -> None:
    """Types or settings have changed."""
    _compiled.cache_clear()
    _of.cache_clear()
    named_properties.cache_clear()
    removal_rules.cache_clear()
    name_sessions.cache_clear()


def _forget(*, setting: str, **_: object) -> None:
    if setting == "SESSIONSTORE":
        forget()


setting_changed.connect(_forget, dispatch_uid="sessionstore_app.roomtypes")


@contextmanager
def declaring(*kinds: type[RoomType]) -> Iterator[None]:
    """Meanwhile there are these room types and no others: for tests of a project's own."""
    _instead.append(kinds)
    forget()
    try:
        yield
    finally:
        _instead.pop()
        forget()


# --- what follows the type, or the settings


def store_limits(room: str) -> StoreLimits:
    """How much a room may hold."""
    found = of(room)
    base = conf.current().store_limits
    return base if found is None else found.store_limits(base, ())


def grace_seconds(room: str) -> float:
    """How long a room keeps its store after its last peer left."""
    found = of(room)
    if found is None or found.grace_seconds is None:
        return conf.current().grace_seconds
    return found.grace_seconds


def public_properties(room: str) -> tuple[str, ...]:
    """Properties that every peer of a room sees of the others."""
    found = of(room)
    public = None if found is None else found.public_properties
    return conf.current().public_properties if public is None else public


@lru_cache(maxsize=1)
def named_properties() -> frozenset[str]:
    """Properties that some rule looks at: what a connection keeps of its session's."""
    return frozenset().union(*(rule.properties for each in definitions() for _, rule in each.every_rule))


def kept(properties: Mapping[str, str]) -> Mapping[str, str]:
    """Of a session's properties those that some rule looks at."""
    named = named_properties()
    return {key: properties[key] for key in named & properties.keys()} if named else NO_PROPERTIES


@lru_cache(maxsize=1)
def name_sessions() -> bool:
    """Is there a key of some type whose value is the id of a peer?"""
    return any(key.names_session for each in definitions() for key in each.keys)


@lru_cache(maxsize=1)
def removal_rules() -> tuple[RemovalRule, ...]:
    """Removal rules of all types and of the settings."""
    return (*conf.current().removal_rules, *(rule for each in definitions() for rule in each.removals))
