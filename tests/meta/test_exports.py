"""The public names: what projects import, and nothing by accident."""

from __future__ import annotations

import importlib
import inspect

import pytest

import sessionstore_app
from sessionstore_app import signals

PUBLIC = ["Identity", "Policy", "errors", "mint_token", "rooms"]
ROOMS = ["set", "get", "get_entry", "delete", "update", "write", "snapshot", "peers", "count", "broadcast", "clear"]
SIGNALS = ["room_changed", "room_cleared", "peer_joined", "peer_left"]


def test_the_public_names_are_pinned() -> None:
    assert sessionstore_app.__all__ == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_can_be_imported(name: str) -> None:
    assert getattr(sessionstore_app, name) is not None
    assert name in (sessionstore_app.__doc__ or "")


def test_another_name_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="room_store"):
        getattr(importlib.import_module("sessionstore_app"), "room_store")  # noqa: B009  # as `from … import` asks


def test_every_method_of_rooms_has_its_asynchronous_twin_and_no_other_is_public() -> None:
    public = [name for name in dir(sessionstore_app.rooms) if not name.startswith("_")]
    assert sorted(public) == sorted([*ROOMS, *(f"a{name}" for name in ROOMS)])


@pytest.mark.parametrize("name", ROOMS)
def test_a_twin_is_documented(name: str) -> None:
    method = getattr(type(sessionstore_app.rooms), f"a{name}")
    assert inspect.iscoroutinefunction(method)
    assert inspect.getdoc(method)


def test_the_signals_are_pinned() -> None:
    assert [name for name, found in vars(signals).items() if type(found).__name__ == "Signal"] == SIGNALS
