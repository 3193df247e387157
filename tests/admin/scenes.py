"""Sessions that the tests of their pages look at, and what is sent to act on them."""

from __future__ import annotations

from typing import Any, Final

from django.test import Client
from django.utils import timezone

from sessionstore_app.models import Membership, Room, Session
from tests.admin.rows import address

LIST: Final = "/admin/sessionstore_app/session/"
VIEW: Final = "view_session"
MODIFY: Final = "modify_session"
SEND: Final = "send_to_session"


def person(session_id: str, **members: Any) -> Session:
    """A session of another process; active, unless it is said otherwise."""
    return Session.objects.create(id=session_id, **{"revision": 1, "node_id": "n1", **members})


def three() -> None:
    """Two that are active, one that is away, and one that has ended."""
    person("s1", principal="ann", roles=["speaker"], properties={"team": "red", "$Country": "FR"})
    person("s2", principal="ann", properties={"team": "red"})
    person("s3", properties={"team": "blue"}, state="DISCONNECTED")
    person("gone", properties={"team": "red"}, state="CLOSED", close_reason="CLOSED_BY_CLIENT")


def join(session_id: str, *rooms: str, **members: Any) -> None:
    """Let a session be in rooms."""
    for name in rooms:
        room, _ = Room.objects.get_or_create(name=name, defaults={"epoch": "e"})
        Membership.objects.create(room=room, session_id=session_id, joined_at=timezone.now(), **members)


def listed(client: Client, **asked: str) -> list[str]:
    """The ids in the list, in its order."""
    response = client.get(LIST, asked)
    assert response.status_code == 200
    return [session.id for session in response.context["cl"].result_list]


def page_of(session_id: str) -> str:
    return address("session", "change", session_id)


def state_of(session_id: str) -> str:
    return Session.objects.values_list("state", flat=True).get(id=session_id)


def choose(client: Client, act: str, *ids: str, query: str = "", **more: str) -> Any:
    """What the list sends when an act is chosen for some sessions, or, without any, for all that it finds."""
    whom = {"_selected_action": list(ids)} if ids else {"select_across": "1"}
    return client.post(LIST + query, {"action": act, "index": "0", **whom, **more})


def confirm(client: Client, act: str, *ids: str, query: str = "", **typed: str) -> Any:
    """What the page that asks sends, with what was typed; follows to where that leads."""
    whom = {"_selected_action": list(ids)} if ids else {"select_across": "1"}
    sent = {"action": act, "confirmed": "yes", **whom, **typed}
    return client.post(LIST + query, sent, follow=True)


def told(response: Any) -> list[str]:
    """The messages above a page."""
    return [str(message) for message in response.context["messages"]]
