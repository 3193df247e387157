"""Properties on the wire: reading, setting and proposing them, who is told, and their limits (parity D8, D20-D32)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from django.conf import settings

from sessionstore_app import mint_token
from sessionstore_app.core.properties import FIXED
from tests.support.guests import Guests
from tests.support.server import Server, running
from tests.support.wire import Wire

# What the demo lets peers see of each other.
PUBLIC = settings.SESSIONSTORE["PUBLIC_PROPERTIES"]
COUNT, BYTES, KEY_LENGTH = 64, 1_024, 128
FOUR_BYTES = "\U0001f600"


async def _set(staff: Wire, session_id: str, **properties: str | None) -> dict[str, Any]:
    """Set properties whose keys are Python names."""
    return await staff.call("session.set_properties", session_id=session_id, properties=properties)


async def _read(wire: Wire, *keys: str, **params: Any) -> dict[str, str]:
    found: dict[str, str] = (await wire.call("session.get_properties", properties=list(keys), **params))["properties"]
    return found


# --- reading


async def test_d8_a_session_reads_its_own_properties_without_any_permission(any_guests: Guests) -> None:
    """And its roles and user properties too, which the model keeps from it."""
    guest = await any_guests.open(token=mint_token("ann", roles=["r"]), properties={"name": "Ann"})
    assert await _read(guest, "*F", "*U") == guest.session["properties"]
    assert await _read(guest, "*U", session_id=guest.id) == {"name": "Ann"}
    assert await _read(guest, "$Roles") == {"$Roles": '"r"'}


async def test_d30_others_are_read_with_the_keys_that_exist(any_guests: Guests) -> None:
    """Absent keys are left out."""
    guest, staff = await any_guests.open(properties={"name": "Ann"}), await any_guests.staff()
    assert await _read(staff, "name", "$Principal", "missing", "NAME", session_id=guest.id) == {
        "name": "Ann",
        "$Principal": "",
    }
    assert await _read(staff, session_id=guest.id) == {}


async def test_d30_an_unknown_session_is_an_error(guests: Guests) -> None:
    """One that has ended is unknown, and who may not see learns nothing of it."""
    gone, staff, guest = await guests.open(), await guests.staff(), await guests.open()
    await gone.call("session.close")
    for session_id in (gone.id, "x" * 22, "", "\U0001f600", "' OR 1=1 --", "a" * 5_000):
        await staff.refused("session.get_properties", "NO_SUCH_SESSION", session_id=session_id, properties=["*F"])
        await staff.refused("session.set_properties", "NO_SUCH_SESSION", session_id=session_id, properties={"k": "v"})
        await guest.refused("session.get_properties", "ACCESS_DENIED", session_id=session_id, properties=["*F"])


async def test_d30_a_session_that_is_away_is_read_and_written(guests: Guests) -> None:
    guest, staff = await guests.open(), await guests.staff()
    await guest.drop()
    await _set(staff, guest.id, k="v")
    assert await _read(staff, "*U", session_id=guest.id) == {"k": "v"}
    back = await guests.open(
        resume={"session_id": guest.id, "resume_token": guest.session["resume_token"]}, properties={"name": "late"}
    )
    assert back.session["resumed"] is True
    assert await _read(back, "*U") == {"k": "v"}


@pytest.mark.parametrize(
    ("keys", "fixed", "user"),
    [
        (["*F"], True, set[str]()),
        (["*U"], False, {"a", "b"}),
        (["*F", "*U"], True, {"a", "b"}),
        (["*U", "a", "missing"], False, {"a", "b"}),
        (["*F", "a", "$Roles"], True, {"a"}),
        (["*f", "*u", "*", "$*", "a*"], False, set[str]()),
    ],
)
async def test_d24_keys_and_wildcards_select(any_guests: Guests, keys: list[str], fixed: bool, user: set[str]) -> None:
    guest, staff = await any_guests.open(), await any_guests.staff()
    await _set(staff, guest.id, a="1", b="2")
    expected = user | ((FIXED - {"$ExpiryTime"}) if fixed else set())
    assert (await _read(guest, *keys)).keys() == expected


# --- setting


async def test_d31_setting_merges_and_d32_tells_previous_values(any_guests: Guests) -> None:
    guest, staff = await any_guests.open(), await any_guests.staff()
    assert await _set(staff, guest.id, a="1", b="2") == {"changed": {"a": None, "b": None}, "ignored": []}
    assert await _set(staff, guest.id, b="3", c="4") == {"changed": {"b": "2", "c": None}, "ignored": []}
    assert await _set(staff, guest.id, a=None, b="3") == {"changed": {"a": "1"}, "ignored": []}
    assert await _set(staff, guest.id, a=None, c="4") == {"changed": {}, "ignored": []}
    assert await _set(staff, guest.id) == {"changed": {}, "ignored": []}
    assert await _read(guest, "*U") == {"b": "3", "c": "4"}


async def test_d20_keys_and_values_keep_their_case(guests: Guests) -> None:
    guest, staff = await guests.open(), await guests.staff()
    await _set(staff, guest.id, Note="a", note="A", NOTE="")
    assert await _read(guest, "Note", "note", "NOTE", "nOTE") == {"Note": "a", "note": "A", "NOTE": ""}


@pytest.mark.parametrize("value", [1, True, 1.5, [], {}, ["a"]], ids=str)
async def test_d20_a_value_is_a_string_or_null(guests: Guests, value: Any) -> None:
    guest, staff = await guests.open(), await guests.staff()
    await staff.refused(
        "session.set_properties", "INVALID_PARAMS", session_id=guest.id, properties={"a": "1", "k": value}
    )
    assert await _read(guest, "*U") == {}


@pytest.mark.parametrize("key", ["", *"\t\r\n \"'()", "a b", "a\x7f", "\x85", 'say"what"'])
async def test_d22_what_cannot_be_a_users_key(guests: Guests, key: str) -> None:
    """Nothing of the request is done."""
    guest, staff = await guests.open(), await guests.staff()
    for value in ("1", None):
        properties = {"a": "1", key: value}
        await staff.refused("session.set_properties", "INVALID_KEY", session_id=guest.id, properties=properties)
    assert await _read(guest, "*U") == {}


@pytest.mark.parametrize("key", ["a.b:c/d-e_f", "[x],", "é", "\U0001f600", "all", "not", "*", "a$", "__proto__", "0"])
async def test_d22_what_can_be_a_users_key(guests: Guests, key: str) -> None:
    guest, staff = await guests.open(), await guests.staff()
    await staff.call("session.set_properties", session_id=guest.id, properties={key: key})
    assert await _read(guest, key) == {key: key}


async def test_d31_keys_with_a_dollar_are_ignored_and_p28_named(guests: Guests) -> None:
    guest, staff = await guests.open(), await guests.staff()
    properties = {"$Roles": '"admin"', "a": "1", "$mine": "2", "$ServerName": None}
    told = await staff.call("session.set_properties", session_id=guest.id, properties=properties)
    assert told == {"changed": {"a": None}, "ignored": ["$Roles", "$mine", "$ServerName"]}


async def test_d38_without_permission_only_self_properties_are_ones_own(any_guests: Guests) -> None:
    """The demo's are `name`; what else is named is ignored, and said to be."""
    guest = await any_guests.open()
    properties = {"muted": "no", "name": "Ann", "$Country": "FR"}
    for params in ({}, {"session_id": guest.id}):
        told = await guest.call("session.set_properties", properties=properties, **params)
        assert told["ignored"] == ["muted", "$Country"]
    assert await _read(guest, "*U", "$Country") == {"name": "Ann", "$Country": ""}
    told = await guest.call("session.set_properties", properties={"name": None})
    assert told == {"changed": {"name": "Ann"}, "ignored": []}
    only_ignored = await guest.call("session.set_properties", properties={"muted": "no"})
    assert only_ignored == {"changed": {}, "ignored": ["muted"]}


