"""The admin's pages of sessions beside real ones: who is closed is told why, and who changes is seen to change."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Windows
from tests.e2e.staffroom import enter, make_staff
from tests.support.server import Server

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def steered(server: Server) -> Server:
    """The server, with somebody who looks after its sessions."""
    make_staff(server, "sam", "view_session", "modify_session", "send_to_session")
    return server


def found(page: Page, server: Server, filter_text: str) -> Page:
    """The list of sessions that a filter finds."""
    page.goto(f"http://{server.host}/admin/sessionstore_app/session/?filter={quote(filter_text)}")
    return page


def test_who_is_closed_from_the_admin_is_told_why(windows: Windows, steered: Server, room: str) -> None:
    ann, bo = windows.join(steered, room, "Ann"), windows.join(steered, room, "Bo")
    sam = enter(windows, steered, "sam")
    found(sam, steered, f'$SessionId is "{bo.session_id}"')
    expect(sam.locator("#result_list tbody tr")).to_have_count(1)
    sam.check("#action-toggle")
    sam.select_option("select[name=action]", label="Close")
    sam.click("button[name=index]")
    expect(sam.locator("h1, #content h1, h2").filter(has_text="1")).not_to_have_count(0)
    sam.locator(".session-form button[type=submit]").click()
    expect(bo.page.get_by_role("heading", name="You were removed from the meeting")).to_be_visible()
    ann.expect_people("Ann")
    sam.goto(f"http://{steered.host}/admin/sessionstore_app/session/{quote(bo.session_id)}/change/")
    expect(sam.locator("#content")).to_contain_text("CLOSED_BY_CONTROLLER")


def test_a_bad_filter_is_pointed_at_and_finds_nobody(windows: Windows, steered: Server, room: str) -> None:
    windows.join(steered, room, "Ann")
    sam = enter(windows, steered, "sam")
    found(sam, steered, 'name is "Ann" and and')
    expect(sam.get_by_role("alert")).to_contain_text("^")
    expect(sam.locator("#result_list tbody tr")).to_have_count(0)
