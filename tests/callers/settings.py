"""Settings of a project with the app of callers."""

from __future__ import annotations

from project.settings import *  # noqa: F403  # settings are a module's names
from project.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.callers"]
ROOT_URLCONF = "tests.callers.urls"
