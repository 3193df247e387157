"""Each role, each operation, each way in, before and after roles change: T6, T26, I13, from the table of `matrix`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from sessionstore_app import errors, mint_token, rooms
from sessionstore_app.core.jsontext import dumps
from sessionstore_app.models import Membership, Room, Session
from tests.admin.conftest import staff_user
from tests.roomtypes.matrix import CHANGES, MANAGER, OPERATIONS, PRESENT, ROLES, SECRETS, Operation, expected
from tests.support import typed
from tests.support.guests import Guests
from tests.support.http import Http
from tests.support.wire import Params, Wire

Ask = Callable[[str, Mapping[str, Any]], Awaitable[Params]]


async def prepared(guests: Guests, room: str) -> tuple[Wire, Wire, Wire]:
    """Its host, who is there first, somebody whose hand is up and who has asked, and one who changes roles."""
    host, other = await guests.join(room), await guests.join(room)
    staff = await guests.staff(permissions=["view_session", "modify_session"])
    await fill(host, other, room)
    return host, other, staff


async def fill(host: Wire, other: Wire, room: str) -> None:
    for key, value in PRESENT.items():
        writer = other if key.endswith("/other") else host
        await writer.call("room.set", room=room, key=key, value=value)


async def refusals(ask: Ask, room: str) -> tuple[dict[str, str | None], str]:
    """What each operation was refused with, and all that was answered."""
    found: dict[str, str | None] = {}
    told: list[str] = []
    for operation in OPERATIONS:
        reply = await ask(operation.method, {"room": room, **operation.params})
        error = reply.get("error")
        found[operation.name] = None if error is None else error["data"]["reason"]
        may_say = operation.method in ("room.set", "room.write") and error is None
        told.append("" if may_say else str(reply))
    return found, "".join(told)


def assert_no_secret(role: str, told: str) -> None:
    if role not in ("host", MANAGER):
        assert not [secret for secret in SECRETS if secret in told]


@pytest.mark.parametrize(("before", "after"), CHANGES)
async def test_t6_on_a_socket(guests: Guests, stage: str, before: str, after: str) -> None:
    host, other, staff = await prepared(guests, stage)
    wire = await guests.join(stage, token=mint_token("ann", roles=[before]))

    async def ask(method: str, params: Mapping[str, Any]) -> Params:
        return await wire.ask(method, **params)

    found, told = await refusals(ask, stage)
    assert found == expected(before)
    assert_no_secret(before, told)
    await staff.call("session.change_roles", session_id=wire.id, add=[after], remove=[before])
    await wire.expect("session.changed")
    await fill(host, other, stage)
    start = len(wire.frames)
    found, told = await refusals(ask, stage)
    assert found == expected(after)
    assert_no_secret(after, told + str(wire.frames[start:]))


@pytest.mark.parametrize(("before", "after"), CHANGES)
async def test_t6_over_http(guests: Guests, stage: str, before: str, after: str) -> None:
    """A token says the same for ever; who has other rights has another."""
    host, other, _ = await prepared(guests, stage)
    for role in (before, after):
        http = Http(guests.server.host, mint_token("ann", rooms={stage: [role]}))

        async def ask(method: str, params: Mapping[str, Any], http: Http = http) -> Params:
            return await http.ask(method, **params)

        found, told = await refusals(ask, stage)
        assert found == expected(role)
        assert_no_secret(role, told)
        await fill(host, other, stage)


@pytest.mark.parametrize("way", ["socket", "http"])
async def test_t6_who_manages_rooms_is_held_to_types_alone(guests: Guests, stage: str, way: str) -> None:
    await prepared(guests, stage)
    token = mint_token("ops", permissions=["manage_room"])
    wire, http = await guests.open(token=token), Http(guests.server.host, token)

    async def ask(method: str, params: Mapping[str, Any]) -> Params:
        return await (wire if way == "socket" else http).ask(method, **params)

    assert (await refusals(ask, stage))[0] == expected(MANAGER)


@pytest.mark.parametrize("role", ROLES)
async def test_t6_what_is_asked_beforehand_agrees(guests: Guests, stage: str, role: str) -> None:
    await prepared(guests, stage)
    wire = await guests.join(stage, token=mint_token("ann", roles=[role]))
    acts = {"room.set": "write", "room.delete": "write", "room.update": "write", "room.get": "read"}
    acts |= {"room.broadcast": "broadcast", "room.clear": "clear", "room.peers": "see_peers"}
    for operation in OPERATIONS:
        action = acts.get(operation.method)
        # Values are not looked at, nor is whose key it is where it is only read.
        if action is None or operation.otherwise == "INVALID_VALUE" or operation.name == "read another's question":
            continue
        key = {"key": operation.params["key"]} if "key" in operation.params else {}
        answer = await wire.call("room.can", room=stage, action=action, **key)
        assert answer.get("reason") == operation.reason(role), operation.name


# --- in this process: as a session, and as staff


def at_stage(room: str) -> Room:
    """A room of that type, as others left it."""
    assert typed.Stage.match == "stage/*"
    for key, value in PRESENT.items():
        rooms.set(room, key, value)
    found = Room.objects.get(name=room)
    Session.objects.create(id="ann", principal="ann", state="ACTIVE", revision=1)
    Membership.objects.create(room=found, session_id="ann", joined_at=timezone.now(), roles=["guest"])
    return found


def _as(operation: Operation, room: str, session_id: str) -> object:
    params = dict(operation.params)
    ways: dict[str, Callable[[], object]] = {
        "room.set": lambda: rooms.set(room, params["key"], params["value"], as_session=session_id),
        "room.delete": lambda: rooms.delete(room, params["key"], as_session=session_id),
        "room.update": lambda: rooms.update(room, **params, as_session=session_id),
        "room.write": lambda: rooms.write(room, params["ops"], as_session=session_id),
        "room.get": lambda: rooms.get(room, params["key"], as_session=session_id),
        "room.snapshot": lambda: rooms.snapshot(room, params.get("keys", ["*"]), as_session=session_id),
        "room.peers": lambda: rooms.peers(room, as_session=session_id),
        "room.broadcast": lambda: rooms.broadcast(room, params["event"], as_session=session_id),
        "room.clear": lambda: rooms.clear(room, as_session=session_id),
    }
    return ways[operation.method]()


def _refusals_as(room: str, session_id: str) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for operation in OPERATIONS:
        try:
            _as(operation, room, session_id)
        except errors.SessionStoreError as error:
            found[operation.name] = error.reason
        else:
            found[operation.name] = None
    return found


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("before", "after"), CHANGES)
def test_t6_in_python_as_a_session(before: str, after: str) -> None:
    at_stage("stage/python")
    for role in (before, after):
        Session.objects.filter(id="ann").update(roles=[role])
        # The server wrote what others did: a hand and a question of nobody are the hosts' to look after.
        assert _refusals_as("stage/python", "ann") == expected(role)
        for key, value in PRESENT.items():
            rooms.set("stage/python", key, value)


_ACTS = {"room.set": "set", "room.delete": "delete", "room.clear": "clear", "room.broadcast": "broadcast"}


def _posted(operation: Operation) -> dict[str, Any]:
    """What the room page's forms send."""
    params = operation.params
    posted = {name: params[name] for name in ("key", "event") if name in params}
    return {**posted, "text": dumps(params["value"]) if "value" in params else ""}