async def test_d38_with_permission_ones_own_are_set_like_any(guests: Guests) -> None:
    staff = await guests.staff()
    told = await staff.call("session.set_properties", properties={"muted": "no", "$Country": "fr"})
    assert told == {"changed": {"muted": None, "$Country": ""}, "ignored": []}


# --- proposing

PROPOSALS = {"SELF_PROPERTIES": ["hand"], "PROPOSED_PROPERTIES": {"team": ["red", "blue"], "seat": "[0-9]{1,3}"}}


@pytest.fixture(scope="module")
def asking_server() -> Iterator[Server]:
    with running(settings=PROPOSALS) as server:
        yield server


@pytest.fixture
async def asking(asking_server: Server) -> AsyncIterator[Guests]:
    async with Guests(asking_server) as opened:
        yield opened


@pytest.mark.parametrize(
    ("proposed", "accepted"),
    [
        ({"team": "red", "seat": "12", "hand": "anything"}, {"team", "seat", "hand"}),
        ({"team": "green", "seat": "7"}, {"seat"}),
        ({"team": "Red", "Team": "red"}, set[str]()),
        ({"seat": "1234"}, set[str]()),
        # The whole value has to match.
        ({"seat": "12\n"}, set[str]()),
        ({"seat": "a12"}, set[str]()),
        ({"team": ["red"], "seat": 12, "hand": None}, set[str]()),
        ({"hand": "x" * 1_024}, {"hand"}),
        ({"hand": "x" * 1_025, "team": "blue"}, {"team"}),
        ({"hand raised": "1", "": "1", "$Roles": '"host"', "*U": "1"}, set[str]()),
    ],
    ids=lambda value: repr(sorted(value) if isinstance(value, set) else value)[:40],
)
async def test_d23_a_proposal_is_accepted_as_far_as_the_project_trusts_it(
    asking: Guests, proposed: dict[str, Any], accepted: set[str]
) -> None:
    """P29: the rest is dropped and not returned; nobody is refused for it."""
    guest = await asking.open(properties=proposed)
    expected = {key: proposed[key] for key in accepted}
    assert {k: v for k, v in guest.session["properties"].items() if not k.startswith("$")} == expected
    assert await _read(guest, "*U") == expected


