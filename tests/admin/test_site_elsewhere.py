"""Site sessions in another database, SQLite or PostgreSQL: the admin's pages go there by themselves (G13)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connections
from pytest_django import DjangoDbBlocker

from sessionstore_app.models import SiteSession
from sessionstore_app.services.site import site_sessions
from tests.admin.conftest import Staff
from tests.admin.rows import HOSTILE, address, counted, created, made, said, stored, text_of
from tests.support.sites import ALIAS, site_database, site_url  # noqa: F401  # a fixture

LIST = "/admin/sessionstore_app/sitesession/"
HELD = ("view_sitesession", "change_sitesession")


@pytest.fixture(autouse=True)
def elsewhere(
    transactional_db: None,
    site_url: str,  # noqa: F811  # the fixture
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[None]:
    """Site sessions are there, and the project's own database is asked for none."""
    # After the test's own databases are set up: Django's tests forbid the use of others that they know of.
    with django_db_blocker.unblock(), site_database(site_url):
        yield
        assert not SiteSession.objects.using("default").exists()


def test_the_list_is_of_what_is_there(staff: Staff) -> None:
    client = staff(*HELD)
    found = made(120)
    page = [row.pk for row in client.get(LIST).context["cl"].result_list]
    assert page == found[:100]
    assert [row.pk for row in client.get(f"{LIST}?q={found[7]}_3").context["cl"].result_list] == [found[7]]
    assert client.get(f"{LIST}?life=past").context["cl"].result_count == 0
    with counted(ALIAS) as queries:
        client.get(LIST)
    assert len(queries) <= 5


def test_sizes_are_bytes_and_cost_no_data(staff: Staff) -> None:
    client = staff(*HELD)
    site_sessions.create({"a": "é😀" * 1000}, HOSTILE)
    text = text_of(client.get(LIST))
    assert "5.9 KB" in text
    if connections[ALIAS].vendor == "postgresql":
        with counted(ALIAS) as queries:
            client.get(LIST)
        assert any("OCTET_LENGTH" in query["sql"] for query in queries)


def test_one_is_changed_ended_and_written_down(staff: Staff) -> None:
    client = staff(*HELD)
    uuid, other = created(a=1), created()
    page = address("sitesession", "change", uuid)
    assert client.post(page, {"text": '{"b": 2}', "mode": "merge", "update_count": 0}).status_code == 302
    assert stored(uuid) == ('{"a":1,"b":2}', 1)
    assert client.post(page, {"text": "{}", "mode": "replace", "update_count": 0}).status_code == 409
    client.post(address("sitesession", "expire", other))
    assert stored(other) is None
    assert [entry[0] for entry in said()] == [uuid, other]
    assert "Updated (merge)" in text_of(client.get(address("sitesession", "history", uuid)))


def test_many_are_removed(staff: Staff) -> None:
    client = staff(*HELD)
    gone, kept = made(3), made(2)
    made(4, seconds=3_600)
    client.post(address("sitesession", "sweep"))
    assert SiteSession.objects.count() == 5
    client.post(LIST, {"action": "delete_chosen", "_selected_action": list(map(str, gone)), "post": "yes"})
    assert set(SiteSession.objects.values_list("pk", flat=True)) == set(kept)