def _version(room: Room, operation: Operation) -> int:
    """The one that the page showed."""
    if "key" not in operation.params or operation.otherwise == "INVALID_KEY":
        return 0
    entry = rooms.get_entry(room.name, operation.params["key"])
    return entry.version if entry.exists else 0


def _refusals_of_staff(client: Client, room: Room) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for operation in OPERATIONS:
        if operation.method not in _ACTS:
            continue
        act = _ACTS[operation.method]
        posted = {**_posted(operation), "version": _version(room, operation)}
        response = client.post(reverse(f"admin:sessionstore_app_room_{act}", args=[room.pk]), posted)
        if response.status_code == 403:
            found[operation.name] = "ACCESS_DENIED"
        else:
            error = response.json().get("error")
            found[operation.name] = None if error is None else error["reason"]
    return found


@pytest.mark.django_db(transaction=True)
def test_t26_in_the_admin() -> None:
    """Staff has permissions, not roles: who manages rooms is held to types alone, others do nothing."""
    room = at_stage("stage/admin")
    user = staff_user("kim", "view_room", "view_values", "modify_session")
    client = Client()
    client.force_login(user)
    wanted = expected(MANAGER)
    found = _refusals_of_staff(client, room)
    assert set(found.values()) == {"ACCESS_DENIED"}
    user.user_permissions.add(Permission.objects.get(codename="manage_room"))
    found = _refusals_of_staff(client, room)
    assert found == {name: wanted[name] for name in found}
    user.user_permissions.remove(Permission.objects.get(codename="manage_room"))
    assert set(_refusals_of_staff(client, room).values()) == {"ACCESS_DENIED"}
