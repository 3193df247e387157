"""The SDK's tables equal the server's."""

from __future__ import annotations

import re
from pathlib import Path

from sessionstore_app.core import errors
from sessionstore_app.core.close import CloseReason

SDK = Path(errors.__file__).parents[1] / "static" / "sessionstore_app" / "sdk"

# What only a client can know.
CLIENTS_OWN = {"Disconnected", "OutcomeUnknown"}
# After these a client dials again, says the protocol.
RECONNECTED_AFTER = {1001, 1006, 1011, 1012, 4000, 4001, 4002, 4006, 4102}


def source(name: str) -> str:
    return (SDK / name).read_text()


def reason_of(class_name: str) -> str:
    """The reason that a class's name spells, as the SDK derives it."""
    return re.sub(r"\B[A-Z]", r"_\g<0>", class_name).upper()


def test_the_sdk_knows_every_error_by_the_servers_name_and_reason() -> None:
    (listed,) = re.findall(r"export const \{([\w\s,]+)\} = refusals;", source("errors.js"))
    names = set(re.findall(r"\w+", listed))
    assert names >= CLIENTS_OWN
    servers = {
        (found.__name__, found.reason)
        for found in errors.SessionStoreError.__subclasses__()
        if found.reason in errors.wire_errors() and found is not errors.SpaceWiped
    }
    assert {(name, reason_of(name)) for name in names - CLIENTS_OWN} == servers


def test_the_sdk_derives_reasons_as_this_test_does() -> None:
    assert r'name.replace(/\B[A-Z]/g, "_$&").toUpperCase()' in source("errors.js")


def test_the_sdk_knows_every_close_code() -> None:
    told = {int(code): name for code, name in re.findall(r'\[(\d{4}), "(\w+)"\]', source("closing.js"))}
    assert told == {reason.code: reason.name for reason in CloseReason}


def test_the_sdk_dials_again_after_the_codes_of_the_protocol() -> None:
    (listed,) = re.findall(r"RECONNECTED_AFTER = \[([\d, ]+)\];", source("closing.js"))
    assert {int(code) for code in listed.split(",")} == RECONNECTED_AFTER


def test_the_sdk_dials_again_only_where_a_session_can_be_resumed() -> None:
    ours = [reason for reason in CloseReason if reason.code in RECONNECTED_AFTER]
    assert ours
    assert [reason for reason in ours if reason.ends_session] == []
