"""Users of a server's database who are logged in: what their browsers would send."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from tests.support.server import Server, manage

# Django takes a secret as it is, too.
CSRF = "abcdefghijklmnopqrstuvwxyz012345"
_LOG_IN = """
import json
from importlib import import_module
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import Permission, User
name, permissions = json.loads({arguments!r})
user = User.objects.create_user(name, password="x")
ours = Permission.objects.filter(content_type__app_label="sessionstore_app")
user.user_permissions.set(ours.filter(codename__in=permissions))
session = import_module(settings.SESSION_ENGINE).SessionStore()
session[SESSION_KEY] = str(user.pk)
session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
session[HASH_SESSION_KEY] = user.get_session_auth_hash()
session.create()
print("key=" + session.session_key)
"""


def log_in(server: Server, name: str, permissions: Sequence[str]) -> str:
    """The value of the session cookie of a new user who holds these permissions."""
    code = _LOG_IN.format(arguments=json.dumps([name, list(permissions)]))
    printed = manage("shell", "-c", code, database_url=server.database_url)
    return printed.partition("key=")[2].strip()


def own_page(session_key: str) -> Mapping[str, str]:
    """Headers of a request by a script of an own page: with its user's cookie, and with the CSRF token."""
    return {
        "Cookie": f"sessionid={session_key}; csrftoken={CSRF}",
        "X-CSRFToken": CSRF,
        "Sec-Fetch-Site": "same-origin",
    }
