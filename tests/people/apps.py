"""The app of people."""

from __future__ import annotations

from django.apps import AppConfig


class PeopleConfig(AppConfig):
    """Its users."""

    name = "tests.people"
    label = "people"
