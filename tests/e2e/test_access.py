"""The page for everybody: by keyboard alone, by name for a screen reader, on a phone, in the dark."""

from __future__ import annotations

import base64
import re
from urllib.parse import quote

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import Windows
from tests.e2e.window import Window
from tests.support.server import Server

pytestmark = pytest.mark.browser

PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
LONG_WORD = "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichen"
# More than there are places to stop at on any of the pages.
MOST_TABS = 40

_BRIGHTNESS = """async (png) => {
  const bytes = Uint8Array.from(atob(png), (sign) => sign.charCodeAt(0));
  const picture = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
  const context = new OffscreenCanvas(picture.width, picture.height).getContext("2d");
  context.drawImage(picture, 0, 0);
  const { data } = context.getImageData(0, 0, picture.width, picture.height);
  return data.reduce((sum, part, place) => (place % 4 === 3 ? sum : sum + part), 0) / (data.length * 0.75);
}"""


def tab_to(page: Page, wanted: Locator) -> None:
    """Press Tab until the focus is there, and see that it shows."""
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        if wanted.evaluate("(node) => node === document.activeElement"):
            outline = wanted.evaluate("(node) => getComputedStyle(node).outlineStyle")
            shadow = wanted.evaluate("(node) => getComputedStyle(node).boxShadow")
            assert outline != "none" or shadow != "none", "the focus does not show"
            return
    raise AssertionError(f"{MOST_TABS} times Tab do not lead to {wanted}")


def test_a_whole_meeting_by_keyboard_alone(windows: Windows, server: Server, room: str) -> None:
    ann = windows.open(server)
    page, keyboard = ann.page, ann.page.keyboard
    page.goto(ann.origin)
    expect(page.get_by_test_id("name-input")).to_be_focused()
    keyboard.type("Ann")
    tab_to(page, page.get_by_test_id("room-input"))
    keyboard.type(room)
    keyboard.press("Enter")
    ann.name = "Ann"
    ann.expect_in()
    bo = windows.join(server, room, "Bo")

    tab_to(page, page.get_by_test_id("chat-input"))
    keyboard.type("hello")
    keyboard.press("Enter")
    bo.expect_heard("hello")
    expect(page.get_by_test_id("chat-input")).to_be_focused()
    expect(ann.message("hello")).to_have_attribute("data-state", "sent")
    keyboard.press("Shift+Tab")
    expect(ann.message("hello").get_by_test_id("pin-button")).to_be_focused()
    keyboard.press("Enter")
    bo.expect_pins("Ann: hello")
    tab_to(page, ann.hand_button)
    keyboard.press("Enter")
    bo.expect_hands("Ann")
    expect(ann.hand_button).to_have_attribute("aria-pressed", "true")
    keyboard.press("Space")
    bo.expect_hands()
    tab_to(page, page.get_by_test_id("leave-button"))
    keyboard.press("Enter")
    bo.expect_people("Bo")
    expect(page.get_by_role("heading", name="You left the meeting")).to_be_focused()
    tab_to(page, page.get_by_test_id("rejoin-button"))
    keyboard.press("Enter")
    ann.expect_in()
    bo.expect_people("Ann", "Bo")


def test_the_name_dialog_by_keyboard_alone(windows: Windows, server: Server, room: str) -> None:
    ann = windows.open(server)
    ann.visit(room)
    dialog = ann.page.get_by_role("dialog", name="What may we call you?")
    expect(dialog.get_by_role("textbox", name="Your name")).to_be_focused()
    ann.page.keyboard.press("Escape")
    expect(dialog).to_be_visible()
    ann.page.keyboard.press("Enter")
    expect(dialog).to_be_visible()
    ann.page.keyboard.type("Ann")
    ann.page.keyboard.press("Enter")
    ann.name = "Ann"
    ann.expect_in()


def test_the_main_controls_have_names_and_roles(windows: Windows, server: Server, room: str) -> None:
    ann, bo = windows.join(server, room, "Ann"), windows.join(server, room, "Bo")
    bo.say("hello")
    ann.expect_heard("hello")
    ann.pin("hello")
    ann.spotlight("Bo")
    ann.expect_spotlight("Bo")
    bo.hand_button.click()
    ann.expect_hands("Bo")
    ann.expect_pins("Bo: hello")
    page = ann.page
    expect(page.get_by_role("heading", level=1)).to_have_text(room)
    controls = page.get_by_role("navigation", name="Meeting controls")
    for name in ("Raise hand", "People, 2 here", "Invite", "Leave"):
        expect(controls.get_by_role("button", name=name, exact=True)).to_be_visible()
    chat = page.get_by_role("region", name="Chat", exact=True)
    expect(chat.get_by_role("log", name="Messages")).to_contain_text("hello")
    expect(chat.get_by_role("textbox", name="Message to everybody")).to_be_editable()
    expect(chat.get_by_role("button", name="Send", exact=True)).to_be_enabled()
    expect(chat.get_by_role("button", name="Unpin this message")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("region", name="Pinned messages").get_by_role("button", name="Unpin")).to_be_visible()
    people = page.get_by_role("list", name="People in this meeting")
    expect(people.get_by_role("listitem")).to_have_count(2)
    expect(people.get_by_role("img", name="Hand raised, number 1 in line")).to_be_visible()
    expect(people.get_by_role("button", name="Take Bo out of the spotlight", pressed=True)).to_be_visible()
    expect(people.get_by_role("button", name="Put Ann in the spotlight", pressed=False)).to_be_visible()
    expect(page.get_by_role("region", name="Spotlight")).to_contain_text("Bo")
    expect(page.get_by_role("status").filter(has_text="Connected")).to_be_visible()


