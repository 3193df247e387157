"""What stays and what goes when windows are reloaded, left, or doubled."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import Windows
from tests.e2e.window import Window
from tests.support.server import Server

pytestmark = pytest.mark.browser


def test_p15_a_reload_keeps_everything_and_the_session(windows: Windows, server: Server, room: str) -> None:
    ann, bo = windows.join(server, room, "Ann"), windows.join(server, room, "Bo")
    bo.say("one")
    ann.pin("one")
    bo.hand_button.click()
    ann.spotlight("Bo")
    bo.expect_spotlight("Bo")
    for window in (ann, bo):
        window.expect_pins("Bo: one")
        window.expect_hands("Bo")
    session_id = bo.session_id
    # A tile that left and came back would be another element.
    seen_by_ann = ann.tile("Bo").element_handle()
    bo.reload()
    assert bo.session_id == session_id
    bo.expect_people("Ann", "Bo")
    bo.expect_pins("Bo: one")
    bo.expect_spotlight("Bo")
    bo.expect_hands("Bo")
    bo.expect_heard("one")
    bo.say("still here")
    ann.expect_heard("still here")
    assert seen_by_ann.evaluate("(tile) => tile.isConnected")
    ann.expect_people("Ann", "Bo")
    ann.expect_spotlight("Bo")
    ann.expect_hands("Bo")
    # The host's own reload does not make another one the host.
    ann.reload()
    expect(bo.tile("Ann")).to_contain_text("Host")
    ann.spotlight("Bo")
    bo.expect_spotlight(None)


def test_p15_a_lone_reload_does_not_clear_the_room(windows: Windows, server: Server, room: str) -> None:
    ann = windows.join(server, room, "Ann")
    ann.say("one")
    ann.pin("one")
    ann.expect_pins("Ann: one")
    ann.reload()
    ann.expect_pins("Ann: one")
    ann.expect_heard("one")


def test_h2_the_last_leave_clears_the_room(windows: Windows, server: Server, room: str) -> None:
    ann, bo = windows.join(server, room, "Ann"), windows.join(server, room, "Bo")
    ann.say("one")
    ann.pin("one")
    bo.expect_pins("Ann: one")
    ann.leave()
    bo.expect_people("Bo")
    bo.expect_pins("Ann: one")
    bo.leave()
    bo.page.get_by_test_id("rejoin-button").click()
    bo.expect_in()
    bo.expect_people("Bo")
    bo.expect_pins()
    expect(bo.messages).to_have_count(0)


def test_who_left_comes_back_as_another_session(windows: Windows, server: Server, room: str) -> None:
    ann, bo = windows.join(server, room, "Ann"), windows.join(server, room, "Bo")
    before = bo.session_id
    bo.leave()
    expect(bo.ended).to_contain_text("You left the meeting")
    ann.expect_people("Ann")
    bo.page.get_by_test_id("rejoin-button").click()
    bo.expect_in()
    assert bo.session_id != before
    ann.expect_people("Ann", "Bo")


def test_p18_a_duplicated_tab_is_a_peer_of_its_own(windows: Windows, server: Server, room: str) -> None:
    ann = windows.join(server, room, "Ann")
    session_id = ann.session_id
    double = _duplicated(ann)
    double.expect_in()
    assert double.session_id != session_id
    for window in (ann, double):
        expect(window.tiles).to_have_count(2)
    ann.say("I am still here")
    double.expect_heard("I am still here")
    double.say("so am I")
    ann.expect_heard("so am I")
    assert ann.session_id == session_id
    assert len(ann.sockets) == 1


def test_p18_two_tabs_with_one_ticket_do_not_fight(windows: Windows, server: Server, room: str) -> None:
    ann = windows.join(server, room, "Ann")
    session_id = ann.session_id
    # Browsers differ in when they copy the storage; the worst moment is when the page has just put its ticket there.
    ann.page.evaluate("window.dispatchEvent(new Event('pagehide'))")
    double = _duplicated(ann)
    double.expect_in()
    assert double.session_id == session_id
    expect(ann.ended).to_contain_text("The meeting moved to another tab")
    double.say("mine now")
    expect(double.tiles).to_have_count(1)
    # Nobody dialled a second time to win the session back.
    assert (len(ann.sockets), len(double.sockets)) == (1, 1)
    ann.page.get_by_test_id("rejoin-button").click()
    ann.expect_in()
    assert ann.session_id != session_id
    expect(double.tiles).to_have_count(2)


def _duplicated(window: Window) -> Window:
    """A tab that the page opened itself begins with a copy of its session storage, as a duplicated tab does."""
    with window.page.context.expect_page() as opened:
        # The address only afterwards: by then the new tab's sockets are listened to.
        window.page.evaluate("window.open('about:blank')")
    double = Window(opened.value, window.origin)
    double.name = window.name
    double.page.goto(window.page.url)
    return double
