"""Who sees which pages of the admin (T26): without a permission there is no trace of a page."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from tests.admin.conftest import Staff

LISTS = {
    "room": ("view_room", "manage_room"),
    "session": ("view_session",),
    "sitesession": ("view_sitesession",),
    "node": ("view_node",),
    "lock": ("view_lock",),
}
# What somebody may hold who sees none of a list.
OTHERS = {"view_room", "view_session", "view_sitesession", "view_node", "view_lock"}


def address(model: str) -> str:
    return reverse(f"admin:sessionstore_app_{model}_changelist")


@pytest.mark.parametrize(("model", "permission"), [(m, p) for m, held in LISTS.items() for p in held])
def test_t26_a_list_opens_for_who_may_see_it(staff: Staff, model: str, permission: str) -> None:
    client = staff(permission)
    assert client.get(address(model)).status_code == 200
    assert address(model) in client.get(reverse("admin:index")).content.decode()


@pytest.mark.parametrize("model", list(LISTS))
def test_t26_for_all_others_there_is_no_trace_of_it(staff: Staff, model: str) -> None:
    client = staff(*OTHERS - set(LISTS[model]))
    assert client.get(address(model)).status_code == 403
    assert address(model) not in client.get(reverse("admin:index")).content.decode()


@pytest.mark.parametrize("model", list(LISTS))
def test_nothing_is_added_by_a_form(staff: Staff, model: str) -> None:
    """Not by a superuser's either: services make what there is."""
    client = staff(*{permission for held in LISTS.values() for permission in held})
    assert client.get(reverse(f"admin:sessionstore_app_{model}_add")).status_code == 403


def test_a_superuser_sees_all_lists(admin_client: Client) -> None:
    for model in LISTS:
        assert admin_client.get(address(model)).status_code == 200
