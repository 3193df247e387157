"""What the client does when answers are lost, put off, unknown or late, against a server that follows a script."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Response

from sessionstore_app.client import ClosedError, Disconnected, OutcomeUnknown, SessionStoreError, connect
from sessionstore_app.core import errors
from tests.client.scripted import Call, Close, Refuse, scripted
from tests.client.support import until


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reconnect at once."""
    monkeypatch.setattr("random.random", lambda: 0.01)


def losing(method: str) -> Any:
    """The first socket is lost by a call of this method."""

    def script(call: Call, socket: int) -> None:
        if socket == 1 and call["method"] == method:
            raise Close(1012)

    return script


async def test_an_increment_whose_answer_went_with_the_session_is_not_repeated() -> None:
    def script(call: Call, socket: int) -> None:
        if call["method"] == "room.update":
            raise Close(1012)

    async with scripted(script) as (address, server), connect(address) as session:
        room = await session.join("a")
        with pytest.raises(OutcomeUnknown):
            await room.update("votes", do="increment")
        with pytest.raises(OutcomeUnknown):
            await room.update("votes", do="append", item=1)
        assert len(server.named("room.update")) == 2
        assert len({params["op"] for params in server.named("room.update")}) == 2


async def test_what_may_be_repeated_is_under_the_same_number() -> None:
    async with scripted(losing("room.set")) as (address, server), connect(address) as session:
        room = await session.join("a", observe=["*"])
        written = await asyncio.gather(room.set("topic", 1), room.update("votes", do="increment"))
        assert [entry.key for entry in written] == ["topic", "votes"]
        first, second = server.named("room.set")
        assert first == second
        assert first["op"] < server.named("room.update")[0]["op"]
        assert session.id == "s2"
        assert server.named("room.join")[1]["since"] == {"epoch": "e", "version": 0}
        resume = server.named("session.open")[1]["resume"]
        assert resume == {"session_id": "s1", "resume_token": "t1", "rooms": {"a": {"epoch": "e", "version": 0}}}


async def test_a_conflict_with_what_may_be_ones_own_first_try_is_unknown() -> None:
    def script(call: Call, socket: int) -> None:
        losing("room.set")(call, socket)
        if call["method"] == "room.set":
            raise Refuse({"reason": "VERSION_CONFLICT"})

    async with scripted(script) as (address, _), connect(address) as session:
        room = await session.join("a")
        with pytest.raises(OutcomeUnknown):
            await room.set("seat", "ann", if_version=0)


async def test_what_is_put_off_is_asked_again_a_bounded_number_of_times() -> None:
    def script(call: Call, socket: int) -> None:
        if call["method"] == "room.get":
            raise Refuse({"reason": "UNAVAILABLE", "retry_after_seconds": 0.001})

    async with scripted(script) as (address, server), connect(address) as session:
        room = await session.join("a")
        with pytest.raises(errors.Unavailable):
            await room.get("a")
        assert len(server.named("room.get")) == 8


async def test_an_unknown_reason_says_what_the_wire_said() -> None:
    def script(call: Call, socket: int) -> None:
        if call["method"] == "a.method":
            raise Refuse({"reason": "OF_TOMORROW", "hint": "Wait."})

    async with scripted(script) as (address, _), connect(address) as session:
        with pytest.raises(SessionStoreError) as refused:
            await session.call("a.method")
        assert type(refused.value) is SessionStoreError
        assert (refused.value.reason, refused.value.code) == ("OF_TOMORROW", -32000)
        assert refused.value.data == {"reason": "OF_TOMORROW", "hint": "Wait."}


async def test_heartbeats_are_answered_with_the_bytes_received() -> None:
    async with scripted(lambda *_: None) as (address, server), connect(address) as session:
        await session.join("a")
        await session.call("a.ping")
        assert server.named("session.ack")[-1]["bytes"] <= server.sent_bytes
        told = server.sent_bytes
        await session.join("b")
        await session.call("a.ping")
        # The answer to the join, the heartbeat, and what came before; not the answers to the pings.
        assert told < server.named("session.ack")[-1]["bytes"] < server.sent_bytes


