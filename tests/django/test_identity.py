"""A login is read, never written: the cookie belongs to the site."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session as DjangoSession
from django.test import Client

from sessionstore_app.services.identity import by_session_key

if TYPE_CHECKING:
    from pytest_django import Settings

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann() -> Client:
    """A browser in which a user is logged in."""
    browser = Client()
    browser.force_login(get_user_model().objects.create_user("ann", password="of her own"))
    return browser


def _key(browser: Client) -> str:
    key = browser.session.session_key
    assert key is not None
    return key


def test_a_login_outlives_a_rotated_secret_key(ann: Client, settings: Settings) -> None:
    """The session of the cookie stays as it is, however often somebody looks."""
    key = _key(ann)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another secret, as long as the checks would like it to be"
    assert [by_session_key(key).principal for _ in range(2)] == ["ann", "ann"]
    assert DjangoSession.objects.filter(session_key=key).exists()


def test_a_login_of_before_the_password_was_changed_is_nobody(ann: Client) -> None:
    key = _key(ann)
    user = get_user_model().objects.get()
    user.set_password("another")
    user.save()
    assert not by_session_key(key).principal
    assert DjangoSession.objects.filter(session_key=key).exists()
