"""The filter language on the wire (parity §2.7), on SQLite and PostgreSQL: what matches, what is refused and where, its
limits, and that it tells nobody what they may not see (T7).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from django.conf import settings

from sessionstore_app import mint_token
from tests.support.guests import Guests
from tests.support.postgres import temporary_postgres
from tests.support.server import Server, manage, running
from tests.support.wire import Wire

# What the demo lets peers see of each other.
PUBLIC = settings.SESSIONSTORE["PUBLIC_PROPERTIES"]

FRED = {"token": mint_token("Fred", roles=["operator", "client"])}
OF_FRED = {
    "$Country": "fr",
    "Status": "Active",
    "Note": 'a"b\\c',
    "Empty": "",
    "all": "x",
    "[k]:é,": "1",
    "Number": "01",
}


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def database_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    if request.param == "sqlite":
        yield request.getfixturevalue("uvicorn_server")
        return
    with temporary_postgres() as url:
        manage("migrate", "--verbosity", "0", database_url=url)
        with running(database_url=url) as server:
            yield server


@pytest.fixture
async def present(database_server: Server) -> AsyncIterator[Guests]:
    """Clients of a server on either database."""
    async with Guests(database_server) as opened:
        yield opened


async def _fred(guests: Guests, staff: Wire, room: str) -> Wire:
    fred = await guests.join(room, **FRED)
    await staff.call("session.set_properties", session_id=fred.id, properties=OF_FRED)
    return fred


async def _found(staff: Wire, room: str, text: str) -> list[str]:
    """The sessions of a room that a filter finds; listing and counting must agree."""
    listed = await staff.call("session.list", room=room, filter=text)
    counted = await staff.call("session.count", room=room, filter=text)
    assert listed["total"] == counted["total"] == len(listed["sessions"])
    return [session["session_id"] for session in listed["sessions"]]


EXAMPLES = [
    ("f1", '$Principal is "Fred"', True),
    ("f1", '$PRINCIPAL is "Fred"', False),
    ("f1", "$Principal IS 'fred'", False),
    ("f2", "Status eq 'Active' and $Country ne \"US\"", True),
    ("f1", 'Status is "X" or Status is "Active" and $Country is "FR"', True),
    ("f1", '(Status is "X" or Status is "Active") and $Country is "US"', False),
    ("f1", 'not Status is "Active" or $Country is "FR"', True),
    ("f1", 'not (Status is "Active" and $Country is "FR")', False),
    ("f8", "not not all", True),
    ("f1", r'Note is "a\"b\\c"', True),
    ("f1", r"""Note is 'a"b\\c'""", True),
    ("f4", '$Country in ["US","FR"]', True),
    ("f4", "$Country in ['US' 'FR']", True),
    ("f5", "has Status", True),
    ("f5", "has Missing", False),
    ("f5", "not has Missing", True),
    ("f6", 'hasRoles ["operator"]', True),
    ("f6", 'hasroles "operator" "client"', True),
    ("f6", 'hasRoles ["operator","admin"]', False),
    ("f7", """$Roles eq '"client","operator"'""", True),
    ("f7", """$Roles eq '"client"'""", False),
    ("f3", '$Principal matches "F.*"', True),
    ("f3", '$Principal matches "re"', False),
    ("f1", '$Principal is ""', False),
    # Edge cases.
    ("p24", 'Missing is "x"', False),
    ("p24", 'Missing eq ""', False),
    ("p24", 'Missing in ["", "x"]', False),
    ("p24", 'Missing matches ".*"', False),
    ("f2", 'Missing ne "x"', True),
    ("f2", 'not (Missing is "x")', True),
    ("p24", 'not (Missing matches "x")', True),
    ("p24", "not Missing in ['x']", True),
    ("f5", "has Empty", True),
    ("f1", 'Empty is ""', True),
    ("f5", "has $ExpiryTime", True),
    ("f5", "has $Language", True),
    ("f5", "has $MQTTClientId", False),
    ("f2", 'Number ne "1"', True),
    ("f1", 'Number is "01"', True),
    ("f1", 'all is "x"', True),
    ("f1", 'not all is "x"', False),
    ("f5", "has all", True),
    ("f1", "[k]:é, is '1'", True),
    ("f6", 'hasAnyRole ["admin","client"]', True),
    ("f6", 'hasAnyRole "admin"', False),
    ("f7", """$Roles is '"operator" "client"'""", True),
    ("f7", """$Roles ne '"client"'""", True),
    ("f7", """$Roles in ['"client"', '"operator","client"']""", True),
    ("f9", "hasRoles['operator''client']", True),
    ("f9", 'HASROLES "operator", "client"', True),
    ("f3", r"Note matches 'a.b\\\\c'", True),
    ("f3", "Status matches '(?i)ACTIVE'", True),
    ("f3", "Status matches 'active'", False),
    ("f1", "\t\r\n Status\nIS\t'Active' ", True),
    ("f1", "Status is 'active'", False),
    ("p23", "Status is 'Active '", False),
    ("p23", "Status is 'Act%'", False),
    ("p23", "status is 'Active'", False),
    ("p23", "[0] is '01'", False),
    ("p23", "$StartTime matches '[0-9]{13}' and has $StartTime", True),
    ("p23", "$StartTime is '0'", False),
]


@pytest.mark.parametrize(("row", "text", "expected"), EXAMPLES, ids=[f"{row}-{text}" for row, text, _ in EXAMPLES])
async def test_f1_to_f9_each_example_of_the_table(
    present: Guests, room: str, row: str, text: str, expected: bool
) -> None:
    staff = await present.staff()
    fred = await _fred(present, staff, room)
    assert await _found(staff, room, text) == ([fred.id] if expected else [])
    assert await _found(staff, room, f"not ({text})") == ([] if expected else [fred.id])


async def test_f1_an_anonymous_session_has_an_empty_principal(present: Guests, room: str) -> None:
    nobody, staff = await present.join(room), await present.staff()
    await _fred(present, staff, room)
    assert await _found(staff, room, '$Principal is ""') == [nobody.id]
    assert await _found(staff, room, 'has $Country and $Country is ""') == [nobody.id]
    assert await _found(staff, room, "$Roles is ''") == [nobody.id]


async def test_f8_all_and_no_filter_are_every_session(present: Guests, room: str) -> None:
    staff, one, other = await present.staff(), await present.join(room), await present.join(room)
    assert set(await _found(staff, room, "all")) == {one.id, other.id}
    assert (await staff.call("session.count", room=room))["total"] == 2
    assert await _found(staff, room, f"$SessionId is '{one.id}'") == [one.id]
    assert await _found(staff, room, f"$SessionId ne '{one.id}'") == [other.id]


# --- what is refused

ERRORS = [
    ("", 1, 1),
    ("  \n\t ", 2, 3),
    ("k is 1", 1, 6),
    ("k is true", 1, 6),
    ("true", 1, 5),
    ("k > '1'", 1, 3),
    ("k exists", 1, 3),
    ("k in []", 1, 7),
    ("k in ['a',]", 1, 11),
    ("k in 'a'", 1, 6),
    ("k is 'a", 1, 6),
    ("(all", 1, 5),
    ("all)", 1, 4),
    ("all all", 1, 5),
    ("all and", 1, 8),
    ("not", 1, 4),
    ("has", 1, 4),
    ("hasRoles", 1, 9),
    ("hasRoles []", 1, 11),
    ("all and\n  k is 'a'\r\n  or 'b'", 3, 6),
    ("\u00e9 is 'a' \U0001f600", 1, 10),
    ("k matches '('", 1, 11),
    ("k matches '(?=a)'", 1, 11),
    (r"k matches '(a)\\1'", 1, 11),
    (f"k matches '{'a' * 257}'", 1, 11),
]


@pytest.mark.parametrize(("text", "line", "column"), ERRORS, ids=[repr(text)[:40] for text, *_ in ERRORS])
async def test_d33_a_bad_filter_is_refused_with_line_and_column(
    guests: Guests, text: str, line: int, column: int
) -> None:
    staff = await guests.staff()
    error = await staff.refused("session.list", "INVALID_FILTER", filter=text)
    (found,) = error["data"]["errors"]
    assert set(found) == {"message", "line", "column"}
    assert found["message"]
    assert (found["line"], found["column"]) == (line, column)


# Every method that takes a filter, with what else it needs. None of it may happen to anybody.
BY_FILTER: dict[str, dict[str, Any]] = {
    "session.list": {},
    "session.count": {},
    "session.set_properties_by_filter": {"properties": {"muted": "yes"}},
    "session.terminate": {},
    "session.change_roles": {"add": ["speaker"]},
    "session.send": {"event": "e", "data": 1},
    "session.observe_for": {"keys": ["*"]},
    "session.listen": {},
}


@pytest.mark.parametrize("method", BY_FILTER)
async def test_d33_a_bad_filter_is_refused_by_every_method_and_changes_nobody(
    guests: Guests, room: str, method: str
) -> None:
    guest, staff = await guests.join(room, observe=[]), await guests.staff()
    await guest.forget()
    error = await staff.refused(method, "INVALID_FILTER", room=room, filter="all and\n(all", **BY_FILTER[method])
    assert [(found["line"], found["column"]) for found in error["data"]["errors"]] == [(2, 5)]
    await guest.assert_silent()
    await staff.assert_silent()


# --- limits


@pytest.mark.parametrize("method", BY_FILTER)
async def test_t17_a_filter_may_have_4096_characters(guests: Guests, room: str, method: str) -> None:
    staff = await guests.staff()
    longest = "k is '" + "\U0001f600" * 4_089 + "'"
    assert len(longest) == 4_096
    await staff.call(method, room=room, filter=longest, **BY_FILTER[method])
    error = await staff.refused(method, "INVALID_FILTER", room=room, filter=longest + " ", **BY_FILTER[method])
    assert (error["data"]["limit"], error["data"]["actual"]) == (4_096, 4_097)
    assert error["data"]["errors"][0]["column"] == 4_097


@pytest.mark.parametrize(("before", "after"), [("(", ")"), ("not ", ""), ("not(", ")")])
async def test_t17_a_filter_may_be_32_deep(guests: Guests, before: str, after: str) -> None:
    staff = await guests.staff()
    times = 32 // (2 if before == "not(" else 1)
    await staff.call("session.count", filter=before * times + "all" + after * times)
    deeper = f"not {before * times}all{after * times}"
    error = await staff.refused("session.count", "INVALID_FILTER", filter=deeper)
    assert (error["data"]["limit"], error["data"]["actual"]) == (32, 33)
    assert error["data"]["errors"][0]["line"] == 1


async def test_p25_a_pattern_may_have_256_characters_and_no_pattern_stalls(guests: Guests, room: str) -> None:
    """What stalls a backtracking engine for hours is answered like anything else."""
    staff = await guests.staff()
    fred = await _fred(guests, staff, room)
    await staff.call("session.set_properties", session_id=fred.id, properties={"k": "a" * 1_000 + "!"})
    for pattern in ("(a+)+", "(a|aa)*", "(.*)*x", "a?" * 60 + "a" * 60, "a" * 256):
        assert await _found(staff, room, f"k matches '{pattern}'") == []
    assert await _found(staff, room, "k matches '(a+)+!'") == [fred.id]


# --- what a filter must not tell

# What a host, who sees of its peers only what is public, may not name.
HIDDEN = [
    *("$ClientIP is '127.0.0.1'", "$ClientIP is '192.0.2.1'", "has $ClientIP", "has private", "private matches 'x.*'"),
    *("all or private is '1'", "not (muted is 'x' and not $Country in [''])", "$PRINCIPAL is 'x'", "all is '1'"),
]


@pytest.mark.parametrize("method", BY_FILTER)
async def test_t7_a_filter_may_not_name_what_its_author_may_not_see(guests: Guests, room: str, method: str) -> None:
    """Refused, and in the same words whether anybody would have matched or not; nothing happens to anybody."""
    host, guest, staff = await guests.join(room), await guests.join(room, observe=[]), await guests.staff()
    await staff.call("session.set_properties", session_id=guest.id, properties={"private": "x1"})
    await guest.forget()
    await host.forget()
    for text in HIDDEN:
        error = await host.refused(method, "ACCESS_DENIED", room=room, filter=text, **BY_FILTER[method])
        for other in ("127.0.0.1", "x1"):
            assert other not in str(error)
    same = [
        await host.refused(method, "ACCESS_DENIED", room=room, filter=f"private is '{value}'", **BY_FILTER[method])
        for value in ("x1", "x2")
    ]
    assert same[0] == same[1]
    await guest.assert_silent()
    await host.assert_silent("session.event", "session.listening")


async def test_t7_what_is_public_a_host_may_name(guests: Guests, room: str) -> None:
    host, guest = await guests.join(room), await guests.join(room, properties={"name": "Bo"})
    assert await _found(host, room, "name is 'Bo'") == [guest.id]
    assert set(await _found(host, room, "$ClientType is 'PYTHON' and not hasRoles 'speaker'")) == {host.id, guest.id}


async def test_t7_no_property_that_is_hidden_can_be_asked_for_or_grouped_by(guests: Guests, room: str) -> None:
    host, guest, staff = await guests.join(room), await guests.join(room), await guests.staff()
    await staff.call("session.set_properties", session_id=guest.id, properties={"private": "1", "*U": "2"})
    target = {"room": room, "session_id": guest.id}
    for key in ("private", "$ClientIP", "missing"):
        await host.refused("session.list", "ACCESS_DENIED", room=room, properties=["name", key])
        await host.refused("session.count", "ACCESS_DENIED", room=room, by=["name", key])
        await host.refused("session.get_properties", "ACCESS_DENIED", **target, properties=[key])
        await host.refused("session.listen", "ACCESS_DENIED", room=room, properties=[key])
    found = await host.call("session.get_properties", **target, properties=["*F", "*U"])
    assert found["properties"]["$ClientType"] == "PYTHON"
    # Ids and names are in the list of peers anyway.
    assert found["properties"].keys() <= {*PUBLIC, "$SessionId", "$Principal"}
    # In a group there are no wildcards: this one is a key like any other.
    await host.refused("session.count", "ACCESS_DENIED", room=room, by=["*U"])


async def test_t7_who_may_only_send_learns_nothing_by_a_filter(guests: Guests, room: str) -> None:
    """The count would tell what a list is refused for."""
    token = mint_token("sender", permissions=["send_to_session"])
    sender, staff = await guests.open(token=token), await guests.staff()
    guest = await guests.open(token=mint_token(room))
    await staff.call("session.set_properties", session_id=guest.id, properties={"private": "1"})
    await sender.refused("session.send", "ACCESS_DENIED", filter="private is '1'", event="e")
    assert (await sender.call("session.send", filter=f"$Principal is '{room}'", event="e"))["count"] == 1
    await guest.expect("session.message", event="e")


async def test_t7_setting_a_hidden_property_does_not_tell_what_it_was(guests: Guests, room: str) -> None:
    host, guest, staff = await guests.join(room), await guests.join(room), await guests.staff()
    await staff.call("session.set_properties", session_id=guest.id, properties={"private": "x1"})
    for properties in ({"private": "mine"}, {"muted": "yes", "private": None}, {"$Country": "FR"}):
        named = {"room": room, "properties": properties}
        await host.refused("session.set_properties", "ACCESS_DENIED", session_id=guest.id, **named)
        await host.refused("session.set_properties_by_filter", "ACCESS_DENIED", filter="all", **named)
    found = await staff.call("session.get_properties", session_id=guest.id, properties=["*U", "$Country"])
    assert found["properties"] == {"private": "x1", "$Country": ""}
