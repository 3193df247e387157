"""What staff do to sessions: to a selection or to all that a filter finds, asked first, counted after, and logged."""

from __future__ import annotations

from html import unescape
from typing import Any
from unittest.mock import patch

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from sessionstore_app import errors, sessions
from sessionstore_app.models import Session
from sessionstore_app.services import directory, steering
from tests.admin.conftest import Staff
from tests.admin.rows import HOSTILE, said, text_of
from tests.admin.scenes import (
    LIST,
    MODIFY,
    SEND,
    VIEW,
    choose,
    confirm,
    listed,
    page_of,
    person,
    state_of,
    three,
    told,
)

CLOSE, ROLES, PROPERTY, MESSAGE = "close_sessions", "change_roles", "set_property", "send_message"
TYPED: dict[str, dict[str, str]] = {
    CLOSE: {},
    ROLES: {"add": "host"},
    PROPERTY: {"key": "muted", "value": "yes"},
    MESSAGE: {"event": "note", "text": '{"n": 1}'},
}
NEEDED = {CLOSE: MODIFY, ROLES: MODIFY, PROPERTY: MODIFY, MESSAGE: SEND}
RED = "?filter=team is 'red'"


@pytest.fixture
def steerer(staff: Staff) -> Client:
    three()
    return staff(VIEW, MODIFY, SEND)


def properties(session_id: str) -> Any:
    return Session.objects.get(id=session_id).properties


def everybody() -> list[tuple[Any, ...]]:
    return list(Session.objects.order_by("id").values_list("id", "state", "roles", "properties", "revision"))


# --- asking


@pytest.mark.parametrize(
    ("act", "question"),
    [
        (CLOSE, "Close 2 sessions?"),
        (ROLES, "Change the roles of 2 sessions?"),
        (PROPERTY, "Set a property of 2 sessions?"),
        (MESSAGE, "Send a message to 2 sessions?"),
    ],
)
def test_t27_it_is_asked_first_with_the_exact_count(steerer: Client, act: str, question: str) -> None:
    before = everybody()
    for response in (choose(steerer, act, "s1", "s2"), choose(steerer, act, query=RED)):
        assert response.status_code == 200
        assert response.context["title"] == question
        page = text_of(response)
        assert "s1 ann" in page
        assert "s2 ann" in page
    assert "team is 'red'" in page
    assert everybody() == before
    assert said() == []


def test_who_has_ended_or_is_away_is_left_out_of_the_count(steerer: Client) -> None:
    response = choose(steerer, CLOSE, "s1", "s3", "gone", "never")
    assert response.context["title"] == "Close 2 sessions?"
    assert "2 of those selected have ended or are away, and are left out." in text_of(response)
    response = choose(steerer, MESSAGE, "s1", "s3")
    assert response.context["title"] == "Send a message to 1 session?"
    assert "1 of those selected has ended or is away, and is left out." in text_of(response)


def test_of_many_a_sample_is_named(steerer: Client) -> None:
    for number in range(30):
        person(f"many{number:02}", principal="bo")
    page = text_of(choose(steerer, CLOSE, query="?filter=$Principal is 'bo'"))
    assert "Close 30 sessions?" in page
    assert "many09" in page
    assert "many10" not in page
    assert "and 20 more" in page


@pytest.mark.parametrize("ids", [(), ("gone",), ("never",), ("\0", "ü", "x" * 65)])
def test_where_nobody_is_left_nothing_is_asked(steerer: Client, ids: tuple[str, ...]) -> None:
    sent = {"action": CLOSE, "index": "0", "_selected_action": list(ids)}
    response = steerer.post(LIST, sent, follow=True)
    assert response.redirect_chain[-1][0] == LIST
    assert "Nothing was done." in told(response)[0]


def test_a_wrong_filter_never_means_everything(steerer: Client) -> None:
    before = everybody()
    for act in TYPED:
        for response in (
            confirm(steerer, act, query="?filter=team is", **TYPED[act]),
            steerer.post(f"{LIST}?filter=team is", {"action": act, "select_across": "1"}, follow=True),
        ):
            assert "Expected a string in quotes." in text_of(response)
    assert everybody() == before
    assert said() == []


