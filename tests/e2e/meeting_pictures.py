"""The README's screenshots of the demo meeting: `python -m tests.e2e.meeting_pictures`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import expect

from tests.e2e.chromium import launched
from tests.e2e.conftest import Windows
from tests.support.server import running

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "images"
DESK: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}
PHONE: dict[str, Any] = {
    "viewport": {"width": 360, "height": 740},
    "device_scale_factor": 2,
    "has_touch": True,
    "is_mobile": True,
    "color_scheme": "dark",
}
ROOM = "Design review"
DRAFTS = "Good morning! The drafts are at https://example.org/drafts"
DECIDED = "Decided: the second draft goes on, with the larger type, and Maya tries it on a phone"
NEXT = "Next review on Thursday at ten"


def main() -> None:
    with running(environment={"DEBUG": "0"}) as server, launched() as browser:
        windows = Windows(browser)
        ana, jonas, maya, _ = (
            windows.join(server, ROOM, name, **options)
            for name, options in (("Ana Lind", DESK), ("Jonas Berg", DESK), ("Maya Rao", PHONE), ("Sam Okoro", DESK))
        )
        maya.page.get_by_test_id("chat-toggle").click()
        for window, text in (
            (ana, DRAFTS),
            (jonas, "Thanks. I have seen the second one and would like to show it"),
            (ana, "The floor is yours, Jonas"),
            (jonas, DECIDED),
            (ana, NEXT),
            (maya, "I will. One question first"),
        ):
            window.say(text)
        maya.page.keyboard.press("Escape")
        maya.hand_button.click()
        ana.expect_heard(DECIDED, "I will. One question first")
        for text in (DRAFTS, NEXT, DECIDED):
            ana.pin(text)
        ana.expect_pins(f"Jonas Berg: {DECIDED[:63]}…", f"Ana Lind: {NEXT}", f"Ana Lind: {DRAFTS}")
        ana.make_speaker("Jonas Berg")
        ana.press("mute", "Sam Okoro")
        ana.press("spotlight", "Jonas Berg")
        ana.notes.fill("Ask Jonas about the date")
        ana.notes.press("Tab")
        ana.filter('not name is "Maya Rao"')
        ana.expect_rows("Ana Lind", "Jonas Berg", "Sam Okoro")
        for window in (ana, maya):
            window.expect_spotlight("Jonas Berg")
            expect(window.tile("Sam Okoro").get_by_test_id("tile-muted")).to_be_visible()
        maya.page.get_by_test_id("stage").scroll_into_view_if_needed()
        ana.page.screenshot(path=FOLDER / "meeting-light.png")
        maya.page.screenshot(path=FOLDER / "meeting-phone-dark.png")
        windows.close()


if __name__ == "__main__":
    main()
