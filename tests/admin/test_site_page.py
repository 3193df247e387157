"""The page of a site session: its data as it is stored, an edit that loses nobody's work, and its end."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import CHANGE as CHANGED
from django.contrib.admin.models import DELETION
from django.test import Client

from sessionstore_app.models import SiteSession
from sessionstore_app.services.site import site_sessions
from tests.admin.conftest import Staff
from tests.admin.rows import HOSTILE, address, created, said, stored, text_of
from tests.support.sites import age, configured

VIEW = "view_sitesession"
CHANGE = "change_sitesession"
HOUR = 3_600


def page(uuid: str) -> str:
    return address("sitesession", "change", uuid)


def post(client: Client, uuid: str, text: str, seen: Any = 0, mode: str = "replace", **more: Any) -> Any:
    fields = {"text": text, "mode": mode, "update_count": seen}
    return client.post(page(uuid), {name: value for name, value in fields.items() if value is not None}, **more)


# --- what is shown


def test_data_is_shown_with_its_structure_and_every_sign_of_it(staff: Staff) -> None:
    client = staff(VIEW)
    uuid = created()
    # As somebody else may have written it: numbers that a float would respell, members in their order.
    data = '{"z":1.50,"a":[1e2,123456789012345678901,-0.0,{},[]],"t":"\\u00e9 {,}"}'
    SiteSession.objects.update(data=data)
    response = client.get(page(uuid))
    assert response.context["stored"] == (
        '{\n  "z": 1.50,\n  "a": [\n    1e2,\n    123456789012345678901,\n    -0.0,\n    {},\n    []\n  ],\n'
        '  "t": "\\u00e9 {,}"\n}'
    )
    assert stored(uuid) == (data, 0)


def test_the_page_says_all_that_is_known(staff: Staff) -> None:
    client = staff(VIEW)
    saved = site_sessions.create({"a": 1}, "APISERVER", "1.2")
    text = text_of(client.get(page(saved.uuid)))
    for part in (saved.key, "APISERVER", "1.2", "Expires", "Created", "7 bytes"):
        assert part in text
    age(saved.uuid, HOUR)
    assert "past its life" in text_of(client.get(page(saved.uuid)))


def test_data_that_is_no_json_is_shown_as_it_is(staff: Staff) -> None:
    client = staff(VIEW, CHANGE)
    uuid = created()
    SiteSession.objects.update(data="{not json")
    assert "{not json" in text_of(client.get(page(uuid)))


def test_hostile_data_and_names_are_text(staff: Staff) -> None:
    client = staff(VIEW, CHANGE)
    uuid = site_sessions.create({HOSTILE: "</textarea><script>alert(1)</script>"}, HOSTILE, HOSTILE).uuid
    for target in (page(uuid), address("sitesession", "delete", uuid), address("sitesession", "expire", uuid)):
        markup = client.get(target).content.decode()
        assert "<script>alert" not in markup
        assert "</textarea><script" not in markup
    answer = post(client, uuid, "</textarea><script>alert(1)</script>", 0)
    assert answer.status_code == 400
    assert "</textarea><script" not in answer.content.decode()


def test_a_page_needs_a_fixed_number_of_questions(staff: Staff, django_assert_max_num_queries: Any) -> None:
    client = staff(VIEW, CHANGE)
    uuid = created(a=1)
    with django_assert_max_num_queries(7):
        client.get(page(uuid))


@pytest.mark.parametrize("known_as", ["64f5257f-970b-4f87-b12a-517f4622e5e9", "x", "_5F", "0"])
def test_a_session_that_is_gone_leads_away_with_a_word(staff: Staff, known_as: str) -> None:
    client = staff(VIEW, CHANGE)
    for view in ("change", "delete", "expire"):
        response = client.get(address("sitesession", view, known_as), follow=True)
        assert response.redirect_chain
        assert response.context["messages"]


# --- edits


def test_an_edit_is_stored_as_it_was_typed_and_written_down(staff: Staff) -> None:
    client = staff(VIEW, CHANGE)
    uuid = created(a=1)
    done = post(client, uuid, '\n{"b": [1.0, 1e22, "é"],\r\n "a": {}}', follow=True)
    assert "Saved: it is update 1 now." in text_of(done)
    assert stored(uuid) == ('{"b":[1.0,1e22,"é"],"a":{}}', 1)
    assert said() == [(uuid, CHANGED, f"{uuid}_1", "Updated (replace); it is update 1 now.")]
    assert "Updated (replace)" in text_of(client.get(address("sitesession", "history", uuid)))


def test_an_edit_can_be_merged(staff: Staff) -> None:
    client = staff(VIEW, CHANGE)
    uuid = created(a=1, b={"c": 2, "d": 3})
    assert post(client, uuid, '{"a": null, "b": {"c": 4}}', mode="merge").status_code == 302
    assert stored(uuid) == ('{"b":{"c":4,"d":3}}', 1)


def test_what_is_shown_in_the_form_is_saved_back_unchanged(staff: Staff) -> None:
    client = staff(VIEW, CHANGE)
    uuid = site_sessions.create({"z": 1.0, "a": [0.1, 5e-324, 2**53 - 1, "\u2028"], "": None}).uuid
    before = stored(uuid)
    post(client, uuid, client.get(page(uuid)).context["text"])
    assert before is not None
    assert stored(uuid) == (before[0], 1)


@pytest.mark.parametrize("mode", ["replace", "merge"])
def test_a_stale_edit_is_refused_and_shows_both(staff: Staff, mode: str) -> None:
    client = staff(VIEW, CHANGE)
    uuid = created(a=1)
    site_sessions.update(uuid, {"theirs": True})
    typed = '{"mine":[true]}'
    answer = post(client, uuid, typed, 0, mode)
    assert answer.status_code == 409
    text = text_of(answer)
    assert "Nothing was changed" in text
    assert '"theirs": true' in text
    assert typed in text
    assert answer.context["mode"] == mode
    assert stored(uuid) == ('{"theirs":true}', 1)
    assert said() == []
    # Who has seen it now may write over it.
    assert 'name="update_count" value="1"' in answer.content.decode()
    assert post(client, uuid, typed, 1, mode).status_code == 302


def test_a_line_break_at_the_beginning_is_not_lost_on_the_way(staff: Staff) -> None:
    client = staff(VIEW, CHANGE)
    uuid = created()
    assert ">\n\n\n{" in post(client, uuid, "\n\n{", 0).content.decode()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "Line 1, column 1"),
        ('{"a": 1,\n "b": }', "Line 2, column 7"),
        ('{"a": 1,}', "Line 1, column"),
        ('{"a": NaN}', "Not strict JSON"),
        ('{"a": 1, "a": 2}', "the same member name twice"),
        ('{"a": 9007199254740993}', "beyond ±(2^53−1)"),
        ('{"a": "\\u0000"}', "NUL"),
        ("[1]", "is a JSON object"),
        ("null", "is a JSON object"),
        ('{"a":' * 40 + "1" + "}" * 40, "Nested too deep"),
        ("[" * 100_000, "Nested too deep"),
    ],
)
@pytest.mark.parametrize("mode", ["replace", "merge"])
def test_what_is_no_object_of_strict_json_changes_nothing_and_stays_typed(
    staff: Staff, text: str, told: str, mode: str
) -> None:
    client = staff(VIEW, CHANGE)
    uuid = created(a=1)
    answer = post(client, uuid, text, 0, mode)
    assert answer.status_code == 400
    assert told in text_of(answer)
    assert answer.context["text"] == text
    assert stored(uuid) == ('{"a":1}', 0)
    assert said() == []


@pytest.mark.parametrize("mode", ["replace", "merge"])
def test_what_is_too_large_is_said_to_be_by_how_much(staff: Staff, mode: str) -> None:
    client = staff(VIEW, CHANGE)
    uuid = created()
    with configured(SITE_SESSION_BYTES=1024):
        answer = post(client, uuid, '{"a": "' + "x" * 1024 + '"}', 0, mode)
    assert answer.status_code == 400
    assert "1032 bytes; 1024 are allowed." in text_of(answer)
    assert stored(uuid) == ("{}", 0)


@pytest.mark.parametrize("seen", [None, "", "x", "-1", "1.0", "٣", "9" * 400, "0x1"])
def test_an_edit_that_names_no_update_is_refused(staff: Staff, seen: str | None) -> None:
    client = staff(VIEW, CHANGE)
    uuid = created(a=1)
    assert post(client, uuid, "{}", seen).status_code in (400, 409)
    assert stored(uuid) == ('{"a":1}', 0)


@pytest.mark.parametrize("mode", ["", "other"])
def test_another_mode_is_refused(staff: Staff, mode: str) -> None:
    client = staff(VIEW, CHANGE)
    uuid = created(a=1)
    answer = post(client, uuid, '{"b": 2}', 0, mode)
    assert answer.status_code == 400
    assert '{"b": 2}' in text_of(answer)
    assert stored(uuid) == ('{"a":1}', 0)


def test_what_was_typed_outlives_the_session(staff: Staff) -> None:
    client = staff(VIEW, CHANGE)
    uuid = created()
    age(uuid, HOUR)
    answer = post(client, uuid, '{"mine": 1}', 0)
    assert answer.status_code == 410
    assert '{"mine": 1}' in text_of(answer)
    assert "past its life" in text_of(answer)
    site_sessions.delete(uuid)
    answer = post(client, uuid, '{"mine": 1}', 0)
    assert answer.status_code == 410
    assert '{"mine": 1}' in text_of(answer)
    assert said() == []


# --- its end


@pytest.mark.parametrize(("view", "written"), [("delete", "Deleted."), ("expire", "Expired before its time.")])
def test_a_session_is_removed_once_it_is_confirmed(staff: Staff, view: str, written: str) -> None:
    client = staff(VIEW, CHANGE)
    uuid, other = created(), created()
    asked = client.get(address("sitesession", view, uuid))
    assert f"{uuid}_0" in text_of(asked)
    assert stored(uuid) is not None
    done = client.post(address("sitesession", view, uuid), follow=True)
    assert f"The site session {uuid}_0 is gone." in text_of(done)
    assert site_sessions.get(uuid) is None
    assert stored(uuid) is None
    assert stored(other) is not None
    assert said() == [(uuid, DELETION, f"{uuid}_0", written)]
    # Whoever was faster did it.
    assert "no such site session" in text_of(client.post(address("sitesession", view, uuid), follow=True))
    assert len(said()) == 1


# --- who may


@pytest.mark.parametrize("held", [(), (CHANGE,), ("view_session", "manage_room")])
def test_a_page_needs_the_permission_to_view(staff: Staff, held: tuple[str, ...]) -> None:
    client = staff(*held)
    uuid = created()
    for view in ("change", "delete", "expire", "history"):
        assert client.get(address("sitesession", view, uuid)).status_code == 403


@pytest.mark.parametrize("held", [(), (CHANGE,), (VIEW,), (VIEW, "delete_sitesession", "change_lock")])
def test_a_crafted_form_changes_nothing_without_the_permission(staff: Staff, held: tuple[str, ...]) -> None:
    client = staff(*held)
    uuid = created(a=1)
    assert post(client, uuid, "{}").status_code == 403
    assert client.post(address("sitesession", "delete", uuid), {"post": "yes"}).status_code == 403
    assert client.post(address("sitesession", "expire", uuid), {"post": "yes"}).status_code == 403
    # Nor is it told what is there.
    assert post(client, "64f5257f-970b-4f87-b12a-517f4622e5e9", "{}").status_code == 403
    assert stored(uuid) == ('{"a":1}', 0)
    assert said() == []


def test_who_only_views_is_offered_no_form(staff: Staff) -> None:
    client = staff(VIEW)
    markup = client.get(page(created(a=1))).content.decode()
    assert "<textarea" not in markup
    assert "Expire now" not in markup
    assert "json-editor.js" not in markup


def test_strangers_and_those_who_are_no_staff_see_the_door(client: Client, django_user_model: Any, db: None) -> None:
    uuid = created(a=1)
    assert client.get(page(uuid)).status_code == 302
    client.force_login(django_user_model.objects.create_user("ann"))
    assert post(client, uuid, "{}").status_code == 302
    assert stored(uuid) == ('{"a":1}', 0)
