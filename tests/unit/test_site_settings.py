"""The settings of site sessions: aliases that there are, and no zero that would end every session at once."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from sessionstore_app.conf import Settings, load


def test_defaults_are_those_documented() -> None:
    settings = Settings()
    assert settings.site_session_lifetime_seconds == 3_600
    assert settings.site_session_bytes == 65_536
    assert settings.site_session_database == "default"
    assert settings.expiry_interval_seconds == 60


@pytest.mark.parametrize("name", ["SITE_SESSION_LIFETIME_SECONDS", "EXPIRY_INTERVAL_SECONDS"])
def test_a_duration_may_be_a_fraction_and_is_more_than_nothing(name: str) -> None:
    assert getattr(load({name: 0.5}), name.lower()) == 0.5
    for value in (0, -1, "60", None, float("inf")):
        with pytest.raises(ImproperlyConfigured, match=name):
            load({name: value})


def test_data_may_have_some_size() -> None:
    assert load({"SITE_SESSION_BYTES": 2}).site_session_bytes == 2
    with pytest.raises(ImproperlyConfigured, match="more than 0"):
        load({"SITE_SESSION_BYTES": 0})


@pytest.mark.parametrize(
    ("name", "setting"), [("SITE_SESSION_DATABASE", "DATABASES"), ("SITE_SESSION_CACHE", "CACHES")]
)
@pytest.mark.parametrize("value", ["elsewhere", None, 1, ["default"]])
def test_an_alias_that_there_is_not_is_refused_with_those_there_are(name: str, setting: str, value: Any) -> None:
    assert getattr(load({name: "default"}), name.lower()) == "default"
    with pytest.raises(ImproperlyConfigured, match=rf"{name}.*{setting} \(default\)"):
        load({name: value})


def test_no_cache_is_a_choice_and_no_database_is_not() -> None:
    assert load({"SITE_SESSION_CACHE": ""}).site_session_cache == ""
    with pytest.raises(ImproperlyConfigured, match="SITE_SESSION_DATABASE"):
        load({"SITE_SESSION_DATABASE": ""})
