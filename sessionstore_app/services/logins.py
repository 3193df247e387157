"""What Django says now of many logins: a few queries for all where Django's own parts are in use, else one look each.

Who seems to be another than before is always asked for in full, as a request of the site would: what is read here for
all at once only tells who need not be.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from django.apps import apps
from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.backends.cache import SessionStore as CacheEngine
from django.contrib.sessions.backends.db import SessionStore as DatabaseEngine
from django.core.cache import caches
from django.db import DatabaseError, router
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from sessionstore_app.core.errors import Unavailable
from sessionstore_app.models import Session
from sessionstore_app.services.identity import Login, by_session_key, session_store
from sessionstore_app.services.policy import PERMISSIONS, Identity

_PROBE_SECONDS = 60


# Who somebody is now; None for the same as before, the error where that could not be found out.
Answer: TypeAlias = Identity | Exception | None


def look(logins: Sequence[Login]) -> list[Answer]:
    """Who each of the logins is now. Uses the ORM, and raises what the database raises."""
    same = _surely_same(logins) if _are_djangos_own() else set()
    return [None if position in same else _answer(login) for position, login in enumerate(logins)]


def _answer(login: Login) -> Answer:
    try:
        now = _ask(login.key)
    except DatabaseError:
        raise
    except Exception as error:  # an engine, a user model or a cache: no other login's fault
        return error
    return None if _rights(now) == _rights(login.seen) else now


def _ask(key: str) -> Identity:
    now = by_session_key(key)
    if now.user_id is None and issubclass(session_store(), CacheEngine):
        # The engine takes a cache that is away for a session that has ended.
        _require_cache()
        now = by_session_key(key)
    return now


def _rights(identity: Identity) -> tuple[Any, ...]:
    return identity.user_id, identity.roles, identity.permissions


def _require_cache() -> None:
    cache, mark = caches[settings.SESSION_CACHE_ALIAS], secrets.token_hex(8)
    key = f"sessionstore.probe.{mark}"
    cache.set(key, mark, _PROBE_SECONDS)
    if cache.get(key) != mark:
        raise Unavailable("The cache of Django's sessions is out of reach.")
    cache.delete(key)


# --- all at once


def _are_djangos_own() -> bool:
    """Are sessions, users and permissions where Django keeps them? A project may have replaced any of them."""
    if not apps.is_installed("django.contrib.auth"):
        return False
    from django.contrib.auth import get_backends, get_user_model  # may not be installed
    from django.contrib.auth.backends import ModelBackend
    from django.contrib.auth.models import Group, Permission, PermissionsMixin

    engine, user = session_store(), get_user_model()
    return (
        getattr(engine, "load", None) is DatabaseEngine.load
        and engine.decode is SessionBase.decode
        and hasattr(user, "get_session_auth_hash")
        and getattr(user, "get_all_permissions", None) is PermissionsMixin.get_all_permissions
        and user._meta.get_field("groups").related_model is Group
        and user._meta.get_field("user_permissions").related_model is Permission
        and all(type(backend) is ModelBackend for backend in get_backends())
    )


def _surely_same(logins: Sequence[Login]) -> set[int]:
    """The positions of those of whom all says the same as before."""
    kept = _django_sessions({login.key for login in logins})
    users = _users().in_bulk({login.seen.user_id for login in logins})
    roles, permissions = _roles(users), _permissions(users)
    same: set[int] = set()
    for position, login in enumerate(logins):
        pk = login.seen.user_id
        as_before = login.seen.roles == roles[pk] and login.seen.permissions == permissions[pk]
        if as_before and _is_logged_in(users.get(pk), kept.get(login.key, {})):
            same.add(position)
    return same


def _django_sessions(keys: set[str]) -> dict[str, dict[str, Any]]:
    """What the Django sessions hold, without those that have ended."""
    engine = session_store()
    model, store = engine.get_model_class(), engine()
    # Not of a copy that lags behind: what was ended is asked for a moment later.
    rows = model.objects.using(router.db_for_write(model)).filter(session_key__in=keys, expire_date__gt=timezone.now())
    return {key: store.decode(data) for key, data in rows.values_list("session_key", "session_data")}


def _users() -> QuerySet[Any]:
    from django.contrib.auth import get_user_model  # may not be installed

    model: Any = get_user_model()
    users: QuerySet[Any] = model._default_manager.using(router.db_for_write(model))
    return users


def _is_logged_in(user: Any, kept: Mapping[str, Any]) -> bool:
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY  # may not be installed

    return (
        user is not None
        and user.is_active
        and kept.get(SESSION_KEY) == user._meta.pk.value_to_string(user)
        and kept.get(BACKEND_SESSION_KEY) in settings.AUTHENTICATION_BACKENDS
        and constant_time_compare(kept.get(HASH_SESSION_KEY, ""), user.get_session_auth_hash())
    )


def _roles(users: Mapping[Any, Any]) -> Mapping[Any, set[str]]:
    found: defaultdict[Any, set[str]] = defaultdict(set)
    for pk, name in _users().filter(pk__in=users, groups__isnull=False).values_list("pk", "groups__name"):
        found[pk].add(name)
    return found


def _permissions(users: Mapping[Any, Any]) -> Mapping[Any, set[str]]:
    found: defaultdict[Any, set[str]] = defaultdict(set)
    for path in ("user_permissions", "groups__permissions"):
        ours = {f"{path}__content_type__app_label": Session._meta.app_label, f"{path}__codename__in": PERMISSIONS}
        for pk, name in _users().filter(pk__in=users, **ours).values_list("pk", f"{path}__codename"):
            found[pk].add(name)
    everything: set[str] | None = None
    for pk, user in users.items():
        if user.is_superuser:
            everything = _all_permissions() if everything is None else everything
            found[pk] = everything
    return found


def _all_permissions() -> set[str]:
    from django.contrib.auth.models import Permission  # may not be installed

    ours = Permission.objects.filter(content_type__app_label=Session._meta.app_label, codename__in=PERMISSIONS)
    return set(ours.values_list("codename", flat=True))
