"""The screenshots of docs/admin.md, taken from a real server with a real meeting: `python -m tests.e2e.pictures`."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import django
from playwright.sync_api import Page, expect

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
django.setup()

from sessionstore_app import mint_token  # noqa: E402 - Django has to be set up first
from tests.e2e.chromium import launched  # noqa: E402
from tests.e2e.conftest import Windows  # noqa: E402
from tests.e2e.staffroom import enter, make_staff, open_room  # noqa: E402
from tests.support.guests import Guests  # noqa: E402
from tests.support.server import Server, running  # noqa: E402

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "images" / "admin"
ROOM = "meeting/weekly"
PERMISSIONS = (
    *("view_room", "manage_room", "view_values", "view_session", "modify_session", "send_to_session"),
    *("view_node", "view_lock", "change_lock", "view_sitesession", "change_sitesession"),
)
LIGHT: dict[str, Any] = {"viewport": {"width": 1280, "height": 860}}
DARK: dict[str, Any] = {**LIGHT, "color_scheme": "dark"}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}}


async def furnish(server: Server) -> None:
    """Site sessions, and a lock that somebody holds."""
    async with Guests(server) as guests:
        ops = await guests.open(token=mint_token("ops", permissions=["change_sitesession", "manage_room"]))
        for number in range(6):
            await ops.call("site.create", data={"step": number, "basket": [17, 4]}, platform="shop")
        await ops.call("room.set", room="game/7", key="score", value=[3, 1])


class Camera:
    """Takes pictures of one member of staff's window."""

    def __init__(self, page: Page, server: Server) -> None:
        self._page = page
        self._base = f"http://{server.host}/admin/sessionstore_app/"

    def take(self, name: str, path: str | None = None, *, whole: bool = False) -> None:
        """A picture of a page, or of what is there."""
        if path is not None:
            self._page.goto(self._base + path)
        self._page.wait_for_load_state("networkidle")
        self._page.screenshot(path=FOLDER / f"{name}.png", full_page=whole)

    def follow(self, name: str, path: str) -> None:
        """A picture of the first object in a list."""
        self._page.goto(self._base + path)
        self._page.locator("#result_list tbody th a").first.click()
        self.take(name, whole=True)


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with running() as server:
        make_staff(server, "kay", *PERMISSIONS)
        asyncio.run(furnish(server))
        with launched() as browser:
            windows = Windows(browser)
            ann, bo = windows.join(server, "weekly", "Ann"), windows.join(server, "weekly", "Bo")
            ann.say("The release is on Thursday")
            ann.pin("The release is on Thursday")
            ann.spotlight("Bo")
            ann.open_people()
            ann.notes.fill("Ask Bo about the date")
            ann.page.get_by_test_id("people-close").click()
            bo.page.get_by_test_id("hand-button").first.click()
            rooms(windows, server)
            sessions(windows, server, bo.session_id)
            windows.close()


def rooms(windows: Windows, server: Server) -> None:
    page = enter(windows, server, "kay", **LIGHT)
    camera = Camera(page, server)
    camera.take("rooms", "room/")
    open_room(page, server, ROOM)
    camera.take("room", whole=True)
    other = enter(windows, server, "kay", **LIGHT)
    open_room(other, server, ROOM)
    for window, text in ((page, '"mine"'), (other, '"theirs"')):
        window.locator('#entries tr[data-key="notes"]').get_by_role("button", name="Edit").click()
        window.fill("#editor-text", text)
    other.click("#editor-save")
    expect(other.locator("#editor")).to_be_hidden()
    page.click("#editor-save")
    expect(page.locator("#editor-conflict")).to_be_visible()
    camera.take("conflict")
    dark = enter(windows, server, "kay", **DARK)
    open_room(dark, server, ROOM)
    dark.locator("#inspector summary").click()
    dark.wait_for_timeout(500)
    Camera(dark, server).take("room-dark", whole=True)
    phone = enter(windows, server, "kay", **PHONE)
    open_room(phone, server, ROOM)
    Camera(phone, server).take("room-phone")


def sessions(windows: Windows, server: Server, session_id: str) -> None:
    page = enter(windows, server, "kay", **LIGHT)
    camera = Camera(page, server)
    camera.take("sessions", "session/?filter=has+name")
    camera.take("filter", "session/?filter=name+is+%22Ann%22+and+and")
    page.goto(f"http://{server.host}/admin/sessionstore_app/session/?filter=has+name")
    page.check("#action-toggle")
    page.select_option("select[name=action]", label="Close")
    page.click("button[name=index]")
    camera.take("close")
    camera.take("session", f"session/{session_id}/change/", whole=True)
    camera.take("sitesessions", "sitesession/")
    camera.follow("sitesession", "sitesession/")
    camera.take("nodes", "node/")
    camera.take("locks", "lock/")
    page.goto(f"http://{server.host}/admin/sessionstore_app/")
    page.fill("#by", "name")
    page.press("#by", "Enter")
    # A chart takes a while to have a shape.
    page.wait_for_timeout(40_000)
    camera.take("dashboard", whole=True)


if __name__ == "__main__":
    main()
