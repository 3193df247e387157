"""Who may do what to sessions and locks: every method by every holder of permissions, from one table (T6, P46).

Refused means that nothing happened to anybody, and that the answer says what is missing.
"""

from __future__ import annotations

from typing import Any

import pytest

from sessionstore_app import mint_token
from sessionstore_app.protocol.methods import METHODS
from sessionstore_app.services.policy import PERMISSIONS
from tests.support.guests import Guests
from tests.support.rows import session_rows
from tests.support.wire import Wire

VIEW, MODIFY = ("view_session",), ("view_session", "modify_session")

# Name → method, the permissions that it takes, and parameters; `$id` and `$room` stand for the session it is about and
# the room that this is in.
Row = tuple[str, tuple[str, ...], dict[str, Any]]
ROWS: dict[str, Row] = {
    "get properties": ("session.get_properties", VIEW, {"session_id": "$id", "properties": ["$Principal"]}),
    "set properties": ("session.set_properties", MODIFY, {"session_id": "$id", "properties": {"muted": "yes"}}),
    "set by filter": (
        *("session.set_properties_by_filter", MODIFY),
        {"room": "$room", "filter": "all", "properties": {"muted": "yes"}},
    ),
    "list": ("session.list", VIEW, {}),
    "list a room": ("session.list", VIEW, {"room": "$room"}),
    "count": ("session.count", VIEW, {}),
    "terminate one": ("session.terminate", MODIFY, {"session_id": "$id"}),
    "terminate many": ("session.terminate", MODIFY, {"room": "$room", "filter": "all"}),
    "change roles of one": ("session.change_roles", MODIFY, {"session_id": "$id", "add": ["speaker"]}),
    "change roles of many": ("session.change_roles", MODIFY, {"room": "$room", "filter": "all", "add": ["speaker"]}),
    "send to one": ("session.send", ("send_to_session",), {"session_id": "$id", "event": "e"}),
    "send to many": ("session.send", ("send_to_session",), {"room": "$room", "filter": "all", "event": "e"}),
    "observe for one": ("session.observe_for", MODIFY, {"session_id": "$id", "room": "$room", "keys": ["topic"]}),
    "observe for many": ("session.observe_for", MODIFY, {"filter": "all", "room": "$room", "keys": ["topic"]}),
    "listen": ("session.listen", ("view_session", "register_handler"), {"room": "$room"}),
    "acquire": ("lock.acquire", ("acquire_lock",), {"name": "$room"}),
    "release": ("lock.release", ("acquire_lock",), {"name": "$room"}),
    "force a release": ("lock.release", MODIFY, {"name": "$room", "force": True}),
    "get a lock": ("lock.get", VIEW, {"name": "$room"}),
    "list locks": ("lock.list", VIEW, {}),
}
# What concerns one's own session only, and needs nothing.
OWN: dict[str, dict[str, Any]] = {
    "session.ping": {},
    "session.get_properties": {"properties": ["*F"]},
    "session.set_properties": {"properties": {"name": "Ann"}},
    "session.unlisten": {"listener_id": "x"},
    "session.close": {},
}


def _holdings(needed: tuple[str, ...]) -> dict[str, frozenset[str] | None]:
    """Who cannot do what needs these: anonymous, a token with nothing, with all but one, and with only one of many."""
    cannot: dict[str, frozenset[str] | None] = {"anonymous": None, "nothing": frozenset()}
    cannot |= {f"all but {one}": PERMISSIONS - {one} for one in needed}
    cannot |= {f"only {one}": frozenset({one}) for one in needed if len(needed) > 1}
    return cannot


REFUSED = [(name, who) for name, (_, needed, _) in ROWS.items() for who in _holdings(needed)]


async def _holder(guests: Guests, permissions: frozenset[str] | None) -> Wire:
    if permissions is None:
        return await guests.open()
    return await guests.open(token=mint_token("holder", permissions=permissions))


def _filled(params: dict[str, Any], session_id: str, room: str) -> dict[str, Any]:
    names = {"$id": session_id, "$room": room}
    return {key: names.get(value, value) if isinstance(value, str) else value for key, value in params.items()}


async def _assert_unharmed(guests: Guests, wire: Wire) -> None:
    await wire.assert_silent()
    assert session_rows(guests.server, wire.id) == [("ACTIVE", "")]


