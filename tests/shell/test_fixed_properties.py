"""Parity §2.3 on the wire: the form of each fixed property, where it comes from, and that no client makes it up."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from typing import Any, cast

import pytest
from django.conf import settings

from sessionstore_app import mint_token
from sessionstore_app.conf import Settings
from sessionstore_app.core.properties import FIXED
from tests.support.guests import Guests
from tests.support.resolver import BROKEN, PLACES
from tests.support.server import Kind, Server, running

# What the demo lets peers see of each other.
PUBLIC = settings.SESSIONSTORE["PUBLIC_PROPERTIES"]
BROWSER = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    "JAVASCRIPT_BROWSER",
    "BROWSER_Chrome_126",
)
AGENTS = [
    BROWSER,
    ("python-requests/2.32", "PYTHON", "PYTHON_python-requests_2.32"),
    ("node", "JAVASCRIPT_BROWSER", "NODE_node"),
    ("okhttp/4.12", "JAVA", "JAVA_okhttp_4.12"),
    ("libcurl/8.5", "C", "C_libcurl_8.5"),
    ("nobody knows", "OTHER", "UNKNOWN"),
]


async def _properties(guests: Guests, headers: dict[str, str] | None = None, **params: Any) -> dict[str, str]:
    wire = await guests.connect(headers=list((headers or {}).items()))
    found: dict[str, str] = (await wire.open(**params))["properties"]
    return found


# --- one each


async def test_d21_every_session_has_all_fixed_properties_but_an_expiry(any_guests: Guests) -> None:
    """D20: all of them strings."""
    found = (await any_guests.open()).session["properties"]
    assert {key for key in found if key.startswith("$")} == FIXED - {"$ExpiryTime"}
    assert all(isinstance(value, str) for value in found.values())


async def test_d21_session_id_and_server_name_are_those_of_the_answer(any_guests: Guests) -> None:
    opened = (await any_guests.open()).session
    assert opened["properties"]["$SessionId"] == opened["session_id"]
    assert opened["properties"]["$ServerName"] == opened["server_name"] != ""


async def test_d21_the_principal_is_empty_for_who_is_anonymous(guests: Guests) -> None:
    assert (await _properties(guests))["$Principal"] == ""
    assert (await _properties(guests, token=mint_token("Frédérique")))["$Principal"] == "Frédérique"


async def test_d20_roles_are_quoted_names_with_commas_between_and_escapes_inside(any_guests: Guests) -> None:
    opened = (await any_guests.open(token=mint_token("ann", roles=['b"c', "a", "d\\e, f"]))).session
    assert opened["properties"]["$Roles"] == r'"a","b\"c","d\\e, f"'
    assert opened["roles"] == ["a", 'b"c', "d\\e, f"]
    assert (await _properties(any_guests))["$Roles"] == ""


@pytest.mark.parametrize(("agent", "client_type", "environment"), AGENTS)
async def test_d21_the_user_agent_tells_client_type_and_environment(
    any_guests: Guests, agent: str, client_type: str, environment: str
) -> None:
    found = await _properties(any_guests, {"User-Agent": agent})
    assert (found["$ClientType"], found["$Environment"]) == (client_type, environment)


@pytest.mark.parametrize(("name", "expected"), [("sessionstore-js", "JAVASCRIPT_BROWSER"), ("mine", "OTHER")])
async def test_d21_our_own_clients_are_known_by_their_names(guests: Guests, name: str, expected: str) -> None:
    found = await _properties(guests, {"User-Agent": "-"}, client={"name": name, "version": "1"})
    assert found["$ClientType"] == expected


async def test_d21_the_client_may_say_what_its_environment_is(guests: Guests) -> None:
    assert (await _properties(guests, environment="WATCH_7\n\u2028"))["$Environment"] == "WATCH_7\ufffd\ufffd"


async def test_d21_transport_and_connector_are_named(any_guests: Guests) -> None:
    found = await _properties(any_guests)
    assert (found["$Transport"], found["$Connector"]) == ("WEBSOCKET", "sessionstore")


async def test_d21_start_and_expiry_are_milliseconds(any_guests: Guests) -> None:
    """`$ExpiryTime` is when the token ends; absent is never."""
    before = time.time()
    found = await _properties(any_guests, token=mint_token("ann", expires_in=1_000))
    after = time.time()
    assert round(before * 1_000) - 1 <= int(found["$StartTime"]) <= round(after * 1_000) + 1
    assert round((before + 1_000) * 1_000) - 1 <= int(found["$ExpiryTime"]) <= round((after + 1_000) * 1_000) + 1
    assert "$ExpiryTime" not in await _properties(any_guests)


async def test_d21_where_a_client_is_stays_unknown_without_a_resolver(any_guests: Guests) -> None:
    found = await _properties(any_guests)
    assert (found["$Country"], found["$Latitude"], found["$Longitude"]) == ("", "NaN", "NaN")


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("de-CH,de;q=0.9", "de"),
        ("en;q=0.5,FR", "fr"),
        ("*", ""),
        ("x-none;q=1, es;q=0", ""),
        ("", ""),
        (";;=,q=,", ""),
    ],
)
async def test_d21_the_language_is_the_one_liked_best(guests: Guests, accepted: str, language: str) -> None:
    assert (await _properties(guests, {"Accept-Language": accepted}))["$Language"] == language


# --- none of it the client's own


async def test_p29_no_fixed_property_can_be_proposed(any_guests: Guests) -> None:
    """T29: neither proposed nor named in a header."""
    proposed = dict.fromkeys(FIXED, "made up")
    found = await _properties(any_guests, {"X-Roles": "admin", "X-Principal": "ann"}, properties=proposed)
    assert "made up" not in found.values()
    assert (found["$Principal"], found["$Roles"]) == ("", "")
    assert "$ExpiryTime" not in found


async def test_p29_no_fixed_property_but_four_can_be_set_by_anybody(guests: Guests) -> None:
    """T29, D31, P28: not even by who may modify every session; the keys come back as ignored."""
    guest, staff = await guests.open(), await guests.staff()
    settable = {"$Country", "$Language", "$Latitude", "$Longitude"}
    made_up = dict.fromkeys([*FIXED, "$Roles", "$Unknown", "$"], "1")
    told = await staff.call("session.set_properties", session_id=guest.id, properties=made_up)
    assert set(told["changed"]) == settable
    assert set(told["ignored"]) == {*FIXED, "$Unknown", "$"} - settable
    now = (await guest.call("session.get_properties", properties=["*F"]))["properties"]
    assert {key for key, value in now.items() if value != guest.session["properties"][key]} == settable


@pytest.mark.parametrize(
    ("key", "value", "stored"),
    [
        *(("$Country", "fr", "FR"), ("$Country", "", ""), ("$Country", "250", "250"), ("$Language", "DE", "de")),
        *(("$Latitude", "48.85", "48.85"), ("$Latitude", "-90", "-90"), ("$Latitude", "90.1", "NaN")),
        *(("$Latitude", "north", "NaN"), ("$Latitude", "1_0", "NaN"), ("$Latitude", "inf", "NaN")),
        *(("$Longitude", "180", "180"), ("$Longitude", "-180.5", "NaN"), ("$Longitude", "", "NaN")),
    ],
)
async def test_d31_what_can_be_set_is_brought_into_form(guests: Guests, key: str, value: str, stored: str) -> None:
    guest, staff = await guests.open(), await guests.staff()
    before = guest.session["properties"][key]
    told = await staff.call("session.set_properties", session_id=guest.id, properties={key: value})
    assert told == {"changed": {} if stored == before else {key: before}, "ignored": []}
    assert (await guest.call("session.get_properties", properties=[key]))["properties"] == {key: stored}


@pytest.mark.parametrize("key", ["$Country", "$Latitude", "$Roles", "$Principal"])
async def test_d31_null_on_a_fixed_property_does_nothing(guests: Guests, key: str) -> None:
    guest, staff = await guests.open(token=mint_token("ann", roles=["r"])), await guests.staff()
    told = await staff.call("session.set_properties", session_id=guest.id, properties={key: None})
    assert told == {"changed": {}, "ignored": [key]}
    await guest.assert_silent("session.changed")


# --- a project's resolver


@pytest.fixture(scope="module")
def placed_server() -> Iterator[Server]:
    with running(settings={"PROPERTY_RESOLVER": "tests.support.resolver.NamedPlaces"}) as server:
        yield server


@pytest.fixture
async def placed(placed_server: Server) -> AsyncIterator[Guests]:
    async with Guests(placed_server) as opened:
        yield opened


@pytest.mark.parametrize("place", ["paris", "quito"])
async def test_d21_a_resolver_knows_where_a_client_is(placed: Guests, place: str) -> None:
    """Its country is brought into form as any other; the default's answer for the language stays."""
    found = await _properties(placed, {"Accept-Language": "es"}, client={"name": place})
    country, (latitude, longitude) = PLACES[place]
    assert (found["$Country"], found["$Language"]) == (country.upper(), "es")
    assert (float(found["$Latitude"]), float(found["$Longitude"])) == (latitude, longitude)


