"""Settings of a project whose users are people of its own model."""

from __future__ import annotations

from project.settings import *  # noqa: F403  # settings are a module's names
from project.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.people"]
AUTH_USER_MODEL = "people.Person"
ROOT_URLCONF = "tests.people.urls"
