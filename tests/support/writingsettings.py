"""Settings of a project all of whose requests are transactions, and whose views write (see `writingviews`)."""

from __future__ import annotations

from project.settings import *  # noqa: F403  # settings are a module's names
from project.settings import DATABASES

ROOT_URLCONF = "tests.support.writingviews"
DATABASES["default"]["ATOMIC_REQUESTS"] = True
