"""A person's browser window on the meeting page: what the person does and sees, in the words of the page.

Knows the page's test ids; knows nothing of the wire. Waits for what it is told to see, never for time.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from playwright.sync_api import Locator, Page, expect

# Steps through the whole carousel in one go, so that no change can come between two steps.
_PINS = """() => {
  const one = (id) => document.querySelector(`[data-testid="${id}"]`);
  if (one("pins").hidden) return [];
  const total = Number(one("pin-count").textContent.split("/")[1]);
  const texts = [];
  for (let step = 0; step < total; step++) {
    const place = Number(one("pin-count").textContent.split("/")[0]);
    texts[place - 1] = one("pin-text").textContent;
    one("pin-next").click();
  }
  return texts;
}"""


class Window:
    """One window. `name` is who sits in front of it."""

    def __init__(self, page: Page, origin: str) -> None:
        self.page = page
        self.origin = origin
        self.name = ""
        self.sockets: list[str] = []
        page.on("websocket", lambda socket: self.sockets.append(socket.url))
        self.connection = page.get_by_test_id("connection")
        self.stage = page.get_by_test_id("stage")
        self.tiles = page.get_by_test_id("tile")
        self.messages = page.get_by_test_id("chat-message")
        self.hand_button = page.get_by_test_id("hand-button")
        self.toasts = page.get_by_test_id("toast")
        self.alarms = page.locator(".toast--alarm")
        self.ended = page.get_by_test_id("ended")
        self.panel = page.get_by_test_id("people")
        self.rows = page.get_by_test_id("person-row")
        self.dialog = page.get_by_test_id("confirm")
        self.role = page.get_by_test_id("role")
        self.notes = page.get_by_test_id("notes")

    def visit(self, room: str) -> None:
        """Open the meeting's page."""
        self.page.goto(f"{self.origin}/meeting/{quote(room, safe='')}/")

    def join(self, room: str, name: str) -> None:
        """Open the meeting's page, say who one is (a tab is asked only once), and be in."""
        self.visit(room)
        if self.name != name:
            self.name = name
            self.page.get_by_test_id("name-input").fill(name)
            self.page.get_by_test_id("join-button").click()
        self.expect_in()

    def expect_in(self) -> None:
        """Connected, and there with a tile that has the name."""
        self.expect_connected()
        expect(self.own_tile.get_by_test_id("tile-name")).to_have_text(self.name)

    def expect_connected(self) -> None:
        """The connection is there, and nothing waits to be sent."""
        expect(self.connection).to_have_attribute("data-state", "open")
        expect(self.connection).to_have_attribute("data-pending", "0")

    def expect_lost(self) -> None:
        """The page has noticed that the connection is gone."""
        expect(self.connection).to_have_attribute("data-state", "reconnecting")

    def reload(self) -> None:
        """Press the browser's reload button, and be in again without being asked anything."""
        self.page.reload()
        self.expect_in()

    def leave(self) -> None:
        """Leave for good."""
        self.page.get_by_test_id("leave-button").click()
        expect(self.ended).to_be_visible()

    @property
    def own_tile(self) -> Locator:
        """The tile that says "you"."""
        return self.tiles.filter(has=self.page.locator(".tile__me"))

    @property
    def session_id(self) -> str:
        """Id of this window's session."""
        found = self.own_tile.get_attribute("data-session")
        assert found
        return found

    def tile(self, name: str) -> Locator:
        """The tile of the person with this name."""
        return self.tiles.filter(has=self.page.get_by_test_id("tile-name").get_by_text(name, exact=True))

    def expect_people(self, *names: str) -> None:
        """Exactly these are here, in any order."""
        expect(self.page.get_by_test_id("people-count")).to_have_text(str(len(names)))
        for name in names:
            expect(self.tile(name)).to_be_visible()
        expect(self.tiles).to_have_count(len(names))

    def message(self, text: str) -> Locator:
        """The chat message with exactly this text."""
        return self.messages.filter(has=self.page.locator(".message__text").get_by_text(text, exact=True))

    def write(self, text: str) -> None:
        """Send a chat message, whatever becomes of it."""
        self.page.get_by_test_id("chat-input").fill(text)
        self.page.get_by_test_id("chat-send").click()

    def say(self, text: str) -> None:
        """Send a chat message, and see that it was sent."""
        self.write(text)
        expect(self.message(text)).to_have_attribute("data-state", "sent")

    def expect_heard(self, *texts: str) -> None:
        """These messages are in the chat."""
        for text in texts:
            expect(self.message(text)).to_be_visible()

    def pin(self, text: str) -> None:
        """Press the pin of a message."""
        self.message(text).get_by_test_id("pin-button").click()

    def pins(self) -> list[str]:
        """The pinned texts, newest first."""
        found: list[str] = self.page.evaluate(_PINS)
        return found

    def expect_pins(self, *texts: str) -> None:
        """Wait until exactly these are pinned, newest first."""
        settled = f"(wanted) => JSON.stringify(({_PINS})()) === JSON.stringify(wanted)"
        try:
            self.page.wait_for_function(settled, arg=list(texts))
        except Exception as error:
            raise AssertionError(f"{self.name} sees the pins {self.pins()}, not {list(texts)}") from error

    def spotlight(self, name: str) -> None:
        """Press the spotlight button on somebody's tile."""
        self.tile(name).get_by_test_id("spotlight-button").click()

    def expect_spotlight(self, name: str | None) -> None:
        """Somebody, or nobody, is on the stage."""
        if name is None:
            expect(self.stage).to_be_hidden()
            expect(self.stage).to_have_attribute("data-session", "")
            return
        expect(self.stage).to_contain_text(name)
        expect(self.stage).to_have_attribute("data-session", re.compile("."))

    def expect_hands(self, *names: str) -> None:
        """Exactly these have a hand up, in this order."""
        for place, name in enumerate(names, 1):
            expect(self.tile(name).get_by_test_id("hand")).to_have_text(str(place))
        expect(self.page.get_by_test_id("hand")).to_have_count(len(names))

    def open_people(self) -> None:
        """Open the panel of people."""
        self.page.get_by_test_id("people-toggle").click()
        expect(self.panel).to_have_attribute("data-open", "true")

    def row(self, name: str) -> Locator:
        """The row of the person with this name in the panel of people."""
        return self.rows.filter(has=self.page.get_by_test_id("row-name").get_by_text(name, exact=True))

    def expect_rows(self, *names: str) -> None:
        """Exactly these are listed, in this order."""
        expect(self.page.get_by_test_id("row-name")).to_have_text(list(names))

    def press(self, act: str, name: str) -> None:
        """Press a button of somebody's row: speaker, spotlight, mute or remove."""
        self.row(name).get_by_test_id(f"row-{act}").click()

    def make_speaker(self, name: str) -> None:
        """As a host, make somebody a speaker, or take the role away again."""
        if self.panel.get_attribute("data-open") != "true":
            self.open_people()
        self.press("speaker", name)

    def expect_role(self, role: str) -> None:
        """The page says that one is a Host, Speaker or Guest."""
        expect(self.role).to_have_text(role)

    def expect_pinning(self, offered: bool) -> None:
        """Each message that arrived, and each pin, has its button, or none has."""
        buttons = self.page.locator("[data-state=sent] [data-testid=pin-button]:not([hidden])")
        expect(buttons).to_have_count(self.page.locator(".message[data-state=sent]").count() if offered else 0)
        expect(self.page.locator("[data-testid=unpin-button][hidden]")).to_have_count(0 if offered else 1)

    def filter(self, text: str) -> None:
        """Write a filter into the panel's box, and have it applied."""
        self.page.get_by_test_id("filter-input").fill(text)
        self.page.get_by_test_id("filter-show").click()

    def dismiss(self) -> None:
        """Dismiss the one notice there is, before it goes by itself."""
        self.toasts.get_by_role("button", name="Dismiss").click()
        expect(self.toasts).to_have_count(0)

    def answer(self, button: str) -> None:
        """Answer the question that stands before everything: yes or no."""
        expect(self.dialog).to_be_visible()
        self.page.get_by_test_id(f"confirm-{button}").click()
        expect(self.dialog).to_be_hidden()
