"""The reference names all that a project may call, subclass, hear or run into; figures and examples are the code's."""

from __future__ import annotations

import inspect
import json
import re

import pytest

import sessionstore_app
from sessionstore_app import conf
from sessionstore_app.core import filters
from sessionstore_app.core.properties import FIXED
from sessionstore_app.handlers import opening
from sessionstore_app.protocol import frames
from sessionstore_app.protocol.methods import METHODS, read_params
from sessionstore_app.services import directory, steering
from sessionstore_app.services.facts import PropertyResolver
from sessionstore_app.services.policy import PERMISSIONS, Identity, Policy
from tests.meta.pages import FILTERS, GUIDE, LIMITS, PROTOCOL, PYTHON_API, SETTINGS, SIGNALS, examples, row_names, rows
from tests.meta.test_exports import APIS, ASYNC_ONLY, SIGNAL_NAMES

NOTIFICATIONS = set(re.findall(r'_notification\(\s*"([\w.]+)"', inspect.getsource(frames)))


def _own_methods(of: type) -> set[str]:
    return {name for name, found in vars(of).items() if inspect.isfunction(found) and not name.startswith("_")}


# --- what is called


@pytest.mark.parametrize("name", sessionstore_app.__all__)
def test_the_python_page_names_every_public_name(name: str) -> None:
    assert re.search(rf"`{name}[`.]|\b{name}\(", PYTHON_API.read_text())


@pytest.mark.parametrize("api", APIS)
def test_the_python_page_has_a_row_for_every_method(api: str) -> None:
    assert {*APIS[api], *ASYNC_ONLY.get(api, [])} - row_names(PYTHON_API) == set()


@pytest.mark.parametrize("call", [cells[0] for cells in rows(PYTHON_API) if re.match(r"`\w+\(", cells[0])])
def test_the_python_page_shows_arguments_that_there_are(call: str) -> None:
    name, _, arguments = call.strip("`").partition("(")
    shown = set(re.findall(r"(?:^|, )([a-z_]+)(?=[=,)])", arguments))
    homes = (getattr(sessionstore_app, api) for api in APIS)
    methods = [getattr(home, f"a{name}", None) or getattr(home, name, None) for home in homes]

    assert any(shown <= inspect.signature(method).parameters.keys() for method in methods if method is not None)


@pytest.mark.parametrize("hook", sorted(_own_methods(Policy)))
def test_the_settings_page_has_a_row_for_every_question_of_a_policy(hook: str) -> None:
    signature = inspect.signature(getattr(Policy, hook))
    names = [name for name in signature.parameters if name != "self"]
    calls = [cells[0].strip("`") for cells in rows(SETTINGS) if cells[0].startswith(f"`{hook}(")]

    assert len(calls) == 1
    assert re.findall(r"\w+", calls[0].partition("(")[2]) == names


@pytest.mark.parametrize("question", sorted(_own_methods(PropertyResolver)))
def test_the_settings_page_has_a_row_for_every_question_of_a_resolver(question: str) -> None:
    assert question in row_names(SETTINGS)


def test_the_settings_page_has_a_row_for_every_permission() -> None:
    assert PERMISSIONS - row_names(SETTINGS) == set()


@pytest.mark.parametrize("member", sorted(name for name in dir(Identity) if not name.startswith("_")))
def test_the_settings_page_names_what_an_identity_tells(member: str) -> None:
    assert re.search(rf"`{member}[`(]", SETTINGS.read_text())


# --- what is heard


@pytest.mark.parametrize("signal", SIGNAL_NAMES)
def test_the_signals_page_has_a_row_for_every_signal(signal: str) -> None:
    assert signal in row_names(SIGNALS)


def test_the_protocol_page_has_a_row_for_every_notification_and_no_other() -> None:
    listed = {cells[0].strip("`") for cells in rows(PROTOCOL, under="Notifications") if "." in cells[0]}

    assert len(NOTIFICATIONS) > 10
    assert listed == NOTIFICATIONS


def test_the_protocol_page_names_every_limit_that_a_session_is_told() -> None:
    (told,) = [cells[1] for cells in rows(PROTOCOL) if cells[0] == "`limits`"]
    assert set(re.findall(r"\w+", told)) == opening._limits(conf.Settings()).keys()


def test_the_protocol_page_shows_calls_that_can_be_read() -> None:
    calls = [json.loads(example.code) for example in examples(PROTOCOL, "json")]
    shown = [call for call in calls if "method" in call]

    assert shown
    for call in shown:
        read_params(call["method"], call["params"])


@pytest.mark.parametrize("method", METHODS)
def test_the_protocol_page_names_every_parameter_of_a_method(method: str) -> None:
    """In the row of the method, or, where several methods share it, anywhere on the page."""
    shapes = METHODS[method] if isinstance(METHODS[method], type) else METHODS[method].__args__[0]
    page = PROTOCOL.read_text()

    assert [name for name in shapes.__struct_fields__ if not re.search(rf"\b{name}\b", page)] == []


# --- sessions


def test_the_guide_has_a_row_for_every_fixed_property_and_no_other() -> None:
    named = {name for name in row_names(GUIDE) if name.startswith("$")}
    assert named == FIXED


def test_the_filter_page_shows_what_matches() -> None:
    properties = json.loads(examples(FILTERS, "json")[0].code)
    shown = [(text, cells[1]) for cells in rows(FILTERS) if len(cells) == 3 for text in _filters_in(cells)]

    assert len(shown) > 25
    for text, expected in shown:
        assert filters.parse(text).matches(properties) is (expected == "yes"), text


def _filters_in(cells: list[str]) -> list[str]:
    return re.findall(r"`([^`]+)`", cells[0]) if cells[1] in ("yes", "no") else []


def test_the_filter_page_names_every_word_of_the_language() -> None:
    words = {"and", "or", "not", "all", "has", "is", "eq", "ne", "in", "matches", "hasRoles", "hasAnyRole"}
    grammar = next(example.code for example in examples(FILTERS, "text") if "filter" in example.code)

    assert {word.lower() for word in words} >= filters._COMPARISONS | filters._ROLE_KEYWORDS
    assert [word for word in words if f'"{word}"' not in grammar] == []


@pytest.mark.parametrize(
    "figure",
    [
        filters.PATTERN_LENGTH,
        filters.PATTERNS,
        filters.UNICODE_CLASSES,
        filters.PROGRAM_SIZE,
        round(directory.FILTER_SECONDS),
    ],
)
def test_the_filter_page_tells_the_bounds_of_a_filter(figure: int) -> None:
    assert re.search(rf"(?<![\w,.]){figure:,}(?![\w,.]\d)", FILTERS.read_text())


def test_the_limits_page_tells_what_is_no_setting() -> None:
    stated = {cells[0]: cells[1] for cells in rows(LIMITS)}

    assert stated["roles of a session"] == str(steering.ROLES)
    assert stated["a role's name"] == str(steering.ROLE_BYTES)
    assert stated["patterns of a filter"] == f"{filters.PATTERNS}, of {filters.PATTERN_LENGTH} characters"
    assert stated["one filter over all sessions"] == f"{directory.FILTER_SECONDS:.0f} s"
