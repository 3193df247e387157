"""The public names: what projects import, and nothing by accident."""

from __future__ import annotations

import importlib
import inspect

import pytest

import sessionstore_app
from sessionstore_app import signals

PUBLIC = [
    "CREATOR",
    "EVERYONE",
    "NOBODY",
    "OPEN",
    "OWNER",
    "REFUSED",
    "ROOM",
    "SESSION",
    "Identity",
    "Key",
    "Policy",
    "PropertyResolver",
    "RoomType",
    "create_map",
    "errors",
    "locks",
    "matching",
    "mint_token",
    "permission",
    "private_store",
    "rooms",
    "sessions",
    "site_sessions",
]
# The methods of each API that have a twin.
APIS = {
    "rooms": [
        "set", "get", "get_entry", "delete", "update", "write", "snapshot", "peers", "count", "broadcast", "clear",
    ],
    "sessions": [
        "list", "count", "get_properties", "set_properties", "terminate", "change_roles", "send", "observe_for",
    ],
    "locks": ["acquire", "release", "get", "list"],
    "site_sessions": ["create", "load", "get", "update", "delete", "stats", "expire"],
}  # fmt: skip
# An iterator has no synchronous form.
ASYNC_ONLY = {"sessions": ["listen"]}
TWINS = [(api, name) for api, names in APIS.items() for name in names]
SIGNAL_NAMES = [
    "room_changed",
    "room_cleared",
    "peer_joined",
    "peer_left",
    "session_opened",
    "session_changed",
    "session_disconnected",
    "session_returned",
    "session_closed",
]


def test_the_public_names_are_pinned() -> None:
    assert sessionstore_app.__all__ == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_can_be_imported(name: str) -> None:
    assert getattr(sessionstore_app, name) is not None
    assert name in (sessionstore_app.__doc__ or "")


def test_another_name_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="room_store"):
        getattr(importlib.import_module("sessionstore_app"), "room_store")  # noqa: B009  # as `from … import` asks


@pytest.mark.parametrize("api", APIS)
def test_every_method_has_its_asynchronous_twin_and_no_other_is_public(api: str) -> None:
    public = [name for name in dir(getattr(sessionstore_app, api)) if not name.startswith("_")]
    twins = [*APIS[api], *(f"a{name}" for name in APIS[api])]
    assert sorted(public) == sorted([*twins, *ASYNC_ONLY.get(api, [])])


@pytest.mark.parametrize(("api", "name"), TWINS)
def test_a_twin_is_documented(api: str, name: str) -> None:
    method = getattr(type(getattr(sessionstore_app, api)), f"a{name}")
    assert inspect.iscoroutinefunction(method)
    assert inspect.getdoc(method)


def test_an_iterator_is_documented() -> None:
    assert inspect.isasyncgenfunction(sessionstore_app.sessions.listen)
    assert inspect.getdoc(sessionstore_app.sessions.listen)


def test_the_signals_are_pinned() -> None:
    assert [name for name, found in vars(signals).items() if type(found).__name__ == "Signal"] == SIGNAL_NAMES
