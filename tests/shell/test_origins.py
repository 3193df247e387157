"""Protocol §1, T1: which handshakes are let in, and whose cookies count; tests/threats has all that tries to be."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.support.guests import Guests
from tests.support.server import Server, manage, running
from tests.support.wire import Wire, refused_handshake

ALLOWED = "https://app.example.org"
_LOG_IN = """
from importlib import import_module
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import Group, Permission, User
user = User.objects.create_user("ann", password="x")
user.groups.add(Group.objects.create(name="host"))
user.user_permissions.add(Permission.objects.get(codename="manage_room"))
session = import_module(settings.SESSION_ENGINE).SessionStore()
session[SESSION_KEY] = str(user.pk)
session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
session[HASH_SESSION_KEY] = user.get_session_auth_hash()
session.create()
print("key=" + session.session_key)
"""


@pytest.fixture(scope="module")
def narrow_server() -> Iterator[Server]:
    """Few sockets, one foreign Origin."""
    limits = {"SOCKETS_PER_USER": 2, "SOCKETS_PER_ADDRESS": 8, "ALLOWED_ORIGINS": [ALLOWED]}
    with running(settings=limits) as server:
        yield server


@pytest.fixture
async def narrow(narrow_server: Server) -> AsyncIterator[Guests]:
    async with Guests(narrow_server) as opened:
        yield opened


@pytest.fixture(scope="module")
def cookie(narrow_server: Server) -> str:
    """The Cookie header of a logged-in Django user."""
    printed = manage("shell", "-c", _LOG_IN, database_url=narrow_server.database_url)
    key = printed.partition("key=")[2].strip()
    return f"sessionid={key}"


async def test_a_refusal_is_logged_with_the_setting_that_would_allow_it(narrow_server: Server) -> None:
    """T23: and what a stranger sends cannot forge a line of the log."""
    assert await refused_handshake(narrow_server.address, origin="https://log.example") == 403
    line = next(line for line in narrow_server.log.splitlines() if "https://log.example" in line)
    assert "ALLOWED_ORIGINS" in line


async def test_the_own_host_and_allowed_origins_are_let_in(narrow: Guests) -> None:
    for origin in (f"http://{narrow.server.host}", ALLOWED):
        wire = await narrow.connect(origin=origin)
        assert (await wire.open())["principal"] == ""


async def test_without_origin_one_is_anonymous_whatever_the_cookie_says(narrow: Guests, cookie: str) -> None:
    wire = await narrow.connect(headers=[("Cookie", cookie)])
    opened = await wire.open()
    assert (opened["principal"], opened["roles"], opened["permissions"]) == ("", [], [])


async def test_a_cookie_with_the_own_origin_is_the_logged_in_user(narrow: Guests, cookie: str) -> None:
    wire = await narrow.connect(origin=f"http://{narrow.server.host}", headers=[("Cookie", cookie)])
    opened = await wire.open()
    assert (opened["principal"], opened["roles"], opened["permissions"]) == ("ann", ["host"], ["manage_room"])


async def test_a_cookie_with_an_allowed_origin_counts_too(narrow: Guests, cookie: str) -> None:
    wire = await narrow.connect(origin=ALLOWED, headers=[("Cookie", cookie)])
    assert (await wire.open())["principal"] == "ann"


async def test_a_cookie_with_a_foreign_origin_is_refused(narrow_server: Server, cookie: str) -> None:
    """T1: the attack itself."""
    headers = [("Cookie", cookie)]
    assert await refused_handshake(narrow_server.address, origin="https://evil.example", headers=headers) == 403


@pytest.mark.parametrize(
    "value", ["sessionid=unknown", "sessionid=", "sessionid", "=;;=\x80", "sessionid=" + "x" * 3000]
)
async def test_a_cookie_that_means_nothing_is_anonymous(narrow: Guests, value: str) -> None:
    wire = await narrow.connect(origin=f"http://{narrow.server.host}", headers=[("Cookie", value)])
    assert (await wire.open())["principal"] == ""


async def test_a_session_of_a_cookie_is_resumed_only_with_the_cookie(narrow: Guests, cookie: str) -> None:
    """T19: a resume token is bound to its principal."""
    owner = await narrow.connect(origin=ALLOWED, headers=[("Cookie", cookie)])
    await owner.open()
    resume = {"session_id": owner.id, "resume_token": owner.session["resume_token"]}
    thief = await narrow.connect(origin=ALLOWED)
    assert (await thief.open(resume=resume))["resumed"] is False
    await thief.hang_up()
    back = await narrow.connect(origin=ALLOWED, headers=[("Cookie", cookie)])
    assert (await back.open(resume=resume))["resumed"] is True


# --- how many


async def test_a_user_has_only_so_many_sockets(narrow: Guests, cookie: str) -> None:
    """T14. SOCKETS_PER_USER, at the limit and one beyond; a place that is given back can be taken."""
    headers = [("Cookie", cookie)]
    held = [await narrow.connect(origin=ALLOWED, headers=headers) for _ in range(3)]
    await held[0].open()
    await held[1].open()
    error = await held[2].refused("session.open", "LIMIT_EXCEEDED")
    assert (error["data"]["limit"], error["data"]["actual"]) == (2, 3)
    await held[2].expect_closed(4008)
    await held[0].call("session.close")
    await held[0].expect_closed(4004)
    await (await narrow.connect(origin=ALLOWED, headers=headers)).open()


async def test_an_address_has_only_so_many_sockets(narrow: Guests) -> None:
    """T14. SOCKETS_PER_ADDRESS, at the limit and one beyond."""
    held = [await narrow.connect() for _ in range(8)]
    assert await refused_handshake(narrow.server.address) in {403, 503}
    await held[0].hang_up()
    async with await Wire.connect(narrow.server.address) as wire:
        await wire.open()


async def test_a_process_has_only_so_many_sockets() -> None:
    """T14. SOCKETS_PER_PROCESS, and ALLOW_ANONYMOUS off."""
    with running(settings={"SOCKETS_PER_PROCESS": 2, "ALLOW_ANONYMOUS": False}) as server:
        async with await Wire.connect(server.address) as first:
            await first.refused("session.open", "ACCESS_DENIED")
            await first.expect_closed(4008)
        async with await Wire.connect(server.address), await Wire.connect(server.address):
            assert await refused_handshake(server.address) in {403, 503}
