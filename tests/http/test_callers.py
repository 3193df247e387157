"""Protocol §1: who is let in by the HTTP door (T3, T21): tokens, cookies with CSRF, and what each may do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from sessionstore_app import mint_token
from tests.support.guests import Guests
from tests.support.http import Answer, Http, call_of
from tests.support.logins import CSRF, own_page
from tests.support.server import Server
from tests.support.tokens import TIMELESS, token_until
from tests.support.wire import refusal_of

OPS = ["manage_room"]


def _set(room: str) -> dict[str, Any]:
    return call_of("room.set", room=room, key="k", value=1)


async def _send(server: Server, room: str, headers: Mapping[str, str], path: str = "") -> Answer:
    return await Http(server.host, headers=headers).send(_set(room), path=f"/sessionstore/rpc/{path}")


def _assert_unknown(answer: Answer) -> None:
    """401 with a JSON-RPC error: nobody vouches for the caller."""
    assert answer.status == 401
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json["jsonrpc"] == "2.0"
    assert answer.json["id"] is None
    refusal_of(answer.json, "ACCESS_DENIED")


# --- tokens


async def test_a_token_says_who_writes(any_server: Server, room: str) -> None:
    caller = Http(any_server.host, mint_token("ops", permissions=OPS))
    entry = await caller.call("room.set", room=room, key="k", value=1)
    assert entry["by"] == {"session_id": None, "principal": "ops"}


async def test_nobody_is_let_in_without_a_token_or_a_login(any_server: Server, room: str) -> None:
    _assert_unknown(await _send(any_server, room, {}))


async def test_t3_bad_tokens_get_one_answer(server: Server, room: str) -> None:
    """Tampered, of another key, expired, empty or no token at all: the answer does not say which."""
    good = mint_token("ops", permissions=OPS)
    head, _, rest = good.partition(":")
    bad = [
        f"{head[:-2]}xx:{rest}",
        f"{good}x",
        good[:-5],
        "",
        "x",
        "null",
        "a:b:c",
        "é",
        f"{good} {good}",
        f'"{good}"',
        mint_token("ops", permissions=OPS, expires_in=0.000_001),
        *(token_until(at) for at in TIMELESS),
    ]
    answers = [await _send(server, room, {"Authorization": f"Bearer {token}"}) for token in bad]
    for answer in answers:
        _assert_unknown(answer)
    assert len({answer.body for answer in answers}) == 1


async def test_a_token_for_nobody_is_refused(server: Server, room: str) -> None:
    """Anonymous callers are, whatever they bring."""
    token = mint_token("", permissions=OPS)
    _assert_unknown(await _send(server, room, {"Authorization": f"Bearer {token}"}))


async def test_other_schemes_are_no_token(server: Server, room: str) -> None:
    token = mint_token("ops", permissions=OPS)
    for header in (f"Basic {token}", f"Token {token}", token, f"Bearer{token}"):
        _assert_unknown(await _send(server, room, {"Authorization": header}))


async def test_the_schemes_name_may_be_spelled_as_one_likes(server: Server, room: str) -> None:
    token = mint_token("ops", permissions=OPS)
    for scheme in ("Bearer", "bearer", "BEARER"):
        assert (await _send(server, room, {"Authorization": f"{scheme} {token}"})).status == 200


async def test_t3_a_token_in_the_address_is_ignored_and_warned_about(server: Server, room: str) -> None:
    """And the warning does not repeat it."""
    token = mint_token("ops", permissions=OPS)
    for name in ("token", "access_token"):
        _assert_unknown(await _send(server, room, {}, path=f"?{name}={token}"))
    assert "A token in an address was ignored" in server.log
    assert token not in server.log


# --- cookies


async def test_t21_a_cookie_counts_with_the_csrf_token_of_an_own_page(server: Server, room: str, ann: str) -> None:
    answer = await _send(server, room, own_page(ann))
    assert answer.status == 200
    assert answer.json["result"]["by"] == {"session_id": None, "principal": "ann"}


@pytest.mark.parametrize(
    "changes",
    [
        {"X-CSRFToken": ""},
        {"X-CSRFToken": "z" * 32},
        {"Cookie": "sessionid={ann}"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "nonsense"},
    ],
    ids=lambda changes: " ".join("=".join(change) for change in changes.items()),
)
async def test_t21_another_sites_page_cannot_use_a_cookie(
    server: Server, room: str, ann: str, changes: dict[str, str]
) -> None:
    """403 without a word of JSON, and nothing is written."""
    headers = {**own_page(ann), **{name: value.format(ann=ann) for name, value in changes.items()}}
    answer = await _send(server, room, headers)
    assert answer.status == 403
    assert answer.headers["content-type"].startswith("text/plain")
    reader = Http(server.host, mint_token("ops", permissions=OPS))
    assert (await reader.call("room.get", room=room, key="k"))["version"] == 0


async def test_t21_daphne_protects_cookies_too(daphne_server: Server, room: str) -> None:
    """A cookie of nobody is nobody, with or without the CSRF token."""
    for headers in (own_page("x" * 32), {"Cookie": f"sessionid={'x' * 32}"}, {"Cookie": f"csrftoken={CSRF}"}):
        _assert_unknown(await _send(daphne_server, room, headers))


async def test_t21_a_token_passes_over_cookies(server: Server, room: str, ann: str) -> None:
    """Ann's cookie gives the bot nothing, takes nothing from it, and needs no CSRF token."""
    cookie = {"Cookie": f"sessionid={ann}"}
    weak = Http(server.host, mint_token("bot"), cookie)
    await weak.refused("room.set", "ACCESS_DENIED", room=room, key="k", value=1)
    strong = Http(server.host, mint_token("bot", permissions=OPS), cookie)
    assert (await strong.call("room.set", room=room, key="k", value=1))["by"]["principal"] == "bot"


