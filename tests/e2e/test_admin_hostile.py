"""What strangers call their rooms, keys, values, properties and themselves is text on every page of the admin (T8)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from sessionstore_app import mint_token
from sessionstore_app.core.errors import SessionStoreError
from sessionstore_app.core.patterns import check_key, check_room_name
from tests.e2e.conftest import Windows
from tests.e2e.staffroom import enter, make_staff, open_room
from tests.support.guests import Guests
from tests.support.hostile import HOSTILE
from tests.support.server import Server, running

pytestmark = pytest.mark.browser
ALL = (
    *("view_room", "manage_room", "view_values", "view_session", "modify_session", "send_to_session"),
    *("view_node", "view_lock", "change_lock", "view_sitesession", "change_sitesession"),
)
# What the admin's pages never have of their own.
FOREIGN = (
    "#content iframe, #content img[src=x], #content style, base, #content object, #content embed, "
    "#content script:not([src]):not([type='application/json'])"
)
ROOM = "hostile"


def accepted(text: str) -> bool:
    """May it be the name of a room, a lock and a key? None holds control characters, nor has a key a browser's name."""
    try:
        check_room_name(text, 512)
        check_key(text, 512)
    except SessionStoreError:
        return False
    return True


async def _say_all(guests: Guests) -> None:
    staff = await guests.open(
        token=mint_token("ops", permissions=["manage_room", "acquire_lock", "view_sitesession", "change_sitesession"])
    )
    for number, text in enumerate(HOSTILE):
        guest = await guests.open(token=mint_token(text), properties={"name": text})
        await guest.call("room.join", room=ROOM)
        await guest.call("room.broadcast", room=ROOM, event="say", data={"text": text})
        await staff.call("room.set", room=ROOM, key=f"value/{number:02}", value={text: [text]})
        await staff.call("site.create", data={text: text}, platform=text.replace("\n", " ")[:30])
        if accepted(text):
            await guest.call("room.set", room=ROOM, key=text, value=text)
            await guest.call("room.join", room=text)
            await staff.call("lock.acquire", name=text)


@contextmanager
def said(server: Server) -> Iterator[None]:
    """All of it is said, and who said it stays as long as somebody looks."""
    ready, done, faults = threading.Event(), threading.Event(), []

    async def stay() -> None:
        async with Guests(server) as guests:
            await _say_all(guests)
            ready.set()
            await asyncio.to_thread(done.wait)

    def run() -> None:
        try:
            asyncio.run(stay())
        except BaseException as error:  # told to whoever waits
            faults.append(error)
            ready.set()

    thread = threading.Thread(target=run)
    thread.start()
    ready.wait(120)
    try:
        assert not faults, faults
        yield
    finally:
        done.set()
        thread.join()


@pytest.fixture(scope="module")
def hostile_server() -> Iterator[Server]:
    with running(settings={"KEYS": 1_000}) as started:
        make_staff(started, HOSTILE[0], *ALL)
        with said(started):
            yield started


def assert_text(page: Page, texts: list[str]) -> None:
    """Each is on the page as it is, and nothing of it has become something else."""
    content = page.evaluate("document.querySelector('#content').textContent")
    missing = [text for text in texts if text[:80] not in content and text not in content]
    assert not missing
    expect(page.locator(FOREIGN)).to_have_count(0)
    expect(page.locator("#content")).to_be_visible()
    assert page.evaluate("document.title") is not None


def addresses(page: Page) -> list[str]:
    """Of the objects in a list."""
    return [str(anchor.get_attribute("href")) for anchor in page.locator("#result_list tbody th a").all()]


def lines(text: str) -> str:
    """As a page keeps it: what begins a line in a source begins one in a text."""
    return text.replace("\r", "\n")


@pytest.mark.parametrize("options", [{}, {"viewport": {"width": 390, "height": 844}}])
def test_t8_hostile_texts_are_text_on_every_page(
    windows: Windows, hostile_server: Server, options: dict[str, Any]
) -> None:
    assert len(set(HOSTILE)) == 60
    page = enter(windows, hostile_server, HOSTILE[0], **options)
    base = f"http://{hostile_server.host}/admin/sessionstore_app"
    names = [text for text in HOSTILE if accepted(text)]

    page.goto(f"{base}/room/")
    assert_text(page, names)
    for address in addresses(page)[:12]:
        page.goto(f"http://{hostile_server.host}{address}")
        expect(page.locator("#live-state")).to_have_attribute("data-state", "live")
        assert page.locator("h1 bdi").last.text_content() in [*names, ROOM]

    open_room(page, hostile_server, ROOM)
    expect(page.locator("#room-keys")).not_to_have_text("–")
    shown = page.locator("#entries").text_content() or ""
    assert [text for text in names if text not in shown] == []
    peers = page.locator("#peers").text_content() or ""
    assert [text for text in HOSTILE if text not in peers] == []
    assert_text(page, [])
    page.locator("#inspector summary").click()
    expect(page.locator("session-store-inspector")).to_be_visible()

    page.goto(f"{base}/session/")
    assert_text(page, [lines(text) for text in HOSTILE if accepted(text)])
    for address in addresses(page)[:20]:
        page.goto(f"http://{hostile_server.host}{address}")
        assert_text(page, [])
    page.goto(f"{base}/session/?filter=name+is+%22%3Cscript%3Ealert(1)%3C/script%3E%22")
    assert_text(page, [HOSTILE[0]])
    page.goto(f"{base}/session/?filter=%3Cscript%3Ealert(1)%3C/script%3E")
    assert_text(page, [HOSTILE[0]])

    page.goto(f"{base}/sitesession/")
    for address in addresses(page)[:60]:
        page.goto(f"http://{hostile_server.host}{address}")
        assert_text(page, [])
    page.goto(f"{base}/lock/")
    assert_text(page, names)
    for address in addresses(page)[:12]:
        page.goto(f"http://{hostile_server.host}{address}")
        assert_text(page, [])
    page.goto(f"{base}/node/")
    assert_text(page, [])
    page.goto(f"{base}/")
    page.fill("#by", "name")
    page.press("#by", "Enter")
    expect(page.locator("#bars li")).not_to_have_count(0)
    assert_text(page, [])
