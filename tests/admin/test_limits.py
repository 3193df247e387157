"""Limits in force are on the pages of what they bound, beside what is used of them (T14, T15, T16)."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse
from django.utils import translation

from sessionstore_app import rooms
from sessionstore_app.core.errors import Unavailable
from sessionstore_app.handlers.rooms import ROOMS_PER_SESSION
from sessionstore_app.models import Lock, LockRequest, Room
from sessionstore_app.services import roomlist
from tests.admin.conftest import Staff
from tests.admin.rows import text_of
from tests.admin.scenes import VIEW, join, page_of, person

QUOTAS = {
    "VALUE_BYTES": 2_048,
    "KEYS": 7,
    "STORE_BYTES": 10_240,
    "ROOM_WRITES_PER_SECOND": 12.5,
    "ROOM_WRITES_BURST": 33,
    "WRITES_PER_SECOND": 4,
    "WRITES_BURST": 44,
    "JOINS_PER_MINUTE": 15,
    "JOINS_BURST": 55,
    "SOCKETS_PER_USER": 6,
    "PATTERNS_PER_SESSION": 11,
    "LOCKS_PER_SESSION": 12,
    "PROPERTY_COUNT": 13,
    "LISTENERS_PER_SESSION": 14,
    "OUTBOX_BYTES": 20_480,
}


@pytest.fixture(autouse=True)
def known_limits(settings: Any) -> None:
    settings.SESSIONSTORE = {**settings.SESSIONSTORE, **QUOTAS}


def plain(response: Any) -> str:
    """What a page says; sizes have spaces of their own kind."""
    assert response.status_code == 200
    return text_of(response).replace("\xa0", " ")


def page_of_room() -> str:
    return reverse("admin:sessionstore_app_room_change", args=[Room.objects.get(name="standup").pk])


def test_t15_t16_a_rooms_page_shows_its_limits_and_what_is_used(staff: Staff) -> None:
    rooms.set("standup", "topic", "Retro")
    rooms.set("standup", "done", True)
    page = plain(staff("view_room").get(page_of_room()))
    for row in (
        "Bytes of a value 2.0 KB –",
        "Keys 7 2",
        "Bytes of the store 10.0 KB 20 bytes",
        "Writes of all, in each process 12.5 a second, 33 at once –",
    ):
        assert row in page


def test_a_store_out_of_reach_leaves_the_limits(staff: Staff, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(_: object) -> None:
        raise Unavailable

    rooms.set("standup", "topic", "Retro")
    monkeypatch.setattr(roomlist, "tallies", fail)
    page = plain(staff("view_room").get(page_of_room()))
    assert "Keys 7 –" in page
    assert "Bytes of the store 10.0 KB –" in page


def test_t14_t16_a_sessions_page_shows_its_limits_and_what_is_used(staff: Staff) -> None:
    person("s1", principal="ann", properties={"team": "red", "seat": "4", "$Country": "FR"})
    person("s2")
    join("s1", "standup", observed=["hand/*", "topic"])
    join("s1", "retro", observed=["*"])
    Lock.objects.create(name="slides", session_id="s1", sequence=1)
    other = Lock.objects.create(name="door", session_id="s2", sequence=1)
    LockRequest.objects.create(lock=other, session_id="s1")
    page = plain(staff(VIEW).get(page_of("s1")))
    for row in (
        "Writes of a socket 4 a second, 44 at once –",
        "Joins of its user, in each process 15 a minute, 55 at once –",
        "Sockets of its user, in each process 6 –",
        f"Rooms {ROOMS_PER_SESSION} 2",
        "Observed patterns 11 3",
        "Locks, held or waited for 12 2",
        "User properties 13 2",
        "Listeners 14 –",
        "Bytes that it may be behind 20.0 KB –",
    ):
        assert row in page


def test_what_has_ended_has_no_limits(staff: Staff) -> None:
    person("s1", state="CLOSED")
    assert "Joins of its user" not in plain(staff(VIEW).get(page_of("s1")))


def test_limits_are_german_where_staff_prefer_it(staff: Staff) -> None:
    person("s1")
    client = staff(VIEW)
    with translation.override("de"):
        page = plain(client.get(page_of("s1")))
    assert "Grenzen" in page
    assert "Schreibvorgänge einer Verbindung 4 pro Sekunde, 44 auf einmal" in page
