"""The admin's site sessions and locks in a browser: JSON is looked at while it is typed, and no work is lost."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Windows
from tests.e2e.staffroom import enter, make_staff
from tests.support.server import Server, manage

_CREATE = (
    "from sessionstore_app import site_sessions; print(site_sessions.create({{'a': 1, 'b': 1.5}}, {platform!r}).uuid)"
)


@pytest.fixture(scope="module")
def clerks(server: Server) -> Server:
    """The server, with somebody who looks after its site sessions."""
    make_staff(server, "cleo", "view_sitesession", "change_sitesession")
    return server


def opened(windows: Windows, server: Server, platform: str = "WEB", **options: object) -> Page:
    """The page of a new site session."""
    code = _CREATE.format(platform=platform)
    uuid = manage("shell", "--no-imports", "-c", code, database_url=server.database_url).strip()
    page = enter(windows, server, "cleo", **options)
    page.goto(f"http://{server.host}/admin/sessionstore_app/sitesession/{uuid}/change/")
    expect(page.get_by_text("This is JSON.")).to_be_visible()
    return page


def test_a_fault_is_told_with_its_place_while_one_types(windows: Windows, clerks: Server) -> None:
    page = opened(windows, clerks)
    text = page.locator("#text")
    assert text.input_value() == '{\n  "a": 1,\n  "b": 1.5\n}'
    text.fill('{"a": 1,\n "b": 2,\n "a": 3}')
    expect(page.locator(".json-told")).to_have_text("Line 3, column 2: The name “a” is there twice.")
    expect(text).to_have_attribute("aria-invalid", "true")
    page.get_by_role("button", name="Show the place").click()
    assert text.evaluate("area => [area.selectionStart, document.activeElement === area]") == [19, True]
    # Nothing is forbidden by it: the server decides, and keeps what was typed.
    expect(page.get_by_role("button", name="Save")).to_be_enabled()
    text.fill('{"a": 1.50, "c": []}')
    expect(page.locator(".json-told")).to_have_text("This is JSON.")
    page.get_by_role("button", name="Format").click()
    assert text.input_value() == '{\n  "a": 1.50,\n  "c": []\n}'
    text.press("Control+s")
    expect(page.locator(".messagelist")).to_contain_text("Saved: it is update 1 now.")


def test_of_two_who_edit_the_later_sees_both_and_decides(windows: Windows, clerks: Server) -> None:
    mine = opened(windows, clerks)
    theirs = mine.context.new_page()
    theirs.goto(mine.url)
    theirs.fill("#text", '{"theirs": true}')
    theirs.press("#text", "Control+s")
    expect(theirs.locator(".messagelist")).to_be_visible()
    mine.fill("#text", '{"mine": true}')
    mine.get_by_role("button", name="Save").click()
    expect(mine.get_by_role("alert")).to_contain_text("Nothing was changed")
    expect(mine.locator(".stored")).to_contain_text('"theirs": true')
    assert mine.input_value("#text") == '{"mine": true}'
    mine.get_by_role("button", name="Write mine over update 1").click()
    expect(mine.locator(".messagelist")).to_contain_text("Saved: it is update 2 now.")
    # The browser itself complains of a page that was refused.
    refused = [complaint for complaint in windows.complaints if "status of 409" in complaint]
    assert len(refused) == 1
    windows.complaints.remove(refused[0])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_cut_off_on_a_phone(windows: Windows, clerks: Server, scheme: str) -> None:
    page = opened(windows, clerks, "<b>x</b>" + "W" * 200, viewport={"width": 390, "height": 844}, color_scheme=scheme)
    change = page.url
    for target in (change, f"{change}../delete/", f"{change}../expire/", f"{change}../../"):
        page.goto(target)
        expect(page.locator("#content-main")).to_contain_text("W" * 40)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