async def test_d38_what_could_be_proposed_cannot_be_set_later(asking: Guests) -> None:
    guest = await asking.open(properties={"team": "red"})
    told = await guest.call("session.set_properties", properties={"team": "blue", "hand": "up"})
    assert told == {"changed": {"hand": None}, "ignored": ["team"]}


# --- who is told


async def test_d31_a_session_is_told_what_was_done_to_its_properties(any_guests: Guests) -> None:
    guest, staff, other = await any_guests.open(), await any_guests.staff(), await any_guests.open()
    await _set(staff, guest.id, a="1", b="2")
    first = await guest.expect("session.changed")
    assert first["properties"] == {**guest.session["properties"], "a": "1", "b": "2"}
    assert first["changed_properties"] == {"a": None, "b": None}
    assert (first["roles"], first["permissions"]) == ([], [])
    await _set(staff, guest.id, a=None)
    second = await guest.expect("session.changed")
    assert (second["changed_properties"], second["revision"]) == ({"a": "1"}, first["revision"] + 1)
    await _set(staff, guest.id, a=None, b="2")
    await guest.assert_silent("session.changed")
    await other.assert_silent("session.changed")


async def test_p30_peers_are_told_of_public_properties_and_of_no_others(any_guests: Guests, room: str) -> None:
    """`muted` is one of the demo's public ones."""
    guest, peer = await any_guests.crowd(room, 2)
    staff = await any_guests.staff()
    await _set(staff, guest.id, muted="yes", private="1")
    told = await peer.expect("room.peers")
    assert (told["joined"], told["left"], told["count"]) == ([], [], 2)
    (updated,) = told["updated"]
    assert (updated["session_id"], updated["state"]) == (guest.id, "ACTIVE")
    assert updated["properties"].keys() == set(PUBLIC) - {"name"}
    assert updated["properties"]["muted"] == "yes"
    await _set(staff, guest.id, private="2", other="3")
    await guest.expect("session.changed", changed_properties={"other": None, "private": "1"})
    await peer.assert_silent("room.peers", "session.changed")
    await _set(staff, guest.id, muted=None)
    (updated,) = (await peer.expect("room.peers"))["updated"]
    assert updated["properties"].keys() == set(PUBLIC) - {"name", "muted"}
    peers = (await peer.call("room.peers", room=room))["peers"]
    assert updated in peers


