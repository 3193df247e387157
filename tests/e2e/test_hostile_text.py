"""Names, meetings and messages that are markup, script or control characters are shown as the text they are."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from project.rooms_demo import canonical_name
from tests.e2e.conftest import Windows
from tests.e2e.sdk_page import SdkPage
from tests.e2e.window import Window
from tests.support.server import Server

pytestmark = pytest.mark.browser

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    '"><script>alert(1)</script>',
    "' onfocus='alert(1)' autofocus='",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "</title></h1><script>alert(1)</script>",
    "<style>*{display:none}</style>",
    "<base href='https://example.com/'>",
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "{{ 7*7 }}{% debug %}{{ request }}",
    "${alert(1)}`${7*7}`",
    "&lt;b&gt;&#x3c;script&#x3e;&amp;",
    "__proto__",
    "%3Cscript%3Ealert(1)%3C%2Fscript%3E",
    "\u202egnp.exe\u202c \u2066left\u2069",
    "bell\u0007 escape\u001b[31m delete\u007f next\u0085",
    "Z\u0335\u0322a\u0334\u0322l\u0338g\u0337o\u0336 \ufeff\u200b\u00ad",
    "אבג <b>شكرا</b> 👩‍👩‍👧‍👦🏳️‍🌈",
]
# Elements that the page itself never has.
_FOREIGN = "main script, main img, section img:not([src$='favicon.svg']), iframe, style, body base, h1 script"


def shown(text: str, length: int) -> str:
    """A name as the page promises to show it: one line, one form of each accent, no control characters."""
    line = re.sub(r"[\s\ufeff]+", " ", unicodedata.normalize("NFC", text).replace("\u0085", ""))
    return "".join(sign for sign in line if unicodedata.category(sign) != "Cc").strip()[:length].strip()


def test_there_are_twenty_of_them() -> None:
    assert len(set(HOSTILE)) == 20


def test_what_a_crafted_client_writes_is_shown_as_text(windows: Windows, server: Server, room: str) -> None:
    ann = windows.join(server, room, "Ann")
    mallory = _speaker(windows, server, ann, room)
    tile = ann.page.locator(f"[data-testid=tile][data-session='{mallory.session_id}']")
    for number, text in enumerate(HOSTILE):
        mallory.run(
            """
            await store.write([
              { key: `person/${session.id}`, value: { name: given.name, color: given.name } },
              { key: "pinned", value: [{ id: given.id, text: given.text, pinnedBy: given.text }] },
            ]);
            await room.broadcast("chat", { id: given.id, text: given.text, name: given.text });""",
            {"id": f"hostile-{number}", "text": text, "name": text[:40]},
        )
        message = ann.page.locator(f"[data-id=hostile-{number}]")
        expect(message).to_be_attached()
        assert message.locator(".message__text").text_content() == text
        assert ann.pins() == [text]
        assert ann.page.get_by_test_id("pin-by").text_content() == f"Pinned by {text}"
        name = shown(text, 40)
        assert tile.get_by_test_id("tile-name").text_content() == name
        assert message.locator(".message__name").text_content() == name
        label = tile.get_by_test_id("spotlight-button").get_attribute("aria-label")
        assert label == f"Put {name} in the spotlight"
    expect(ann.messages).to_have_count(len(HOSTILE))
    expect(ann.page.locator(_FOREIGN)).to_have_count(0)
    # Only web addresses become links, and a page behind one cannot reach back.
    links = ann.messages.locator("a")
    assert [link.get_attribute("href") for link in links.all()] == ["https://example.com/"]
    expect(links).to_have_attribute("rel", re.compile("noopener"))
    ann.say("all well")


def _speaker(windows: Windows, server: Server, host: Window, room: str) -> SdkPage:
    """A program in the meeting that has not said a name, and that the host made a speaker."""
    mallory = SdkPage(windows.page(), f"http://{server.host}")
    mallory.join(f"meeting/{room}")
    host.make_speaker("Guest")
    mallory.wait_until("session.roles.includes('speaker')")
    return mallory


def test_what_a_crafted_client_writes_in_other_types_is_refused_or_passed_over(
    windows: Windows, server: Server, room: str
) -> None:
    ann = windows.join(server, room, "Ann")
    mallory = _speaker(windows, server, ann, room)
    values: list[object] = [[], "text", 7, True, {"name": {"toString": "x"}}, [[[]]], [None, {"id": 1, "text": {}}]]
    taken = []
    for value in values:
        taken += mallory.run(
            """
            const taken = [];
            for (const key of [`person/${session.id}`, `hand/${session.id}`, "spotlight", "pinned", "person/", "hand/"])
              await store.set(key, given).then(() => taken.push([key.split("/")[0], given]), ({ reason }) => {
                if (reason !== (key === "spotlight" ? "ACCESS_DENIED" : "INVALID_VALUE")) throw new Error(reason);
              });
            for (const data of [given, { id: {}, text: "text" }, { id: "id", text: [given] }])
              await room.broadcast("chat", data);
            return taken;""",
            value,
        )
    # The second hand is nobody's, and goes by itself.
    assert taken == [["pinned", []], ["hand", 7], ["hand", 7]]
    mallory.run("""
      await store.delete(`hand/${session.id}`);
      await store.set("pinned", [{ id: "last", text: "the end", pinnedBy: "Mallory" }]);""")
    ann.expect_pins("the end")
    ann.expect_people("Ann", "Guest")
    ann.expect_spotlight(None)
    expect(ann.messages).to_have_count(0)
    ann.say("all well")


def test_names_and_meetings_given_at_the_door_are_shown_as_text(windows: Windows, server: Server) -> None:
    window = windows.open(server)
    for text in HOSTILE:
        # A link may bring the meeting's name.
        window.page.goto(f"{window.origin}/?room={quote(text)}")
        typed = window.page.get_by_test_id("room-input")
        assert typed.input_value() == canonical_name(text)
        typed.fill(text)
        window.page.get_by_test_id("name-input").fill(text)
        window.page.get_by_test_id("join-button").click()
        window.page.wait_for_url("**/meeting/**")
        name = window.own_tile.get_by_test_id("tile-name")
        expect(name).not_to_have_text("Guest")
        assert name.text_content() == shown(text, 40)
        room = shown(text.replace("/", "-"), 100)
        assert window.page.locator("h1.top__room").text_content() == room
        assert window.page.title() == f"{room} · Roundtable"
        expect(window.page.locator(_FOREIGN)).to_have_count(0)


def test_a_link_and_the_door_spell_a_meeting_alike(windows: Windows, server: Server) -> None:
    """Else a guest with the link would wait alone in a room of nearly the same name."""
    page = windows.open(server).page
    page.goto(f"http://{server.host}")
    spell = "async (text) => (await import('/static/meeting/roomname.js')).cleanRoom(text)"
    for text in (*HOSTILE, "\ufeffstandup", " stand  up ", "Cafe\u0301", "..", "..."):
        if "/" not in text:
            # Empty: the server refuses such a link.
            assert canonical_name(text) in {"", page.evaluate(spell, text)}


def test_a_script_that_got_in_would_be_noticed(windows: Windows, server: Server, room: str) -> None:
    """The other tests say something only if this is so."""
    window: Window = windows.join(server, room, "Ann")
    assert windows.complaints == []
    window.page.evaluate("""() => {
      document.body.insertAdjacentHTML("beforeend", "<img src='data:,' onerror=alert(1)><b style='color:red'>!</b>");
      const script = document.createElement("script");
      script.textContent = "alert(2)";
      document.body.append(script);
    }""")
    window.say("afterwards")
    told = [complaint for complaint in windows.complaints if complaint.startswith("console: policy violated:")]
    assert {"script-src-attr", "style-src-attr", "script-src-elem"} <= set(" ".join(told).split())
    assert not [complaint for complaint in windows.complaints if complaint.startswith("dialog")]
    windows.complaints.clear()
