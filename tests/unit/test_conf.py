"""The one settings dictionary: unknown names and wrong types are told, not guessed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from sessionstore_app import conf
from sessionstore_app.conf import Settings, load
from sessionstore_app.core.limits import StoreLimits

MEMORY = {"BACKEND": "sessionstore_app.backends.memory.MemoryBackend"}


def test_without_settings_every_default_holds() -> None:
    assert load({}) == Settings()


def test_defaults_are_those_documented() -> None:
    documented = {
        "value_bytes": 1_024,
        "keys": 100,
        "store_bytes": 65_536,
        "key_length": 128,
        "room_length": 128,
        "frame_bytes": 65_536,
        "json_depth": 32,
        "open_seconds": 5,
        "heartbeat_seconds": 10,
        "reconnect_seconds": 30,
        "node_lease_seconds": 15,
        "node_renew_seconds": 5,
        "reap_seconds": 2,
        "grace_seconds": 0,
        "room_idle_seconds": 3_600,
        "patterns_per_session": 128,
        "outbox_bytes": 262_144,
        "stalled_seconds": 30,
        "writes_per_second": 20,
        "writes_burst": 100,
        "sockets_per_user": 10,
        "sockets_per_address": 100,
        "sockets_per_process": 10_000,
        "peers_per_page": 100,
        "peers_interval_seconds": 1,
        "allow_anonymous": False,
    }
    assert {name: getattr(Settings(), name) for name in documented} == documented


def test_the_stores_limits_are_the_same_everywhere() -> None:
    assert Settings().store_limits == StoreLimits()
    assert load({"KEYS": 7}).store_limits == StoreLimits(keys=7)


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [("KEY", "KEYS"), ("HEARTBEAT_SECOND", "HEARTBEAT_SECONDS"), ("ALLOWED_ORIGIN", "ALLOWED_ORIGINS")],
)
def test_an_unknown_name_is_refused_with_a_suggestion(misspelt: str, meant: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=f"{misspelt!r}.*{meant!r}"):
        load({misspelt: 1})


def test_names_are_in_capitals() -> None:
    with pytest.raises(ImproperlyConfigured, match="value_bytes"):
        load({"value_bytes": 1})


def test_a_name_like_no_other_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"Known names: .*ALLOWED_ORIGINS.*WRITES_PER_SECOND"):
        load({"zzzzzz": 1})


NUMBERS = [spec.name for spec in fields(Settings) if spec.type in ("int", "float")]
WRONG_NUMBERS: list[object] = ["5", None, True, -1, -0.5, []]


@pytest.mark.parametrize("value", WRONG_NUMBERS, ids=repr)
@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_is_a_number_of_at_least_0(name: str, value: object) -> None:
    with pytest.raises(ImproperlyConfigured, match=name.upper()):
        load({name.upper(): value})


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["KEYS", "HEARTBEAT_SECONDS"])
def test_a_number_is_finite(name: str, value: float) -> None:
    with pytest.raises(ImproperlyConfigured, match=name):
        load({name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ALLOW_ANONYMOUS", 1),
        ("ALLOW_ANONYMOUS", "yes"),
        ("ALLOW_ANONYMOUS", None),
        ("POLICY", None),
        ("POLICY", object),
        ("ALLOWED_ORIGINS", "https://example.com"),
        ("ALLOWED_ORIGINS", ["https://example.com", 5]),
        ("ALLOWED_ORIGINS", 5),
        ("ALLOWED_ORIGINS", None),
        ("BACKENDS", []),
        ("BACKENDS", None),
        ("BACKENDS", {"default": "sessionstore_app.backends.memory.MemoryBackend"}),
        ("BACKENDS", {"default": {"OPTIONS": {}}}),
    ],
)
def test_a_value_of_another_type_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(ImproperlyConfigured, match=name):
        load({name: value})


@pytest.mark.parametrize("raw", [None, [], "KEYS=5", [("KEYS", 5)]], ids=repr)
def test_settings_that_are_no_dictionary_are_refused(raw: Any) -> None:
    with pytest.raises(ImproperlyConfigured, match="SESSIONSTORE"):
        load(raw)


@pytest.mark.parametrize(
    "name",
    [
        "HEARTBEAT_SECONDS",
        "NODE_LEASE_SECONDS",
        "NODE_RENEW_SECONDS",
        "REAP_SECONDS",
        "OPEN_SECONDS",
        "STALLED_SECONDS",
    ],
)
def test_a_timer_is_more_than_0(name: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=f"{name}.*more than 0"):
        load({name: 0})


@pytest.mark.parametrize("name", ["GRACE_SECONDS", "RECONNECT_SECONDS", "KEYS"])
def test_p6_what_may_be_0_may_be_0(name: str) -> None:
    assert getattr(load({name: 0}), name.lower()) == 0


def test_durations_and_rates_may_have_fractions() -> None:
    loaded = load({"HEARTBEAT_SECONDS": 0.5, "WRITES_PER_SECOND": 0.25, "GRACE_SECONDS": 1.5})
    assert (loaded.heartbeat_seconds, loaded.writes_per_second, loaded.grace_seconds) == (0.5, 0.25, 1.5)


def test_counts_are_whole_numbers() -> None:
    keys = load({"KEYS": 7.0}).keys
    assert (keys, type(keys)) == (7, int)


@pytest.mark.parametrize(("renew", "lease"), [(5, 5), (6, 5)])
def test_a_lease_is_renewed_before_it_runs_out(renew: float, lease: float) -> None:
    with pytest.raises(ImproperlyConfigured, match="NODE_RENEW_SECONDS"):
        load({"NODE_RENEW_SECONDS": renew, "NODE_LEASE_SECONDS": lease})


def test_further_backends_stand_beside_the_default() -> None:
    backends = load({"BACKENDS": {"fast": MEMORY}}).backends
    assert backends.keys() >= {"default", "fast"}
    assert load({"BACKENDS": {"default": MEMORY}}).backends["default"] == MEMORY


@pytest.mark.parametrize("origins", [[], ["https://a.example"], ("https://a.example", "https://b.example:8443")])
def test_origins_are_kept_as_a_tuple(origins: list[str] | tuple[str, ...]) -> None:
    assert load({"ALLOWED_ORIGINS": origins}).allowed_origins == tuple(origins)


def test_a_truth_and_a_path_are_kept() -> None:
    loaded = load({"ALLOW_ANONYMOUS": True, "POLICY": "project.policy.MeetingPolicy"})
    assert loaded.allow_anonymous
    assert loaded.policy == "project.policy.MeetingPolicy"


def test_settings_changed_in_a_test_count_at_once() -> None:
    changed: Mapping[str, Any] = {"KEYS": 3}
    with override_settings(SESSIONSTORE=changed):
        assert conf.current().keys == 3
        assert conf.current() is conf.current()
    assert conf.current().keys == 100


def test_other_settings_do_not_make_them_read_again() -> None:
    before = conf.current()
    with override_settings(LANGUAGE_CODE="de"):
        assert conf.current() is before