async def test_p30_no_property_and_no_filter_gets_into_the_log(guests: Guests) -> None:
    """T22: not even where it is refused."""
    guest, staff = await guests.open(), await guests.staff()
    await _set(staff, guest.id, canary_key="canary-value")
    await staff.refused("session.list", "INVALID_FILTER", filter="canary_key is 'canary-value")
    await staff.call("session.list", filter="canary_key matches 'canary.*'", properties=["canary_key"])
    properties = {"canary key": "canary-value"}
    await staff.refused("session.set_properties", "INVALID_KEY", session_id=guest.id, properties=properties)
    await staff.call("session.terminate", filter="canary_key is 'canary-value'")
    await guest.expect_closed(4011)
    assert "canary" not in guests.server.log


# --- limits


async def test_t15_a_session_may_have_64_user_properties(guests: Guests) -> None:
    """One beyond is refused with the figures, and nothing of the request is done. Fixed ones do not count."""
    guest, staff = await guests.open(), await guests.staff()
    await _set(staff, guest.id, **{f"k{n}": "" for n in range(COUNT)})
    await guest.forget()
    too_many = {"k0": "changed", "one_more": ""}
    error = await staff.refused("session.set_properties", "LIMIT_EXCEEDED", session_id=guest.id, properties=too_many)
    assert (error["data"]["limit"], error["data"]["actual"]) == (COUNT, COUNT + 1)
    await guest.assert_silent("session.changed")
    assert (await _read(guest, "k0", "one_more")) == {"k0": ""}
    # Changing, exchanging and removing stay possible.
    assert (await _set(staff, guest.id, k0="changed", k1=None, one_more=""))["changed"] == {
        "k0": "",
        "k1": "",
        "one_more": None,
    }
    country = await staff.call("session.set_properties", session_id=guest.id, properties={"$Country": "FR"})
    assert country["changed"] == {"$Country": ""}


@pytest.mark.parametrize("character", ["x", "é", "€", FOUR_BYTES])
async def test_t15_a_value_may_have_1024_bytes_of_utf_8(guests: Guests, character: str) -> None:
    """P34: bytes count, not characters; fixed ones that can be set are no exception."""
    guest, staff = await guests.open(), await guests.staff()
    size = len(character.encode())
    full = character * (BYTES // size) + "x" * (BYTES % size)
    await _set(staff, guest.id, k=full)
    for key in ("k", "$Country"):
        properties = {"other": "1", key: full + "x"}
        error = await staff.refused(
            "session.set_properties", "LIMIT_EXCEEDED", session_id=guest.id, properties=properties
        )
        assert (error["data"]["limit"], error["data"]["actual"]) == (BYTES, BYTES + 1)
    assert await _read(guest, "*U") == {"k": full}


@pytest.mark.parametrize("character", ["k", FOUR_BYTES])
async def test_t15_a_key_may_have_128_characters(guests: Guests, character: str) -> None:
    guest, staff = await guests.open(), await guests.staff()
    longest = character * KEY_LENGTH
    await staff.call("session.set_properties", session_id=guest.id, properties={longest: "1"})
    properties = {f"{longest}x": "1"}
    error = await staff.refused("session.set_properties", "INVALID_KEY", session_id=guest.id, properties=properties)
    assert (error["data"]["limit"], error["data"]["actual"]) == (KEY_LENGTH, KEY_LENGTH + 1)
    assert await _read(guest, "*U") == {longest: "1"}


async def test_p52_every_limit_of_sessions_is_told_when_they_open(guests: Guests) -> None:
    limits = (await guests.open()).session["limits"]
    told = {
        "property_count": COUNT,
        "property_bytes": BYTES,
        "key_length": KEY_LENGTH,
        "filter_length": 4_096,
        "filter_depth": 32,
        "sessions_per_page": 100,
        "listeners_per_session": 16,
        "locks_per_session": 64,
    }
    assert {name: limits[name] for name in told} == told
