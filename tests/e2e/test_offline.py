"""A window that loses the network for a while: what was done meanwhile, on both sides, is there for both in the end."""

from __future__ import annotations

import time

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import Windows
from tests.support.server import Server

pytestmark = pytest.mark.browser

OFFLINE_SECONDS = 10


def test_ten_seconds_offline_converge(windows: Windows, server: Server, room: str) -> None:
    ann, bo = windows.join(server, room, "Ann"), windows.join(server, room, "Bo")
    ann.say("one")
    ann.say("two")
    bo.expect_heard("one", "two")
    ann.make_speaker("Bo")
    bo.expect_role("Speaker")
    session_id = bo.session_id
    seen_by_ann = ann.tile("Bo").element_handle()

    bo.page.context.set_offline(True)
    gone_at = time.monotonic()
    bo.expect_lost()
    expect(bo.connection).to_contain_text("Offline")
    ann.pin("one")
    ann.spotlight("Bo")
    bo.hand_button.click()
    bo.pin("two")
    expect(bo.connection).to_have_attribute("data-pending", "2")
    expect(bo.connection).to_contain_text("2 changes waiting")
    bo.write("can you hear me?")
    expect(bo.message("can you hear me?")).to_have_attribute("data-state", "failed")
    ann.expect_pins("Ann: one")
    ann.expect_hands()
    bo.page.wait_for_timeout(1_000 * max(0, OFFLINE_SECONDS - (time.monotonic() - gone_at)))
    bo.expect_pins()
    bo.page.context.set_offline(False)

    bo.expect_connected()
    for window in (ann, bo):
        # Both pins, each once, the queued one as the later write.
        window.expect_pins("Ann: two", "Ann: one")
        window.expect_spotlight("Bo")
        window.expect_hands("Bo")
        window.expect_people("Ann", "Bo")
    assert bo.session_id == session_id
    assert seen_by_ann.evaluate("(tile) => tile.isConnected")
    bo.message("can you hear me?").get_by_role("button", name="Try again").click()
    ann.expect_heard("can you hear me?")
    expect(bo.messages).to_have_count(3)