def test_a_filter_that_takes_too_long_does_nothing(steerer: Client) -> None:
    before = everybody()
    with patch.object(directory, "FILTER_SECONDS", -1.0):
        for response in (
            choose(steerer, CLOSE, query="?filter=team matches 'r.*'"),
            confirm(steerer, CLOSE, query="?filter=team matches 'r.*'"),
        ):
            assert response.status_code in (200, 302)
    assert everybody() == before


# --- doing


@pytest.mark.parametrize("selected", [True, False])
def test_t27_sessions_are_closed(steerer: Client, selected: bool) -> None:
    ids, query = (("s1", "s2"), "") if selected else ((), RED)
    response = confirm(steerer, CLOSE, *ids, query=query, asked="2")
    assert told(response) == ["Closed 2 sessions."]
    assert [state_of(name) for name in ("s1", "s2", "s3")] == ["CLOSED", "CLOSED", "DISCONNECTED"]
    assert Session.objects.get(id="s1").close_reason == "CLOSED_BY_CONTROLLER"
    # Back to the list as it was.
    assert unescape(response.redirect_chain[-1][0]).startswith(LIST)
    assert ("filter=" in response.redirect_chain[-1][0]) is not selected


@pytest.mark.parametrize("text", ["team matches 'r.*'", "team is 'red' and $Principal matches 'a.*'"])
def test_t27_what_the_database_cannot_tell_is_acted_on_too(steerer: Client, text: str) -> None:
    assert choose(steerer, CLOSE, query=f"?filter={text}").context["title"] == "Close 2 sessions?"
    assert told(confirm(steerer, CLOSE, query=f"?filter={text}", asked="2")) == ["Closed 2 sessions."]
    assert listed(steerer) == ["s3"]


def test_only_the_states_in_the_address_are_meant(steerer: Client) -> None:
    query = "?filter=all&state=DISCONNECTED"
    response = choose(steerer, CLOSE, query=query)
    assert response.context["title"] == "Close 1 session?"
    assert "in the state: disconnected" in text_of(response).lower()
    assert told(confirm(steerer, CLOSE, query=query, asked="1")) == ["Closed 1 session."]
    assert [state_of(name) for name in ("s1", "s2", "s3")] == ["ACTIVE", "ACTIVE", "CLOSED"]
    assert said()[0][2] == "sessions that match all (DISCONNECTED)"


def test_all_states_means_all_that_are_open(steerer: Client) -> None:
    assert choose(steerer, CLOSE, query="?state=all").context["title"] == "Close 3 sessions?"
    assert "Nothing was done." in told(choose_closed(steerer))[0]


def choose_closed(client: Client) -> Any:
    return client.post(f"{LIST}?state=CLOSED", {"action": CLOSE, "select_across": "1"}, follow=True)


def test_t27_it_is_said_how_many_were_still_open(steerer: Client) -> None:
    sessions.terminate(session_id="s2")
    assert told(confirm(steerer, CLOSE, "s1", "s2", asked="2")) == ["Closed 1 session. 1 of 2 were still open."]
    # Each that was reached has its entry, and no other.
    assert [entry[0] for entry in said()] == ["s1"]
    response = confirm(steerer, CLOSE, "s1", "s2", asked="2")
    assert told(response) == ["Closed 0 sessions. 0 of 2 were still open."]
    assert [message.level_tag for message in response.context["messages"]] == ["warning"]


def test_it_is_said_where_more_matched_by_then(steerer: Client) -> None:
    assert told(confirm(steerer, CLOSE, query=RED, asked="1")) == [
        "Closed 2 sessions. When you were asked, there were 1."
    ]


def test_roles_are_added_and_removed(steerer: Client) -> None:
    response = confirm(steerer, ROLES, "s1", "s2", add=" host \r\n\r\nco host, 2", remove="speaker", asked="2")
    assert told(response) == ["Changed the roles of 2 sessions: +co host, 2, +host, −speaker."]
    assert [Session.objects.get(id=name).roles for name in ("s1", "s2")] == [["co host, 2", "host"]] * 2
    assert Session.objects.get(id="s3").roles == []


