"""The inspector shows what the page's session sees, live, as text, without secrets; and only where it is debugged."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import Windows
from tests.e2e.sdk_page import SdkPage
from tests.e2e.test_hostile_text import HOSTILE
from tests.e2e.window import Window
from tests.support.server import Server, running

pytestmark = pytest.mark.browser

PHONE: dict[str, Any] = {"viewport": {"width": 375, "height": 700}, "has_touch": True, "is_mobile": True}
_MODULE = "/static/sessionstore_app/inspector/index.js"
# What an inspector never has.
_FOREIGN = "script, img, iframe, style, base, link, a, [onload], [onerror], [onfocus], [style]"
# Names the animations of an inspector that begin from now on.
_HEAR_FLASHES = """(inspector) => {
  globalThis.flashes = [];
  const told = (event) => flashes.push([event.animationName, event.target.dataset.key]);
  inspector.shadowRoot.addEventListener("animationstart", told);
}"""
_FLASHES = """async () => {
  while (flashes.length < 2) await new Promise(requestAnimationFrame);
  return flashes;
}"""
# An inspector in a page that has nothing else but the policy of the demo; its socket carries what a test says.
_INLINE = """async ({ module, frames, labels }) => {
  const { Hub } = await import(module);
  const inspector = document.createElement("session-store-inspector");
  inspector.setAttribute("inline", "");
  inspector.hub = new Hub();
  inspector.labels = labels;
  document.body.replaceChildren(inspector);
  globalThis.reports = inspector.hub.begin();
  for (const [direction, data] of frames) reports.frame(direction, JSON.stringify(data), Date.now());
}"""
_ANSWER_TO_WATCH: list[Any] = [
    ["out", {"id": 1, "method": "room.watch", "params": {"room": "standup"}}],
    [
        "in",
        {
            "id": 1,
            "result": {
                "room": "standup",
                "epoch": "e1",
                "version": 7,
                "peers": [],
                "count": 0,
                "entries": [{"key": "topic", "masked": True, "bytes": 2048, "version": 7, "by": None, "at": None}],
            },
        },
    ],
]


class Inspector:
    """What a window's inspector shows."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.node = page.locator("session-store-inspector")
        self.toggle = page.get_by_test_id("inspect-toggle")
        self.frames = self.node.locator(".frame")

    def open(self) -> Inspector:
        self.toggle.click()
        expect(self.node).to_be_visible()
        return self

    def room(self, name: str) -> Locator:
        return self.node.locator(f"article[data-room={_quoted(name)}]")

    def key(self, key: str) -> Locator:
        return self.node.locator(f"tr[data-key={_quoted(key)}]")

    def version(self, key: str) -> int:
        return int(self.key(key).locator("[data-cell=version]").inner_text())

    def tab(self, name: str) -> None:
        self.node.locator(f"[data-tab={name}]").click()


def _quoted(text: str) -> str:
    return '"' + re.sub(r'["\\]|[^ -~]', lambda found: f"\\{ord(found[0]):x} ", text) + '"'


def _two(windows: Windows, server: Server, room: str, **options: Any) -> tuple[Window, Window, Inspector]:
    ann, bo = windows.join(server, room, "Ann", **options), windows.join(server, room, "Bo")
    return ann, bo, Inspector(ann.page).open()


def test_it_shows_the_connection_the_session_the_room_its_keys_and_peers(
    windows: Windows, server: Server, room: str
) -> None:
    ann, bo, inspector = _two(windows, server, room)
    expect(inspector.node.locator(".state")).to_have_text("open")
    expect(inspector.node.locator(".latency")).to_have_text(re.compile(r"^\d+ ms$"))
    session = inspector.node.locator("[data-pane=session]")
    expect(session).to_contain_text(ann.session_id)
    expect(session).to_contain_text("$ClientType")
    shown = inspector.room(f"meeting/{room}")
    expect(shown.locator("h3")).to_have_text(f"meeting/{room}")
    expect(shown.locator(".room__version")).to_have_text("2")
    expect(inspector.key(f"person/{ann.session_id}")).to_contain_text('"name":"Ann"')
    expect(inspector.key(f"person/{ann.session_id}")).to_contain_text("you")
    expect(inspector.key(f"person/{bo.session_id}")).to_contain_text(bo.session_id[:8])
    expect(shown.locator(".peer")).to_have_count(2)
    expect(shown.locator(".peer").first).to_contain_text("host")
    bo.leave()
    expect(shown.locator(".peer")).to_have_count(1)
    expect(inspector.key(f"person/{bo.session_id}")).to_have_count(0)


