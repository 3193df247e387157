"""The errors are those of the protocol, and each explains itself."""

from __future__ import annotations

import inspect

import pytest

from sessionstore_app.core import errors
from sessionstore_app.core.errors import SessionStoreError

# The protocol's table.
PROTOCOL = {
    "PARSE_ERROR": -32700,
    "INVALID_REQUEST": -32600,
    "METHOD_NOT_FOUND": -32601,
    "INVALID_PARAMS": -32602,
    "INTERNAL_ERROR": -32603,
    "NOT_OPEN": -32001,
    "ACCESS_DENIED": -32002,
    "NO_SUCH_SESSION": -32003,
    "NOT_JOINED": -32004,
    "VERSION_CONFLICT": -32005,
    "VALUE_TOO_LARGE": -32006,
    "TOO_MANY_KEYS": -32007,
    "STORE_TOO_LARGE": -32008,
    "INVALID_KEY": -32009,
    "INVALID_FILTER": -32010,
    "UNAVAILABLE": -32011,
    "RATE_LIMITED": -32012,
    "LIMIT_EXCEEDED": -32013,
    "INVALID_VALUE": -32014,
    "LOCK_NOT_HELD": -32015,
    "LOCK_TIMEOUT": -32016,
    "WRONG_TRANSPORT": -32017,
    "NOT_FOUND": -32018,
    "STORE_DESTROYED": -32019,
}

CLASSES = [
    found
    for _, found in inspect.getmembers(errors, inspect.isclass)
    if issubclass(found, SessionStoreError) and found not in (SessionStoreError, errors.SpaceWiped)
]


def _bare(found: type[SessionStoreError]) -> SessionStoreError:
    """One that is told nothing."""
    return errors.InvalidFilter(errors=()) if found is errors.InvalidFilter else found()


def test_d41_reasons_and_codes_are_those_of_the_protocol() -> None:
    assert errors.wire_errors() == PROTOCOL


def test_no_two_errors_share_a_code_or_a_reason() -> None:
    assert len({found.code for found in CLASSES}) == len({found.reason for found in CLASSES}) == len(CLASSES)


@pytest.mark.parametrize("found", CLASSES)
def test_an_error_has_a_docstring_a_reason_a_code_and_a_hint(found: type[SessionStoreError]) -> None:
    assert found.__dict__["__doc__"]
    assert str(_bare(found)) == found.__dict__["__doc__"].split("\n")[0]
    assert found.__dict__["reason"] in PROTOCOL
    assert found.__dict__["code"] == PROTOCOL[found.reason]
    assert found.hint.endswith(".")


@pytest.mark.parametrize("found", CLASSES)
def test_a_class_is_named_for_its_reason(found: type[SessionStoreError]) -> None:
    assert found.__name__ == "".join(word.capitalize() for word in found.reason.split("_"))


def test_every_error_stands_in_the_modules_tree() -> None:
    tree = errors.__doc__ or ""
    assert [found.__name__ for found in CLASSES if found.__name__ not in tree] == []
