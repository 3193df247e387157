"""Views of a project that do to users what sites do, in the server's own process, and their address."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.contrib import auth
from django.contrib.auth.models import Group, Permission, User
from django.contrib.sessions.models import Session as DjangoSession
from django.db import transaction
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt


def log_in(request: HttpRequest, name: str, groups: Sequence[str] = (), permissions: Sequence[str] = ()) -> None:
    """Log a user in, who is made where there is none."""
    user, is_new = User.objects.get_or_create(username=name)
    if is_new:
        user.set_password("her own")
        user.save()
        user.groups.set([Group.objects.get_or_create(name=group)[0] for group in groups])
        user.user_permissions.set(map(_permission, permissions))
    auth.login(request, user, backend="django.contrib.auth.backends.ModelBackend")


def log_out(request: HttpRequest) -> None:
    """Log out who asks."""
    auth.logout(request)


def change_own_password(request: HttpRequest) -> None:
    """Change the password of who asks, who stays logged in, as Django's own view does it."""
    assert isinstance(request.user, User)
    request.user.set_password("another")
    request.user.save()
    auth.update_session_auth_hash(request, request.user)


def set_password(request: HttpRequest, name: str) -> None:
    """Change somebody's password."""
    user = User.objects.get(username=name)
    user.set_password("another")
    user.save()


def deactivate(request: HttpRequest, name: str, *, rolled_back: bool = False) -> None:
    """Deactivate a user, in a transaction that may come to nothing."""
    with transaction.atomic():
        user = User.objects.get(username=name)
        user.is_active = False
        user.save(update_fields=["is_active"])
        transaction.set_rollback(rolled_back)


def deactivate_quietly(request: HttpRequest, name: str) -> None:
    """Deactivate a user so that no signal tells of it."""
    User.objects.filter(username=name).update(is_active=False)


def delete(request: HttpRequest, name: str) -> None:
    """Delete a user."""
    User.objects.get(username=name).delete()


def add_group(request: HttpRequest, name: str, group: str) -> None:
    """Put a user into a group."""
    User.objects.get(username=name).groups.add(Group.objects.get_or_create(name=group)[0])


def remove_group(request: HttpRequest, name: str, group: str) -> None:
    """Take a user out of a group."""
    User.objects.get(username=name).groups.remove(Group.objects.get(name=group))


def take_permission(request: HttpRequest, name: str, permission: str) -> None:
    """Take a permission from a user."""
    User.objects.get(username=name).user_permissions.remove(_permission(permission))


def end_django_sessions(request: HttpRequest, name: str) -> None:
    """Delete the Django sessions of a user, as a page "log me out everywhere" does."""
    wanted = str(User.objects.get(username=name).pk)
    for session in DjangoSession.objects.all():
        if session.get_decoded().get(auth.SESSION_KEY) == wanted:
            session.delete()


ACTS: Mapping[str, Callable[..., None]] = {
    act.__name__: act
    for act in (
        *(log_in, log_out, change_own_password, set_password, deactivate, deactivate_quietly, delete),
        *(add_group, remove_group, take_permission, end_django_sessions),
    )
}


def _permission(codename: str) -> Permission:
    return Permission.objects.get(content_type__app_label="sessionstore_app", codename=codename)


@csrf_exempt
def act(request: HttpRequest, name: str) -> JsonResponse:
    """Do one of them; the body is its arguments."""
    arguments: dict[str, Any] = json.loads(request.body)
    ACTS[name](request, **arguments)
    return JsonResponse({})


urlpatterns = [path("<str:name>/", act)]
