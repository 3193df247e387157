"""The host's panel of people: who is listed, what a host does to them, and what they and the others see of it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import Windows
from tests.e2e.sdk_page import SdkPage
from tests.e2e.window import Window
from tests.support.server import Server, running

pytestmark = pytest.mark.browser

# Soon tired of waiting for a page that is away.
HASTY = {"HEARTBEAT_SECONDS": 2, "RECONNECT_SECONDS": 2, "REAP_SECONDS": 0.2}
Table = tuple[Window, Window, Window]


@pytest.fixture(scope="module")
def three_windows(kept_windows: Windows, server: Server) -> Table:
    """Three windows that meet in another room in each test, as other sessions."""
    return kept_windows.open(server), kept_windows.open(server), kept_windows.open(server)


@pytest.fixture
def table(three_windows: Table, kept_windows: Windows, room: str) -> Iterator[Table]:
    """Ann, the host, with the panel open; Bo and Cy, her guests."""
    for window, name in zip(three_windows, ("Ann", "Bo", "Cy"), strict=True):
        window.join(room, name)
    three_windows[0].open_people()
    three_windows[0].expect_rows("Ann", "Bo", "Cy")
    yield three_windows
    for window in three_windows:
        window.page.goto("about:blank")
    assert kept_windows.complaints == []


@pytest.fixture
def mallory(windows: Windows, server: Server, room: str, table: Table) -> SdkPage:
    """A guest with a program of its own."""
    crafted = SdkPage(windows.page(), f"http://{server.host}")
    crafted.join(f"meeting/{room}")
    crafted.run("await session.setProperties({ name: 'Mallory' })")
    table[0].expect_rows("Ann", "Bo", "Cy", "Mallory")
    return crafted


def test_d37_the_host_lists_whom_a_filter_finds(table: Table) -> None:
    ann, _, _ = table
    shown = ann.page.get_by_test_id("people-shown")
    expect(shown).to_have_text("")
    ann.filter('name in ["Bo", "Cy"]')
    ann.expect_rows("Bo", "Cy")
    expect(shown).to_have_text("2 of 3")
    ann.filter('$ClientType is "JAVASCRIPT_BROWSER" and not name is "Bo"')
    ann.expect_rows("Ann", "Cy")
    ann.page.get_by_role("button", name="Everybody").click()
    ann.expect_rows("Ann", "Bo", "Cy")
    expect(ann.page.get_by_test_id("filter-input")).to_have_value("")
    expect(ann.page.get_by_role("button", name="Everybody", pressed=True)).to_be_visible()


def test_f_a_wrong_filter_is_marked_and_the_list_stays(table: Table) -> None:
    ann, bo, _ = table
    fault, mark = (ann.page.get_by_test_id(part) for part in ("filter-fault", "fault-mark"))
    box = ann.page.get_by_test_id("filter-input")
    ann.filter("muted is yes")
    expect(fault).to_contain_text("Column 10: Expected a string in quotes.")
    expect(mark).to_have_text("y")
    expect(box).to_have_attribute("aria-invalid", "true")
    expect(box).to_have_accessible_description(re.compile("^Column 10: Expected a string in quotes"))
    ann.expect_rows("Ann", "Bo", "Cy")
    # The list is still the live one.
    bo.leave()
    ann.expect_rows("Ann", "Cy")
    box.press_sequentially(" ")
    expect(fault).to_be_hidden()
    expect(box).not_to_have_attribute("aria-invalid", "true")
    ann.filter('$ClientIP is "127.0.0.1"')
    expect(fault).to_contain_text("$ClientIP")
    expect(mark).to_have_count(0)
    ann.filter('name is "Cy"')
    ann.expect_rows("Cy")
    expect(fault).to_be_hidden()


def test_d61_people_appear_and_vanish_as_they_match(table: Table, mallory: SdkPage) -> None:
    ann, _, _ = table
    ann.filter('name is "Zoe"')
    expect(ann.page.get_by_text("Nobody matches at the moment.")).to_be_visible()
    mallory.run("await session.setProperties({ name: 'Zoe' })")
    ann.expect_rows("Zoe")
    mallory.run("await session.setProperties({ name: 'Eve' })")
    ann.expect_rows()
    ann.page.get_by_role("button", name="Not muted").click()
    ann.expect_rows("Ann", "Bo", "Cy", "Eve")
    ann.press("mute", "Cy")
    ann.expect_rows("Ann", "Bo", "Eve")
    # The keyboard is at the row that took the place, not at the top of the page.
    expect(ann.row("Eve").get_by_test_id("row-speaker")).to_be_focused()
    mallory.run("await room.leave()")
    ann.expect_rows("Ann", "Bo")


def test_d40_a_speaker_is_one_for_all(table: Table) -> None:
    ann, bo, cy = table
    cy.open_people()
    ann.press("speaker", "Bo")
    for window in table:
        expect(window.tile("Bo").get_by_test_id("tile-speaker")).to_be_visible()
        expect(window.page.get_by_test_id("tile-speaker")).to_have_count(1)
    for window in (ann, cy):
        expect(window.row("Bo").get_by_test_id("chip-speaker")).to_be_visible()
    expect(bo.toasts).to_contain_text(["You are a speaker now"])
    bo.dismiss()
    ann.page.get_by_role("button", name="Speakers").click()
    ann.expect_rows("Bo")
    ann.press("speaker", "Bo")
    ann.expect_rows()
    for window in table:
        expect(window.page.get_by_test_id("tile-speaker")).to_have_count(0)
    expect(bo.toasts).to_contain_text(["You are no longer a speaker"])


def test_d31_a_muted_guest_reads_and_does_not_write(table: Table) -> None:
    ann, bo, cy = table
    box, hint = bo.page.get_by_test_id("chat-input"), bo.page.get_by_test_id("chat-muted")
    box.fill("half a sentence")
    ann.press("mute", "Bo")
    expect(hint).to_be_visible()
    expect(bo.toasts).to_contain_text("The host muted you")
    expect(box).to_be_disabled()
    expect(box).to_have_value("half a sentence")
    expect(box).to_have_accessible_description(re.compile("^The host muted you"))
    expect(bo.page.get_by_test_id("chat-send")).to_be_disabled()
    for window in table:
        expect(window.tile("Bo").get_by_test_id("tile-muted")).to_be_visible()
        expect(window.page.get_by_test_id("tile-muted")).to_have_count(1)
    # Nobody is offered to unmute themselves.
    bo.open_people()
    expect(bo.row("Bo").get_by_test_id("chip-muted")).to_be_visible()
    expect(bo.panel.get_by_role("button")).to_have_count(1)
    cy.say("can you hear me?")
    bo.expect_heard("can you hear me?")
    bo.reload()
    expect(box).to_be_disabled()
    expect(ann.row("Bo").get_by_test_id("row-mute")).to_have_accessible_name("Unmute Bo")
    ann.press("mute", "Bo")
    expect(hint).to_be_hidden()
    expect(box).to_have_accessible_description("")
    bo.say("thank you")
    ann.expect_heard("thank you")
    for window in table:
        expect(window.page.get_by_test_id("tile-muted")).to_have_count(0)


def test_p46_a_muted_program_is_refused_what_the_page_does_not_offer(table: Table, mallory: SdkPage) -> None:
    ann, bo, _ = table
    say = "await room.broadcast('chat', { id: given, text: given, name: 'Mallory' })"
    mallory.run(say, "before")
    bo.expect_heard("before")
    ann.press("mute", "Mallory")
    for window in table:
        expect(window.tile("Mallory").get_by_test_id("tile-muted")).to_be_visible()
    refused = mallory.refusal(say, "nevertheless")
    assert (refused["reason"], refused["hint"].partition(";")[0]) == (
        "ACCESS_DENIED",
        'It takes sessions where not muted is "yes"',
    )
    ann.say("after")
    bo.expect_heard("after")
    expect(bo.messages).to_have_count(2)
    expect(ann.messages).to_have_count(2)


def test_mutedness_does_not_follow_into_another_meeting(table: Table, room: str) -> None:
    ann, bo, _ = table
    ann.press("mute", "Bo")
    expect(bo.page.get_by_test_id("chat-muted")).to_be_visible()
    bo.join(f"{room}, next door", "Bo")
    bo.say("free to speak")
    bo.expect_people("Bo")


def test_d33_mute_all_shown_mutes_those_and_not_the_host(table: Table) -> None:
    ann, bo, cy = table
    button = ann.page.get_by_test_id("mute-all")
    button.click()
    expect(ann.dialog).to_contain_text("Mute 2 people?")
    expect(ann.page.get_by_test_id("confirm-no")).to_be_focused()
    ann.page.keyboard.press("Escape")
    expect(ann.dialog).to_be_hidden()
    expect(button).to_be_focused()
    ann.filter('name is "Cy"')
    ann.expect_rows("Cy")
    button.click()
    expect(ann.dialog).to_contain_text("Mute 1 person?")
    ann.answer("yes")
    expect(ann.toasts).to_contain_text(["Muted 1 person."])
    expect(cy.page.get_by_test_id("chat-input")).to_be_disabled()
    expect(bo.page.get_by_test_id("chat-input")).to_be_enabled()
    ann.page.get_by_role("button", name="Everybody").click()
    ann.expect_rows("Ann", "Bo", "Cy")
    button.click()
    ann.answer("yes")
    expect(bo.page.get_by_test_id("chat-input")).to_be_disabled()
    ann.say("only I can speak")
    expect(button).to_have_text("Unmute all shown")
    button.click()
    expect(ann.dialog).to_contain_text("Unmute 2 people?")
    ann.answer("yes")
    bo.say("me too")
    cy.say("and I")


def test_d34_a_removed_guest_is_gone_and_stays_away(table: Table) -> None:
    ann, bo, cy = table
    bo.hand_button.click()
    ann.expect_hands("Bo")
    ann.press("spotlight", "Bo")
    cy.expect_spotlight("Bo")
    ann.press("remove", "Bo")
    expect(ann.dialog).to_contain_text("Remove Bo from the meeting?")
    ann.answer("no")
    ann.expect_people("Ann", "Bo", "Cy")
    ann.press("remove", "Bo")
    ann.answer("yes")
    expect(bo.ended).to_be_visible()
    expect(bo.page.get_by_role("heading", name="You were removed from the meeting")).to_be_focused()
    expect(bo.ended).to_contain_text("The host took you out of it.")
    for window in (ann, cy):
        window.expect_people("Ann", "Cy")
        window.expect_hands()
        window.expect_spotlight(None)
    ann.expect_rows("Ann", "Cy")
    expect(ann.row("Cy").get_by_test_id("row-speaker")).to_be_focused()
    # The page dialled only once, and does not dial again when the network says hello.
    sockets = len(bo.sockets)
    bo.page.evaluate("for (const type of ['online', 'pageshow', 'focus']) window.dispatchEvent(new Event(type))")
    cy.say("who is left?")
    ann.expect_heard("who is left?")
    assert len(bo.sockets) == sockets
    ann.expect_people("Ann", "Cy")


def test_d34_a_guest_who_was_removed_while_away_does_not_come_back(table: Table) -> None:
    ann, bo, cy = table
    bo.page.context.set_offline(True)
    bo.expect_lost()
    ann.press("remove", "Bo")
    ann.answer("yes")
    ann.expect_people("Ann", "Cy")
    bo.page.context.set_offline(False)
    expect(bo.ended).to_contain_text("The host took you out of it.")
    cy.say("who is left?")
    ann.expect_people("Ann", "Cy")


def test_p46_nobody_is_kept_out_by_what_a_guest_wrote(windows: Windows, room: str) -> None:
    with running(settings=HASTY) as hasty:
        ann, bo = windows.join(hasty, room, "Ann"), windows.join(hasty, room, "Bo")
        mallory = SdkPage(windows.page(), f"http://{hasty.host}")
        mallory.join(f"meeting/{room}")
        former = bo.session_id
        refused = mallory.refusal("await store.set(`removed/${given}`, true)", former)
        assert (refused["reason"], refused["hint"].partition(";")[0]) == ("ACCESS_DENIED", "It takes server code")
        bo.page.context.set_offline(True)
        expect(ann.tile("Bo")).to_have_count(0)
        bo.page.context.set_offline(False)
        ann.expect_people("Ann", "Bo", "Guest")
        bo.say("here I am again")
        ann.expect_heard("here I am again")
        assert bo.session_id != former


def test_the_spotlight_tells_the_one_it_falls_on(table: Table) -> None:
    ann, bo, cy = table
    ann.press("spotlight", "Bo")
    expect(bo.page.get_by_role("status").filter(has_text="You are in the spotlight.")).to_be_visible()
    expect(bo.toasts).to_have_text(["You are in the spotlight."])
    bo.dismiss()
    expect(bo.stage).to_contain_text("You are in the spotlight")
    expect(cy.page.locator("#news")).to_contain_text("Bo is in the spotlight.")
    expect(cy.toasts).to_have_count(0)
    expect(ann.row("Bo").get_by_test_id("chip-spotlight")).to_be_visible()
    ann.press("spotlight", "Cy")
    expect(bo.toasts).to_have_text(["You are no longer in the spotlight."])
    expect(cy.toasts).to_have_text(["You are in the spotlight."])
    cy.dismiss()
    ann.press("spotlight", "Cy")
    expect(cy.toasts).to_have_text(["You are no longer in the spotlight."])
    expect(bo.page.locator("#news")).to_contain_text("Nobody is in the spotlight now.")


def test_d1_a_guest_who_is_away_is_listed_as_away(table: Table) -> None:
    ann, bo, _ = table
    address = bo.page.url
    bo.page.goto("about:blank")
    expect(ann.row("Bo")).to_have_attribute("data-state", "DISCONNECTED")
    expect(ann.row("Bo").get_by_test_id("chip-away")).to_be_visible()
    bo.page.goto(address)
    bo.expect_in()
    expect(ann.row("Bo").get_by_test_id("chip-away")).to_have_count(0)
    ann.expect_rows("Ann", "Bo", "Cy")


def test_h79_a_guest_is_offered_the_list_alone(table: Table) -> None:
    ann, bo, cy = table
    bo.open_people()
    bo.expect_rows("Bo", "Ann", "Cy")
    expect(bo.row("Ann").get_by_test_id("chip-host")).to_be_visible()
    expect(bo.page.get_by_test_id("filter-input")).to_be_hidden()
    expect(bo.page.get_by_test_id("mute-all")).to_be_hidden()
    expect(bo.rows.get_by_role("button")).to_have_count(0)
    expect(bo.notes).to_be_hidden()
    cy.leave()
    bo.expect_rows("Bo", "Ann")
    # A host who leaves hands the role to nobody.
    ann.leave()
    bo.expect_rows("Bo")
    expect(bo.row("Bo").get_by_test_id("chip-host")).to_have_count(0)
    bo.expect_role("Guest")
    expect(bo.page.get_by_test_id("filter-input")).to_be_hidden()
    expect(bo.rows.get_by_role("button")).to_have_count(0)


def test_d40_a_host_makes_speakers_and_nothing_more(windows: Windows, server: Server, room: str) -> None:
    host = SdkPage(windows.page(), f"http://{server.host}")
    host.join(f"meeting/{room}")
    change = "await session.sessions.changeRoles({ sessionId: session.id, room: room.name }, { add: [given] })"
    host.run(change, "speaker")
    assert host.refusal(change, "admin")["reason"] == "ACCESS_DENIED"
    # Nor is its rule good for a room that it is not in.
    elsewhere = "await session.sessions.terminate({ filter: 'all', room: given })"
    assert host.refusal(elsewhere, f"meeting/{room}, the other")["reason"] == "ACCESS_DENIED"


def test_p15_a_reload_keeps_the_host_s_panel_and_filter(table: Table) -> None:
    ann, _, _ = table
    ann.filter('name is "Bo"')
    ann.expect_rows("Bo")
    ann.reload()
    ann.expect_rows("Bo")
    expect(ann.page.get_by_test_id("filter-input")).to_have_value('name is "Bo"')
    ann.press("mute", "Bo")
    expect(ann.row("Bo").get_by_test_id("chip-muted")).to_be_visible()
    ann.page.get_by_test_id("people-close").click()
    expect(ann.panel).to_be_hidden()
    ann.reload()
    expect(ann.panel).to_be_hidden()


def test_the_panel_by_keyboard_alone(table: Table) -> None:
    ann, _, _ = table
    keyboard = ann.page.keyboard
    ann.page.get_by_test_id("people-close").press("Enter")
    toggle = ann.page.get_by_test_id("people-toggle")
    expect(toggle).to_be_focused()
    expect(toggle).to_have_accessible_name("People, 3 here")
    expect(toggle).to_have_attribute("aria-expanded", "false")
    keyboard.press("Enter")
    expect(ann.page.get_by_role("heading", name="People")).to_be_focused()
    for _ in range(2):
        keyboard.press("Tab")
    expect(ann.page.get_by_test_id("filter-input")).to_be_focused()
    keyboard.type('name is "Cy"')
    keyboard.press("Enter")
    ann.expect_rows("Cy")
    ann.row("Cy").get_by_test_id("row-mute").focus()
    keyboard.press("Enter")
    expect(ann.row("Cy").get_by_role("button", name="Unmute Cy")).to_be_focused()
    keyboard.press("Escape")
    expect(ann.panel).to_be_hidden()
    expect(toggle).to_be_focused()


def test_a_phone_shows_one_sheet_at_a_time(windows: Windows, server: Server, room: str) -> None:
    phone = windows.open(server, viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    phone.join(room, "Ann")
    bo = windows.join(server, room, "Donaudampfschifffahrtsgesellschaft Bo")
    phone.open_people()
    phone.press("speaker", bo.name)
    expect(phone.row(bo.name).get_by_test_id("chip-speaker")).to_be_visible()
    phone.filter('name matches "((("')
    expect(phone.page.get_by_test_id("filter-fault")).to_contain_text("Column 14")
    assert phone.page.evaluate("document.documentElement.scrollWidth") == 360
    expect(phone.row(bo.name).get_by_test_id("row-remove")).to_be_in_viewport()
    # The scrim above the sheet.
    phone.page.mouse.click(180, 60)
    expect(phone.panel).to_have_attribute("data-open", "false")
    expect(phone.panel).not_to_be_in_viewport()
    phone.page.get_by_test_id("chat-toggle").click()
    expect(phone.page.get_by_test_id("chat-input")).to_be_focused()
    expect(phone.panel).not_to_be_in_viewport()
