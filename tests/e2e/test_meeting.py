"""What one window does, the others see, whether they were there or come later: pins, spotlight, hands, chat."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import Windows
from tests.e2e.sdk_page import SdkPage
from tests.e2e.window import Window
from tests.support.server import Server

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def two_windows(kept_windows: Windows, server: Server) -> tuple[Window, Window]:
    """Two windows that meet in another room in each test, as other sessions."""
    return kept_windows.open(server), kept_windows.open(server)


@pytest.fixture
def ann(two_windows: tuple[Window, Window], kept_windows: Windows, room: str) -> Iterator[Window]:
    """The first in the room: its host."""
    ann, _ = two_windows
    ann.join(room, "Ann")
    yield ann
    ann.leave()
    assert kept_windows.complaints == []


@pytest.fixture
def bo(two_windows: tuple[Window, Window], room: str, ann: Window) -> Iterator[Window]:
    """The second in the room: a guest."""
    _, bo = two_windows
    bo.join(room, "Bo")
    yield bo
    bo.leave()


def test_the_windows_see_each_other(ann: Window, bo: Window) -> None:
    ann.expect_people("Ann", "Bo")
    bo.expect_people("Ann", "Bo")
    assert ann.session_id != bo.session_id


def test_a_chat_message_reaches_the_other_window(ann: Window, bo: Window) -> None:
    ann.say("shall we begin?")
    bo.expect_heard("shall we begin?")
    bo.say("yes")
    ann.expect_heard("yes")
    expect(bo.message("shall we begin?").locator(".message__name")).to_have_text("Ann")
    expect(bo.message("yes").locator(".message__name")).to_have_text("You")


def test_h70_a_pin_names_the_sender_and_who_pinned_it(ann: Window, bo: Window) -> None:
    bo.say("we ship on Thursday")
    ann.pin("we ship on Thursday")
    for window in (ann, bo):
        window.expect_pins("Bo: we ship on Thursday")
        expect(window.page.get_by_test_id("pin-by")).to_have_text("Pinned by Ann")
        expect(window.page.get_by_test_id("pin-count")).to_have_text("1/1")


def test_h71_the_fourth_pin_drops_the_oldest(ann: Window, bo: Window) -> None:
    ann.make_speaker("Bo")
    for number in ("one", "two", "three", "four"):
        ann.say(number)
        bo.expect_heard(number)
    for window, number in ((ann, "one"), (bo, "two"), (ann, "three")):
        window.pin(number)
        expect(window.message(number).get_by_test_id("pin-button")).to_have_attribute("aria-pressed", "true")
    bo.expect_pins("Ann: three", "Ann: two", "Ann: one")
    bo.pin("four")
    for window in (ann, bo):
        window.expect_pins("Ann: four", "Ann: three", "Ann: two")
        expect(window.message("one").get_by_test_id("pin-button")).to_have_attribute("aria-pressed", "false")


def test_h72_whoever_may_pin_unpins_and_hits_the_pin_they_see(ann: Window, bo: Window) -> None:
    ann.make_speaker("Bo")
    for number in ("one", "two"):
        ann.say(number)
        ann.pin(number)
        expect(bo.page.get_by_test_id("pin-text")).to_have_text(f"Ann: {number}")
    bo.page.get_by_test_id("pin-next").click()
    expect(bo.page.get_by_test_id("pin-text")).to_have_text("Ann: one")
    # Ann's unpinning moves what Bo looks at to another place in the list.
    ann.page.get_by_test_id("unpin-button").click()
    bo.expect_pins("Ann: one")
    bo.page.get_by_test_id("unpin-button").click()
    for window in (ann, bo):
        window.expect_pins()


def test_h75_a_long_pin_is_clipped_until_somebody_wants_more(ann: Window, bo: Window) -> None:
    text = "a sentence that goes on and on, " * 4 + "and ends"
    ann.say(text)
    ann.pin(text)
    pin = bo.page.get_by_test_id("pin-text")
    expect(pin).to_have_text("Ann: a sentence that goes on and on, a sentence that goes on and on, a sent…")
    bo.page.get_by_test_id("pin-more").click()
    expect(pin).to_have_text(f"Ann: {text}")
    bo.page.get_by_test_id("pin-more").click()
    expect(pin).not_to_contain_text("and ends")


def test_h76_the_host_gives_the_spotlight_and_takes_it_back(ann: Window, bo: Window) -> None:
    ann.spotlight("Bo")
    ann.expect_spotlight("Bo")
    bo.expect_spotlight("Bo")
    expect(bo.stage).to_have_attribute("data-session", bo.session_id)
    expect(bo.stage).to_contain_text("You are in the spotlight")
    ann.spotlight("Bo")
    for window in (ann, bo):
        window.expect_spotlight(None)


def test_h76_only_one_is_in_the_spotlight(ann: Window, bo: Window) -> None:
    ann.spotlight("Bo")
    bo.expect_spotlight("Bo")
    ann.spotlight("Ann")
    for window in (ann, bo):
        expect(window.stage).to_have_attribute("data-session", ann.session_id)


def test_h79_a_guest_is_offered_no_spotlight(ann: Window, bo: Window) -> None:
    ann.spotlight("Bo")
    bo.expect_spotlight("Bo")
    expect(ann.page.get_by_test_id("spotlight-button")).to_have_count(2)
    expect(ann.page.get_by_test_id("stage-clear")).to_be_visible()
    expect(bo.page.get_by_test_id("spotlight-button")).to_have_count(0)
    expect(bo.page.get_by_test_id("stage-clear")).to_be_hidden()
    expect(bo.tile("Ann")).to_contain_text("Host")


def test_h78_the_spotlight_ends_when_its_peer_leaves(windows: Windows, server: Server, room: str, ann: Window) -> None:
    # A page shows no stage for somebody who is not there, so only the store tells whether the key itself is gone.
    watcher = SdkPage(windows.page(), f"http://{server.host}")
    watcher.join(f"meeting/{room}", observe=["spotlight"])
    bo = windows.join(server, room, "Bo")
    ann.spotlight("Bo")
    ann.expect_spotlight("Bo")
    watcher.wait_until("values.get('spotlight') === given", bo.session_id)
    bo.leave()
    watcher.wait_until("values.get('spotlight') === null")
    ann.expect_spotlight(None)


def test_hands_have_an_order(windows: Windows, server: Server, room: str, ann: Window, bo: Window) -> None:
    cy = windows.join(server, room, "Cy")
    raised: list[str] = []
    for window in (bo, cy, ann):
        window.hand_button.click()
        raised.append(window.name)
        for other in (ann, bo, cy):
            other.expect_hands(*raised)
    bo.hand_button.click()
    for window in (ann, bo, cy):
        window.expect_hands("Cy", "Ann")
    cy.leave()
    ann.expect_hands("Ann")


def test_a_third_joiner_sees_the_state_at_once(
    windows: Windows, server: Server, room: str, ann: Window, bo: Window
) -> None:
    ann.say("one")
    ann.pin("one")
    ann.spotlight("Bo")
    bo.hand_button.click()
    ann.expect_hands("Bo")
    bo.expect_pins("Ann: one")
    cy = windows.join(server, room, "Cy")
    # No waiting: being in means having what was there.
    assert cy.pins() == ["Ann: one"]
    assert cy.stage.get_attribute("data-session") == bo.session_id
    assert cy.tile("Bo").get_by_test_id("hand").inner_text() == "1"
    assert sorted(cy.page.get_by_test_id("tile-name").all_inner_texts()) == ["Ann", "Bo", "Cy"]


def test_rooms_do_not_mix(windows: Windows, server: Server, room: str, ann: Window) -> None:
    elsewhere = windows.join(server, f"{room}, the other", "Bo")
    elsewhere.say("anybody?")
    elsewhere.pin("anybody?")
    elsewhere.expect_pins("Bo: anybody?")
    # Had it gone to both rooms, it would have come before the answer to this.
    ann.say("alone")
    expect(ann.messages).to_have_count(1)
    ann.expect_pins()
    ann.expect_people("Ann")
