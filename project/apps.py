"""The demo project as a Django app: it hears what happens in its meetings."""

from django.apps import AppConfig


class ProjectConfig(AppConfig):
    """Connects the receivers."""

    name = "project"

    def ready(self) -> None:
        """Import them."""
        from project import receivers  # noqa: F401  # needs the app registry