def test_everything_that_can_be_used_has_a_name(windows: Windows, server: Server, room: str) -> None:
    ann = windows.open(server)
    ann.page.goto(ann.origin)
    assert_all_named(ann.page)
    ann.join(room, "Ann")
    for number in ("one", "two"):
        ann.say(number)
        ann.pin(number)
    ann.expect_pins("Ann: two", "Ann: one")
    ann.spotlight("Ann")
    ann.expect_spotlight("Ann")
    assert_all_named(ann.page)
    ann.open_people()
    assert_all_named(ann.page)
    ann.leave()
    assert_all_named(ann.page)


def assert_all_named(page: Page) -> None:
    """Every button, link and field has a name in what a screen reader is given."""
    tree = page.locator("body").aria_snapshot()
    usable = re.findall(r"^\s*- '?(?:button|link|textbox)\b.*$", tree, re.MULTILINE)
    assert usable
    assert [line for line in usable if not re.search(r"(?:button|link|textbox) \"[^\"]+\"", line)] == []


@pytest.fixture(params=["light", "dark"])
def phone(request: pytest.FixtureRequest, windows: Windows, server: Server) -> Window:
    return windows.open(server, **PHONE, color_scheme=request.param)


def assert_fits(page: Page) -> None:
    """Nothing can be scrolled sideways."""
    assert page.evaluate("[document.documentElement.clientWidth, innerWidth]") == [360, 360]
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert page.evaluate("document.body.scrollWidth") <= 360


def test_a_phone_has_nothing_to_scroll_sideways(windows: Windows, server: Server, room: str, phone: Window) -> None:
    bo = windows.join(server, room, f"{LONG_WORD[:38]} B")
    phone.page.goto(f"{phone.origin}/?room={quote(room)}")
    assert_fits(phone.page)
    phone.visit(room)
    expect(phone.page.get_by_role("dialog")).to_be_visible()
    assert_fits(phone.page)
    phone.join(room, "Ann")
    bo.say(LONG_WORD * 3)
    bo.pin(LONG_WORD * 3)
    bo.spotlight(bo.name)
    phone.expect_spotlight(bo.name)
    phone.hand_button.click()
    phone.expect_hands("Ann")
    expect(phone.page.get_by_test_id("pin")).to_be_visible()
    expect(phone.page.get_by_test_id("chat-input")).not_to_be_in_viewport()
    assert_fits(phone.page)

    toggle = phone.page.get_by_test_id("chat-toggle")
    expect(toggle).to_have_accessible_name("Chat, 1 unread")
    toggle.click()
    expect(phone.page.get_by_test_id("chat-input")).to_be_focused()
    phone.expect_heard(LONG_WORD * 3)
    phone.say("from the train")
    bo.expect_heard("from the train")
    assert_fits(phone.page)
    phone.page.keyboard.press("Escape")
    expect(toggle).to_be_focused()
    expect(toggle).to_have_accessible_name("Chat")
    phone.leave()
    assert_fits(phone.page)


def test_the_dark_page_is_dark_and_the_light_one_light(windows: Windows, server: Server, room: str) -> None:
    seen: dict[str, float] = {}
    measuring = windows.page()
    for scheme in ("light", "dark"):
        window = windows.join(server, room, scheme, color_scheme=scheme)
        window.say(f"a {scheme} word")
        picture = base64.b64encode(window.page.screenshot()).decode()
        seen[scheme] = measuring.evaluate(_BRIGHTNESS, picture)
    assert seen["light"] > 170
    assert seen["dark"] < 85


def test_the_invitation_is_copied(windows: Windows, server: Server, room: str) -> None:
    ann = windows.join(server, room, "Ann", permissions=["clipboard-read", "clipboard-write"])
    ann.page.get_by_test_id("invite-button").click()
    expect(ann.toasts).to_contain_text("The link is copied")
    assert ann.page.evaluate("navigator.clipboard.readText()") == f"{ann.origin}/meeting/{quote(room)}/"


def test_the_invitation_is_shown_where_it_cannot_be_copied(windows: Windows, server: Server, room: str) -> None:
    ann = windows.open(server)
    # As on a page over plain HTTP.
    ann.page.add_init_script("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    ann.join(room, "Ann")
    ann.page.get_by_test_id("invite-button").click()
    dialog = ann.page.get_by_role("dialog", name="Invite somebody")
    link = dialog.get_by_role("textbox", name="Link to this meeting")
    expect(link).to_be_focused()
    assert ann.page.evaluate("getSelection().toString()") == link.input_value()
    bo = windows.open(server)
    bo.page.goto(link.input_value())
    bo.page.get_by_test_id("name-input").fill("Bo")
    bo.page.get_by_test_id("join-button").click()
    dialog.get_by_role("button", name="Done").click()
    ann.expect_people("Ann", "Bo")