@pytest.mark.parametrize("place", ["mars", BROKEN, "elsewhere"])
async def test_d21_a_resolver_that_fails_or_talks_nonsense_knows_nothing(placed: Guests, place: str) -> None:
    """The session opens nevertheless; T22: what it looked up is not logged."""
    found = await _properties(placed, client={"name": place})
    assert (found["$Country"], found["$Latitude"], found["$Longitude"]) == ("", "NaN", "NaN")
    assert "nothing is known of" not in placed.server.log


# --- the client's address

SPOOFED = ["203.0.113.7", "198.51.100.9, 203.0.113.7", "[2001:db8::7]:443", "127.0.0.1", "not an address"]


@pytest.mark.parametrize("header", SPOOFED)
async def test_p29_an_address_that_is_only_claimed_does_not_count(any_guests: Guests, header: str) -> None:
    """T2, T29: both servers believe, or could be made to believe, what comes from the same machine."""
    found = await _properties(any_guests, {"X-Forwarded-For": header})
    assert found["$ClientIP"] == "127.0.0.1"


@pytest.fixture(scope="module", params=["uvicorn", "daphne"])
def proxied_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    trusted = ["127.0.0.1", "10.0.0.0/8"]
    with running(kind=cast("Kind", request.param), settings={"TRUSTED_PROXIES": trusted}) as server:
        yield server


