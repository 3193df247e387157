"""The admin's room page beside real meetings: what staff do is seen there, what happens there is seen here (P49)."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import Windows
from tests.e2e.staffroom import enter, make_staff, open_room
from tests.support.server import Server

KEEPER = ("view_room", "manage_room", "view_values", "view_session", "modify_session")


@pytest.fixture(scope="module")
def keepers(server: Server) -> Server:
    """The server, with two who look after its rooms, and one who only looks."""
    make_staff(server, "kay", *KEEPER)
    make_staff(server, "kim", *KEEPER)
    make_staff(server, "vic", "view_room")
    return server


def in_room(windows: Windows, server: Server, room: str, name: str = "kay", **options: Any) -> Page:
    page = enter(windows, server, name, **options)
    open_room(page, server, room)
    return page


def row(page: Page, key: str) -> Locator:
    return page.locator(f'#entries tr[data-key="{key}"]')


def begin(page: Page, key: str, text: str) -> None:
    """Open the editor of a key, or of a new one, and type."""
    if row(page, key).count():
        row(page, key).get_by_role("button", name="Edit").click()
    else:
        page.click("#new-key")
        page.fill("#editor-key", key)
    page.fill("#editor-text", text)


def save(page: Page) -> None:
    page.click("#editor-save")
    expect(page.locator("#editor")).to_be_hidden()


def test_staff_edit_a_key_and_two_windows_change(windows: Windows, keepers: Server, room: str) -> None:
    ann, bo = windows.join(keepers, room, "Ann"), windows.join(keepers, room, "Bo")
    kay = in_room(windows, keepers, room)
    expect(kay.locator("#room-count")).to_have_text("2")
    begin(kay, "spotlight", f'"{ann.session_id}"')
    save(kay)
    for window in (ann, bo):
        window.expect_spotlight("Ann")
    begin(kay, "spotlight", f'"{bo.session_id}"')
    save(kay)
    for window in (ann, bo):
        window.expect_spotlight("Bo")
    row(kay, "spotlight").get_by_role("button", name="Delete").click()
    expect(kay.locator(".live-ask")).to_contain_text("Delete “spotlight”?")
    # The log is written after the windows were told, and before the answer.
    with kay.expect_response(lambda response: response.url.endswith("/delete/")):
        kay.locator(".live-ask [value=yes]").click()
    for window in (ann, bo):
        window.expect_spotlight(None)
    expect(row(kay, "spotlight")).to_have_count(0)
    kay.click("text=History")
    expect(kay.locator("#change-history")).to_contain_text("Set “spotlight”, version")
    expect(kay.locator("#change-history")).to_contain_text("Deleted “spotlight”")


def test_what_peers_do_is_there_without_a_reload(windows: Windows, keepers: Server, room: str) -> None:
    ann = windows.join(keepers, room, "Ann")
    kay = in_room(windows, keepers, room)
    ann.say("A point")
    ann.pin("A point")
    expect(row(kay, "pinned")).to_contain_text("A point")
    expect(kay.locator("#tail li").first).to_contain_text("pinned")
    bo = windows.join(keepers, room, "Bo")
    expect(kay.locator("#room-count")).to_have_text("2")
    expect(kay.locator("#peers")).to_contain_text(bo.session_id)
    bo.leave()
    expect(kay.locator("#room-count")).to_have_text("1")


def test_a_stale_edit_is_refused_with_both_values(windows: Windows, keepers: Server, room: str) -> None:
    windows.join(keepers, room, "Ann")
    kay, kim = in_room(windows, keepers, room, "kay"), in_room(windows, keepers, room, "kim")
    begin(kay, "notes", '"from the first"')
    save(kay)
    expect(row(kim, "notes")).to_contain_text("from the first")
    begin(kay, "notes", '"from kay"')
    begin(kim, "notes", '"from kim"')
    save(kay)
    kim.click("#editor-save")
    expect(kim.locator("#conflict-text")).to_contain_text("Somebody wrote “notes” meanwhile")
    expect(kim.locator("#conflict-theirs")).to_have_text('"from kay"')
    expect(kim.locator("#conflict-yours")).to_have_text('"from kim"')
    expect(row(kay, "notes")).to_contain_text("from kay")
    kim.click("#conflict-overwrite")
    expect(kim.locator("#editor")).to_be_hidden()
    expect(row(kay, "notes")).to_contain_text("from kim")


def test_what_is_no_json_or_too_much_is_refused_and_nothing_is_lost(
    windows: Windows, keepers: Server, room: str
) -> None:
    windows.join(keepers, room, "Ann")
    kay = in_room(windows, keepers, room)
    begin(kay, "notes", '{"a": 1, "a": 2}')
    kay.click("#editor-save")
    expect(kay.locator("#editor-fault")).to_contain_text("same member name twice")
    assert kay.input_value("#editor-text") == '{"a": 1, "a": 2}'
    kay.fill("#editor-text", f'"{"x" * 9_000}"')
    kay.click("#editor-save")
    expect(kay.locator("#editor-fault")).not_to_be_empty()
    kay.fill("#editor-text", '"short"')
    save(kay)
    expect(row(kay, "notes")).to_contain_text("short")


def test_t26_without_view_values_nothing_is_told_of_them(windows: Windows, keepers: Server, room: str) -> None:
    """Nor is there a way to change anything."""
    ann = windows.join(keepers, room, "Ann")
    ann.say("A secret")
    ann.pin("A secret")
    frames: list[str] = []
    vic = enter(windows, keepers, "vic")
    vic.on("websocket", lambda socket: socket.on("framereceived", lambda frame: frames.append(str(frame))))
    open_room(vic, keepers, room)
    expect(row(vic, "pinned")).to_contain_text("bytes")
    ann.say("Another secret")
    ann.pin("Another secret")
    expect(row(vic, "pinned").locator(".live-figure")).to_have_text("3")
    assert frames
    assert not any("secret" in frame for frame in frames)
    assert "secret" not in vic.content()
    for part in ("#new-key", "#clear-room", "#broadcast", "#editor"):
        expect(vic.locator(part)).to_have_count(0)
    expect(vic.get_by_role("button", name="Edit")).to_have_count(0)


def test_a_room_is_emptied_and_told_something(windows: Windows, keepers: Server, room: str) -> None:
    ann = windows.join(keepers, room, "Ann")
    kay = in_room(windows, keepers, room)
    begin(kay, "notes", '"Retro"')
    save(kay)
    ann.page.evaluate("window.told = []")
    kay.fill("#event", "notice")
    kay.fill("#data", '{"text": "Five minutes left"}')
    kay.click("text=Send to all peers")
    expect(kay.locator("#broadcast-told")).to_have_text("Sent to 1 peers.")
    expect(kay.locator("#tail li").first).to_contain_text("Five minutes left")
    kay.click("#clear-room")
    kay.locator(".live-ask [value=no]").click()
    kay.click("#clear-room")
    kay.locator(".live-ask [value=yes]").click()
    expect(row(kay, "notes")).to_have_count(0)
    expect(kay.locator("#tail")).to_contain_text("CLEARED")


@pytest.mark.parametrize("options", [{"color_scheme": "dark"}, {"viewport": {"width": 390, "height": 844}}])
def test_it_can_be_used_in_the_dark_and_on_a_phone(
    windows: Windows, keepers: Server, room: str, options: dict[str, Any]
) -> None:
    windows.join(keepers, room, "Ann")
    kay = in_room(windows, keepers, room, **options)
    begin(kay, "notes", '"Retro"')
    save(kay)
    expect(row(kay, "notes")).to_be_visible()
    assert kay.evaluate("document.documentElement.scrollWidth <= innerWidth")
