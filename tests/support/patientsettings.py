"""Settings of a project whose servers close a few sockets a second when they are told to stop, so that a few are a
crowd.
"""

from __future__ import annotations

from project.settings import *  # noqa: F403  # settings are a module's names
from project.settings import INSTALLED_APPS

INSTALLED_APPS += ["tests.support.patience.Patience"]
