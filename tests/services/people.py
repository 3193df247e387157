"""People whose pages are open on a socket, whose logins and rights end (T4)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from asgiref.sync import sync_to_async
from django.contrib.auth.models import Group, Permission, User
from django.test import Client as Browser

from sessionstore_app.services import sessions
from sessionstore_app.services.identity import Login, by_session_key
from tests.services.processes import LIMIT_SECONDS, Client, Process, settled

_REVOKED = 4014


def permission(codename: str) -> Permission:
    """One of the app's permissions."""
    return Permission.objects.get(content_type__app_label="sessionstore_app", codename=codename)


def key_of(who: User) -> str:
    """Log in; the key of the Django session."""
    browser = Browser()
    browser.force_login(who)
    key = browser.session.session_key
    assert key is not None
    return key


def log_in(name: str) -> str:
    """A user who is new, in group `staff`, which may see sessions; the key of the Django session."""
    made = User.objects.create_user(name)
    group, is_new = Group.objects.get_or_create(name="staff")
    if is_new:
        group.permissions.add(permission("view_session"))
    made.groups.add(group)
    return key_of(made)


def user(name: str) -> User:
    """The user of that name, as the database has it."""
    return User.objects.get(username=name)


def staff_group() -> Group:
    """The group that `log_in` puts users into."""
    return Group.objects.get(name="staff")


def deactivate(name: str) -> None:
    """What ends all logins of a user."""
    found = user(name)
    found.is_active = False
    found.save()


async def page(process: Process, name: str, key: str = "") -> Client:
    """A page of the user, who is new where there is no key yet, on a socket of this process."""
    key = key or await sync_to_async(log_in)(name)
    who = await sync_to_async(by_session_key)(key)
    assert who.principal == name
    client = Client(process)
    process.acts()
    await sessions.open_session(process.hub, client.connection, who, login=Login(key, who))
    # The opening has its login looked at: done late, that look would find what the test does next.
    looking = process.presence._credentials._worker
    assert looking is not None
    await asyncio.wait([looking], timeout=LIMIT_SECONDS)
    assert looking.done()
    return client


async def does(process: Process, act: Callable[[], object]) -> None:
    """What a view of this process does to users."""
    process.acts()
    await sync_to_async(act)()
    await settled([process])


def holds(client: Client, roles: set[str], permissions: set[str]) -> bool:
    """Has the session exactly these rights by now?"""
    session = client.connection.session
    who = None if session is None else session.identity
    return who is not None and who.roles == roles and who.permissions == permissions


def is_closed(client: Client) -> bool:
    """Was the socket closed because its login ended?"""
    return client.closed_with == _REVOKED
