"""The session itself, other sessions and locks as the Python client sees them, on a real server."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from websockets.exceptions import InvalidURI

from sessionstore_app import mint_token
from sessionstore_app.client import ClosedError, ConsumerTooSlow, connect
from sessionstore_app.core import errors
from tests.client.support import LIMIT_SECONDS, rest, staff, until
from tests.support.server import CHECKOUT, Server


def test_it_can_be_imported_without_django() -> None:
    environment = {name: text for name, text in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    asked = "import sys, sessionstore_app.client; sys.exit('django' in sys.modules or 'channels' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", asked], cwd=CHECKOUT, env=environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


_VISIT = """
import asyncio, sys
from sessionstore_app.client import connect

async def main():
    # A slow machine is no warning of ours: asyncio's debug mode complains of every step beyond this.
    asyncio.get_running_loop().slow_callback_duration = 60
    async with connect(sys.argv[1]) as session:
        room = await session.join("visit", observe=["*"])
        changes = room.observe("*")
        await room.set("a", 1)
        await anext(changes)
    assert asyncio.all_tasks() == {asyncio.current_task()}

asyncio.run(main(), debug=True)
"""


def test_nothing_is_left_behind_and_nothing_warns(server: Server) -> None:
    asked = [sys.executable, "-X", "dev", "-W", "error", "-c", _VISIT, server.address]
    done = subprocess.run(asked, cwd=CHECKOUT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


async def test_what_the_token_function_raises_is_raised(server: Server) -> None:
    def token() -> str:
        raise LookupError("no token")

    with pytest.raises(LookupError):
        async with connect(server.address, token=token):
            pass


async def test_a_session_says_what_it_is(server: Server) -> None:
    async with connect(
        server.address, properties={"name": "Ann"}, client=("bot", "1.0"), environment="tests"
    ) as session:
        assert session.state == "open"
        assert session.principal == ""
        assert session.properties["$ClientType"]
        assert session.limits["value_bytes"] > 0
        assert (session.is_resumed, session.end_error, session.pending_writes) == (False, None, 0)
        states = session.states()
        assert await anext(states) == "open"
    assert await rest(states) == ["closed"]
    assert session.end_error is not None
    assert session.end_error.reason == "CLOSED_BY_CLIENT"
    for call in (session.call("session.ping"), session.join("a"), session.set_properties({}), session.locks.get("a")):
        with pytest.raises(ClosedError):
            await call


async def test_properties_are_set_and_told(server: Server) -> None:
    async with connect(server.address) as session:
        done = await session.set_properties({"name": "Ann", "$Principal": "root"})
        assert (done.changed, done.ignored) == ({"name": None}, ("$Principal",))
        await session.call("session.ping")
        assert session.properties["name"] == "Ann"


async def test_a_bad_token_is_refused(server: Server) -> None:
    with pytest.raises(errors.AccessDenied) as refused:
        async with connect(server.address, token="bad"):
            pass
    assert refused.value.hint


async def test_a_wrong_address_is_refused(server: Server) -> None:
    with pytest.raises(InvalidURI):
        async with connect(f"http://{server.host}/"):
            pass


async def test_nobody_there_is_waited_for_so_long() -> None:
    with pytest.raises(ClosedError) as refused:
        async with connect("ws://127.0.0.1:9/", timeout_seconds=0.1):
            pass
    assert refused.value.reason == "CONNECT_TIMEOUT"


async def test_an_expired_token_closes_the_session_and_ends_every_wait(server: Server) -> None:
    async with (
        staff(server) as other,
        other.locks.acquire("expiry"),
        # Minted once the lock is held: until then no time of the token's has passed.
        connect(server.address, token=mint_token("ann", permissions=["acquire_lock"], expires_in=5)) as session,
    ):
        joined = await session.join("expiry", observe=["*"])
        waits = [
            asyncio.ensure_future(wait)
            for wait in (
                rest(joined.observe("*")),
                rest(joined.messages()),
                rest(session.messages()),
                session.call("lock.acquire", name="expiry"),
            )
        ]
        assert await until(session.states(), lambda state: state == "closed")
        for wait in waits:
            with pytest.raises(ClosedError) as closed:
                await wait
            assert (closed.value.reason, closed.value.code) == ("EXPIRED", 4013)


async def test_sessions_are_listed_counted_changed_sent_to_and_ended(server: Server, room: str) -> None:
    async with staff(server) as boss, connect(server.address) as ann:
        sessions = boss.sessions
        await ann.join(room)
        page = await sessions.list(room=room, properties=["$Principal"])
        assert [each["session_id"] for each in page["sessions"]] == [ann.id]
        assert (await sessions.count("all", room=room))["total"] == 1
        assert await sessions.set_properties({"mood": "busy"}, session_id=ann.id) == 1
        assert await sessions.set_properties({"team": "a"}, filter="mood is 'busy'", room=room) == 1
        assert (await sessions.get_properties(ann.id, ["*U"])).items() >= {"mood": "busy", "team": "a"}.items()
        heard = ann.messages("hello")
        assert await sessions.send("hello", {"n": 1}, session_id=ann.id) == 1
        assert (await anext(heard)).data == {"n": 1}
        assert await sessions.change_roles(add=["host"], session_id=ann.id) == 1
        assert await sessions.observe_for(room, ["*"], session_id=ann.id) == 1
        for filter, refusal in (("mood is", errors.InvalidFilter), (None, errors.InvalidParams)):
            with pytest.raises(refusal):
                await sessions.terminate(filter=filter)
        states = ann.states()
        assert await sessions.terminate(session_id=ann.id) == 1
        await until(states, lambda state: state == "closed")
        assert ann.end_error is not None
        assert (ann.end_error.reason, ann.end_error.code) == ("CLOSED_BY_CONTROLLER", 4011)


async def test_a_listener_tells_who_is_there_and_what_happens(server: Server, room: str) -> None:
    async with staff(server) as boss:
        listening = boss.sessions.listen(room=room, properties=["mood"])
        assert await listening.ready() == 0
        async with connect(server.address) as ann:
            await ann.join(room)
            assert (await anext(listening)).session_id == ann.id
            await boss.sessions.set_properties({"mood": "busy"}, session_id=ann.id)
            event = await anext(listening)
            assert (event.type, event.properties, event.changed_properties) == (
                "PROPERTIES",
                {"mood": "busy"},
                {"mood": None},
            )
        assert (await anext(listening)).close_reason == "CLOSED_BY_CLIENT"
        async with boss.sessions.listen(after=datetime.now(UTC)) as later:
            assert await later.ready() == 0
        assert await rest(later) == []
        with pytest.raises(errors.InvalidFilter) as refused:
            await anext(boss.sessions.listen("mood is"))
        assert refused.value.errors
    assert await rest(listening) == []


async def test_who_may_not_listen_is_refused(server: Server) -> None:
    async with connect(server.address) as session:
        listening = session.sessions.listen()
        for wait in (listening.ready(), rest(listening)):
            with pytest.raises(errors.AccessDenied):
                await wait


async def test_who_does_not_read_messages_is_told_so(server: Server, room: str) -> None:
    async with connect(server.address) as session:
        joined = await session.join(room)
        slow, last = joined.messages(limit=2), joined.messages("last")
        for number in range(3):
            await joined.broadcast("said", number)
        await joined.broadcast("last")
        await anext(last)
        assert [(await anext(slow)).data, (await anext(slow)).data] == [0, 1]
        with pytest.raises(ConsumerTooSlow):
            await anext(slow)


# --- locks


async def test_a_lock_waits_until_it_is_given_back(server: Server, room: str) -> None:
    async with staff(server) as ann, staff(server) as bob:
        async with ann.locks.acquire(room) as held:
            with pytest.raises(errors.LockTimeout):
                async with bob.locks.acquire(room, timeout_seconds=0):
                    pass
            block = bob.locks.acquire(room)
            waiting = asyncio.ensure_future(block.__aenter__())
            found = await ann.locks.get(room)
            assert found is not None
            assert (found["session_id"], found["sequence"]) == (ann.id, held.sequence)
            assert room in {each["name"] for each in await ann.locks.list()}
        theirs = await waiting
        assert (held.is_held, theirs.is_held) == (False, True)
        assert theirs.sequence > held.sequence
        joined = await bob.join(room)
        await joined.set("a", 1, lock=room)
        assert await ann.locks.release(room, force=True)
        assert await theirs.lost() == "LOCK_NOT_HELD"
        with pytest.raises(errors.LockNotHeld):
            await joined.set("a", 2, lock=room)
        await block.__aexit__(None, None, None)


async def test_who_stops_waiting_for_a_lock_does_not_keep_it(server: Server, room: str) -> None:
    async with staff(server) as ann, staff(server) as bob, staff(server) as cat:
        async with ann.locks.acquire(room):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2), bob.locks.acquire(room):
                    pass
        async with cat.locks.acquire(room, timeout_seconds=LIMIT_SECONDS) as lock:
            assert lock.is_held
