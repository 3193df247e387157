"""Settings of a project whose views log users in and out, and change them (see `loginviews`)."""

from __future__ import annotations

import os

from project.settings import *  # noqa: F403  # settings are a module's names

ROOT_URLCONF = "tests.support.loginviews"
SESSION_ENGINE = os.environ.get("SESSION_ENGINE", "django.contrib.sessions.backends.db")
