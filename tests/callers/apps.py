"""The app; connects its receivers."""

from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig


class CallersConfig(AppConfig):
    """See `tests.callers`."""

    name = "tests.callers"

    def ready(self) -> None:
        """See `AppConfig.ready`."""
        import_module("tests.callers.receivers")