def test_every_method_has_a_row() -> None:
    """A method that comes later has to say what it needs."""
    concerned = {name for name in METHODS if not name.startswith(("room.", "site."))} - {"session.open", "session.ack"}
    assert {method for method, _, _ in ROWS.values()} | OWN.keys() == concerned


@pytest.mark.parametrize(("name", "who"), REFUSED, ids=[f"{name} by {who}" for name, who in REFUSED])
async def test_p46_without_the_permission_nothing_happens(guests: Guests, room: str, name: str, who: str) -> None:
    method, needed, params = ROWS[name]
    permissions = _holdings(needed)[who]
    guest, holder = await guests.join(room, observe=[]), await _holder(guests, permissions)
    await guest.forget()
    error = await holder.refused(method, "ACCESS_DENIED", **_filled(params, guest.id, room))
    missing = [one for one in needed if one not in (permissions or ())]
    assert all(one in error["data"]["hint"] for one in missing)
    await _assert_unharmed(guests, guest)
    await holder.assert_silent()


@pytest.mark.parametrize("name", ROWS)
async def test_p46_with_just_the_permission_it_is_done(guests: Guests, room: str, name: str) -> None:
    method, needed, params = ROWS[name]
    guest, holder = await guests.join(room, observe=[]), await _holder(guests, frozenset(needed))
    reply = await holder.ask(method, **_filled(params, guest.id, room))
    assert "result" in reply, reply


@pytest.mark.parametrize("method", OWN)
async def test_d8_what_is_ones_own_needs_no_permission(guests: Guests, method: str) -> None:
    reply = await (await guests.open()).ask(method, **OWN[method])
    assert "result" in reply or reply["error"]["data"]["reason"] == "NOT_FOUND"


@pytest.mark.parametrize("session_id", ["unknown", "gone", "there"])
async def test_t5_who_may_not_ask_is_not_told_who_is_there(guests: Guests, room: str, session_id: str) -> None:
    """The same answer for a session that is there, that was, and that never was."""
    there, gone, guest = await guests.join(room), await guests.join(room), await guests.open()
    await gone.call("session.close")
    named = {"unknown": "x" * 22, "gone": gone.id, "there": there.id}[session_id]
    for method, _, params in ROWS.values():
        if "session_id" in params:
            error = await guest.refused(method, "ACCESS_DENIED", **_filled(params, named, room))
            assert named not in str(error)
            assert error == await guest.refused(method, "ACCESS_DENIED", **_filled(params, "other", room))


# --- by a room's rule: the demo's host may do all of it to the peers of its room, but for locks

BY_RULE = [name for name, (method, _, _) in ROWS.items() if method.startswith("session.")]


@pytest.mark.parametrize("name", BY_RULE)
async def test_p46_a_host_may_where_it_names_its_room_and_a_guest_may_not(guests: Guests, room: str, name: str) -> None:
    method, _, params = ROWS[name]
    host, guest = await guests.join(room, observe=[]), await guests.join(room, observe=[])
    outside = await guests.join(f"{room}/other", observe=[])
    for wire in (host, guest, outside):
        await wire.forget()
    if method == "session.get_properties":
        params = {**params, "properties": ["$ClientType"]}
    here = {**_filled(params, guest.id, room), "room": room}
    for wire in (guest, outside):
        await wire.refused(method, "ACCESS_DENIED", **here)
    await _assert_unharmed(guests, guest)
    await _assert_unharmed(guests, host)
    elsewhere = {**_filled(params, outside.id, room), "room": f"{room}/other"}
    await host.refused(method, "ACCESS_DENIED", **elsewhere)
    reply = await host.ask(method, **here)
    assert "result" in reply, reply
    await _assert_unharmed(guests, outside)


@pytest.mark.parametrize("name", sorted(set(ROWS) - set(BY_RULE)))
async def test_p46_no_rule_of_a_room_gives_locks(guests: Guests, room: str, name: str) -> None:
    method, _, params = ROWS[name]
    host = await guests.join(room)
    await host.refused(method, "ACCESS_DENIED", **_filled(params, host.id, room))


@pytest.mark.parametrize("name", BY_RULE)
async def test_p46_managing_rooms_gives_no_right_to_sessions(guests: Guests, room: str, name: str) -> None:
    method, _, params = ROWS[name]
    guest, manager = await guests.join(room, observe=[]), await _holder(guests, frozenset({"manage_room"}))
    await guest.forget()
    await manager.refused(method, "ACCESS_DENIED", **_filled(params, guest.id, room))
    await _assert_unharmed(guests, guest)