async def test_t21_a_bad_token_does_not_fall_back_on_the_cookie(server: Server, room: str, ann: str) -> None:
    for credential in ("Bearer x", "Bearer", "bearer "):
        _assert_unknown(await _send(server, room, {**own_page(ann), "Authorization": credential}))


async def test_a_cookie_counts_beside_the_password_of_a_proxy(server: Server, room: str, ann: str) -> None:
    """`Authorization: Basic` is for whoever stands before us."""
    assert (await _send(server, room, {**own_page(ann), "Authorization": "Basic YTpi"})).status == 200


# --- rights


async def test_a_token_opens_the_rooms_that_it_has_roles_in(server: Server, room: str) -> None:
    """By name and by pattern; a room named without a role is none."""
    token = mint_token("bot", rooms={room: ["host"], f"{room}/team/*": ["guest"], f"{room}/bare": []})
    caller = Http(server.host, token)
    for open_room in (room, f"{room}/team/red"):
        await caller.call("room.set", room=open_room, key="k", value=1)
        assert (await caller.call("room.get", room=open_room, key="k"))["value"] == 1
        assert (await caller.call("room.peers", room=open_room))["count"] == 0
        assert await caller.call("room.broadcast", room=open_room, event="e") == {"count": 0}
    for closed_room in (f"{room}/bare", f"{room}/team", f"{room}x", "elsewhere"):
        await caller.refused("room.set", "ACCESS_DENIED", room=closed_room, key="k", value=1)


ROOM_CALLS: dict[str, dict[str, Any]] = {
    "room.set": {"key": "k", "value": 1},
    "room.get": {"key": "k"},
    "room.delete": {"key": "k"},
    "room.update": {"key": "k", "do": "increment"},
    "room.write": {"ops": [{"key": "k", "value": 1}]},
    "room.snapshot": {},
    "room.peers": {},
    "room.broadcast": {"event": "e"},
    "room.clear": {},
}
SESSION_CALLS: dict[str, dict[str, Any]] = {
    "session.get_properties": {"properties": ["*U"]},
    "session.set_properties": {"properties": {"a": "b"}},
    "session.set_properties_by_filter": {"filter": "all", "properties": {"a": "b"}},
    "session.list": {},
    "session.count": {},
    "session.terminate": {},
    "session.change_roles": {"add": ["r"]},
    "session.send": {"event": "e"},
    "session.observe_for": {"keys": ["*"]},
}
_NAMED = {"session.get_properties", "session.set_properties", "session.terminate", "session.change_roles"}


@pytest.mark.parametrize("method", ROOM_CALLS)
async def test_t5_a_room_that_is_not_open_looks_like_one_that_is_not_there(
    guests: Guests, server: Server, room: str, method: str
) -> None:
    peer = await guests.join(room)
    await peer.call("room.set", room=room, key="k", value="kept")
    await peer.forget()
    caller = Http(server.host, mint_token("bot", roles=["host"], permissions=["view_session", "modify_session"]))
    there = await caller.refused(method, "ACCESS_DENIED", room=room, **ROOM_CALLS[method])
    nowhere = await caller.refused(method, "ACCESS_DENIED", room=f"{room}/nowhere", **ROOM_CALLS[method])
    assert there == nowhere
    await peer.assert_silent()


@pytest.mark.parametrize("method", SESSION_CALLS)
async def test_sessions_need_permissions_wherever_one_has_roles(
    guests: Guests, server: Server, room: str, method: str
) -> None:
    """An HTTP caller is no peer: what a room's rule gives to its host, it does not give to a token with that role."""
    peer = await guests.join(room)
    await peer.forget()
    caller = Http(server.host, mint_token("bot", permissions=["manage_room"], rooms={room: ["host"]}))
    named = {"session_id": peer.id} if method in _NAMED else {}
    target = {"filter": "all"} if method in ("session.send", "session.observe_for") else {}
    params = {"room": room, **SESSION_CALLS[method], **named, **target}
    await caller.refused(method, "ACCESS_DENIED", **params)
    await peer.assert_silent()


async def test_locks_need_a_permission(server: Server) -> None:
    caller = Http(server.host, mint_token("bot", permissions=["manage_room", "acquire_lock"]))
    await caller.refused("lock.get", "ACCESS_DENIED", name="stage")
    await caller.refused("lock.list", "ACCESS_DENIED")


async def test_roles_in_a_room_do_not_clear_it(server: Server, room: str) -> None:
    caller = Http(server.host, mint_token("bot", rooms={room: ["host"]}))
    await caller.call("room.set", room=room, key="k", value=1)
    await caller.refused("room.clear", "ACCESS_DENIED", room=room)
    assert (await caller.call("room.get", room=room, key="k"))["value"] == 1
