"""T4: a session ends with its credential, within a second of what ended that; and what was taken from its user is
taken from it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from http import cookies
from itertools import count
from typing import Any

import pytest

from sessionstore_app import mint_token
from tests.support.guests import Guests
from tests.support.http import request
from tests.support.rows import rows, session_rows
from tests.support.server import Server, running
from tests.support.wire import Wire

VIEWS = {"DJANGO_SETTINGS_MODULE": "tests.support.loginsettings"}
POLICY = {"POLICY": "tests.support.policies.RolePolicy"}
REVOKED = 4014
_numbers = count(1)


@pytest.fixture(scope="module")
def site_server() -> Iterator[Server]:
    """A server whose views do to users what sites do."""
    with running(environment=VIEWS, settings=POLICY) as server:
        yield server


@pytest.fixture(scope="module")
def looking_server() -> Iterator[Server]:
    """One that looks again after half a second, whatever it was told."""
    with running(environment=VIEWS, settings={**POLICY, "RECHECK_SECONDS": 0.5}) as server:
        yield server


class Site:
    """A site in whose browsers people are logged in."""

    def __init__(self, guests: Guests) -> None:
        self.guests = guests

    async def act(self, act: str, key: str = "", **arguments: Any) -> str:
        """Let a view do something; returns the key of the browser's Django session behind it."""
        headers = {"Content-Type": "application/json", "Cookie": f"sessionid={key}"}
        body = json.dumps(arguments).encode()
        answer = await asyncio.to_thread(
            request, self.guests.server.host, "POST", f"/{act}/", body=body, headers=headers
        )
        assert answer.status == 200, answer.body[:2_000]
        return cookies.SimpleCookie(answer.headers.get("set-cookie", f"sessionid={key}"))["sessionid"].value

    async def page(self, key: str, **params: Any) -> Wire:
        """A page in the browser with that Django session, whose session is open."""
        origin = f"http://{self.guests.server.host}"
        wire = await self.guests.connect(origin=origin, headers=[("Cookie", f"sessionid={key}")])
        await wire.open(**params)
        return wire

    async def user(self, **arguments: Any) -> tuple[str, str, Wire]:
        """A user who is new, by the name, the key of the Django session, and a page."""
        name = f"user{next(_numbers)}"
        key = await self.act("log_in", name=name, **arguments)
        wire = await self.page(key)
        assert wire.session["principal"] == name
        return name, key, wire


@pytest.fixture
async def site(site_server: Server) -> AsyncIterator[Site]:
    async with Guests(site_server) as opened:
        yield Site(opened)


@pytest.fixture
async def looking(looking_server: Server) -> AsyncIterator[Site]:
    async with Guests(looking_server) as opened:
        yield Site(opened)


async def _revoked(*wires: Wire) -> None:
    """All are closed, long before anybody would look by themselves."""
    for wire in wires:
        await wire.expect_closed(REVOKED)


# --- what ends a session


ENDS = ["log_out", "set_password", "change_own_password", "deactivate", "delete", "end_django_sessions"]


@pytest.mark.parametrize("how", ENDS)
async def test_t4_what_ends_a_login_closes_its_pages_and_nobody_elses(site: Site, how: str, room: str) -> None:
    """The session is over, peers hear why, and it cannot be resumed."""
    name, key, page = await site.user()
    other_name, other_key, other = await site.user()
    second = await site.page(key)
    for wire in (page, second, other):
        await wire.call("room.join", room=room)
    by_whom = {"name": name} if how not in {"log_out", "change_own_password"} else {}
    new_key = await site.act(how, key, **by_whom)
    await _revoked(page, second)
    gone: set[tuple[str, str]] = set()
    while len(gone) < 2:
        told = await other.expect("room.peers", lambda params: bool(params["left"]))
        gone |= {(left["session_id"], left["reason"]) for left in told["left"]}
    assert gone == {(page.id, "REVOKED"), (second.id, "REVOKED")}
    assert session_rows(site.guests.server, page.id, second.id) == [("CLOSED", "REVOKED")] * 2
    await other.call("session.ping")
    again = await site.page(new_key if how == "change_own_password" else key, resume=_resume(page))
    assert (again.session["resumed"], again.session["principal"]) == (
        False,
        name if how == "change_own_password" else "",
    )
    assert (await site.page(other_key)).session["principal"] == other_name