@pytest.fixture
async def proxied(proxied_server: Server) -> AsyncIterator[Guests]:
    async with Guests(proxied_server) as opened:
        yield opened


@pytest.mark.parametrize(
    ("header", "address"),
    [
        ("203.0.113.7", "203.0.113.7"),
        # Whoever sends the header writes its beginning; the proxy adds who that was.
        ("198.51.100.9, 203.0.113.7", "203.0.113.7"),
        ("198.51.100.9, 203.0.113.7, 10.1.2.3", "203.0.113.7"),
        ("[2001:db8::7]:443", "2001:db8::7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("198.51.100.9, not an address", "127.0.0.1"),
        ("", "127.0.0.1"),
    ],
)
async def test_d21_behind_a_trusted_proxy_the_address_is_whom_it_names(
    proxied: Guests, header: str, address: str
) -> None:
    assert (await _properties(proxied, {"X-Forwarded-For": header}))["$ClientIP"] == address


# --- who sees them


async def test_p30_peers_see_only_what_is_public(any_guests: Guests, room: str) -> None:
    first = await any_guests.join(room)
    second = await any_guests.join(room, properties={"name": "Bo"})
    told = await first.expect("room.peers", lambda params: bool(params["joined"]))
    (peer,) = told["joined"]
    assert (peer["session_id"], peer["properties"]["name"]) == (second.id, "Bo")
    # Nobody said yet whether somebody is muted.
    assert peer["properties"].keys() == set(PUBLIC) - {"muted"}
    for wire in (first, second):
        peers = (await wire.call("room.peers", room=room))["peers"]
        assert all(set(peer["properties"]) <= set(PUBLIC) for peer in peers)
        assert peer in peers


@pytest.fixture(scope="module")
def default_server() -> Iterator[Server]:
    with running(settings={"PUBLIC_PROPERTIES": list(Settings().public_properties)}) as server:
        yield server


async def test_p30_by_default_peers_see_what_kind_of_client_each_is(default_server: Server, room: str) -> None:
    guests = Guests(default_server)
    try:
        wire = await guests.join(room, token=mint_token("ann", roles=["host"]), properties={"name": "Ann"})
        (peer,) = (await wire.call("room.peers", room=room))["peers"]
        assert peer["properties"] == {"$ClientType": "PYTHON"}
    finally:
        await guests.leave()
