"""Where entries live, behind one small contract; and the aliases of `SESSIONSTORE["BACKENDS"]`.

Rooms need a `Backend`. Private stores need a `StoreBackend`, and a `Backend` serves as one.
"""

from __future__ import annotations

import threading

from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from sessionstore_app import conf
from sessionstore_app.backends.base import Backend
from sessionstore_app.backends.stores import EntriesStore, StoreBackend

_made: dict[str, Backend | StoreBackend] = {}
_lock = threading.Lock()


def backend(alias: str = "default") -> Backend:
    """The backend of an alias, one object a process. Raises ImproperlyConfigured."""
    found = made(alias)
    if not isinstance(found, Backend):
        raise ImproperlyConfigured(f"SESSIONSTORE['BACKENDS'][{alias!r}] keeps private stores, not rooms.")
    return found


def store(alias: str = "private") -> StoreBackend:
    """Where private entries live. Raises ImproperlyConfigured."""
    found = made(alias)
    return found if isinstance(found, StoreBackend) else EntriesStore(found)


def made(alias: str) -> Backend | StoreBackend:
    """What an alias stands for, one object a process. Raises ImproperlyConfigured."""
    found = _made.get(alias)
    if found is not None:
        return found
    with _lock:
        if alias not in _made:
            _made[alias] = _make(alias)
        return _made[alias]


def _make(alias: str) -> Backend | StoreBackend:
    spec = conf.current().backends.get(alias)
    if spec is None:
        raise ImproperlyConfigured(f"SESSIONSTORE['BACKENDS'] has no alias {alias!r}.")
    try:
        cls = import_string(spec["BACKEND"])
        made = cls(spec.get("OPTIONS"))
    except (ImportError, TypeError) as error:
        raise ImproperlyConfigured(f"SESSIONSTORE['BACKENDS'][{alias!r}]: {error}") from error
    if not isinstance(made, Backend | StoreBackend):
        raise ImproperlyConfigured(f"SESSIONSTORE['BACKENDS'][{alias!r}]: {spec['BACKEND']} is no Backend.")
    return made


def close_all() -> None:
    """Let go of every backend's threads and connections, and forget the backends."""
    with _lock:
        made = list(_made.values())
        _made.clear()
    for each in made:
        each.close()


def _forget(*, setting: str, **_: object) -> None:
    if setting in ("SESSIONSTORE", "CACHES"):
        close_all()


setting_changed.connect(_forget, dispatch_uid="sessionstore_app.backends")
