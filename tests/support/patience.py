"""An app that makes a server's farewell take time (see `patientsettings`)."""

from __future__ import annotations

from django.apps import AppConfig

# As few as there can be.
PER_SECOND = 20


class Patience(AppConfig):
    """Closes few sockets a second."""

    name = "tests.support"
    label = "patience"

    def ready(self) -> None:
        """Where the models are known, so is all else."""
        from sessionstore_app.services import drain

        drain.PER_SECOND = PER_SECOND