@pytest.mark.parametrize(("motion", "timing"), [("no-preference", "ease-out"), ("reduce", "steps(1)")])
def test_a_key_that_another_window_changes_flashes_and_its_version_rises(
    windows: Windows, server: Server, room: str, motion: str, timing: str
) -> None:
    ann, bo, inspector = _two(windows, server, room, reduced_motion=motion)
    ann.say("one")
    ann.pin("one")
    row = inspector.key("pinned")
    expect(row).to_contain_text("one")
    # Its first flash is over, and not heard.
    expect(row).not_to_have_attribute("data-flash", re.compile("."))
    before = inspector.version("pinned")
    inspector.node.evaluate(_HEAR_FLASHES)
    ann.make_speaker("Bo")
    bo.page.get_by_test_id("unpin-button").click()
    expect(row).to_contain_text("[]")
    assert inspector.version("pinned") > before
    bo.pin("one")
    expect(row).to_contain_text("Ann: one")
    (first, key), (second, same) = ann.page.evaluate(_FLASHES)
    assert (key, same) == ("pinned", "pinned")
    assert first != second
    flashing = "(node) => { node.dataset.flash = 'odd'; return getComputedStyle(node).animationTimingFunction; }"
    assert row.evaluate(flashing) == timing


def test_frames_are_listed_in_both_directions_and_open(windows: Windows, server: Server, room: str) -> None:
    ann, bo, inspector = _two(windows, server, room)
    bo.say("hello, inspector")
    heard = inspector.frames.filter(has_text="room.message").first
    expect(heard).to_have_attribute("data-direction", "in")
    heard.locator("summary").click()
    expect(heard.locator("pre")).to_contain_text('"text": "hello, inspector"')
    ann.hand_button.click()
    sent = inspector.frames.filter(has_text=f"hand/{ann.session_id}").and_(
        inspector.node.locator("[data-direction=out]")
    )
    expect(sent.locator(".method")).to_have_text("room.set")
    expect(sent.locator(".size")).to_have_text(re.compile(r"^\d+ B$"))
    times = inspector.frames.locator("time").evaluate_all("(nodes) => nodes.map((node) => node.dateTime)")
    assert len(times) > 5
    assert times == sorted(times, reverse=True)


def test_the_list_is_filtered_held_still_and_cleared(windows: Windows, server: Server, room: str) -> None:
    _, bo, inspector = _two(windows, server, room)
    bo.say("first")
    expect(inspector.frames.filter(has_text="room.message")).to_have_count(1)
    pause, clear = (inspector.node.locator(f"[data-act={act}]") for act in ("pause", "clear"))
    pause.click()
    bo.say("over and out")
    expect(inspector.node.locator(".tools .count")).to_have_text(re.compile(r"^\d+ new$"))
    expect(inspector.frames.filter(has_text="room.message")).to_have_count(1)
    pause.click()
    expect(inspector.frames.filter(has_text="room.message")).to_have_count(2)
    search = inspector.node.get_by_role("searchbox")
    search.fill("OVER and")
    expect(inspector.frames).to_have_count(1)
    search.fill("nothing has this")
    expect(inspector.node.get_by_text("No frame matches.")).to_be_visible()
    search.press("Escape")
    expect(search).to_have_value("")
    expect(inspector.node).to_be_visible()
    clear.click()
    expect(inspector.frames.filter(has_text="room.message")).to_have_count(0)


def test_a_frame_s_token_is_masked(windows: Windows, server: Server, room: str) -> None:
    ann = windows.join(server, room, "Ann")
    # A resumed session has sent a token as well.
    ann.reload()
    inspector = Inspector(ann.page).open()
    opened = inspector.frames.filter(has_text="session.open")
    expect(opened).to_have_count(2)
    for frame in opened.all():
        frame.locator("summary").click()
        expect(frame.locator("pre")).to_contain_text('"resume_token": "•••"')
    kept = ann.page.evaluate("(node) => JSON.stringify(node.hub.picture.frames)", inspector.node.element_handle())
    assert re.findall(r'resume_token\\":\\"([^"\\]*)', kept) == ["•••", "•••"]


def test_hostile_names_and_values_are_shown_as_text(windows: Windows, server: Server, room: str) -> None:
    ann = windows.join(server, room, "Ann", viewport={"width": 1280, "height": 720})
    mallory = SdkPage(windows.page(), f"http://{server.host}")
    mallory.join(f"meeting/{room}")
    ann.make_speaker("Guest")
    mallory.wait_until("session.roles.includes('speaker')")
    inspector = Inspector(ann.page).open()
    for text in HOSTILE:
        mallory.run(
            """
            await store.set("pinned", [{ id: "1", text: given }]);
            await room.broadcast(given, { [given]: given });""",
            text,
        )
        expect(inspector.key("pinned").locator(".value code").first).to_contain_text(_spelled(text))
    ann.page.evaluate("(node) => node.toggleAttribute('tall')", inspector.node.element_handle())
    inspector.frames.filter(has_text="room.message").first.locator("summary").click()
    assert inspector.node.evaluate("(node, list) => node.shadowRoot.querySelectorAll(list).length", _FOREIGN) == 0
    assert _overflow(inspector) == []