def test_a_property_is_set_emptied_and_removed(steerer: Client) -> None:
    assert told(confirm(steerer, PROPERTY, query=RED, key="note", value=" a\r\nb ", asked="2")) == [
        "Set “note” of 2 sessions."
    ]
    assert properties("s1")["note"] == properties("s2")["note"] == " a\nb "
    assert "note" not in properties("s3")
    confirm(steerer, PROPERTY, "s1", key="note", value="")
    assert properties("s1")["note"] == ""
    assert told(confirm(steerer, PROPERTY, "s1", "s2", key="note", removes="on")) == ["Removed “note” of 2 sessions."]
    assert "note" not in properties("s1") | properties("s2")
    confirm(steerer, PROPERTY, "s1", key="$Country", value="de")
    assert properties("s1")["$Country"] == "DE"


def test_a_message_goes_to_those_who_are_there(steerer: Client) -> None:
    sent: list[str] = []
    send = steering.send

    async def heard(target: steering.Target, frame: str) -> int:
        sent.append(frame)
        return await send(target, frame)

    with patch.object(steering, "send", heard):
        response = confirm(steerer, MESSAGE, "s1", "s2", "s3", event="note", text='{"a": [1, "ü"]}', asked="2")
        confirm(steerer, MESSAGE, query=RED, event="note", asked="3")
    assert told(response) == ["Sent “note” to 2 sessions."]
    assert '"event":"note","data":{"a":[1,"ü"]},"from":null' in sent[0]
    assert '"data":null' in sent[1]
    assert [entry[0] for entry in said()] == ["s1", "s2", ""]


# --- what was typed


@pytest.mark.parametrize(
    ("act", "typed", "said_of_it"),
    [
        (ROLES, {}, "Name a role to add or to remove."),
        (ROLES, {"add": "a\nb", "remove": "b"}, "“b” is to be added and removed."),
        (ROLES, {"add": "x" * 129}, "The role's name is too long. At most 128, and here are 129."),
        (ROLES, {"remove": "a\tb"}, "A role's name is non-empty text without control characters."),
        (PROPERTY, {}, "This field is required."),
        (PROPERTY, {"key": "a b"}, "'a b' cannot be a property's key."),
        (PROPERTY, {"key": "$Principal", "value": "x"}, "This key belongs to the server."),
        (PROPERTY, {"key": "a", "value": "x" * 1_025}, "At most 1024, and here are 1025."),
        (PROPERTY, {"key": "a", "value": "x", "removes": "on"}, "Leave the value empty to remove the property."),
        (PROPERTY, {"key": "$Country", "removes": "on"}, "Only properties without a $ can be removed."),
        (MESSAGE, {"text": "1"}, "This field is required."),
        (MESSAGE, {"event": "x" * 129}, "length <= 128"),
        (MESSAGE, {"event": "e", "text": "{'a': 1}"}, "Not strict JSON:"),
        (MESSAGE, {"event": "e", "text": '{"a":1,"a":2}'}, "An object has the same member name twice."),
        (MESSAGE, {"event": "e", "text": "[" * 200 + "]" * 200}, "Nested too deep."),
        (MESSAGE, {"event": "e", "text": f'"{"x" * 9_000}"'}, "The message is too large. At most 8192"),
    ],
)
def test_what_cannot_be_is_told_and_what_was_typed_is_kept(
    steerer: Client, act: str, typed: dict[str, str], said_of_it: str
) -> None:
    before = everybody()
    response = confirm(steerer, act, "s1", "s2", **typed)
    assert response.status_code == 200
    assert said_of_it in text_of(response)
    assert {name: response.context["form"][name].value() for name in typed if name != "removes"} == {
        name: value for name, value in typed.items() if name != "removes"
    }
    assert everybody() == before
    assert said() == []


@pytest.mark.parametrize("query", ["", RED])
def test_what_the_services_refuse_is_told_by_the_form(steerer: Client, query: str) -> None:
    ids = ("s1", "s2") if not query else ()
    names = "\n".join(f"r{number}" for number in range(65))
    response = confirm(steerer, ROLES, *ids, query=query, add=names)
    assert "A session would have too many roles. At most 64, and here are 6" in text_of(response)
    assert response.context["form"]["add"].value() == names
    with patch.object(steering, "terminate", side_effect=errors.Unavailable("A room is out of reach.")):
        response = confirm(steerer, CLOSE, *ids, query=query)
    assert "A room is out of reach." in text_of(response)
    assert said() == []


# --- who may


