"""Room types in the admin: the list's column and filter, and the rules on a room's page."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from sessionstore_app import OPEN, Key, RoomType, rooms
from sessionstore_app.models import Room
from sessionstore_app.services import roomtypes
from tests.admin.conftest import Staff
from tests.admin.rows import address
from tests.support.typed import Backstage, Stage

LIST = "/admin/sessionstore_app/room/"


class Lobby(RoomType, declare=False):
    match = "lobby/*"
    extra = OPEN


class Everything(RoomType, declare=False):
    match = "hall"
    note = Key(str, read=(), write=())


@pytest.fixture(autouse=True)
def _types() -> object:
    with roomtypes.declaring(Stage, Backstage, Lobby, Everything):
        yield


def _listed(client: Client, **asked: str) -> set[str]:
    response = client.get(LIST, asked)
    assert response.status_code == 200
    return {room.name for room in response.context["cl"].result_list}


def test_the_list_tells_types_and_finds_rooms_by_them(staff: Staff) -> None:
    for name in ("stage/1", "stage/2", "backstage/1", "lobby/east", "hall", "other"):
        Room.objects.create(name=name, epoch="e")
    client = staff("view_room")
    page = client.get(LIST).content.decode()
    shown = re.findall(r'field-type">([^<]*)<', page)
    assert sorted(shown) == sorted(["Backstage", "Lobby", "Everything", "–", "Stage", "Stage"])
    assert _listed(client, type="Stage") == {"stage/1", "stage/2"}
    assert _listed(client, type="Lobby") == {"lobby/east"}
    assert _listed(client, type="Everything") == {"hall"}
    assert _listed(client, type="-") == {"other"}


def test_a_project_without_types_has_no_filter(staff: Staff) -> None:
    client = staff("view_room")
    assert "?type=" in client.get(LIST).content.decode()
    with roomtypes.declaring():
        assert "?type=" not in client.get(LIST).content.decode()


def test_the_page_of_a_room_tells_its_rules(staff: Staff) -> None:
    rooms.set("stage/1", "count", 1)
    room = Room.objects.get(name="stage/1")
    rules = staff("view_room").get(address("room", "change", room.pk)).context["rules"]
    assert rules.type == "Stage"
    rows = {row.pattern: row for row in rules.keys}
    assert (rows["pinned"].type, rows["pinned"].read, rows["pinned"].write) == (
        "list[Pin]",
        "everyone",
        "host, speaker",
    )
    assert (rows["hand/*"].write, rows["hand/*"].life) == ("host, its writer", "with its writer's session")
    assert (rows["spotlight"].life, rows["notes"].life) == ("with the peer it names", "3600 seconds")
    assert (rows["motto"].write, rows["title"].write) == ("sessions where language is 'fr'", "the room's creator")
    assert (rows["audit"].read, rows["audit"].write) == ("permission view_session", "the server")
    assert not rules.is_open


def test_the_page_of_a_room_without_a_type_tells_none(staff: Staff) -> None:
    rooms.set("other", "k", 1)
    room = Room.objects.get(name="other")
    response = staff("view_room").get(address("room", "change", room.pk))
    assert response.context["rules"] is None
    assert 'id="rules"' not in response.content.decode()


def test_limits_of_a_type_are_shown(staff: Staff) -> None:
    rooms.set("backstage/1", "plan", "x")
    room = Room.objects.get(name="backstage/1")
    shown = {
        str(limit.name): (limit.most, limit.used)
        for limit in staff("view_room").get(address("room", "change", room.pk)).context["limits"]
    }
    assert shown["keys"] == ("5", "1")
