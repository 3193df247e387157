"""What is known of a client when its session opens (parity §2.3), and what it may propose of itself (D23)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from hypothesis import given
from hypothesis import strategies as st

from sessionstore_app.core.jsontext import Json
from sessionstore_app.core.properties import FIXED, check_changes, is_fixed
from sessionstore_app.services import facts
from sessionstore_app.services.facts import (
    ENVIRONMENT_LENGTH,
    ClientFacts,
    PropertyResolver,
    accepted_proposals,
    current_resolver,
    fixed_properties,
    preferred_language,
)
from tests.unit.generated import MANY, json_values, texts

CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"
WEBKIT = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
# Columns of a session's row hold these.
OF_COLUMNS = {"$SessionId", "$Principal", "$Roles", "$ServerName", "$StartTime", "$ExpiryTime"}
HERE = "tests.unit.services.test_facts"


def found(**client: Any) -> dict[str, str]:
    return fixed_properties(ClientFacts(**client))


# --- which there are


def test_d21_all_fixed_properties_are_there_that_no_column_holds() -> None:
    assert found().keys() == FIXED - OF_COLUMNS


def test_d21_of_an_unknown_client_little_is_known() -> None:
    assert found() == {
        "$ClientType": "OTHER",
        "$Transport": "WEBSOCKET",
        "$ClientIP": "",
        "$Connector": "sessionstore",
        "$Country": "",
        "$Language": "",
        "$Latitude": "NaN",
        "$Longitude": "NaN",
        "$Environment": "UNKNOWN",
    }


def test_d21_what_is_known_of_a_client_is_told() -> None:
    known = fixed_properties(
        ClientFacts(
            client_ip="203.0.113.5",
            user_agent=CHROME,
            accept_language="de-CH,de;q=0.9",
            client_name="sessionstore-js",
            client_version="0.1.0",
        ),
        transport="OTHER",
        connector="meetings",
    )
    assert known == {
        "$ClientType": "JAVASCRIPT_BROWSER",
        "$Transport": "OTHER",
        "$ClientIP": "203.0.113.5",
        "$Connector": "meetings",
        "$Country": "",
        "$Language": "de",
        "$Latitude": "NaN",
        "$Longitude": "NaN",
        "$Environment": "BROWSER_Chrome_120",
    }


# --- client type and environment

AGENTS = [
    (CHROME, "JAVASCRIPT_BROWSER", "BROWSER_Chrome_120"),
    (f"{CHROME} Edg/120.0.2210.91", "JAVASCRIPT_BROWSER", "BROWSER_Edge_120"),
    (
        "Mozilla/5.0 (X11; Linux x86_64; rv:121.0) Gecko/20100101 Firefox/121.0",
        "JAVASCRIPT_BROWSER",
        "BROWSER_Firefox_121",
    ),
    (
        f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {WEBKIT} Version/17.1 Safari/605.1.15",
        "JAVASCRIPT_BROWSER",
        "BROWSER_Safari_17",
    ),
    (
        f"Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) {WEBKIT} Version/17.1 Mobile/15E148 Safari/604.1",
        "JAVASCRIPT_BROWSER",
        "BROWSER_Mobile Safari_17",
    ),
    ("Opera/9.80 (Windows NT 6.1) Presto/2.12 Version/12.16", "JAVASCRIPT_BROWSER", "BROWSER_Opera_12"),
    ("Mozilla/5.0 (compatible)", "OTHER", "UNKNOWN"),
    ("Python/3.11 websockets/17.4", "PYTHON", "PYTHON_Python_3.11"),
    ("python-requests/2.31.0", "PYTHON", "PYTHON_python-requests_2.31"),
    ("Node.js/22", "JAVASCRIPT_BROWSER", "NODE_Node.js_22"),
    ("node", "JAVASCRIPT_BROWSER", "NODE_node"),
    ("okhttp/4.12.0", "JAVA", "JAVA_okhttp_4.12"),
    ("Java-http-client/17.0.2", "JAVA", "JAVA_Java-http-client_17.0"),
    (".NET/8.0", "DOTNET", "DOTNET_.NET_8.0"),
    ("libcurl/8.4.0", "C", "C_libcurl_8.4"),
    ("Dalvik/2.1.0 (Linux; U; Android 13; Pixel 7 Build/TQ3A.230805.001)", "ANDROID", "ANDROID_Pixel 7_13"),
    ("Meetings/1 CFNetwork/1410.0.3 Darwin/22.6.0", "IOS", "Apple_iOS_16"),
    ("Meetings/3.1 (iPhone; iOS 17.1; Scale/3.00)", "IOS", "Apple_iOS_17.1"),
    ("Meetings/3.1 (Linux; Android 14)", "ANDROID", "ANDROID_Smartphone_14"),
    ("javascripted/1.0", "OTHER", "UNKNOWN"),
    ("pythonic", "OTHER", "UNKNOWN"),
    ("curl/8.4.0", "OTHER", "UNKNOWN"),
    ("", "OTHER", "UNKNOWN"),
]


@pytest.mark.parametrize(("agent", "client_type", "environment"), AGENTS, ids=[row[0][:30] for row in AGENTS])
def test_a_user_agent_tells_type_and_environment(agent: str, client_type: str, environment: str) -> None:
    known = found(user_agent=agent)
    assert (known["$ClientType"], known["$Environment"]) == (client_type, environment)


@pytest.mark.parametrize(
    ("name", "client_type"),
    [
        ("sessionstore-js", "JAVASCRIPT_BROWSER"),
        ("sessionstore-python", "PYTHON"),
        ("somebody-elses", "JAVA"),
        ("", "JAVA"),
        (None, "JAVA"),
    ],
)
def test_our_own_clients_are_known_by_name(name: str | None, client_type: str) -> None:
    assert found(user_agent="okhttp/4.12.0", client_name=name)["$ClientType"] == client_type


@pytest.mark.parametrize(
    ("word", "environment"),
    [
        ("NODE_linux_22.1", "NODE_linux_22.1"),
        ("", "BROWSER_Chrome_120"),
        (" \t", "\N{REPLACEMENT CHARACTER}"),
        ("  ", "BROWSER_Chrome_120"),
        (None, "BROWSER_Chrome_120"),
        ("a\0\x1b[31m\n\x85\u2028b", "a\ufffd\ufffd[31m\ufffd\ufffd\ufffdb"),
        ("é" * (ENVIRONMENT_LENGTH + 1), "é" * ENVIRONMENT_LENGTH),
    ],
)
def test_a_clients_own_word_of_its_environment_wins(word: str | None, environment: str) -> None:
    assert found(user_agent=CHROME, environment=word)["$Environment"] == environment


@pytest.mark.parametrize(
    "agent", [f"python/\x1b[31m{'x' * 600}", f"Python\x85\x1b/1 {'x' * 600}", "Dalvik (Android 13; a\x85)"]
)
def test_t23_a_user_agent_is_cut_and_made_printable(agent: str) -> None:
    environment = found(user_agent=agent)["$Environment"]
    assert len(environment) <= ENVIRONMENT_LENGTH
    assert environment.isprintable()


@pytest.mark.parametrize("agent", ["Dalvik (Android 13; \x85)", "Dalvik (Android 13; \t)", "Mozilla/5.0 \ud800"])
def test_t23_what_the_parser_cannot_take_is_an_unknown_client(agent: str) -> None:
    known = found(user_agent=agent)
    assert (known["$ClientType"], known["$Environment"]) == ("OTHER", "UNKNOWN")


def test_user_agents_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    found(user_agent=f"{CHROME} once")
    monkeypatch.setattr(facts, "_parser", None)
    assert found(user_agent=f"{CHROME} once")["$Environment"] == "BROWSER_Chrome_120"


def test_user_agents_that_are_remembered_are_bounded() -> None:
    for number in range(1_100):
        found(user_agent=f"agent-{number}")
    assert facts._read_agent.cache_info().currsize <= 1_024


@MANY
@given(texts, texts)
def test_any_client_has_fixed_properties_that_can_be_kept(agent: str, word: str) -> None:
    known = found(user_agent=agent, accept_language=word, environment=word)
    check_changes(known, key_length=128, value_bytes=1_024)


# --- language


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("de-CH,de;q=0.9", "de"),
        ("DE", "de"),
        ("en;q=0.5, fr;q=0.8, it;q=0.8", "fr"),
        ("*, pt-BR;q=0.5", "pt"),
        ("de;q=0, en;q=0.1", "en"),
        ("x-klingon, gsw", "gsw"),
        ("*", ""),
        ("de;q=0", ""),
        ("", ""),
        ("not a language", ""),
        ("de;q=5", ""),
        (f"de, {'en, ' * 1_000}", "de"),
    ],
)
def test_a_client_speaks_the_language_it_likes_best(header: str, language: str) -> None:
    assert preferred_language(header) == language
    assert found(accept_language=header)["$Language"] == language


# --- a project's resolver


class Geography(PropertyResolver):
    def country(self, client: ClientFacts) -> str:
        return {"203.0.113.5": "ch"}.get(client.client_ip, "")

    def language(self, client: ClientFacts) -> str:
        return "RM"

    def coordinates(self, client: ClientFacts) -> tuple[float, float] | None:
        return (46.8, 9) if client.client_ip else None


class Broken(PropertyResolver):
    def country(self, client: ClientFacts) -> str:
        raise LookupError(f"The address {client.client_ip} is not in the database.")


class Odd(PropertyResolver):
    """Answers whatever the test wants."""

    answer: Any = None

    def country(self, client: ClientFacts) -> str:
        return self.answer  # type: ignore[no-any-return]  # on purpose

    language = country

    def coordinates(self, client: ClientFacts) -> tuple[float, float] | None:
        return self.answer  # type: ignore[no-any-return]


class NoResolver:
    pass


def resolved_by(settings: Any, name: str, **more: Any) -> None:
    settings.SESSIONSTORE = {"PROPERTY_RESOLVER": f"{HERE}.{name}", **more}


def place(known: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(known[key] for key in ("$Country", "$Language", "$Latitude", "$Longitude"))


def test_a_resolver_says_where_a_client_is(settings: Any) -> None:
    resolved_by(settings, "Geography")
    assert place(found(client_ip="203.0.113.5")) == ("CH", "rm", "46.8", "9.0")


def test_a_resolver_may_not_know(settings: Any) -> None:
    resolved_by(settings, "Geography")
    assert place(found()) == ("", "rm", "NaN", "NaN")


def test_a_resolver_that_raises_is_logged_without_personal_data(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    resolved_by(settings, "Broken")
    with caplog.at_level(logging.DEBUG):
        known = found(client_ip="203.0.113.5", accept_language="de")
    assert place(known) == ("", "de", "NaN", "NaN")
    assert len(caplog.records) == 1
    assert "LookupError" in caplog.text
    assert "test_facts.py" in caplog.text
    assert "203.0.113.5" not in caplog.text


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (None, ("", "", "NaN", "NaN")),
        (5, ("", "", "NaN", "NaN")),
        ("a\0b", ("", "", "NaN", "NaN")),
        ("é" * 513, ("", "", "NaN", "NaN")),
        ((91, 180), ("", "", "NaN", "180.0")),
        ((1, float("inf")), ("", "", "1.0", "NaN")),
        ((1, 2, 3), ("", "", "NaN", "NaN")),
        (("1", "2"), ("", "", "1.0", "2.0")),
    ],
    ids=ascii,
)
def test_an_answer_that_cannot_be_kept_is_none(
    settings: Any, monkeypatch: pytest.MonkeyPatch, answer: Any, expected: tuple[str, ...]
) -> None:
    resolved_by(settings, "Odd")
    monkeypatch.setattr(Odd, "answer", answer)
    assert place(found()) == expected


def test_the_resolver_is_made_once_and_again_when_settings_change(settings: Any) -> None:
    assert type(current_resolver()) is PropertyResolver
    resolved_by(settings, "Geography")
    assert isinstance(current_resolver(), Geography)
    assert current_resolver() is current_resolver()


@pytest.mark.parametrize("name", ["Missing", "NoResolver"])
def test_a_setting_that_names_no_resolver_is_told(settings: Any, name: str) -> None:
    resolved_by(settings, name)
    with pytest.raises(ImproperlyConfigured, match=f"PROPERTY_RESOLVER.*{name}"):
        current_resolver()


# --- D23: what a client proposes


def accepted(settings: Any, proposed: Mapping[str, Json] | None, **names: Any) -> dict[str, str]:
    settings.SESSIONSTORE = names
    return accepted_proposals(proposed)


def test_d23_without_settings_nothing_is_accepted(settings: Any) -> None:
    assert accepted(settings, {"role": "host"}) == {}


def test_d23_nothing_proposed_is_nothing_accepted(settings: Any) -> None:
    assert accepted(settings, None, SELF_PROPERTIES=["mood"]) == accepted(settings, {}, SELF_PROPERTIES=["mood"]) == {}


@pytest.mark.parametrize(("value", "is_accepted"), [("red", True), ("blue", True), ("Red", False), ("", False)])
def test_d23_a_value_of_the_list_is_accepted(settings: Any, value: str, is_accepted: bool) -> None:
    found = accepted(settings, {"team": value}, PROPOSED_PROPERTIES={"team": ["red", "blue"]})
    assert found == ({"team": value} if is_accepted else {})


@pytest.mark.parametrize(
    ("value", "is_accepted"), [("7", True), ("42", True), ("7a", False), ("a7", False), ("7\n", False)]
)
def test_d23_a_value_that_matches_as_a_whole_is_accepted(settings: Any, value: str, is_accepted: bool) -> None:
    found = accepted(settings, {"seat": value}, PROPOSED_PROPERTIES={"seat": "[0-9]+"})
    assert found == ({"seat": value} if is_accepted else {})


def test_d23_what_a_session_may_set_it_may_propose(settings: Any) -> None:
    found = accepted(settings, {"mood": "any", "Mood": "any"}, SELF_PROPERTIES=["mood"])
    assert found == {"mood": "any"}


def test_d23_what_a_session_may_set_anyway_no_list_narrows(settings: Any) -> None:
    found = accepted(settings, {"mood": "any"}, SELF_PROPERTIES=["mood"], PROPOSED_PROPERTIES={"mood": ["good"]})
    assert found == {"mood": "any"}


@pytest.mark.parametrize("key", sorted(FIXED))
def test_d23_t29_p29_a_fixed_property_is_never_accepted(settings: Any, key: str) -> None:
    assert accepted(settings, {key: "x", "mood": "good"}, SELF_PROPERTIES=["mood"]) == {"mood": "good"}


@pytest.mark.parametrize(
    "value", [None, 5, True, ["x"], {"x": "y"}, "a\0b", "é" * 513], ids=lambda value: ascii(value)[:20]
)
def test_d23_a_value_that_no_property_can_have_is_dropped(settings: Any, value: Json) -> None:
    assert accepted(settings, {"mood": value, "seat": "7"}, SELF_PROPERTIES=["mood", "seat"]) == {"seat": "7"}


def test_d23_of_too_many_the_first_are_accepted(settings: Any) -> None:
    keys = [f"key{number}" for number in range(4)]
    proposed: dict[str, Json] = {"other": "x", **dict.fromkeys(keys, "x")}
    found = accepted(settings, proposed, SELF_PROPERTIES=keys, PROPERTY_COUNT=3)
    assert list(found) == keys[:3]


@MANY
@given(st.dictionaries(st.sampled_from(["mood", "seat", "$Country", "*U", ""]) | texts, json_values))
def test_d23_proposals_are_dropped_and_never_an_error(proposed: dict[str, Json]) -> None:
    assert accepted_proposals(proposed) == {}


def test_d23_what_is_accepted_can_be_kept(settings: Any) -> None:
    found = accepted(settings, {"a" * 128: "x" * 1_024, "b": "\t"}, SELF_PROPERTIES=["a" * 128, "b"])
    check_changes(found, key_length=128, value_bytes=1_024)
    assert len(found) == 2
    assert not any(map(is_fixed, found))
