"""T22, T23: what strangers and users send is not in the log, and cannot write lines of it; on both server programs."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from sessionstore_app import mint_token
from sessionstore_app.protocol.methods import METHODS
from sessionstore_app.services.policy import PERMISSIONS
from tests.shell.test_params import GOOD
from tests.support.guests import Guests
from tests.support.hostile import HOSTILE
from tests.support.http import Http
from tests.support.server import Server
from tests.threats.rawsocket import RawSocket

CANARY = "canary-5e1d"
FORGED = "\r\nERROR sessionstore_app: forged\x1b[31m\x85\u2028"
# Everything that is not printed as a line, a page or a terminal would take it.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")


def _marked(value: Any) -> Any:
    """The same parameters, with the canary and more in every text of them."""
    match value:
        case str():
            return f"{value}{CANARY}{FORGED}"
        case list():
            return [_marked(item) for item in value]
        case dict():
            return {_marked(name): _marked(item) for name, item in value.items()}
        case _:
            return value


async def test_t22_t23_no_call_leaves_anything_in_the_log(guarded: Server, room: str) -> None:
    """Neither what is done nor what is refused, over the socket or over HTTP; nor whose token it was."""
    token = mint_token(CANARY, roles=[CANARY], permissions=PERMISSIONS, store={CANARY: CANARY})
    http = Http(guarded.host, token)
    async with Guests(guarded) as guests:
        wire = await guests.open(token=token, environment=CANARY, client={"name": CANARY, "version": CANARY})
        await wire.call("room.join", room=f"{room}/{CANARY}")
        await wire.call("room.set", room=f"{room}/{CANARY}", key=CANARY, value=CANARY)
        for method in sorted(set(METHODS) - {"session.open", "session.close", "session.ack", "session.terminate"}):
            for params in (GOOD.get(method, {}), _marked(GOOD.get(method, {})), {CANARY: FORGED}):
                named = {"room": f"{room}/{CANARY}", **params} if method.startswith("room.") else params
                await wire.ask(method, **named)
                await http.ask(method, **named)
        for text in (f'{{"{CANARY}"', f'["{CANARY}', json.dumps(CANARY), json.dumps({CANARY: FORGED})):
            wire.write(text)
            await wire.expect_frame(len(wire.frames))
            await http.post(text.encode())
        opened = wire.session["resume_token"]
    log = guarded.log
    assert CANARY not in log
    assert "forged" not in log
    assert token not in log
    assert opened not in log


@pytest.mark.parametrize("name", [b"Origin", b"User-Agent", b"Accept-Language", b"Cookie", b"X-Forwarded-For", b"Host"])
async def test_t18_t23_no_header_writes_a_line_of_the_log(guarded: Server, name: bytes) -> None:
    """A refused Origin is named, because its owner looks for it; escaped, and cut. Who is there already stays."""
    before = len(guarded.log)
    async with Guests(guarded) as guests:
        witness = await guests.open()
        await _shake_all(guarded, name)
        await witness.assert_silent()
    written = guarded.log[before:]
    ours = [line for line in written.split("\n") if "sessionstore_app" in line]
    assert not [line for line in ours if _CONTROL.search(line)]
    assert max(map(len, ours), default=0) < 600
    assert not [line for line in written.split("\n") if line.startswith("ERROR sessionstore_app")]


async def _shake_all(server: Server, name: bytes) -> None:
    for text in (*HOSTILE, FORGED.strip("\r\n") + "\0", "x" * 4_000):
        value = text.encode().replace(b"\n", b" ").replace(b"\r", b" ")
        if name == b"Host":
            raw = await RawSocket.shake(server, host=value)
        else:
            raw = await RawSocket.shake(server, name + b": " + value)
        raw.abort()
