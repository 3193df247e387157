"""The page of a session: what is known of it, by permission, and what can be done to it there."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from sessionstore_app import backends, errors, private_store, sessions
from sessionstore_app.models import Lock, LockRequest, Session, SessionEvent
from sessionstore_app.services import private
from tests.admin.conftest import Staff
from tests.admin.rows import HOSTILE, counted, text_of
from tests.admin.scenes import MODIFY, SEND, VIEW, confirm, join, page_of, person, state_of, three, told

CLOSE = "close_sessions"
BUTTONS = {"Close…": MODIFY, "Change roles…": MODIFY, "Set a property…": MODIFY, "Send a message…": SEND}


@pytest.fixture
def viewer(staff: Staff) -> Client:
    three()
    return staff(VIEW)


def shown(client: Client, session_id: str = "s1") -> str:
    response = client.get(page_of(session_id))
    assert response.status_code == 200
    return text_of(response)


def test_t26_it_takes_the_permission_to_view(staff: Staff) -> None:
    three()
    assert staff(MODIFY, SEND, "view_values").get(page_of("s1")).status_code == 403


def test_an_unknown_id_leads_away_with_a_word(viewer: Client) -> None:
    for name in ("never", "x" * 65, "ü"):
        response = viewer.get(page_of(name), follow=True)
        assert response.status_code == 200
        assert f"“{name}”" in told(response)[0]
    assert viewer.get("/admin/sessionstore_app/session/a%00b/change/").status_code == 302


def test_who_it_is(viewer: Client) -> None:
    user = User.objects.create_user("ann")
    Session.objects.filter(id="s1").update(user=user, expires_at=timezone.now() + timedelta(hours=1))
    response = viewer.get(page_of("s1"))
    page = text_of(response)
    for text in ("active", "Principal ann", "User ann", "Roles speaker", "Node n1", "Its credential ends"):
        assert text in page
    assert dict(response.context["own"]) == {"team": "red"}
    assert dict(response.context["fixed"]).items() >= {"$Country": "FR", "$Roles": '"speaker"'}.items()
    assert "admin/auth/user" not in response.content.decode()
    assert "/session/s1/history/" in response.content.decode()


def test_links_lead_where_one_may_go(viewer: Client, admin_client: Client) -> None:
    user = User.objects.create_user("ann")
    Session.objects.filter(id="s1").update(user=user)
    join("s1", "standup", roles=["host"], observed=["hand/*"])
    lock = Lock.objects.create(name="slides", session_id="s1", sequence=1)
    other = Lock.objects.create(name="door", session_id="s2", sequence=1)
    LockRequest.objects.create(lock=other, session_id="s1")
    pages = (
        "/room/",
        "/node/",
        f"/lock/{lock.pk}/",
        f"/lock/{other.pk}/",
        f"/user/{user.pk}/",
    )
    page = viewer.get(page_of("s1")).content.decode()
    assert [part for part in pages if part in page] == []
    page = admin_client.get(page_of("s1")).content.decode()
    assert [part for part in pages if part not in page] == []
    for client in (viewer, admin_client):
        text = shown(client)
        assert "standup host hand/*" in text
        assert "slides held session" in text
        assert "door waited for session" in text


# --- buttons


@pytest.mark.parametrize("held", [(), (MODIFY,), (SEND,), (MODIFY, SEND)])
def test_t26_buttons_by_permission(staff: Staff, held: tuple[str, ...]) -> None:
    three()
    page = shown(staff(VIEW, *held))
    assert {text for text in BUTTONS if text in page} == {text for text, needed in BUTTONS.items() if needed in held}


def test_a_button_leads_to_the_question_and_back_to_the_page(staff: Staff) -> None:
    person("a_b-c")
    client = staff(VIEW, MODIFY)
    sent = {"action": CLOSE, "_selected_action": "a_b-c", "from": "page"}
    response = client.post("/admin/sessionstore_app/session/", sent)
    assert "Close 1 session?" in text_of(response)
    assert response.context["back"] == page_of("a_5Fb-c")
    response = confirm(client, CLOSE, "a_b-c", **{"from": "page", "asked": "1"})
    assert response.redirect_chain[-1][0] == page_of("a_5Fb-c")
    assert told(response) == ["Closed 1 session."]
    # Once it has ended, nothing is offered any more.
    assert not any(text in text_of(response) for text in BUTTONS)
    response = client.post("/admin/sessionstore_app/session/", sent, follow=True)
    assert "Nothing was done." in told(response)[0]


def test_closed_meanwhile(staff: Staff) -> None:
    three()
    client = staff(VIEW, MODIFY)
    sessions.terminate(session_id="s1")
    response = confirm(client, "set_property", "s1", key="a", value="b", **{"from": "page", "asked": "1"})
    assert told(response) == ["Set “a” of 0 sessions. 0 of 1 were still open."]
    assert state_of("s1") == "CLOSED"


# --- the private store


def test_t26_values_take_their_permission(staff: Staff) -> None:
    three()
    private_store("s1").set("cart", {"items": [1, "secret"], "who": "Zoë"})
    page = shown(staff(VIEW))
    assert "cart •••" in page
    assert "secret" not in page
    page = staff(VIEW, "view_values", name="other").get(page_of("s1")).content.decode()
    assert "{\n  &quot;items&quot;: [\n    1,\n    &quot;secret&quot;\n  ]" in page
    assert "Zoë" in page
    assert "•••" not in page


def test_a_store_that_was_not_used_yet_is_not_made_by_looking(viewer: Client) -> None:
    person("quiet")
    with patch.object(type(backends.store()), "create", side_effect=AssertionError("It was made.")):
        assert "The private store cannot be shown" not in shown(viewer, "quiet")
        # Whoever uses it makes it.
        with pytest.raises(AssertionError, match="made"):
            private_store("quiet").items()


@pytest.mark.parametrize("error", [errors.Unavailable("It is out of reach."), errors.StoreDestroyed()])
def test_a_store_out_of_reach_is_said_so(viewer: Client, error: errors.SessionStoreError) -> None:
    with patch.object(private, "look", side_effect=error):
        page = shown(viewer)
    assert f"The private store cannot be shown. {error}" in page


# --- history


def happened(session_id: str, revision: int, **members: Any) -> None:
    SessionEvent.objects.create(
        session_id=session_id,
        revision=revision,
        at=timezone.now(),
        **{"type": "STATE", "state": "ACTIVE", **members},
    )


def test_history_tells_what_changed_newest_first(viewer: Client) -> None:
    sessions.set_properties({"hand": "up", "team": "blue"}, session_id="s2")
    sessions.set_properties({"hand": None}, session_id="s2")
    sessions.terminate(session_id="s2")
    happened("s2", 1)
    response = viewer.get(page_of("s2"))
    assert [happening.event.revision for happening in response.context["history"]] == [4, 3, 2, 1]
    page = text_of(response)
    assert page.index("active → closed") < page.index("hand : “up” → none") < page.index("hand : none → “up”")
    assert "team : “red” → “blue”" in page
    assert "CLOSED_BY_CONTROLLER" in page


def test_history_tells_of_rooms_and_states(viewer: Client) -> None:
    happened("s3", 1)
    happened("s3", 2, type="ROOMS", rooms=["a", "b"])
    happened("s3", 3, type="ROOMS", rooms=["b"], previous_rooms=["a", "b"])
    happened("s3", 4, state="DISCONNECTED", rooms=["b"], previous_rooms=["b"], close_reason="CONNECTION_LOST")
    page = shown(viewer, "s3")
    assert "+ a + b" in page
    assert "− a" in page
    assert "− b" not in page
    assert "active → disconnected" in page
    assert "CONNECTION_LOST" in page


def test_history_is_cut_with_a_word(viewer: Client) -> None:
    for number in range(1, 101):
        happened("s1", number, type="PROPERTIES", properties={"n": str(number)}, previous={"n": None})
    assert "there are older ones" not in shown(viewer)
    happened("s1", 101, type="PROPERTIES", properties={"n": "101"}, previous={"n": "100"})
    response = viewer.get(page_of("s1"))
    assert [happening.event.revision for happening in response.context["history"]] == list(range(101, 1, -1))
    assert "The last 100 events; there are older ones." in text_of(response)


def test_one_that_has_ended_shows_its_history_and_offers_nothing(staff: Staff) -> None:
    three()
    client = staff(VIEW, MODIFY, SEND, "view_values")
    happened("gone", 2, state="CLOSED", close_reason="CLOSED_BY_CLIENT")
    page = shown(client, "gone")
    assert "CLOSED_BY_CLIENT" in page
    assert "Private store" not in page
    assert not any(text in page for text in BUTTONS)


# --- whatever is written there


def test_hostile_text_is_text(staff: Staff) -> None:
    person("s1", principal=HOSTILE, roles=[HOSTILE], properties={HOSTILE: HOSTILE, "$Environment": HOSTILE})
    join("s1", HOSTILE, roles=[HOSTILE], observed=[HOSTILE])
    Lock.objects.create(name=HOSTILE, session_id="s1", sequence=1)
    private_store("s1").set("<script>alert(1)</script>", HOSTILE)
    happened("s1", 1, properties={HOSTILE: HOSTILE}, previous={HOSTILE: None}, rooms=[HOSTILE])
    page = staff(VIEW, MODIFY, "view_values", "view_room", "view_lock", "view_node").get(page_of("s1")).content.decode()
    assert "<script>alert" not in page
    assert page.count("&lt;script&gt;alert(1)") >= 10
    assert "{{ x }}" in page


def test_the_number_of_queries_is_fixed(viewer: Client) -> None:
    shown(viewer)
    numbers = []
    for number in (1, 40):
        join("s1", *(f"r{number}-{position}" for position in range(number)))
        for position in range(number):
            lock = Lock.objects.create(name=f"l{number}-{position}", session_id="s1", sequence=1)
            LockRequest.objects.create(lock=lock, session_id="s1")
            happened("s1", number + position)
        with counted() as queries:
            shown(viewer)
        numbers.append(len(queries))
    assert numbers[0] == numbers[1]


def test_the_pages_keep_to_a_strict_policy(staff: Staff) -> None:
    three()
    client = staff(VIEW, MODIFY)
    sent = {"action": "change_roles", "_selected_action": "s1"}
    for response in (
        client.get("/admin/sessionstore_app/session/"),
        client.get(page_of("s1")),
        client.post("/admin/sessionstore_app/session/", sent),
    ):
        page = response.content.decode()
        assert "'unsafe-inline'" not in response.headers["Content-Security-Policy"]
        assert "<style" not in page
        assert " style=" not in page
        assert "<script>" not in page