async def test_a_silent_server_is_left_for_a_new_connection() -> None:
    async with scripted(lambda *_: None, heartbeat_seconds=0.1) as (address, server), connect(address) as session:
        states = session.states()
        await until(states, lambda state: state == "reconnecting")
        await until(states, lambda state: state == "open")
        assert server.sockets >= 2


async def test_a_call_by_the_raw_door_is_not_repeated() -> None:
    async with scripted(losing("a.method")) as (address, server), connect(address) as session:
        with pytest.raises(Disconnected):
            await session.call("a.method")
        assert len(server.named("a.method")) == 1


async def test_an_address_where_nothing_is_served_is_given_up() -> None:
    def nothing(connection: ServerConnection, _: object) -> Response:
        return connection.respond(404, "Nothing here.")

    async with serve(_unheard, "127.0.0.1", 0, process_request=nothing) as listening:
        port = next(iter(listening.sockets)).getsockname()[1]
        with pytest.raises(ClosedError) as refused:
            async with connect(f"ws://127.0.0.1:{port}/"):
                pass
    assert refused.value.reason == "HANDSHAKE_REFUSED"


async def _unheard(_: ServerConnection) -> None:
    """It is not called."""


@pytest.mark.parametrize(
    ("code", "reason"), [(4008, "ABORTED"), (4015, "SESSION_TAKEN_OVER"), (4003, "MESSAGE_QUEUE_LIMIT_REACHED")]
)
async def test_after_other_codes_the_session_is_over(code: int, reason: str) -> None:
    def script(call: Call, socket: int) -> None:
        if call["method"] == "a.method":
            raise Close(code)

    async with scripted(script) as (address, server), connect(address) as session:
        with pytest.raises(ClosedError) as closed:
            await session.call("a.method")
        assert (closed.value.reason, closed.value.code) == (reason, code)
        assert server.sockets == 1


async def test_a_write_to_a_room_that_did_not_let_it_back_in_holds_up_no_other() -> None:
    """Sent, not answered, and after the reconnect the room is closed to it: nobody will ever say what became of it."""

    def script(call: Call, socket: int) -> None:
        losing("room.set")(call, socket)
        if socket == 2 and call["method"] == "room.join" and call["params"]["room"] == "closed":
            raise Refuse({"reason": "ACCESS_DENIED"})

    async with scripted(script) as (address, _), connect(address) as session, asyncio.timeout(10):
        closed, other = await session.join("closed"), await session.join("other")
        with pytest.raises(OutcomeUnknown) as unknown:
            await closed.set("topic", 1)
        assert isinstance(unknown.value.__cause__, errors.AccessDenied)
        assert (await other.set("topic", 1)).key == "topic"


async def test_a_write_under_way_in_a_room_that_is_left_is_not_sent_again() -> None:
    sent = asyncio.Event()

    def script(call: Call, socket: int) -> Any:
        if socket == 1 and call["method"] == "room.set":
            sent.set()
            return "silence"
        if socket == 1 and call["method"] == "session.ping":
            raise Close(1012)
        return None

    async with scripted(script) as (address, server), connect(address) as session, asyncio.timeout(10):
        room = await session.join("a")
        writing = asyncio.ensure_future(room.set("topic", 1))
        await sent.wait()
        await room.leave()
        with pytest.raises(Disconnected):
            await session.call("session.ping")
        with pytest.raises(OutcomeUnknown):
            await writing
        assert len(server.named("room.set")) == 1


async def test_a_snapshot_that_is_older_than_what_is_held_replaces_it() -> None:
    """The store has lost something, and nobody was left to notice: versions have begun anew."""

    def script(call: Call, socket: int) -> Any:
        losing("room.set")(call, socket)
        if call["method"] != "room.join":
            return None
        version = 9 if socket == 1 else 2
        entry = {"key": "topic", "value": version, "version": version, "by": None, "at": None}
        facts = {"epoch": "e", "version": version, "roles": [], "peers": [], "count": 0, "entries": [entry]}
        return {"room": "a", "complete": True, **facts}

    async with scripted(script) as (address, _), connect(address) as session, asyncio.timeout(10):
        room = await session.join("a", observe=["*"])
        assert room["topic"].version == 9
        await room.set("other", 1)
        assert (room["topic"].value, room.version) == (2, 2)
