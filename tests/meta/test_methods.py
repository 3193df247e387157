"""Every method has its parameters, its handler and its line in the documentation."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from sessionstore_app.handlers import HANDLERS, IN_TURN, PATIENT
from sessionstore_app.protocol.methods import METHODS

PROTOCOL_PAGE = Path(__file__).parents[2] / "docs" / "reference" / "protocol.md"


def test_every_method_has_a_handler_and_every_handler_a_method() -> None:
    assert METHODS.keys() == HANDLERS.keys()


def test_what_is_finished_in_turn_or_may_wait_is_a_method_and_never_both() -> None:
    assert METHODS.keys() >= IN_TURN | PATIENT
    assert IN_TURN.isdisjoint(PATIENT)


@pytest.mark.parametrize("method", METHODS)
def test_a_handler_is_named_for_its_method_and_says_what_it_does(method: str) -> None:
    handler = HANDLERS[method]
    assert getattr(handler, "__name__", "") == method.replace(".", "_")
    assert inspect.iscoroutinefunction(handler) or handler.__annotations__["return"] == "Awaitable[str]"
    assert handler.__doc__


def test_a_method_is_spelled_noun_and_verb() -> None:
    assert {method.split(".")[0] for method in METHODS} == {"session", "room", "lock", "site"}
    assert all(method.count(".") == 1 and method == method.lower() for method in METHODS)


def test_the_documentation_names_every_method() -> None:
    page = PROTOCOL_PAGE.read_text()
    assert [method for method in METHODS if f"`{method}" not in page] == []
