"""T3, T19, T27: tokens and cookies that leak, are replayed or are made up; on both server programs."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

import pytest
from django.core import signing
from django.test import override_settings

from sessionstore_app import mint_token
from sessionstore_app.core import clock
from sessionstore_app.core.errors import AccessDenied
from sessionstore_app.services import tokens
from tests.support.http import RPC, request
from tests.support.logins import log_in
from tests.support.server import Server
from tests.support.tokens import token_until
from tests.threats.rawsocket import RawSocket

# --- T3


@pytest.mark.parametrize("name", ["token", "access_token", "bearer"])
async def test_t3_a_token_in_the_address_is_ignored_and_warned_about_once(guarded: Server, name: str) -> None:
    """And no line of ours repeats it, whatever the server program writes of the addresses that it serves."""
    token, before = mint_token("ann"), len(guarded.log)
    async with await RawSocket.shake(guarded, path=f"?room=a&{name}={token}") as raw:
        assert (await raw.call("session.open"))["principal"] == ""
    ours = [line for line in guarded.log[before:].splitlines() if " sessionstore_app: " in line]
    assert [line for line in ours if "A token in an address was ignored" in line] == ours
    assert len(ours) == 1
    assert token not in ours[0]


async def test_t3_other_parameters_of_an_address_are_nobodys_business(guarded: Server) -> None:
    before = len(guarded.log)
    async with await RawSocket.shake(guarded, path="?tokens=x&room=token&x-token=1") as raw:
        assert raw.status == 101
    assert "A token in an address" not in guarded.log[before:]


async def test_t3_a_token_in_a_handshakes_header_is_none(guarded: Server) -> None:
    """It belongs into the first frame: a proxy adds headers, and a page cannot."""
    async with await RawSocket.shake(guarded, b"Authorization: Bearer " + mint_token("ann").encode()) as raw:
        assert (await raw.call("session.open"))["principal"] == ""


# --- T19


async def test_t19_a_session_is_not_resumed_after_logout(guarded_uvicorn: Server) -> None:
    """Neither with the cookie that was good until then, nor without."""
    server, key = guarded_uvicorn, log_in(guarded_uvicorn, "leo", [])
    origin, cookie = b"Origin: http://" + server.host.encode(), b"Cookie: sessionid=" + key.encode()
    async with await RawSocket.shake(server, origin, cookie) as raw:
        opened = await raw.call("session.open")
        assert opened["principal"] == "leo"
    resume = {"session_id": opened["session_id"], "resume_token": opened["resume_token"]}
    _log_out(server, key)
    for lines in ([origin, cookie], [origin]):
        async with await RawSocket.shake(server, *lines) as thief:
            again = await thief.call("session.open", resume=resume)
            assert (again["resumed"], again["principal"]) == (False, "")
            assert again["session_id"] != opened["session_id"]


def _log_out(server: Server, key: str) -> None:
    """As Django does it: the cookie means nothing from then on."""
    with closing(sqlite3.connect(server.database_url.removeprefix("sqlite:///"))) as database, database:
        assert database.execute("DELETE FROM django_session WHERE session_key = ?", [key]).rowcount == 1


async def test_t19_t27_what_names_a_session_without_its_secret_says_nothing_of_it(guarded: Server) -> None:
    """A wrong secret for a session that there is, and any for one that there is not, are answered alike."""
    async with await RawSocket.shake(guarded) as owner:
        opened = await owner.call("session.open")
        secret = opened["resume_token"]
        wrong = [
            {"session_id": opened["session_id"], "resume_token": secret[::-1]},
            {"session_id": opened["session_id"], "resume_token": ""},
            {"session_id": opened["session_id"][::-1], "resume_token": secret},
            {"session_id": secret, "resume_token": opened["session_id"]},
        ]
        answers = [await _opened_by(guarded, resume) for resume in wrong]
        assert await owner.call("session.ping")
    assert answers == [await _opened_by(guarded, None)] * len(wrong)


async def _opened_by(server: Server, resume: Mapping[str, str] | None) -> dict[str, Any]:
    """What the opening says, without what is random in it."""
    async with await RawSocket.shake(server) as raw:
        opened = await raw.call("session.open", **({} if resume is None else {"resume": resume}))
    assert opened.pop("session_id") != (resume or {}).get("session_id")
    assert opened.pop("resume_token") != (resume or {}).get("resume_token")
    times = {"server_time", "$StartTime", "$SessionId", "$Latency"}
    own = {name: value for name, value in opened["properties"].items() if name not in times}
    return {**opened, "server_time": "", "properties": own}


# --- T27


def _other_key() -> str:
    with override_settings(SECRET_KEY="another"):
        return mint_token("ann")


BAD_TOKENS: Mapping[str, Callable[[], str]] = {
    "nothing": lambda: "",
    "no token": lambda: "x" * 300,
    "not ASCII": lambda: "\u00e9:\u2028:\u00ff",
    "three parts of nothing": lambda: "::",
    "a resume token": lambda: "k" * 43,
    "cut at its end": lambda: mint_token("ann")[:-1],
    "one sign more": lambda: mint_token("ann") + "A",
    "without its signature": lambda: mint_token("ann").rpartition(":")[0],
    "with another's signature": lambda: (
        mint_token("ann").rpartition(":")[0] + ":" + mint_token("bo").rpartition(":")[2]
    ),
    "of another key": _other_key,
    "of another purpose": lambda: signing.dumps({"principal": "ann"}, salt="elsewhere"),
    "of Django's own": lambda: signing.dumps({"principal": "ann"}),
    "expired": lambda: token_until(clock.now_ms() / 1_000 - 1),
    "many": lambda: f"{mint_token('ann')} {mint_token('ann')}",
    "long": lambda: mint_token("ann") + ":" * 9_000,
}


async def test_t27_every_kind_of_bad_token_is_answered_alike(guarded: Server) -> None:
    """Over both doors, to the byte; and the log does not tell them apart either."""
    before = len(guarded.log)
    answers, codes = set(), set()
    for kind, make in BAD_TOKENS.items():
        with pytest.raises(AccessDenied) as denied:
            tokens.read_token(make())
        answers.add((str(denied.value), denied.value.advice))
        async with await RawSocket.shake(guarded) as raw:
            answers.add(await raw.refusal("session.open", token=make()))
            codes.add(await raw.closed_with())
        # No header holds line separators, and some no more than Latin-1.
        if kind != "not ASCII":
            headers = {"Authorization": f"Bearer {make()}", "Content-Type": "application/json"}
            answer = request(guarded.host, "POST", RPC, body=b"{}", headers=headers)
            error = answer.json["error"]
            answers.add((error["message"], error["data"]["hint"]))
            codes.add(answer.status)
    assert len(answers) == 1, answers
    assert codes == {4008, 401}
    assert not re.search("sessionstore_app: .*token", guarded.log[before:])
