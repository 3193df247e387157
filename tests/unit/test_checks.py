"""`manage.py check` says what the app cannot do without."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.checks import run_checks

if TYPE_CHECKING:
    from pytest_django import Settings


def _errors() -> list[str | None]:
    return [message.id for message in run_checks(tags=["sessionstore"]) if message.is_serious()]


def test_without_time_zones_nothing_works(settings: Settings) -> None:
    settings.USE_TZ = False
    assert _errors() == ["sessionstore.E002"]
    (message,) = (found for found in run_checks(tags=["sessionstore"]) if found.id == "sessionstore.E002")
    assert "USE_TZ" in message.msg
    assert message.hint


def test_with_them_there_is_nothing_to_say(settings: Settings) -> None:
    settings.USE_TZ = True
    assert _errors() == []
