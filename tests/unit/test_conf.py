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
        "room_writes_per_second": 200,
        "room_writes_burst": 1_000,
        "joins_per_minute": 60,
        "joins_burst": 100,
        "sockets_per_user": 10,
        "sockets_per_address": 100,
        "sockets_per_process": 10_000,
        "peers_per_page": 100,
        "peers_interval_seconds": 1,
        "property_count": 64,
        "property_bytes": 1_024,
        "filter_length": 4_096,
        "filter_depth": 32,
        "listeners_per_session": 16,
        "locks_per_session": 64,
        "sessions_per_page": 100,
        "history_days": 30,
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
        ("PROPERTY_RESOLVER", None),
        ("PROPERTY_RESOLVER", ["a.b"]),
        ("ALLOWED_ORIGINS", "https://example.com"),
        ("ALLOWED_ORIGINS", ["https://example.com", 5]),
        ("ALLOWED_ORIGINS", ["https://example.com/"]),
        ("ALLOWED_ORIGINS", ["https://example.com", "example.com"]),
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
        "SESSIONS_PER_PAGE",
        "STALLED_SECONDS",
    ],
)
def test_a_timer_and_a_page_are_more_than_0(name: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=f"{name}.*more than 0"):
        load({name: 0})


def test_a_count_that_comes_to_0_is_no_more_than_0() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"SESSIONS_PER_PAGE.*more than 0"):
        load({"SESSIONS_PER_PAGE": 0.5})


@pytest.mark.parametrize("name", ["GRACE_SECONDS", "RECONNECT_SECONDS", "KEYS", "PROPERTY_COUNT", "HISTORY_DAYS"])
def test_p6_what_may_be_0_may_be_0(name: str) -> None:
    assert getattr(load({name: 0}), name.lower()) == 0


def test_durations_and_rates_may_have_fractions() -> None:
    given = {
        "HEARTBEAT_SECONDS": 0.5,
        "WRITES_PER_SECOND": 0.25,
        "ROOM_WRITES_PER_SECOND": 0.5,
        "JOINS_PER_MINUTE": 1.5,
        "HISTORY_DAYS": 1.5,
    }
    loaded = load(given)
    assert {name: getattr(loaded, name.lower()) for name in given} == given


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


# --- properties


LISTS = ["SELF_PROPERTIES", "PUBLIC_PROPERTIES", "TRUSTED_PROXIES", "ALLOWED_ORIGINS"]


@pytest.mark.parametrize("value", ["10.0.0.1", None, 5, {"a": 1}, ["a", 5], [None], [b"a"]], ids=repr)
@pytest.mark.parametrize("name", LISTS)
def test_a_list_of_texts_is_a_list_of_texts(name: str, value: object) -> None:
    with pytest.raises(ImproperlyConfigured, match=rf"{name}.* is a list of"):
        load({name: value})


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("kind", [list, tuple, set, frozenset])
def test_a_list_of_texts_may_be_any_collection(name: str, kind: type) -> None:
    text = "https://a.example" if name == "ALLOWED_ORIGINS" else "unix"
    assert getattr(load({name: kind([text])}), name.lower()) == (text,)


def test_d23_properties_are_kept_in_their_order() -> None:
    loaded = load({"SELF_PROPERTIES": ["mood", "a"], "PUBLIC_PROPERTIES": ["$ClientIP", "mood", "$Roles"]})
    assert loaded.self_properties == ("mood", "a")
    assert loaded.public_properties == ("$ClientIP", "mood", "$Roles")


WRONG_KEYS = ["", "two words", "quote'd", "(a)", "k" * 129, "*U", "*F", "a\n"]


@pytest.mark.parametrize("key", WRONG_KEYS, ids=ascii)
@pytest.mark.parametrize("name", ["SELF_PROPERTIES", "PUBLIC_PROPERTIES"])
def test_d22_a_key_that_no_property_can_have_is_refused(name: str, key: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=name):
        load({name: [key]})