def _resume(wire: Wire) -> dict[str, str]:
    return {"session_id": wire.id, "resume_token": wire.session["resume_token"]}


async def test_t4_a_logout_in_one_browser_leaves_the_user_logged_in_in_another(site: Site) -> None:
    name, key, page = await site.user()
    elsewhere = await site.page(await site.act("log_in", name=name))
    await site.act("log_out", key)
    await _revoked(page)
    await elsewhere.call("session.ping")


async def test_t4_a_resumed_page_is_known_by_its_newest_cookie(site: Site) -> None:
    """The user logs out of the browser that it came from, then of the one where it is."""
    name, key, page = await site.user()
    new_key = await site.act("log_in", name=name)
    await page.drop()
    back = await site.page(new_key, resume=_resume(page))
    assert back.session["resumed"] is True
    await site.act("log_out", key)
    await back.call("session.ping")
    await site.act("log_out", new_key)
    await _revoked(back)


@pytest.mark.parametrize("how", ["deactivate", "delete"])
async def test_t4_the_token_of_a_user_who_is_no_longer_welcome_ends_with_it(site: Site, how: str) -> None:
    name, _, _ = await site.user()
    tokens = await site.guests.open(token=mint_token(name))
    stranger = await site.guests.open(token=mint_token(f"no {name}"))
    await site.act(how, name=name)
    await _revoked(tokens)
    await stranger.call("session.ping")


async def test_t4_a_token_speaks_for_itself_when_a_password_or_a_group_is_changed(site: Site) -> None:
    name, _, page = await site.user(groups=["a"])
    token = await site.guests.open(token=mint_token(name, roles=["a"]))
    await site.act("remove_group", name=name, group="a")
    await page.expect("session.changed", roles=[])
    await site.act("set_password", name=name)
    await _revoked(page)
    await token.assert_silent("session.changed")


async def test_t4_a_token_that_ends_closes_its_socket(site: Site) -> None:
    wire = await site.guests.open(token=mint_token("ann", expires_in=2))
    await wire.expect_closed(4013)


async def test_t4_what_is_rolled_back_is_told_to_nobody(site: Site) -> None:
    """Shown by what is told behind it, on the same way."""
    name, _, page = await site.user()
    token = await site.guests.open(token=mint_token(name))
    await site.act("deactivate", name=name, rolled_back=True)
    await site.act("add_group", name=name, group="later")
    await page.expect("session.changed", roles=["later"])
    await token.assert_silent()


@pytest.mark.parametrize("engine", ["cache", "cached_db", "file", "signed_cookies"])
async def test_t4_a_logout_closes_pages_whatever_keeps_djangos_sessions(engine: str) -> None:
    module = f"django.contrib.sessions.backends.{engine}"
    with running(environment={**VIEWS, "SESSION_ENGINE": module}) as server:
        async with Guests(server) as opened:
            site = Site(opened)
            _, key, page = await site.user()
            _, _, other = await site.user()
            await site.act("log_out", key)
            await _revoked(page)
            await other.call("session.ping")


# --- what is given to a session, and taken from it


async def test_t4_groups_give_and_take_roles_beside_those_that_others_gave(site: Site, room: str) -> None:
    name, _, page = await site.user(groups=["a", "b"])
    staff, peer = await site.guests.staff(), await site.guests.join(room)
    await page.call("room.join", room=room)
    await staff.call("session.change_roles", session_id=page.id, add=["given"], remove=["b"])
    await page.expect("session.changed", roles=["a", "given"])
    await site.act("add_group", name=name, group="c")
    told = await page.expect("session.changed", roles=["a", "c", "given"])
    assert told["changed_properties"] == {"$Roles": '"a","given"'}
    await site.act("remove_group", name=name, group="a")
    await page.expect("session.changed", roles=["c", "given"])
    await peer.expect("room.peers", lambda params: _shows(params, page.id, '"c","given"'))
    found = await staff.call("session.list", filter="hasRoles ['c'] and not hasRoles 'a'", properties=["$Roles"])
    assert [session["session_id"] for session in found["sessions"]] == [page.id]


