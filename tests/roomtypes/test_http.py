"""A room type over HTTP: whoever asks is in no room, and has the rights of its token's roles there (T6, T27)."""

from __future__ import annotations

from typing import Any

import pytest

from sessionstore_app import mint_token
from tests.support.guests import Guests
from tests.support.http import Http, call_of
from tests.support.server import Server
from tests.support.wire import values_of


class Callers:
    """Callers of one server, by name and roles in a room."""

    def __init__(self, server: Server, room: str) -> None:
        self.server = server
        self.room = room

    def __call__(self, principal: str, *roles: str, **granted: Any) -> Http:
        """One whose token gives it these roles in the room."""
        rooms = {self.room: list(roles)} if roles else None
        return Http(self.server.host, mint_token(principal, rooms=rooms, **granted))


@pytest.fixture
def callers(typed_server: Server, stage: str) -> Callers:
    return Callers(typed_server, stage)


async def test_t6_roles_of_the_token_count(callers: Callers, stage: str) -> None:
    host, speaker, guest = (callers(role, role) for role in ("host", "speaker", "guest"))
    pins = [{"id": "a"}]
    for caller in (host, speaker):
        assert (await caller.call("room.set", room=stage, key="pinned", value=pins))["by"]["session_id"] is None
    error = await guest.refused("room.set", "ACCESS_DENIED", room=stage, key="pinned", value=pins)
    assert error["data"]["rule"]["who"] == ["role host", "role speaker"]
    assert error["data"]["hint"] == "It takes role host or role speaker; your roles: guest."
    await host.call("room.set", room=stage, key="notes", value="x")
    await speaker.refused("room.set", "ACCESS_DENIED", room=stage, key="notes", value="x")
    for method, params in (("room.broadcast", {"event": "cheer"}), ("room.clear", {})):
        await guest.refused(method, "ACCESS_DENIED", room=stage, **params)
    await speaker.call("room.broadcast", room=stage, event="cheer")
    await speaker.refused("room.clear", "ACCESS_DENIED", room=stage)
    await host.call("room.clear", room=stage)


async def test_t6_a_role_in_one_room_is_none_in_another(callers: Callers, typed_server: Server, stage: str) -> None:
    other = f"{stage}/other"
    caller = Http(typed_server.host, mint_token("ann", rooms={stage: ["host"], other: ["guest"]}))
    requests = [
        call_of("room.set", 1, room=stage, key="notes", value="x"),
        call_of("room.set", 2, room=other, key="notes", value="x"),
        call_of("room.get", 3, room=stage, key="notes"),
        call_of("room.get", 4, room=other, key="notes"),
        call_of("room.can", 5, room=other, action="clear"),
        call_of("room.can", 6, room=stage, action="clear"),
        call_of("room.set", 7, room=f"{stage}/third", key="count", value=1),
        call_of("room.snapshot", 8, room=f"{stage}/third"),
    ]
    replies = {reply["id"]: reply for reply in (await caller.send(requests)).json}
    assert [number for number, reply in sorted(replies.items()) if "error" in reply] == [2, 4, 7, 8]
    assert [replies[number]["result"]["allowed"] for number in (5, 6)] == [False, True]


async def test_t6_who_has_no_role_there_does_nothing_whatever_it_asks(callers: Callers, stage: str) -> None:
    """Nor may it learn whether there is such a room."""
    host, stranger = callers("host", "host"), callers("eve", roles=["host"])
    await host.call("room.set", room=stage, key="notes", value="secret")
    told = []
    for room in (stage, f"{stage}, which is not there"):
        for method, params in (
            ("room.get", {"key": "notes"}),
            ("room.snapshot", {}),
            ("room.set", {"key": "count", "value": 1}),
            ("room.update", {"key": "count", "do": "increment"}),
            ("room.delete", {"key": "count"}),
            ("room.write", {"ops": [{"key": "count", "value": 1}]}),
            ("room.peers", {}),
            ("room.broadcast", {"event": "x"}),
            ("room.clear", {}),
            # What the type says of a key is the room's own.
            ("room.set", {"key": "nowhere", "value": 1}),
        ):
            told.append(await stranger.refused(method, "ACCESS_DENIED", room=room, **params))
        for action, key in (("read", "notes"), ("write", "count"), ("clear", None), ("see_peers", None)):
            named = {} if key is None else {"key": key}
            answer = await stranger.call("room.can", room=room, action=action, **named)
            assert (answer["allowed"], answer["reason"]) == (False, "ACCESS_DENIED")
    assert len({str(error) for error in told}) == 1


async def test_t6_what_may_not_be_read_is_in_no_answer(callers: Callers, stage: str) -> None:
    host, guest = callers("host", "host"), callers("guest", "guest")
    await host.call("room.write", room=stage, ops=[{"key": "notes", "value": "secret"}, {"key": "count", "value": 1}])
    assert values_of((await guest.call("room.snapshot", room=stage))["entries"]) == {"count": 1}
    assert (await guest.call("room.snapshot", room=stage, keys=["no*"]))["entries"] == []
    for method, params in (("room.get", {"key": "notes"}), ("room.snapshot", {"keys": ["*", "notes"]})):
        error = await guest.refused(method, "ACCESS_DENIED", room=stage, **params)
        assert "secret" not in str(error)
    for method, given in (("room.get", {}), ("room.set", {"value": 1})):
        error = await guest.refused(method, "INVALID_KEY", room=stage, key="notse", **given)
        assert "Did you mean notes?" in error["data"]["hint"]


