"""The list of site sessions: searched by key, filtered by life, with a fixed number of questions, and acts on many."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.admin.models import DELETION
from django.db import connection
from django.test import Client

from sessionstore_app.models import SiteSession
from sessionstore_app.services.site import site_sessions
from tests.admin.conftest import Staff
from tests.admin.rows import HOSTILE, address, counted, created, made, said, text_of
from tests.support.sites import age, configured

LIST = "/admin/sessionstore_app/sitesession/"
VIEW = "view_sitesession"
CHANGE = "change_sitesession"
HOUR = 3_600
SELECTED = "_selected_action"


def shown(client: Client, query: str = "") -> list[str]:
    """The bare keys on the list, in its order."""
    response = client.get(LIST + query)
    assert response.status_code == 200
    return [str(row.pk) for row in response.context["cl"].result_list]


def keys(uuids: list[UUID]) -> list[str]:
    return [str(uuid) for uuid in uuids]


# --- what is shown


def test_the_newest_update_comes_first_and_ties_have_an_order(staff: Staff) -> None:
    client = staff(VIEW)
    found = keys(made(3))
    assert shown(client) == found
    SiteSession.objects.update(updated_at=SiteSession.objects.earliest("updated_at").updated_at)
    assert shown(client) == sorted(found, reverse=True)


def test_a_row_says_key_updates_platform_times_and_size_and_no_data(staff: Staff) -> None:
    client = staff(VIEW)
    saved = site_sessions.create({"secret": "näme"}, "WEB", "2")
    saved = site_sessions.update(saved.key, {"secret": "näme"})
    age(saved.key, 590)
    text = text_of(client.get(LIST))
    for part in (saved.key, "WEB 2", "9 minutes", "in 50 minutes", "18 bytes"):
        assert part in text
    assert "secret" not in text
    assert "past its life" not in text


def test_what_is_past_its_life_is_marked(staff: Staff) -> None:
    client = staff(VIEW)
    made(1, seconds=HOUR)
    assert "past its life" in text_of(client.get(LIST))
    with configured(SITE_SESSION_LIFETIME_SECONDS=2 * HOUR):
        assert "past its life" not in text_of(client.get(LIST))
    # A life beyond all dates never ends.
    with configured(SITE_SESSION_LIFETIME_SECONDS=1e12):
        assert "never" in text_of(client.get(LIST))


def test_hostile_text_is_text(staff: Staff) -> None:
    client = staff(VIEW)
    site_sessions.create({}, HOSTILE, HOSTILE)
    page = client.get(LIST).content.decode()
    assert "<script>alert" not in page
    assert "<bdi" in page


def test_the_list_asks_as_much_for_many_as_for_few_and_never_for_data(staff: Staff) -> None:
    client = staff(VIEW, CHANGE)
    made(1)
    client.get(LIST)
    with counted() as few:
        client.get(LIST)
    made(250)
    with counted() as many:
        assert len(shown(client)) == 100
    assert len(few) == len(many) <= 12
    statements = [query["sql"] for query in many if "sitesession" in query["sql"]]
    assert len([statement for statement in statements if "COUNT(" in statement]) == 1
    assert not any(re.search(r'SELECT[^()]*"data"', statement) for statement in statements)


def test_an_index_serves_the_order(staff: Staff) -> None:
    client = staff(VIEW)
    made(150)
    with counted() as queries:
        client.get(LIST)
    (statement,) = [query["sql"] for query in queries if "ORDER BY" in query["sql"] and "sitesession" in query["sql"]]
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {statement}")
        plan = " / ".join(str(row[-1]) for row in cursor.fetchall())
    assert re.search(r"USING INDEX \w*updated_at", plan), plan


def test_pages_follow_one_another(staff: Staff) -> None:
    client = staff(VIEW)
    found = keys(made(130))
    assert shown(client) + shown(client, "?p=2") == found


# --- search and filter


@pytest.mark.parametrize("spelled", ["{0}", "{0}_0", "{0}_7", " {0} ", "{0}_12"])
def test_a_key_is_found_with_and_without_its_suffix(staff: Staff, spelled: str) -> None:
    client = staff(VIEW)
    made(3)
    uuid = created()
    assert shown(client, f"?q={spelled.format(uuid)}") == [uuid]
    assert shown(client, f"?q={spelled.format(uuid.upper())}") == [uuid]


def test_an_unknown_key_finds_nothing_and_needs_no_word(staff: Staff) -> None:
    client = staff(VIEW)
    made(1)
    response = client.get(f"{LIST}?q={uuid4()}")
    assert list(response.context["cl"].result_list) == []
    assert "no key" not in text_of(response)


@pytest.mark.parametrize("term", ["x", "09154702", "'; DROP TABLE", "%00", "_1", "é" * 300])
def test_what_is_no_key_is_said_to_be_none(staff: Staff, term: str) -> None:
    client = staff(VIEW)
    made(1)
    response = client.get(LIST, {"q": term})
    assert list(response.context["cl"].result_list) == []
    assert "That is no key of a site session." in text_of(response)


def test_the_filter_tells_the_living_from_those_past_their_life(staff: Staff) -> None:
    client = staff(VIEW)
    living, past = keys(made(2)), keys(made(2, seconds=HOUR + 5))
    assert shown(client, "?life=living") == living
    assert shown(client, "?life=past") == past
    assert shown(client) == shown(client, "?life=other") == living + past
    assert shown(client, f"?life=past&q={living[0]}") == []


# --- acts


def chosen(uuids: list[UUID], **more: Any) -> dict[str, Any]:
    return {"action": "delete_chosen", SELECTED: keys(uuids), **more}


def test_the_selection_is_deleted_once_it_is_confirmed(staff: Staff) -> None:
    client = staff(VIEW, CHANGE)
    kept, gone = made(2), made(3)
    asked = client.post(LIST, chosen(gone, index=0))
    assert asked.status_code == 200
    assert "Delete 3 site sessions?" in text_of(asked)
    assert SiteSession.objects.count() == 5
    done = client.post(LIST, chosen(gone, post="yes"), follow=True)
    assert "3 site sessions were deleted." in text_of(done)
    assert set(SiteSession.objects.values_list("pk", flat=True)) == set(kept)
    assert sorted(said()) == sorted((str(uuid), DELETION, f"{uuid}_0", "Deleted.") for uuid in gone)


def test_what_is_gone_meanwhile_is_not_counted(staff: Staff) -> None:
    client = staff(VIEW, CHANGE)
    one, other = made(2)
    site_sessions.delete(one)
    done = client.post(LIST, chosen([one, other], post="yes"), follow=True)
    assert "1 site session was deleted." in text_of(done)
    assert [entry[0] for entry in said()] == [str(other)]


def test_of_all_that_is_found_only_what_was_there_when_asked_is_deleted(staff: Staff) -> None:
    client = staff(VIEW, CHANGE)
    found = made(120)
    asked = client.post(LIST, chosen(found[:100], index=0, select_across=1))
    assert "Delete 120 site sessions?" in text_of(asked)
    fields = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', asked.content.decode()))
    # What comes or changes between question and answer is not what was agreed to.
    new, changed = created(), str(found[0])
    site_sessions.update(changed, {})
    done = client.post(LIST, fields, follow=True)
    assert "119 site sessions were deleted." in text_of(done)
    assert {str(row.pk) for row in SiteSession.objects.all()} == {new, changed}
    assert len(said()) == 119


def test_all_that_a_search_or_filter_finds_is_no_more_than_that(staff: Staff) -> None:
    client = staff(VIEW, CHANGE)
    living, past = made(2), made(3, seconds=HOUR)
    asked = client.post(f"{LIST}?life=past", chosen(past[:1], index=0, select_across=1))
    fields = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', asked.content.decode()))
    client.post(f"{LIST}?life=past", fields)
    assert set(SiteSession.objects.values_list("pk", flat=True)) == set(living)


@pytest.mark.parametrize("until", ["", "soon", "2999-01-01T00:00:00", "{}"])
def test_all_are_not_deleted_without_the_page_that_asks(staff: Staff, until: str) -> None:
    client = staff(VIEW, CHANGE)
    found = made(2)
    done = client.post(LIST, chosen(found, post="yes", select_across=1, until=until), follow=True)
    assert "Nothing was deleted" in text_of(done)
    assert SiteSession.objects.count() == 2


@pytest.mark.parametrize("fields", [{"index": 0}, {"post": "yes"}])
def test_what_is_no_id_chooses_nothing(staff: Staff, fields: dict[str, Any]) -> None:
    client = staff(VIEW, CHANGE)
    made(1)
    done = client.post(LIST, {"action": "delete_chosen", SELECTED: ["x"], **fields}, follow=True)
    assert "There are no such site sessions." in text_of(done)
    assert SiteSession.objects.count() == 1


def test_what_is_past_its_life_is_removed_and_it_is_said_how_many(staff: Staff) -> None:
    client = staff(VIEW, CHANGE)
    living = made(2)
    made(3, seconds=HOUR)
    assert "Remove what is past its life" in text_of(client.get(LIST))
    done = client.post(address("sitesession", "sweep"), follow=True)
    assert "3 site sessions past their life were removed." in text_of(done)
    assert set(SiteSession.objects.values_list("pk", flat=True)) == set(living)
    assert said() == [("", DELETION, "site sessions", "Removed 3 that were past their life.")]
    # Nothing to do is nothing to write down.
    assert "0 site sessions" in text_of(client.post(address("sitesession", "sweep"), follow=True))
    assert len(said()) == 1
    # The admin's front page can show it.
    assert client.get("/admin/").status_code == 200


def test_removal_is_asked_for_by_a_form_alone(staff: Staff) -> None:
    client = staff(VIEW, CHANGE)
    made(1, seconds=HOUR)
    assert client.get(address("sitesession", "sweep")).status_code == 405
    assert SiteSession.objects.count() == 1


# --- who may


@pytest.mark.parametrize("held", [(), (CHANGE,), ("view_node",), (VIEW,)])
def test_nobody_changes_anything_without_both_permissions(staff: Staff, held: tuple[str, ...]) -> None:
    client = staff(*held)
    found = made(2, seconds=HOUR)
    assert client.post(address("sitesession", "sweep")).status_code == 403
    for fields in (
        chosen(found, index=0),
        chosen(found, post="yes"),
        {"action": "delete_selected", SELECTED: keys(found), "post": "yes"},
    ):
        client.post(LIST, fields)
    assert SiteSession.objects.count() == 2
    assert said() == []


def test_who_only_views_is_offered_no_act(staff: Staff) -> None:
    client = staff(VIEW)
    made(1, seconds=HOUR)
    response = client.get(LIST)
    assert "Remove what is past" not in text_of(response)
    assert SELECTED not in response.content.decode()


def test_forms_of_other_sites_are_refused(staff: Staff) -> None:
    client = staff(VIEW, CHANGE, name="kay")
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = client.cookies
    (uuid,) = made(1, seconds=HOUR)
    for target in (
        address("sitesession", "sweep"),
        address("sitesession", "change", uuid),
        address("sitesession", "delete", uuid),
        address("sitesession", "expire", uuid),
    ):
        assert strict.post(target).status_code == 403
    assert SiteSession.objects.count() == 1
