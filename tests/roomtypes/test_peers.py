"""What roles of a room type may do to other peers, and which of their properties they see (T6, T7, P46)."""

from __future__ import annotations

import pytest

from sessionstore_app import mint_token
from tests.support.guests import Guests


async def test_t6_a_role_does_to_peers_what_its_type_gives_it(guests: Guests, stage: str) -> None:
    host, guest, other = await guests.join(stage), await guests.join(stage), await guests.join(stage)
    await guest.refused("session.terminate", "ACCESS_DENIED", room=stage, session_id=other.id)
    assert await host.call("session.send", room=stage, session_id=other.id, event="hello") == {"count": 1}
    await other.expect("session.message")
    assert await host.call("session.terminate", room=stage, session_id=other.id) == {"count": 1}
    assert await other.expect_closed(4011)


async def test_t7_a_property_is_seen_and_named_in_filters_by_those_the_type_shows_it(
    guests: Guests, stage: str
) -> None:
    host = await guests.join(stage)
    guest = await guests.join(stage, properties={"language": "fr"})
    listed = await host.call("session.list", room=stage, properties=["*F", "*U"])
    mine = next(session for session in listed["sessions"] if session["session_id"] == guest.id)
    assert "language" not in mine["properties"]
    await host.refused("session.list", "ACCESS_DENIED", room=stage, filter="language is 'fr'")
    # Of what the type shows to hosts alone peers are not told.
    assert (await host.call("session.list", room=stage, filter="not $Country is 'XX'"))["total"] == 2
    joined = await guest.call("room.join", room=stage)
    assert all(set(peer["properties"]) <= {"name", "$ClientType"} for peer in joined["peers"])


async def test_t6_roles_of_a_token_count_in_its_rooms(guests: Guests, stage: str) -> None:
    await guests.join(stage)
    speaker = await guests.join(stage, token=mint_token("sue", rooms={stage: ["speaker"]}))
    await speaker.call("room.set", room=stage, key="pinned", value=[])
    await speaker.refused("room.set", "ACCESS_DENIED", room=stage, key="spotlight", value=speaker.id)


@pytest.mark.parametrize(
    ("action", "key", "hosts", "guests_"),
    [
        ("write", "spotlight", True, False),
        ("write", "pinned", True, False),
        ("write", "hand/1", True, True),
        ("read", "notes", True, False),
        ("read", "question/1", True, True),
        ("broadcast", None, True, False),
        ("clear", None, True, False),
        ("see_peers", None, True, True),
    ],
)
async def test_t6_what_one_may_can_be_asked_beforehand(
    guests: Guests, stage: str, action: str, key: str | None, hosts: bool, guests_: bool
) -> None:
    host, guest = await guests.join(stage), await guests.join(stage)
    named = {} if key is None else {"key": key}
    assert (await host.call("room.can", room=stage, action=action, **named))["allowed"] is hosts
    answer = await guest.call("room.can", room=stage, action=action, **named)
    assert answer["allowed"] is guests_
    if not guests_:
        assert answer["reason"] == "ACCESS_DENIED"
        assert answer["rule"]["action"] == action


async def test_t6_whether_one_may_write_depends_on_whose_it_is_now(guests: Guests, stage: str) -> None:
    await guests.join(stage)
    guest, other = await guests.join(stage), await guests.join(stage)
    await guest.call("room.set", room=stage, key="hand/1", value=1)
    assert await guest.call("room.can", room=stage, action="write", key="hand/1") == {"allowed": True}
    assert (await other.call("room.can", room=stage, action="write", key="hand/1"))["allowed"] is False
    assert (await other.call("room.can", room=stage, action="write", key="hnd"))["reason"] == "INVALID_KEY"
    await other.refused("room.can", "INVALID_PARAMS", room=stage, action="write")
    await other.refused("room.can", "INVALID_PARAMS", room=stage, action="clear", key="x")
    outside = await guests.open()
    assert (await outside.call("room.can", room=stage, action="see_peers"))["reason"] == "NOT_JOINED"
