"""Nodes: which processes there are, whether they live, and whom they serve."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from sessionstore_app.models import Node, Session, SessionState
from tests.admin.conftest import Staff
from tests.admin.rows import HOSTILE, address, counted, text_of

LIST = "/admin/sessionstore_app/node/"
VIEW = "view_node"


def node(name: str, *, seconds: float = 30, **fields: Any) -> Node:
    return Node.objects.create(id=name, lease_until=timezone.now() + timedelta(seconds=seconds), **fields)


def serve(name: str, number: int, state: str = SessionState.ACTIVE) -> None:
    Session.objects.bulk_create(
        Session(id=f"{name}-{state}-{position:04}", principal=f"p{position}", node_id=name, state=state)
        for position in range(number)
    )


def row(client: Client, name: str) -> list[str]:
    """What the list says of a node."""
    page = client.get(LIST)
    assert page.status_code == 200
    (found,) = [found for found in page.context["cl"].result_list if found.pk == name]
    markup = page.content.decode()
    begin = markup.index(f"<bdi>{found.pk}</bdi>")
    return text_of(type("Part", (), {"content": markup[begin : markup.index("</tr>", begin)].encode()})).split()


def test_a_node_says_whom_it_serves_and_how_fast_it_is(staff: Staff) -> None:
    client = staff(VIEW)
    node("one", writes_per_second=12.345, deliveries_per_second=1500.0)
    node("other")
    serve("one", 3)
    serve("one", 2, SessionState.DISCONNECTED)
    serve("one", 2, SessionState.CLOSED)
    assert row(client, "one")[-3:] == ["3", "12.3", "1500.0"]
    assert row(client, "other")[-3:] == ["0", "0.0", "0.0"]


def test_a_lease_that_has_lapsed_is_marked(staff: Staff) -> None:
    client = staff(VIEW)
    node("living")
    node("lapsed-one", seconds=-5)
    assert "lapsed" not in row(client, "living")
    assert "lapsed" in row(client, "lapsed-one")
    assert "has not said for too long" in text_of(client.get(address("node", "change", "lapsed-one")))


def test_the_list_asks_as_much_for_many_as_for_few(staff: Staff) -> None:
    client = staff(VIEW)
    node("n0")
    client.get(LIST)
    with counted() as few:
        client.get(LIST)
    for position in range(1, 40):
        node(f"n{position}")
        serve(f"n{position}", 3)
    with counted() as many:
        client.get(LIST)
    assert len(few) == len(many) <= 7


def test_its_page_names_the_first_hundred_that_it_serves(staff: Staff) -> None:
    client = staff(VIEW, "view_session")
    node("one")
    serve("one", 103)
    serve("one", 1, SessionState.CLOSED)
    response = client.get(address("node", "change", "one"))
    text = text_of(response)
    assert "one-ACTIVE-0099 p99" in text
    assert "one-ACTIVE-0100" not in text
    assert "And 3 more." in text
    assert address("session", "change", "one-ACTIVE-0000") in response.content.decode()


def test_links_lead_to_ids_with_any_sign(staff: Staff) -> None:
    client = staff(VIEW, "view_session")
    node("a_5Fb/c d")
    Session.objects.create(id="s_5F-_x", node_id="a_5Fb/c d")
    listed = client.get(LIST).content.decode()
    target = address("node", "change", "a_5F5Fb_2Fc d").replace(" ", "%20")
    assert target in listed
    page = client.get(target)
    assert page.status_code == 200
    assert address("session", "change", "s_5F5F-_5Fx") in page.content.decode()


def test_who_may_not_view_sessions_is_told_how_many_alone(staff: Staff) -> None:
    client = staff(VIEW)
    node("one")
    serve("one", 2)
    text = text_of(client.get(address("node", "change", "one")))
    assert "2 sessions;" in text
    assert "one-ACTIVE" not in text


def test_hostile_names_are_text(staff: Staff) -> None:
    client = staff(VIEW, "view_session")
    node(HOSTILE[:64])
    Session.objects.create(id="s1", principal=HOSTILE, node_id=HOSTILE[:64])
    found = client.get(LIST)
    assert "<script>alert" not in found.content.decode()
    (shown,) = found.context["cl"].result_list
    page = client.get(found.context["cl"].url_for_result(shown))
    assert page.status_code == 200
    assert "<script>alert" not in page.content.decode()


def test_there_is_nothing_to_change(admin_client: Client, transactional_db: None) -> None:
    """Not even for a superuser, whatever is posted."""
    node("one")
    before = Node.objects.values().get()
    assert "Delete" not in text_of(admin_client.get(address("node", "change", "one")))
    admin_client.post(address("node", "change", "one"), {"started_at_0": "2000-01-01", "_save": "Save"})
    admin_client.post(LIST, {"action": "delete_selected", "_selected_action": ["one"], "post": "yes"})
    assert admin_client.post(address("node", "delete", "one"), {"post": "yes"}).status_code == 403
    assert Node.objects.values().get() == before


@pytest.mark.parametrize("held", [(), ("change_node",), ("view_session", "view_lock")])
def test_pages_need_the_permission(staff: Staff, held: tuple[str, ...]) -> None:
    client = staff(*held)
    node("one")
    assert client.get(LIST).status_code == 403
    assert client.get(address("node", "change", "one")).status_code == 403


def test_a_node_that_is_gone_leads_away_with_a_word(staff: Staff) -> None:
    response = staff(VIEW).get(address("node", "change", "gone"), follow=True)
    assert response.redirect_chain
    assert "Perhaps it was deleted" in text_of(response)