@pytest.mark.parametrize("key", [*WRONG_KEYS, 5], ids=ascii)
def test_d22_what_is_proposed_has_a_key_that_a_property_can_have(key: object) -> None:
    with pytest.raises(ImproperlyConfigured, match="PROPOSED_PROPERTIES"):
        load({"PROPOSED_PROPERTIES": {key: ["a"]}})


def test_d22_keys_are_as_long_as_the_project_says() -> None:
    long = "k" * 129
    assert load({"SELF_PROPERTIES": [long], "KEY_LENGTH": 129}).self_properties == (long,)
    with pytest.raises(ImproperlyConfigured, match="The limit is 3, this is 4"):
        load({"SELF_PROPERTIES": ["mood"], "KEY_LENGTH": 3})


@pytest.mark.parametrize("name", ["SELF_PROPERTIES", "PROPOSED_PROPERTIES"])
def test_t29_fixed_properties_are_never_a_clients_to_set(name: str) -> None:
    value = ["$Country"] if name == "SELF_PROPERTIES" else {"$Country": "[A-Z]{2}"}
    with pytest.raises(ImproperlyConfigured, match=rf"{name}.*Country.*fixed"):
        load({name: value})


def test_a_fixed_property_that_is_not_there_cannot_be_public() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"PUBLIC_PROPERTIES.*ClientIp.*\$ClientIP"):
        load({"PUBLIC_PROPERTIES": ["$ClientIp"]})


def test_d23_proposed_properties_have_values_or_an_expression() -> None:
    loaded = load({"PROPOSED_PROPERTIES": {"team": ["red", "blue"], "seat": "[0-9]+", "none": []}})
    assert loaded.proposed_properties == {"team": ("red", "blue"), "seat": "[0-9]+", "none": ()}


@pytest.mark.parametrize("value", [["team"], "team", None, 5], ids=repr)
def test_d23_proposed_properties_are_a_dictionary(value: object) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"PROPOSED_PROPERTIES.* maps keys to"):
        load({"PROPOSED_PROPERTIES": value})


@pytest.mark.parametrize("value", [None, 5, {"a": 1}, ["a", 5], b"a"], ids=repr)
def test_d23_what_is_allowed_is_a_list_or_an_expression(value: object) -> None:
    with pytest.raises(
        ImproperlyConfigured, match=r"PROPOSED_PROPERTIES'\]\['team'\] is a list of values, or one regular"
    ):
        load({"PROPOSED_PROPERTIES": {"team": value}})


@pytest.mark.parametrize("expression", ["(", "(?=a)b", r"(a)\1"])
def test_p25_an_expression_is_one_that_re2_compiles(expression: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"PROPOSED_PROPERTIES'\]\['seat'\].*RE2"):
        load({"PROPOSED_PROPERTIES": {"seat": expression}})


@pytest.mark.parametrize("value", ["a\0", "é" * 513], ids=lambda value: ascii(value)[:8])
def test_d23_a_value_that_no_property_can_have_is_refused(value: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"PROPOSED_PROPERTIES'\]\['team'\]"):
        load({"PROPOSED_PROPERTIES": {"team": ["red", value]}})


# --- proxies


@pytest.mark.parametrize("proxy", ["10.0.0.1", "10.0.0.0/8", "::1", "2001:db8::/32", "unix"])
def test_t2_a_trusted_proxy_is_an_address_or_a_network(proxy: str) -> None:
    assert load({"TRUSTED_PROXIES": [proxy]}).trusted_proxies == (proxy,)


@pytest.mark.parametrize("proxy", ["", "*", "localhost", "10.0.0.1/8", "10.0.0.1:80", "10.0.0", "Unix", "/run/socket"])
def test_t2_anything_else_is_no_trusted_proxy(proxy: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"TRUSTED_PROXIES.*an address, a network or 'unix'"):
        load({"TRUSTED_PROXIES": ["10.0.0.1", proxy]})


# --- removal rules


RULE: Mapping[str, Any] = {
    "ROOMS": "meeting/*",
    "KEYS": ["spotlight", "host/*"],
    "WITHOUT": "hasRoles ['host']",
    "FOR_SECONDS": 600,
}