@pytest.mark.parametrize("act", list(TYPED))
@pytest.mark.parametrize("held", [(), (VIEW,), (MODIFY, SEND), (VIEW, MODIFY), (VIEW, SEND)])
def test_t26_each_act_takes_its_permission(staff: Staff, act: str, held: tuple[str, ...]) -> None:
    three()
    client = staff(*held)
    allowed = {VIEW, NEEDED[act]} <= set(held)
    before = everybody()
    assert choose(client, act, "s1").status_code == (200 if allowed else 403)
    assert choose(client, act, query=RED).status_code == (200 if allowed else 403)
    assert confirm(client, act, "s1", **TYPED[act]).status_code == (200 if allowed else 403)
    assert confirm(client, act, query="?filter=all", **TYPED[act]).status_code == (200 if allowed else 403)
    assert (everybody() != before) is (allowed and act != MESSAGE)
    assert bool(said()) is allowed


def test_t26_nothing_is_done_by_a_get_or_without_a_token(steerer: Client, staff: Staff) -> None:
    before = everybody()
    steerer.get(LIST, {"action": CLOSE, "_selected_action": "s1", "confirmed": "yes", "e": "1"})
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = steerer.cookies
    assert strict.post(LIST, {"action": CLOSE, "_selected_action": "s1", "confirmed": "yes"}).status_code == 403
    assert everybody() == before


def test_an_unknown_act_does_nothing(steerer: Client) -> None:
    before = everybody()
    for name in ("", "delete_selected", "nonsense"):
        steerer.post(LIST, {"action": name, "index": "0", "_selected_action": ["s1"], "post": "yes"}, follow=True)
    assert everybody() == before


# --- the log


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (CLOSE, "Closed 1 session."),
        (ROLES, "Changed the roles of 1 session: +host."),
        (PROPERTY, "Set “muted” of 1 session."),
        (MESSAGE, "Sent “note” to 1 session."),
    ],
)
def test_t28_of_a_selection_each_session_has_an_entry(steerer: Client, act: str, message: str) -> None:
    confirm(steerer, act, "s1", "s2", **TYPED[act])
    assert sorted(said()) == [("s1", 2, "s1", message), ("s2", 2, "s2", message)]
    assert set(LogEntry.objects.values_list("user__username", flat=True)) == {"staff"}
    assert message in text_of(steerer.get(page_of("s1").replace("/change/", "/history/")))


@pytest.mark.parametrize("act", list(TYPED))
def test_t28_of_a_whole_filter_one_entry_names_it_and_the_count(steerer: Client, act: str) -> None:
    confirm(steerer, act, query=RED, **TYPED[act])
    ((object_id, _, name, message),) = said()
    assert object_id == ""
    assert LogEntry.objects.get().content_type.model == "session"  # type: ignore[union-attr]  # it has one
    assert name.startswith("sessions that match team is 'red'")
    assert "2 sessions" in message
    assert "team is 'red'" in message
    # What is done lately is on the admin's first page.
    assert "sessions that match" in text_of(steerer.get("/admin/"))


def test_t28_a_filter_of_any_length_is_logged(steerer: Client) -> None:
    text = " or ".join(["team is 'red'"] * 100)
    confirm(steerer, CLOSE, query=f"?filter={text}")
    ((_, _, name, message),) = said()
    assert len(name) == 200
    assert text in message


# --- hostile text


def test_hostile_text_is_text_wherever_it_is_asked_and_told(steerer: Client) -> None:
    person("evil", principal=HOSTILE)
    key = "<b>\u202e{{x}}"
    for response in (
        choose(steerer, PROPERTY, "evil"),
        choose(steerer, PROPERTY, query="?filter=not a is '<script>alert(1)</script>'"),
        confirm(steerer, PROPERTY, "evil", key=HOSTILE, value=HOSTILE),
        confirm(steerer, PROPERTY, "evil", key=key, value=HOSTILE),
        confirm(steerer, ROLES, "evil", add=key),
        confirm(steerer, MESSAGE, "evil", event=key, text="{}"),
    ):
        page = response.content.decode()
        assert "<script>alert" not in page
        assert "<b>" not in page
    # Turned around is only itself.
    assert said()[0][3] == f"Set “\u2068{key}\u2069” of 1 session."
    assert properties("evil")[key] == HOSTILE
