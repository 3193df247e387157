"""`manage.py check --deploy` says what a cache would do to private stores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sessionstore_app import backends, checks
from sessionstore_app.backends.database import DatabaseBackend
from sessionstore_app.backends.stores import EntriesStore
from tests.conformance.thirdparty import DictStore
from tests.support.stores import path_of

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django import Settings

_LOCMEM = "django.core.cache.backends.locmem.LocMemCache"
_FILES = "django.core.cache.backends.filebased.FileBasedCache"
_ROOMY = {"MAX_ENTRIES": 1_000_000}


def told(settings: Settings, *, debug: bool = False, private: Any = None, **cache: Any) -> list[str | None]:
    """What is said of such a project."""
    settings.DEBUG = debug
    settings.CACHES = {"default": cache or {"BACKEND": _LOCMEM}}
    settings.SESSIONSTORE = {"BACKENDS": {} if private is None else {"private": private}}
    return [message.id for message in checks.check_private_cache()]


def test_p39_a_cache_of_one_process_is_warned_of_outside_debug(settings: Settings) -> None:
    assert told(settings, BACKEND=_LOCMEM, OPTIONS=_ROOMY) == ["sessionstore.W003"]
    assert told(settings, BACKEND=_LOCMEM, OPTIONS=_ROOMY, debug=True) == []


def test_p38_a_cache_that_throws_entries_away_early_is_warned_of(settings: Settings, tmp_path: Path) -> None:
    assert told(settings, BACKEND=_LOCMEM) == ["sessionstore.W003", "sessionstore.W004"]
    assert told(settings, BACKEND=_FILES, LOCATION=str(tmp_path)) == ["sessionstore.W004"]
    assert told(settings, BACKEND=_FILES, LOCATION=str(tmp_path), OPTIONS=_ROOMY) == []


def test_other_stores_are_not_warned_of(settings: Settings) -> None:
    for cls in (DatabaseBackend, DictStore):
        assert told(settings, private={"BACKEND": path_of(cls)}) == []


@pytest.mark.parametrize(
    "private",
    [
        {"BACKEND": path_of(DictStore), "OPTIONS": {"NAMES": 1}},
        {"BACKEND": "sessionstore_app.backends.cache.CacheStore", "OPTIONS": {"CACHE": "nowhere"}},
        {"BACKEND": "sessionstore_app.backends.nowhere.Store"},
        {"BACKEND": "builtins.dict"},
    ],
)
def test_a_store_that_cannot_be_made_is_an_error(settings: Settings, private: dict[str, Any]) -> None:
    assert told(settings, private=private) == []
    assert [message.id for message in checks.check_settings()] == ["sessionstore.E001"]


def test_s33_either_kind_of_backend_serves(settings: Settings) -> None:
    for cls, kind in ((DatabaseBackend, EntriesStore), (DictStore, DictStore)):
        assert told(settings, private={"BACKEND": path_of(cls)}) == []
        assert checks.check_settings() == []
        assert type(backends.store()) is kind