def _shows(params: dict[str, Any], session_id: str, roles: str) -> bool:
    return any(peer["session_id"] == session_id and peer["properties"]["$Roles"] == roles for peer in params["updated"])


async def test_t4_a_room_that_a_group_opened_is_left_when_the_user_leaves_the_group(site: Site, room: str) -> None:
    name, _, page = await site.user(groups=["staff"])
    peer = await site.guests.open(token=mint_token("bo", roles=["staff"]))
    for wire in (page, peer):
        await wire.call("room.join", room=f"staff/{room}")
    await site.act("remove_group", name=name, group="staff")
    told = await peer.expect("room.peers", lambda params: bool(params["left"]))
    assert told["left"] == [{"session_id": page.id, "reason": "ACCESS_DENIED"}]
    await page.refused("room.set", "NOT_JOINED", room=f"staff/{room}", key="k", value=1)
    await page.refused("room.join", "ACCESS_DENIED", room=f"staff/{room}")


async def test_t4_a_permission_that_is_taken_is_gone_and_so_is_what_it_allowed(site: Site) -> None:
    permissions = ["view_session", "register_handler"]
    name, _, page = await site.user(permissions=permissions)
    assert page.session["permissions"] == sorted(permissions)
    (listener,) = (await page.call("session.listen", filter="all")).values()
    await page.call("session.list")
    await site.act("take_permission", name=name, permission="view_session")
    told = await page.expect("session.changed")
    assert (told["permissions"], told["changed_properties"]) == (["register_handler"], {})
    assert told["revision"] > page.session["revision"]
    assert (await page.expect("session.listener_closed"))["listener_id"] == listener
    await page.refused("session.list", "ACCESS_DENIED")


async def test_t4_groups_that_were_left_while_the_page_was_away_are_gone_when_it_is_back(site: Site) -> None:
    name, key, page = await site.user(groups=["a", "b"])
    staff = await site.guests.staff()
    await staff.call("session.change_roles", session_id=page.id, add=["given"])
    await page.drop()
    await site.act("remove_group", name=name, group="b")
    await site.act("add_group", name=name, group="c")
    back = await site.page(key, resume=_resume(page))
    assert (back.session["resumed"], back.session["roles"]) == (True, ["a", "c", "given"])


async def test_t4_the_record_says_what_a_session_may_do(site: Site) -> None:
    """For server code that acts as the session, in whatever process."""
    name, key, page = await site.user(permissions=["view_session", "acquire_lock"], groups=["a"])
    token = await site.guests.open(token=mint_token("ann", roles=["r"], permissions=["manage_room"]))
    assert _recorded(site, page) == (["acquire_lock", "view_session"], ["a"])
    assert _recorded(site, token) == (["manage_room"], None)
    await site.act("take_permission", name=name, permission="acquire_lock")
    await page.expect("session.changed")
    assert _recorded(site, page) == (["view_session"], ["a"])
    await page.drop()
    await site.act("take_permission", name=name, permission="view_session")
    back = await site.page(key, resume=_resume(page))
    assert (back.session["resumed"], back.session["permissions"], _recorded(site, back)) == (True, [], ([], ["a"]))


def _recorded(site: Site, wire: Wire) -> tuple[Any, Any]:
    statement = "SELECT permissions, granted FROM sessionstore_app_session WHERE id = ?"
    ((permissions, granted),) = rows(site.guests.server, statement, wire.id)
    return json.loads(permissions), None if granted is None else json.loads(granted)


# --- what nobody told of


async def test_t4_what_no_signal_told_of_is_found_by_looking_every_so_often(looking: Site) -> None:
    name, _, page = await looking.user()
    _, _, other = await looking.user()
    await looking.act("deactivate_quietly", name=name)
    await page.expect_closed(REVOKED)
    await other.call("session.ping")


async def test_t22_the_key_of_a_django_session_is_in_no_log_and_no_row(site: Site) -> None:
    name, key, page = await site.user(groups=["a"])
    await site.act("remove_group", name=name, group="a")
    await page.expect("session.changed")
    await site.act("log_out", key)
    await _revoked(page)
    assert key not in site.guests.server.log
    for table in ("session", "sessionevent"):
        for row in rows(site.guests.server, f"SELECT * FROM sessionstore_app_{table}"):
            assert key not in repr(row)
