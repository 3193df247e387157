"""One browser and one server for all these tests; new windows and a new room for each.

Whatever a test is about, its windows must not complain: no error in the console, no violation of the content security
policy, no dialog that a script opened.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Page

from tests.e2e.chromium import LIMIT_MS, launched
from tests.e2e.window import Window
from tests.support.network import network_as_it_is
from tests.support.server import Server, running

# A host, a speaker and a guest.
Trio = tuple[Window, Window, Window]

_numbers = itertools.count(1)
_TELL_VIOLATIONS = """document.addEventListener("securitypolicyviolation", (event) =>
  console.error("policy violated:", event.violatedDirective, event.blockedURI));"""
# The browser itself says so when the network or the server is away, which is what some tests are about.
_NETWORK_TROUBLE = ("WebSocket connection to", "Failed to load resource: net::ERR_INTERNET_DISCONNECTED")


class Windows:
    """Opens windows, each in a browser profile of its own, and hears their complaints."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self.complaints: list[str] = []

    def page(self, **options: Any) -> Page:
        """An empty page in a fresh profile; `options` are Playwright's, such as viewport or color_scheme."""
        context = self._browser.new_context(**{"locale": "en-US", "reduced_motion": "reduce", **options})
        self._contexts.append(context)
        context.set_default_timeout(LIMIT_MS)
        context.add_init_script(_TELL_VIOLATIONS)
        # Tabs that a page opens complain too.
        context.on("page", self._hear)
        return context.new_page()

    def open(self, server: Server, **options: Any) -> Window:
        """A window that is nowhere yet."""
        return Window(self.page(**options), f"http://{server.host}")

    def join(self, server: Server, room: str, name: str, **options: Any) -> Window:
        """A window whose person is in the meeting."""
        window = self.open(server, **options)
        window.join(room, name)
        return window

    def close(self) -> None:
        """Close them all, without a goodbye of the pages."""
        for context in self._contexts:
            context.close()

    def _hear(self, page: Page) -> None:
        def hear_console(message: ConsoleMessage) -> None:
            # Chromium asks for it on its own account where a page names no icon.
            is_icon = message.location["url"].endswith("/favicon.ico")
            if message.type == "error" and not is_icon and not message.text.startswith(_NETWORK_TROUBLE):
                self.complaints.append(f"console: {message.text}")

        def hear_dialog(dialog: Dialog) -> None:
            self.complaints.append(f"dialog: {dialog.message}")
            dialog.dismiss()

        page.on("console", hear_console)
        page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))
        page.on("dialog", hear_dialog)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with network_as_it_is(), launched() as started:
        yield started


@pytest.fixture(scope="package")
def server() -> Iterator[Server]:
    with running() as started:
        yield started


@pytest.fixture(scope="module")
def kept_windows(browser: Browser) -> Iterator[Windows]:
    """For windows that serve all tests of a module, because opening one takes longer than most tests."""
    opened = Windows(browser)
    yield opened
    opened.close()


@pytest.fixture
def windows(browser: Browser) -> Iterator[Windows]:
    opened = Windows(browser)
    yield opened
    opened.close()
    assert opened.complaints == []


@pytest.fixture
def room() -> str:
    """A room that no other test uses."""
    return f"table {next(_numbers)}"


@pytest.fixture(scope="module")
def three_windows(kept_windows: Windows, server: Server) -> Trio:
    """Three windows that meet in another room in each test, as other sessions."""
    return kept_windows.open(server), kept_windows.open(server), kept_windows.open(server)


@pytest.fixture
def trio(three_windows: Trio, kept_windows: Windows, room: str) -> Iterator[Trio]:
    """Ann, the host, with the panel open; Bo, a speaker; Cy, a guest. Each has said something, Ann's is pinned."""
    ann, bo, cy = three_windows
    for window, name in zip(three_windows, ("Ann", "Bo", "Cy"), strict=True):
        window.join(room, name)
    for window in three_windows:
        window.say(f"{window.name} is here")
    for window in three_windows:
        window.expect_heard("Ann is here", "Bo is here", "Cy is here")
    ann.make_speaker("Bo")
    bo.expect_role("Speaker")
    ann.pin("Ann is here")
    for window in three_windows:
        window.expect_pins("Ann: Ann is here")
    yield ann, bo, cy
    for window in three_windows:
        window.page.goto("about:blank")
    assert kept_windows.complaints == []
