"""Three windows with three roles: each is offered what its role may do, and that follows when roles change."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import Trio, Windows
from tests.support.server import Server

pytestmark = pytest.mark.browser

PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}


def test_each_window_offers_what_its_role_may_do(trio: Trio) -> None:
    ann, bo, cy = trio
    roles = {"Host": ann, "Speaker": bo, "Guest": cy}
    for role, window in roles.items():
        window.expect_role(role)
        expect(window.role).to_have_accessible_name(f"Your role: {role}. What each role may do")
        expect(window.page.get_by_test_id("spotlight-button")).to_have_count(3 if window is ann else 0)
        window.expect_pinning(window is not cy)
        expect(window.hand_button).to_be_enabled()
        expect(window.page.get_by_test_id("chat-input")).to_be_enabled()
    for window in (bo, cy):
        window.open_people()
        window.expect_rows(window.name, *sorted({"Ann", "Bo", "Cy"} - {window.name}))
        expect(window.rows.get_by_role("button")).to_have_count(0)
        expect(window.notes).to_be_hidden()
        expect(window.page.get_by_test_id("filter-input")).to_be_hidden()
    expect(ann.notes).to_be_visible()
    expect(ann.rows.get_by_role("button")).to_have_count(2 + 4 + 4)


def test_what_is_offered_works(trio: Trio) -> None:
    ann, bo, cy = trio
    bo.pin("Cy is here")
    cy.hand_button.click()
    ann.spotlight("Cy")
    for window in trio:
        window.expect_pins("Cy: Cy is here", "Ann: Ann is here")
        window.expect_hands("Cy")
        window.expect_spotlight("Cy")
    bo.page.get_by_test_id("unpin-button").click()
    cy.expect_pins("Ann: Ann is here")
    for window in trio:
        expect(window.alarms).to_have_count(0)


def test_a_guest_made_a_speaker_pins_at_once_and_no_longer_when_that_is_taken(trio: Trio) -> None:
    ann, _, cy = trio
    cy.expect_pinning(False)
    ann.press("speaker", "Cy")
    cy.expect_role("Speaker")
    cy.expect_pinning(True)
    cy.pin("Bo is here")
    ann.expect_pins("Bo: Bo is here", "Ann: Ann is here")
    pin = cy.message("Bo is here").get_by_test_id("pin-button")
    pin.focus()
    ann.press("speaker", "Cy")
    cy.expect_role("Guest")
    cy.expect_pinning(False)
    # The keyboard is in the log, not at the top of the page.
    expect(cy.page.get_by_role("log", name="Messages")).to_be_focused()
    # Nor does a reload bring it back.
    cy.reload()
    cy.expect_role("Guest")
    cy.expect_pinning(False)


def test_the_page_asks_the_server_what_it_may_do(windows: Windows, server: Server, room: str, trio: Trio) -> None:
    ann, _, _ = trio
    sent: list[str] = []
    late = windows.open(server)
    late.page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(str(frame))))
    late.join(room, "Dee")

    def asked() -> int:
        return sum("room.can" in frame for frame in sent)

    assert asked() == 3
    ann.press("speaker", "Dee")
    late.expect_pinning(True)
    assert asked() == 6


def test_what_was_clicked_while_the_right_was_taken_is_refused_in_words(trio: Trio) -> None:
    ann, bo, _ = trio
    bo.page.context.set_offline(True)
    bo.expect_lost()
    bo.pin("Cy is here")
    expect(bo.connection).to_have_attribute("data-pending", "1")
    ann.press("speaker", "Bo")
    expect(ann.row("Bo").get_by_test_id("chip-speaker")).to_have_count(0)
    bo.page.context.set_offline(False)
    bo.expect_connected()
    expect(bo.alarms).to_have_text(
        "You may not write pinned here. It takes role host or role speaker; your roles: guest."
    )
    bo.expect_role("Guest")
    bo.expect_pinning(False)
    ann.expect_pins("Ann: Ann is here")


def test_a_host_lowers_a_hand(trio: Trio) -> None:
    ann, bo, cy = trio
    bo.hand_button.click()
    cy.hand_button.click()
    ann.expect_hands("Bo", "Cy")
    expect(ann.row("Ann").get_by_test_id("row-hand")).to_have_count(0)
    ann.press("hand", "Bo")
    for window in trio:
        window.expect_hands("Cy")
    expect(bo.hand_button).to_have_attribute("aria-pressed", "false")
    bo.hand_button.click()
    ann.expect_hands("Cy", "Bo")


def test_the_notes_of_the_host_are_told_to_nobody_else(windows: Windows, server: Server, room: str) -> None:
    ann, bo = windows.join(server, room, "Ann"), windows.open(server)
    frames: list[str] = []
    bo.page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: frames.append(str(frame))))
    bo.join(room, "Bo")
    ann.open_people()
    ann.notes.fill("Ask about the date")
    ann.notes.press("Tab")
    ann.expect_connected()
    ann.say("shall we begin?")
    bo.expect_heard("shall we begin?")
    assert frames
    assert not any("Ask about" in frame for frame in frames)
    ann.reload()
    expect(ann.notes).to_have_value("Ask about the date")


# --- what each role may do, in words


def test_the_page_says_what_each_role_may_do(trio: Trio) -> None:
    _, _, cy = trio
    cy.role.click()
    dialog = cy.page.get_by_role("dialog", name="What each role may do")
    expect(dialog.get_by_role("columnheader")).to_have_text(["What", "Host", "Speaker", "Guest"])

    def cells(what: str) -> list[str]:
        return dialog.locator(f'tr[data-what="{what}"] td').all_inner_texts()

    assert cells("pinned") == ["reads, writes", "reads, writes", "reads"]
    assert cells("spotlight") == ["reads, writes", "reads", "reads"]
    assert cells("hand/*") == ["reads, writes", "reads, writes own", "reads, writes own"]
    assert cells("notes") == ["reads, writes", "–", "–"]
    assert cells("removed/*") == ["reads"] * 3
    assert cells("modify_session") == ["yes", "–", "–"]
    own, others = (
        dialog.locator(f'tr[data-what="pinned"] td[data-of="{role}"]').evaluate(
            "(cell) => getComputedStyle(cell).backgroundColor"
        )
        for role in ("guest", "host")
    )
    assert own != others
    cy.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(cy.role).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_nothing_of_it_is_cut_off(windows: Windows, server: Server, room: str, scheme: str) -> None:
    phone = windows.open(server, **PHONE, color_scheme=scheme)
    phone.page.goto(phone.origin)
    phone.page.get_by_role("link", name="Who may do what").click()
    expect(phone.page.get_by_role("heading", level=1)).to_have_text("What each role may do")
    assert phone.page.evaluate("document.documentElement.scrollWidth") == 360
    phone.join(room, "Ann")
    phone.expect_role("Host")
    expect(phone.page.locator("h1.top__room")).to_have_text(room)
    phone.role.click()
    dialog = phone.page.get_by_test_id("rights-dialog")
    assert dialog.evaluate("(node) => node.scrollWidth <= node.clientWidth")
    assert dialog.evaluate("(node) => node.scrollTop") == 0
    dialog.get_by_role("button", name="Done").click()
    expect(dialog).to_be_hidden()