async def test_t6_an_owner_is_the_principal_and_its_sessions(guests: Guests, callers: Callers, stage: str) -> None:
    await guests.join(stage, token=mint_token("hal"))
    ann, eve = callers("ann", "guest"), callers("eve", "guest")
    wire = await guests.join(stage, token=mint_token("ann"))
    await ann.call("room.set", room=stage, key="question/1", value="why?")
    assert (await wire.expect_change("question/1", "why?"))["by"] == {"session_id": None, "principal": "ann"}
    await wire.call("room.set", room=stage, key="question/1", value="how?")
    assert (await ann.call("room.get", room=stage, key="question/1"))["value"] == "how?"
    assert values_of((await ann.call("room.snapshot", room=stage))["entries"]) == {"question/1": "how?"}
    assert (await eve.call("room.snapshot", room=stage))["entries"] == []
    await eve.refused("room.get", "ACCESS_DENIED", room=stage, key="question/1")
    for method, params in (("room.set", {"value": "x"}), ("room.delete", {})):
        await eve.refused(method, "ACCESS_DENIED", room=stage, key="question/1", **params)
    assert await eve.call("room.can", room=stage, action="write", key="question/2") == {"allowed": True}
    assert (await eve.call("room.can", room=stage, action="write", key="question/1"))["allowed"] is False
    await ann.call("room.delete", room=stage, key="question/1")
    await eve.call("room.set", room=stage, key="question/1", value="mine now")


async def test_t6_a_creator_is_the_principal_that_made_the_room(guests: Guests, callers: Callers, stage: str) -> None:
    ann, eve = callers("ann", "guest"), callers("eve", "guest")
    # Nobody made it yet; who uses it from outside does not.
    await ann.refused("room.set", "ACCESS_DENIED", room=stage, key="title", value="x")
    wire = await guests.join(stage, token=mint_token("ann"))
    assert (await ann.call("room.set", room=stage, key="title", value="mine"))["value"] == "mine"
    await eve.refused("room.set", "ACCESS_DENIED", room=stage, key="title", value="x")
    await guests.join(stage, token=mint_token("eve"))
    await wire.call("room.leave", room=stage)
    await eve.refused("room.set", "ACCESS_DENIED", room=stage, key="title", value="x")
    assert (await ann.call("room.set", room=stage, key="title", value="mine still"))["value"] == "mine still"


async def test_t6_a_room_that_emptied_is_made_anew_by_whoever_comes_first(
    guests: Guests, callers: Callers, stage: str
) -> None:
    first = await guests.join(stage, token=mint_token("ann"))
    await first.call("room.leave", room=stage)
    await guests.join(stage, token=mint_token("eve"))
    await callers("ann", "guest").refused("room.set", "ACCESS_DENIED", room=stage, key="title", value="x")
    await callers("eve", "guest").call("room.set", room=stage, key="title", value="mine")


async def test_t6_nobody_in_particular_made_nothing(guests: Guests, callers: Callers, stage: str) -> None:
    """A room of a client whom nobody vouches for has a creator, and that is one session."""
    first = await guests.join(stage)
    await first.call("room.set", room=stage, key="title", value="mine")
    other = await guests.join(stage)
    await other.refused("room.set", "ACCESS_DENIED", room=stage, key="title", value="x")
    await callers("ann", "guest").refused("room.set", "ACCESS_DENIED", room=stage, key="title", value="x")


async def test_t6_permissions_of_the_token_count_and_properties_are_nobodys(callers: Callers, stage: str) -> None:
    viewer, guest = callers("viv", "guest", permissions=["view_session"]), callers("gus", "guest")
    assert (await viewer.call("room.get", room=stage, key="audit"))["version"] == 0
    await guest.refused("room.get", "ACCESS_DENIED", room=stage, key="audit")
    # A caller over HTTP has no session that could have properties.
    await viewer.refused("room.set", "ACCESS_DENIED", room=stage, key="motto", value="vite")


async def test_t6_who_manages_rooms_passes_over_rights_and_never_over_types(callers: Callers, stage: str) -> None:
    manager = callers("ops", permissions=["manage_room"])
    assert (await manager.call("room.set", room=stage, key="audit", value={"n": 1}))["version"] == 1
    for key, value, reason in (
        ("audit", {"n": "1"}, "INVALID_VALUE"),
        ("motto", "x" * 19, "VALUE_TOO_LARGE"),
        ("cuont", 1, "INVALID_KEY"),
        ("spotlight", "nobody", "INVALID_VALUE"),
        ("pinned", [{"id": "a"}, {"id": "a"}], "INVALID_VALUE"),
    ):
        await manager.refused("room.set", reason, room=stage, key=key, value=value)
    for action in ("broadcast", "clear", "see_peers"):
        assert await manager.call("room.can", room=stage, action=action) == {"allowed": True}
    assert (await manager.call("room.can", room=stage, action="write", key="cuont"))["reason"] == "INVALID_KEY"


async def test_t6_the_types_own_rule_of_who_joins_holds_for_callers_too(typed_server: Server, room: str) -> None:
    place = f"backstage/{room}"
    crew = Http(typed_server.host, mint_token("ann", rooms={place: ["crew"]}))
    guest = Http(typed_server.host, mint_token("gus", rooms={place: ["guest"]}))
    await crew.call("room.set", room=place, key="anything", value=1)
    for method, params in (("room.get", {"key": "anything"}), ("room.snapshot", {}), ("room.peers", {})):
        await guest.refused(method, "ACCESS_DENIED", room=place, **params)
    for number in range(4):
        await crew.call("room.set", room=place, key=f"k{number}", value=1)
    error = await crew.refused("room.set", "TOO_MANY_KEYS", room=place, key="one more", value=1)
    assert error["data"]["limit"] == 5
