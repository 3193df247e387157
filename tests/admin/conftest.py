"""Staff with just the permissions that a test names, and their browsers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

Staff: TypeAlias = Callable[..., Client]


def staff_user(name: str, *permissions: str) -> User:
    """A member of staff who holds these permissions of the app, and no others."""
    user = User.objects.create_user(name, password="secret", is_staff=True)
    found = Permission.objects.filter(content_type__app_label="sessionstore_app", codename__in=permissions)
    assert {permission.codename for permission in found} == set(permissions)
    user.user_permissions.set(found)
    return user


@pytest.fixture
def staff(transactional_db: None) -> Staff:
    """Log a member of staff in, who is made with these permissions."""

    def log_in(*permissions: str, name: str = "staff") -> Client:
        client = Client()
        client.force_login(staff_user(name, *permissions))
        return client

    return log_in
