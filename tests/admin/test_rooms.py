"""The list of rooms, what staff do in a room, and who may (P49, T26): all through the services."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from sessionstore_app import rooms
from sessionstore_app.models import Membership, Room, Session
from tests.admin.conftest import Staff

LIST = "admin:sessionstore_app_room_changelist"
ACTS = ("set", "delete", "clear", "broadcast")
KEEPER = ("view_room", "manage_room", "view_values")


def made(name: str, **values: Any) -> Room:
    """A room that holds these values."""
    for key, value in values.items():
        rooms.set(name, key, value)
    room, _ = Room.objects.get_or_create(name=name, defaults={"epoch": "e"})
    return room


def with_peers(room: Room, number: int) -> None:
    """Sessions in a room, as the record has them."""
    sessions = [Session(id=f"{room.pk}-{count}") for count in range(number)]
    Session.objects.bulk_create(sessions)
    Membership.objects.bulk_create(
        Membership(room=room, session=session, joined_at=timezone.now()) for session in sessions
    )


def act(client: Client, room: Room, name: str, **fields: Any) -> dict[str, Any]:
    """What an act answers."""
    answer = client.post(reverse(f"admin:sessionstore_app_room_{name}", args=[room.pk]), fields)
    told: dict[str, Any] = json.loads(answer.content)
    return told


def rows(client: Client, **query: str) -> list[list[str]]:
    """The cells of the list, row by row."""
    page = client.get(reverse(LIST), query)
    changelist = page.context["cl"]
    columns = ("name", "peers_now")
    return [
        [
            *(str(getattr(room, column)) for column in columns),
            *(str(figure) for figure in (room.tally.keys, room.tally.size_bytes, room.tally.version)),
        ]
        for room in changelist.result_list
    ]


def test_the_list_tells_peers_keys_size_and_version(staff: Staff) -> None:
    standup, retro = made("standup", topic="Retro", done=True), made("retro")
    with_peers(standup, 3)
    client = staff("view_room")
    assert rows(client) == [["retro", "0", "0", "0", "0"], ["standup", "3", "2", "20", "2"]]
    assert rows(client, peers="some") == [["standup", "3", "2", "20", "2"]]
    assert rows(client, peers="none") == [["retro", "0", "0", "0", "0"]]
    assert rows(client, q="stand") == [["standup", "3", "2", "20", "2"]]
    assert retro.name in client.get(reverse(LIST)).content.decode()


@pytest.mark.parametrize("number", [3, 250])
def test_the_list_asks_a_fixed_number_of_questions(staff: Staff, number: int) -> None:
    Room.objects.bulk_create(Room(name=f"room {count:04}", epoch=f"e{count}") for count in range(number))
    with_peers(Room.objects.earliest("id"), 20)
    client = staff("view_room")
    with CaptureQueriesContext(connection) as captured:
        assert client.get(reverse(LIST)).status_code == 200
    # Who asks (session, user, two for permissions), the count, the page, and one look at the stores.
    assert len(captured) == 7, [query["sql"][:90] for query in captured]


def test_a_store_out_of_reach_leaves_the_list_with_a_word(staff: Staff, monkeypatch: pytest.MonkeyPatch) -> None:
    from sessionstore_app.core.errors import Unavailable
    from sessionstore_app.services import roomlist

    async def fail(_: object) -> None:
        raise Unavailable

    made("standup", topic="Retro")
    monkeypatch.setattr(roomlist, "tallies", fail)
    page = staff("view_room").get(reverse(LIST))
    assert page.status_code == 200
    assert "standup" in page.content.decode()
    assert "Nothing is known to be wrong" in page.content.decode()


# --- acts


def test_p49_what_staff_set_is_a_write_like_any_other(staff: Staff) -> None:
    room = made("standup", topic="Retro")
    client = staff(*KEEPER, name="kay")
    assert act(client, room, "set", key="topic", text='{"b": 1}', version=1) == {"result": {"version": 2}}
    entry = rooms.get_entry("standup", "topic")
    assert (entry.value, entry.version) == ({"b": 1}, 2)
    assert entry.by is not None
    assert (entry.by.principal, entry.by.session_id) == ("kay", None)
    assert act(client, room, "delete", key="topic", version=2) == {"result": {"version": 3}}
    assert rooms.snapshot("standup") == {}
    told = LogEntry.objects.filter(object_id=str(room.pk)).order_by("id").values_list("change_message", flat=True)
    assert list(told) == ["Set “topic”, version 2.", "Deleted “topic”, version 3."]


def test_a_stale_edit_changes_nothing_and_is_shown_what_is_there(staff: Staff) -> None:
    room = made("standup", topic="Retro")
    rooms.set("standup", "topic", "Planning")
    error = act(staff(*KEEPER), room, "set", key="topic", text='"Mine"', version=1)["error"]
    assert error["reason"] == "VERSION_CONFLICT"
    assert error["current"] == {"key": "topic", "version": 2, "by": "", "text": '"Planning"'}
    masked = act(staff("manage_room", name="blind"), room, "set", key="topic", text='"Mine"', version=1)["error"]
    assert masked["current"] == {"key": "topic", "version": 2, "by": "", "masked": True}
    assert rooms.get("standup", "topic") == "Planning"
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"key": "topic", "text": "{", "version": 1}, "INVALID_VALUE"),
        ({"key": "topic", "text": '{"a": 1, "a": 2}', "version": 1}, "INVALID_VALUE"),
        ({"key": "topic", "text": "1e999", "version": 1}, "INVALID_VALUE"),
        ({"key": "topic", "text": f'"{"x" * 2_000}"', "version": 1}, "VALUE_TOO_LARGE"),
        ({"key": "", "text": "1", "version": 0}, "INVALID_KEY"),
        ({"key": "a*b", "text": "1", "version": 0}, "INVALID_KEY"),
        ({"key": "topic", "text": "1"}, "INVALID_PARAMS"),
        ({"key": "topic", "text": "1", "version": "x"}, "INVALID_PARAMS"),
        ({"key": "topic", "text": "1", "version": "-1"}, "INVALID_PARAMS"),
    ],
)
def test_what_cannot_be_written_is_refused_with_a_reason_and_a_hint(
    staff: Staff, fields: dict[str, Any], reason: str
) -> None:
    room = made("standup", topic="Retro")
    error = act(staff(*KEEPER), room, "set", **fields)["error"]
    assert error["reason"] == reason
    assert error["message"]
    assert error["hint"]
    assert rooms.snapshot("standup") == {"topic": "Retro"}


def test_a_room_is_emptied_and_told(staff: Staff) -> None:
    room = made("standup", topic="Retro")
    client = staff(*KEEPER)
    assert act(client, room, "clear")["result"]["epoch"] != room.epoch
    assert rooms.snapshot("standup") == {}
    with_peers(room, 2)
    assert act(client, room, "broadcast", event="notice", text='{"a": 1}') == {"result": {"peers": 2}}
    assert act(client, room, "broadcast", event="notice", text=" ") == {"result": {"peers": 2}}
    assert act(client, room, "broadcast", event="", text="1")["error"]["reason"] == "INVALID_PARAMS"
    assert act(client, room, "broadcast", event="notice", text="{")["error"]["reason"] == "INVALID_VALUE"
    assert LogEntry.objects.filter(object_id=str(room.pk)).count() == 3


# --- who may


@pytest.mark.parametrize("name", ACTS)
@pytest.mark.parametrize("held", [(), ("view_room",), ("view_room", "view_values", "modify_session")])
def test_t26_without_manage_room_nothing_is_done(staff: Staff, name: str, held: tuple[str, ...]) -> None:
    room = made("standup", topic="Retro")
    client = staff(*held)
    address = reverse(f"admin:sessionstore_app_room_{name}", args=[room.pk])
    answer = client.post(address, {"key": "topic", "text": "1", "version": 1, "event": "e"})
    # Whoever may not do it is not told whether there is such a room.
    assert answer.status_code == 403
    assert client.post(reverse(f"admin:sessionstore_app_room_{name}", args=[4711])).status_code == 403
    assert rooms.snapshot("standup") == {"topic": "Retro"}
    assert not LogEntry.objects.exists()
    page = client.get(reverse("admin:sessionstore_app_room_change", args=[room.pk]))
    assert page.status_code == (200 if held else 403)
    assert address not in page.content.decode()


@pytest.mark.parametrize("name", ACTS)
def test_acts_are_posts_of_staff_with_their_token(staff: Staff, name: str) -> None:
    room = made("standup", topic="Retro")
    address = reverse(f"admin:sessionstore_app_room_{name}", args=[room.pk])
    assert staff(*KEEPER).get(address).status_code == 405
    assert Client().post(address).status_code == 302
    careful = Client(enforce_csrf_checks=True)
    careful.cookies = staff(*KEEPER, name="kim").cookies
    assert careful.post(address, {"key": "topic", "text": "1", "version": 1}).status_code == 403
    assert rooms.snapshot("standup") == {"topic": "Retro"}


def test_a_room_that_is_gone_is_not_found(staff: Staff) -> None:
    client = staff(*KEEPER)
    assert client.post(reverse("admin:sessionstore_app_room_clear", args=[4711])).status_code == 404
    page = client.get(reverse("admin:sessionstore_app_room_change", args=[4711]), follow=True)
    assert "Perhaps it was deleted" in page.content.decode()
