"""The dashboard: the same figures as everywhere else, and each part for who may see it."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import AsyncClient, Client
from django.urls import reverse
from django.utils import timezone

from sessionstore_app import rooms, sessions, site_sessions
from sessionstore_app.models import Membership, Node, Room, Session, SessionState
from tests.admin.conftest import Staff

ADDRESS = "admin:sessionstore_app_figures"
PARTS = {
    "view_session": {"sessions"},
    "view_room": {"rooms"},
    "manage_room": {"rooms"},
    "view_node": {"nodes", "checks"},
    "view_sitesession": {"site"},
}


def figures(client: Client, **query: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(client.get(reverse(ADDRESS), query).content)
    return told


@pytest.fixture
def busy(transactional_db: None) -> None:
    """Five sessions of four people, two of them away, one ended; two rooms, one with peers; three site sessions."""
    states = [SessionState.ACTIVE] * 3 + [SessionState.DISCONNECTED] * 2 + [SessionState.CLOSED]
    for number, state in enumerate(states):
        name = "ann" if number < 2 else f"p{number}"
        properties = {"mood": "good" if number % 2 else "bad"}
        Session.objects.create(id=f"s{number}", state=state, principal=name, properties=properties)
    for name in ("standup", "retro"):
        rooms.set(name, "topic", name)
    room = Room.objects.get(name="standup")
    for number in range(3):
        Membership.objects.create(room=room, session_id=f"s{number}", joined_at=timezone.now())
    for number in range(3):
        site_sessions.create({"n": number})
    Node.objects.create(
        id="n1",
        lease_until=timezone.now() + timedelta(seconds=60),
        writes_per_second=2.5,
        deliveries_per_second=40,
    )
    Node.objects.create(id="n2", lease_until=timezone.now() + timedelta(seconds=60), writes_per_second=1.5)
    Node.objects.create(id="gone", lease_until=timezone.now() - timedelta(seconds=60), writes_per_second=99)


def test_the_same_figures_as_everywhere(staff: Staff, busy: None, admin_client: Client) -> None:
    """Of the dashboard, the Python API, the lists of the admin and the metrics."""
    told = figures(staff(*PARTS))
    assert told["sessions"] == {"active": 3, "disconnected": 2, "people": 4}
    assert told["rooms"] == {"peopled": 1, "total": 2}
    assert told["nodes"] == {"nodes": 2, "writes_per_second": 4.0, "deliveries_per_second": 40.0}
    stats = site_sessions.stats()
    assert (told["site"]["active"], told["site"]["total"]) == (stats.active, stats.total) == (3, 3)
    counted = sessions.count()
    assert (counted.total, counted.people) == (5, 4)
    for model, number in {"room": 2, "session": 5, "sitesession": 3}.items():
        page = admin_client.get(reverse(f"admin:sessionstore_app_{model}_changelist"))
        assert page.context["cl"].result_count == number, model


async def test_metrics_tell_them_too(busy: None) -> None:
    text = (await AsyncClient().get("/sessionstore/metrics/")).content.decode()
    told = dict(re.findall(r"^sessionstore_([a-z_]+(?:\{[^}]*\})?) ([0-9.]+)$", text, re.MULTILINE))
    assert told['sessions{state="ACTIVE"}'] == "3.0"
    assert told['sessions{state="DISCONNECTED"}'] == "2.0"
    assert told["people"] == "4.0"
    assert told["peopled_rooms"] == "1.0"
    assert told["known_rooms"] == "2.0"
    assert (told["site_sessions_active"], told["site_sessions"]) == ("3.0", "3.0")


def test_sessions_are_counted_by_a_chosen_property(staff: Staff, busy: None) -> None:
    told = figures(staff("view_session"), by="mood")["by"]
    assert told == {
        "key": "mood",
        "total": 5,
        "groups": [{"value": "bad", "count": 3}, {"value": "good", "count": 2}],
        "rest": 0,
    }
    for number in range(20):
        Session.objects.create(id=f"m{number}", properties={"mood": f"mood {number:02}"})
    told = figures(staff("view_session", name="other"), by="mood")["by"]
    assert (len(told["groups"]), told["rest"]) == (8, 14)
    assert figures(staff("view_session", name="third"), by="absent")["by"]["groups"] == [
        {"value": "(not set)", "count": 25}
    ]


@pytest.mark.parametrize("permission", list(PARTS))
def test_t26_each_part_is_there_for_who_may_see_it(staff: Staff, busy: None, permission: str) -> None:
    client = staff(permission)
    assert set(figures(client)) == PARTS[permission]
    page = client.get(reverse("admin:app_list", args=["sessionstore_app"])).content.decode()
    shown = set(re.findall(r'data-part="([a-z]+)"', page)) - {"by"}
    assert shown == PARTS[permission] - {"checks"}


def test_t26_without_any_there_is_no_dashboard(staff: Staff, busy: None) -> None:
    client = staff()
    assert figures(client) == {}
    assert Client().get(reverse(ADDRESS)).status_code == 302


def test_what_the_system_checks_say_is_shown(staff: Staff, busy: None, settings: Any) -> None:
    from sessionstore_app.admin import dashboard

    dashboard._told = None
    settings.DEBUG = False
    found = figures(staff("view_node"))["checks"]
    dashboard._told = None
    assert any(message["id"].startswith("sessionstore.") and message["text"] for message in found)