def rules(*rules: object, **more: Any) -> Settings:
    return load({"REMOVAL_RULES": list(rules), **more})


def test_d2_9_a_removal_rule_is_read() -> None:
    (rule,) = rules(RULE).removal_rules
    assert (rule.rooms.matches("meeting/7"), rule.rooms.matches("class/7")) == (True, False)
    assert (rule.keys.matches("host/1"), rule.keys.matches("pinned")) == (True, False)
    assert (rule.filter.matches({"$Roles": '"host"'}), rule.filter.matches({})) == (True, False)
    assert rule.for_ms == 600_000


def test_d2_9_rules_keep_their_order_and_are_told_apart() -> None:
    found = rules(RULE, {**RULE, "FOR_SECONDS": 0.25}, {**RULE, "ROOMS": "*"}).removal_rules
    assert [rule.for_ms for rule in found] == [600_000, 250, 600_000]
    assert len({rule.name for rule in found}) == 3


@pytest.mark.parametrize("value", [RULE, None, "all", 5], ids=repr)
def test_d2_9_removal_rules_are_a_list(value: object) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"REMOVAL_RULES.* is a list of dictionaries"):
        load({"REMOVAL_RULES": value})


@pytest.mark.parametrize(
    "rule", [None, "all", [], {}, {**RULE, "WHEN": "x"}, {"ROOMS": "*", "KEYS": ["a"], "WITHOUT": "all"}], ids=repr
)
def test_d2_9_a_removal_rule_has_these_names_and_no_others(rule: object) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"REMOVAL_RULES'\]\[1\] is \{'ROOMS': .*'FOR_SECONDS'"):
        rules(RULE, rule)


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("ROOMS", None, "is a str"),
        ("ROOMS", ["a"], "is a str"),
        ("ROOMS", "", "room's name"),
        ("ROOMS", "a*b", "one star"),
        ("ROOMS", "r" * 129, "The limit is 128"),
        ("KEYS", "spotlight", r"\['KEYS'\] is a list of patterns"),
        ("KEYS", None, r"\['KEYS'\] is a list of patterns"),
        ("KEYS", [5], r"\['KEYS'\] is a list of patterns"),
        ("KEYS", [], "at least one key"),
        ("KEYS", ["a*b"], "one star"),
        ("KEYS", ["k" * 129], "The limit is 128"),
        ("WITHOUT", None, "is a str"),
        ("WITHOUT", "", "column 1"),
        ("WITHOUT", "role is", "column 8"),
        ("WITHOUT", "not " * 33 + "all", "nested too deep"),
        ("WITHOUT", f"role is '{'x' * 4_096}'", "The limit is 4096"),
        ("FOR_SECONDS", None, r"\['FOR_SECONDS'\] is a number of at least 0"),
        ("FOR_SECONDS", "600", r"\['FOR_SECONDS'\] is a number of at least 0"),
        ("FOR_SECONDS", True, r"\['FOR_SECONDS'\] is a number of at least 0"),
        ("FOR_SECONDS", -1, r"\['FOR_SECONDS'\] is a number of at least 0"),
        ("FOR_SECONDS", float("inf"), r"\['FOR_SECONDS'\] is a number of at least 0"),
    ],
)
def test_d2_9_a_rule_that_cannot_be_read_is_told_by_its_place(name: str, value: object, why: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=rf"REMOVAL_RULES'\]\[1\].*{why}"):
        rules(RULE, {**RULE, name: value})


def test_d2_9_a_rules_filter_is_bounded_as_the_project_says() -> None:
    deep = {**RULE, "WITHOUT": "not " * 40 + "all"}
    assert rules(deep, FILTER_DEPTH=40).removal_rules
    with pytest.raises(ImproperlyConfigured, match="The limit is 16"):
        rules(RULE, FILTER_LENGTH=16)


# --- reading them again


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


def test_a_filter_may_be_nested_as_deep_as_a_stack_allows() -> None:
    assert load({"FILTER_DEPTH": 100}).filter_depth == 100
    with pytest.raises(ImproperlyConfigured, match="FILTER_DEPTH"):
        load({"FILTER_DEPTH": 101})
