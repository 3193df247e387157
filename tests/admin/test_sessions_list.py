"""The list of sessions: by state and by filter, a filter's errors at their column, and a fixed number of queries."""

from __future__ import annotations

from unittest.mock import patch
from urllib.parse import quote

import pytest
from django.contrib import admin
from django.db.models import QuerySet
from django.test import Client

from sessionstore_app.models import Session
from sessionstore_app.services import directory
from tests.admin.conftest import Staff
from tests.admin.rows import HOSTILE, counted, text_of
from tests.admin.scenes import LIST, MODIFY, SEND, VIEW, join, listed, person, three


@pytest.fixture
def viewer(staff: Staff) -> Client:
    return staff(VIEW)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, ["s1", "s2", "s3"]),
        ({"state": "ACTIVE"}, ["s1", "s2"]),
        ({"state": "DISCONNECTED"}, ["s3"]),
        ({"state": "CLOSED"}, ["gone"]),
        ({"state": "all"}, ["gone", "s1", "s2", "s3"]),
        ({"state": "nonsense"}, ["s1", "s2", "s3"]),
    ],
)
def test_open_sessions_are_listed_unless_another_state_is_asked_for(
    viewer: Client, asked: dict[str, str], found: list[str]
) -> None:
    three()
    assert listed(viewer, **asked) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ["s1", "s2", "s3"]),
        ("  ", ["s1", "s2", "s3"]),
        ("team is 'red'", ["s1", "s2"]),
        ("hasRoles 'speaker' or $SessionId is 's3'", ["s1", "s3"]),
        # What the database cannot tell.
        ("team matches 'b.*'", ["s3"]),
        ("team is 'red' and $Principal matches '.*n' and has $Country", ["s1"]),
        ("has never", []),
    ],
)
def test_t27_the_filter_finds_what_it_says(viewer: Client, text: str, found: list[str]) -> None:
    three()
    assert listed(viewer, filter=text) == found
    assert viewer.get(LIST, {"filter": text}).context["cl"].result_count == len(found)


def test_filter_and_state_go_together(viewer: Client) -> None:
    three()
    assert listed(viewer, filter="team is 'red'", state="CLOSED") == ["gone"]
    assert listed(viewer, filter="team matches 'red'", state="all") == ["gone", "s1", "s2"]
    # The links of the side keep the filter, and the box keeps the state.
    page = viewer.get(LIST, {"filter": "team is 'red'", "state": "all"}).content.decode()
    assert "filter=team+is+%27red%27&amp;state=ACTIVE" in page
    assert '<input type="hidden" name="state" value="all">' in page


@pytest.mark.parametrize(
    ("text", "message", "shown", "caret"),
    [
        ("seat is 7", "Expected a string in quotes.", "seat is 7", "        ^"),
        ("team is 'red", "This quote is not closed.", "team is 'red", "        ^"),
        ("team is 'red' und", "Expected `and`, `or` or the end.", "team is 'red' und", "              ^"),
        ("team is 'a' and\r\n  team in 'b'", "Expected a list of strings", "  team in 'b'", "          ^"),
        ("名前 is 7", "Expected a string in quotes.", "名前 is 7", "\u3000\u3000    ^"),
        ("x" * 100 + " is 7", "Expected a string in quotes.", "…" + "x" * 56 + " is 7", " " * 61 + "^"),
        ("\u202eteam is 7", "Expected a string in quotes.", "\ufffdteam is 7", "         ^"),
        ("team is\0'a'", "This character is no text.", "team is\ufffd'a'", "       ^"),
    ],
)
def test_t27_an_error_is_shown_at_its_column_and_nothing_is_listed(
    viewer: Client, text: str, message: str, shown: str, caret: str
) -> None:
    three()
    response = viewer.get(LIST, {"filter": text})
    (fault,) = response.context["cl"].asked.faults
    assert fault.message.startswith(message)
    assert (fault.shown, fault.caret) == (shown, caret)
    assert list(response.context["cl"].result_list) == []
    page = text_of(response)
    assert fault.message in page
    assert f"Line {fault.line}, column {fault.column}." in page
    assert 'role="alert"' in response.content.decode()
    assert response.context["cl"].asked.text == text


def test_t27_the_box_keeps_its_text(viewer: Client) -> None:
    page = viewer.get(LIST, {"filter": 'a is "<b>'}).content.decode()
    assert 'value="a is &quot;&lt;b&gt;"' in page
    page = viewer.get(LIST, {"filter": "a is\n<b>"}).content.decode()
    assert "\na is\n&lt;b&gt;</textarea>" in page


def test_a_filter_beyond_a_limit_is_told_the_limit(viewer: Client) -> None:
    response = viewer.get(LIST, {"filter": "all or " * 600 + "all"})
    assert "At most 4096, and here are 4203." in text_of(response)


def test_a_filter_that_takes_too_long_is_said_so(viewer: Client) -> None:
    three()
    with patch.object(directory, "FILTER_SECONDS", -1.0):
        response = viewer.get(LIST, {"filter": "team matches 'r.*'"})
    assert "The filter takes too long over so many sessions." in text_of(response)
    assert list(response.context["cl"].result_list) == []