def _spelled(text: str) -> str:
    """As JSON, with what would turn other signs around spelled out."""
    turning = re.compile("[\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
    return turning.sub(lambda sign: f"\\u{ord(sign[0]):04x}", json.dumps(text, ensure_ascii=False))


def _overflow(inspector: Inspector) -> list[str]:
    """What is wider than the place it has."""
    found: list[str] = inspector.node.evaluate("""(node) => [...node.shadowRoot.querySelectorAll(".pane__body, .panel")]
      .filter((box) => box.scrollWidth > box.clientWidth + 1).map((box) => box.className)""")
    return found


def test_it_is_worked_by_the_keyboard(windows: Windows, server: Server, room: str) -> None:
    ann = windows.join(server, room, "Ann")
    inspector = Inspector(ann.page)
    inspector.toggle.focus()
    ann.page.keyboard.press("Enter")
    expect(inspector.node).to_be_visible()
    expect(inspector.toggle).to_have_attribute("aria-expanded", "true")
    assert inspector.node.evaluate("(node) => node.shadowRoot.activeElement.textContent") == "Session store inspector"
    for _ in range(3):
        ann.page.keyboard.press("Tab")
    assert inspector.node.evaluate("(node) => node.contains(document.activeElement)")
    ann.page.keyboard.press("Escape")
    expect(inspector.node).to_be_hidden()
    expect(inspector.toggle).to_be_focused()
    expect(inspector.toggle).to_have_attribute("aria-expanded", "false")


def test_nothing_is_rendered_while_it_is_closed(windows: Windows, server: Server, room: str) -> None:
    ann, bo = windows.join(server, room, "Ann"), windows.join(server, room, "Bo")
    inspector = Inspector(ann.page)
    bo.say("hello")
    ann.expect_heard("hello")
    assert inspector.node.evaluate("(node) => node.shadowRoot.querySelectorAll('li, tbody tr, dd').length") == 0
    inspector.open()
    expect(inspector.frames.filter(has_text="room.message")).to_have_count(1)
    # Many changes are drawn at once, and never more often than the screen is.
    drawn = inspector.node.evaluate("""async (node) => {
      const reports = node.hub.begin();
      let drawings = 0;
      const observer = new MutationObserver(() => drawings++);
      observer.observe(node.shadowRoot.querySelector(".frames"), { childList: true });
      for (let i = 0; i < 5000; i++) reports.frame("in", '{"method":"x"}', i);
      await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
      return [drawings, node.shadowRoot.querySelectorAll(".frame").length];
    }""")
    assert drawn == [1, 200]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_light_or_dark_as_the_system_is(windows: Windows, server: Server, room: str, scheme: str) -> None:
    inspector = Inspector(windows.join(server, room, "Ann", color_scheme=scheme).page).open()
    ground, ink = inspector.node.evaluate(
        "(node) => ['backgroundColor', 'color'].map((n) => getComputedStyle(node)[n])"
    )
    lightness = [sum(map(int, re.findall(r"\d+", color)[:3])) / 765 for color in (ground, ink)]
    assert (lightness[0] > 0.9) is (scheme == "light")
    assert abs(lightness[0] - lightness[1]) > 0.7


def test_on_a_phone_it_is_a_sheet_from_below(windows: Windows, server: Server, room: str) -> None:
    ann, _, inspector = _two(windows, server, room, **PHONE)
    box = inspector.node.bounding_box()
    assert box is not None
    assert (box["x"], box["width"], round(box["y"] + box["height"])) == (0, 375, 700)
    for pane, content in (("session", "dl"), ("rooms", "table"), ("frames", ".frames")):
        inspector.tab(pane)
        expect(inspector.node.locator(f"[data-pane={pane}] {content}").first).to_be_visible()
        expect(inspector.node.locator(".pane:visible")).to_have_count(1)
        assert _overflow(inspector) == []
    frame = inspector.frames.filter(has_text="room.join").first
    frame.locator("summary").tap()
    expect(frame.locator("pre")).to_contain_text(f'"room": "meeting/{room}"')
    for button in inspector.node.locator("button:visible").all():
        size = button.bounding_box()
        assert size is not None
        assert min(size["width"], size["height"]) >= 36
    inspector.node.locator("[data-act=close]").tap()
    expect(inspector.node).to_be_hidden()
    ann.hand_button.click()


def _embedded(windows: Windows, server: Server, frames: list[Any], **labels: str) -> Inspector:
    page = windows.page()
    page.goto(f"http://{server.host}/")
    page.evaluate(_INLINE, {"module": _MODULE, "frames": frames, "labels": labels})
    inspector = Inspector(page)
    expect(inspector.node).to_be_visible()
    return inspector


def test_whatever_a_frame_names_is_shown_as_text(windows: Windows, server: Server) -> None:
    frames: list[Any] = []
    for number, text in enumerate(HOSTILE):
        by = {"session_id": text, "principal": text}
        peer = {**by, "roles": [text], "properties": {text: text}, "state": text, "joined_at": text}
        entry = {"key": text, "value": {text: [text]}, "version": 1, "by": by, "at": text}
        opened = {"session_id": text, "principal": text, "roles": [text], "permissions": [text], "server_name": text}
        joined = {"room": text, "epoch": text, "version": 1, "peers": [peer], "count": 1, "entries": [entry]}
        frames += [
            ["out", {"id": f"o{number}", "method": "session.open", "params": {}}],
            ["in", {"id": f"o{number}", "result": {**opened, "properties": {text: text}}}],
            ["out", {"id": f"j{number}", "method": "room.watch", "params": {"room": text}}],
            ["in", {"id": f"j{number}", "result": joined}],
            ["in", {"method": text, "params": {"room": text, "event": text}}],
        ]
    # A session that opens has none of the rooms of the one before.
    frames.sort(key=lambda frame: not str(frame[1].get("id", "")).startswith("o"))
    inspector = _embedded(windows, server, frames)
    expect(inspector.node.locator("article h3")).to_have_count(len(HOSTILE))
    assert inspector.node.locator("article h3").all_text_contents() == HOSTILE
    assert inspector.node.locator("tbody th").all_text_contents() == HOSTILE
    assert inspector.node.locator("td bdi").all_text_contents() == [*HOSTILE[:-1], "you"]
    assert inspector.node.locator(".peer b").all_text_contents() == HOSTILE
    inspector.node.locator(".value summary").last.click()
    assert _overflow(inspector) == []
    assert inspector.node.locator(".frame .method").all_text_contents().count(HOSTILE[0]) == 1
    assert inspector.node.evaluate("(node, list) => node.shadowRoot.querySelectorAll(list).length", _FOREIGN) == 0


def test_a_page_embeds_it_and_masked_values_are_never_shown(windows: Windows, server: Server) -> None:
    inspector = _embedded(windows, server, _ANSWER_TO_WATCH, rooms="Räume", watched="<b>beobachtet")
    assert inspector.node.evaluate("(node) => getComputedStyle(node).position") == "static"
    expect(inspector.node.locator("[data-act=close]")).to_be_hidden()
    expect(inspector.node.locator("#rooms-title")).to_have_text("Räume")
    expect(inspector.room("standup")).to_contain_text("<b>beobachtet")
    expect(inspector.key("topic").locator(".value")).to_have_text("•••masked, 2.0 KB")
    inspector.page.evaluate("reports.closed(4013)")
    expect(inspector.node.locator(".state")).to_have_text("closed")
    expect(inspector.node.locator(".detail")).to_have_text("4013 EXPIRED")


def test_the_bar_tells_of_a_lost_connection_and_of_writes_that_wait(
    windows: Windows, server: Server, room: str
) -> None:
    ann = windows.join(server, room, "Ann")
    inspector = Inspector(ann.page).open()
    ann.page.context.set_offline(True)
    ann.expect_lost()
    expect(inspector.node.locator(".state")).to_have_text("reconnecting")
    ann.hand_button.click()
    expect(inspector.node.locator(".detail")).to_contain_text("1 writes wait")
    ann.page.context.set_offline(False)
    expect(inspector.node.locator(".state")).to_have_text("open")
    expect(inspector.key(f"hand/{ann.session_id}")).to_be_visible()


def test_without_debug_there_is_no_toggle_and_nothing_of_it_is_loaded(windows: Windows, room: str) -> None:
    with running(environment={"DEBUG": "0"}) as server:
        window = windows.open(server)
        requested: list[str] = []
        window.page.on("request", lambda request: requested.append(request.url))
        window.join(room, "Ann")
        window.say("hello")
        expect(window.page.locator("#inspect-toggle, session-store-inspector")).to_have_count(0)
        assert [url for url in requested if "/sdk/index.js" in url]
        assert [url for url in requested if "inspect" in url] == []
        window.leave()
