"""The Django app."""

from __future__ import annotations

from django.apps import AppConfig, apps
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext_lazy as _


class SessionStoreConfig(AppConfig):
    """Shared room state and live sessions."""

    name = "sessionstore_app"
    label = "sessionstore_app"
    verbose_name = _("Session store")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the system checks, find the room types of all apps, and hear of logins that end."""
        from sessionstore_app import checks  # noqa: F401  # needs the app registry

        autodiscover_modules("rooms")

        if apps.is_installed("django.contrib.auth"):
            from sessionstore_app.services import loginsignals

            loginsignals.connect()