def test_a_row_says_who_where_and_what(viewer: Client) -> None:
    person("s_1", principal="ann", properties={"team": "red", "$ClientType": "PYTHON", "name": "Ann"})
    join("s_1", "e", "a", "b", "c", "d")
    page = text_of(viewer.get(LIST))
    assert "a , b , c +2" in page
    assert "$ClientType : PYTHON" in page
    assert "team" not in page.partition("s_1")[2]
    # What the filter looks at is shown, and what is asked for.
    assert "team : red" in text_of(viewer.get(LIST, {"filter": "has team"}))
    assert "name : Ann team : red" in text_of(viewer.get(LIST, {"show": "*U"}))
    assert "/session/s_5F1/change/" in viewer.get(LIST).content.decode()


def test_hostile_text_is_text(viewer: Client) -> None:
    person("s1", principal=HOSTILE, properties={"name": HOSTILE, "<i>": "{{ 7|add:7 }}"})
    join("s1", HOSTILE)
    response = viewer.get(LIST, {"show": "*U", "filter": f"has name or a is {quote('<script>')!r}"})
    page = response.content.decode()
    assert "<script>alert" not in page
    assert "<i>" not in page
    assert page.count("&lt;script&gt;alert(1)") >= 3
    assert "{{ 7|add:7 }}" in page
    for text in (HOSTILE, "a is <script>alert(1)</script>"):
        assert "<script>alert" not in viewer.get(LIST, {"filter": text, "show": text}).content.decode()


def many(number: int) -> None:
    Session.objects.all().delete()
    Session.objects.bulk_create(
        Session(id=f"s{n:05}", node_id="n1", principal=f"p{n % 7}", properties={"team": "red", "seat": str(n)})
        for n in range(number)
    )
    for n in range(min(number, 100)):
        join(f"s{n:05}", "a", "b")


@pytest.mark.parametrize("text", ["", "team is 'red'", "team matches 'r.*'"])
def test_the_number_of_queries_is_fixed(viewer: Client, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory, "FILTER_SECONDS", 60.0)
    viewer.get(LIST)
    numbers = []
    for number in (10, 1_234):
        many(number)
        with counted() as queries:
            assert viewer.get(LIST, {"filter": text}).context["cl"].result_count == number
        numbers.append(len(queries))
        assert len([query for query in queries if "COUNT(" in query["sql"]]) == (0 if "matches" in text else 1)
        assert len([query for query in queries if "membership" in query["sql"]]) == 1
    assert numbers[0] == numbers[1] <= 7


def test_pages_follow_each_other_whoever_decides(viewer: Client) -> None:
    many(250)
    for text in ("", "team is 'red'", "team matches 'red'"):
        pages = [listed(viewer, filter=text, p=str(number)) for number in (1, 2, 3)]
        assert [len(page) for page in pages] == [100, 100, 50]
        assert [*pages[0], *pages[1], *pages[2]] == [f"s{n:05}" for n in range(250)]
        # Behind the last page is the last page: never everything.
        for number in ("9", "99999999999999999999"):
            assert listed(viewer, filter=text, p=number) == pages[2]
        assert listed(viewer, filter=text, p="-3") == listed(viewer, filter=text, p="x") == pages[0]
    assert listed(viewer, filter="team matches 'red'", o="-0")[0] == "s00249"


def test_the_order_is_one_that_an_index_serves(viewer: Client) -> None:
    three()
    with counted() as queries:
        viewer.get(LIST)
    (page,) = [
        query["sql"] for query in queries if "LIMIT" in query["sql"] and "sessionstore_app_session" in query["sql"]
    ]
    assert 'ORDER BY "sessionstore_app_session"."id" ASC' in page
    assert "resume_hash" not in page


def test_unknown_parameters_lead_back_to_the_list(viewer: Client) -> None:
    assert viewer.get(LIST, {"nonsense": "1"}).status_code == 302


@pytest.mark.parametrize(
    ("permissions", "offered"),
    [
        ((VIEW,), set()),
        ((VIEW, MODIFY), {"close_sessions", "change_roles", "set_property"}),
        ((VIEW, SEND), {"send_message"}),
        ((VIEW, MODIFY, SEND), {"close_sessions", "change_roles", "set_property", "send_message"}),
    ],
)
def test_t26_only_what_is_permitted_is_offered(staff: Staff, permissions: tuple[str, ...], offered: set[str]) -> None:
    three()
    client = staff(*permissions)
    form = client.get(LIST).context["action_form"]
    choices = {name for name, _ in form.fields["action"].choices if name} if form else set()
    assert choices == offered
    # Nothing can be done to those that have ended.
    assert client.get(LIST, {"state": "CLOSED"}).context["action_form"] is None


@pytest.mark.parametrize("text", ["team matches 'r.*'", "team is 'red'", "team is"])
def test_an_action_of_the_projects_own_gets_what_the_filter_finds(viewer: Client, text: str) -> None:
    three()
    given: list[str] = []

    def export(_: object, __: object, queryset: QuerySet[Session]) -> None:
        given.extend(queryset.values_list("id", flat=True))

    admin.site.add_action(export)
    sent = {"action": "export", "index": "0", "select_across": "1", "_selected_action": "s1"}
    try:
        assert viewer.post(f"{LIST}?filter={text}", sent).status_code == 302
        with patch.object(directory, "FILTER_SECONDS", -1.0):
            viewer.post(f"{LIST}?filter=team matches 'b.*'", sent)
    finally:
        admin.site.disable_action("export")
    assert given == ([] if text == "team is" else ["s1", "s2"])
