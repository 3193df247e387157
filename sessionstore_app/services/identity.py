"""Who a client is, by the Django session cookie of its handshake. Read when the session opens, and once more when
Django may say something else.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from django.apps import apps
from django.conf import settings
from django.http import HttpRequest
from django.http.cookie import parse_cookie

from sessionstore_app.models import Session
from sessionstore_app.services.policy import ANONYMOUS, PERMISSIONS, Identity


@dataclass(frozen=True, slots=True)
class Login:
    """The Django session by which a client is known, and who that was when it was looked at last. Its key is a secret
    that is in memory only.
    """

    key: str = field(repr=False)
    seen: Identity

    @property
    def mark(self) -> str:
        """What may be told of the key to other processes."""
        return mark_of(self.key)


def mark_of(key: str) -> str:
    """The mark of a Django session's key, which nobody can guess from it."""
    return hashlib.sha256(key.encode()).hexdigest()


def session_store() -> Any:
    """The class of the project's engine for Django sessions."""
    return import_module(settings.SESSION_ENGINE).SessionStore


def session_key(cookie_header: str) -> str | None:
    """The key of the Django session that a Cookie header names."""
    return parse_cookie(cookie_header).get(settings.SESSION_COOKIE_NAME) if cookie_header else None


def by_session_key(key: str) -> Identity:
    """The logged-in user of a Django session; anonymous where there is none. Uses the ORM."""
    if not apps.is_installed("django.contrib.auth"):
        return ANONYMOUS
    from django.contrib import auth  # may not be installed

    request = HttpRequest()
    store = session_store()(key)
    # Django would give the session another key where SECRET_KEY was rotated, and delete it where the password was
    # changed. This is no request whose answer could tell a browser, so the next one of the site's pages does it.
    store.cycle_key = store.flush = lambda: None
    request.session = store
    return by_user(auth.get_user(request))


def by_user(user: Any) -> Identity:
    """What Django says of a user: name, groups as roles, permissions. Uses the ORM."""
    if user is None or not user.is_authenticated or not user.is_active:
        return ANONYMOUS
    label = Session._meta.app_label
    groups = user.groups.values_list("name", flat=True) if hasattr(user, "groups") else ()
    held = user.get_all_permissions() if hasattr(user, "get_all_permissions") else set()
    return Identity(
        principal=user.get_username(),
        user_id=user.pk,
        roles=frozenset(groups),
        permissions=frozenset(name for name in PERMISSIONS if f"{label}.{name}" in held),
    )
