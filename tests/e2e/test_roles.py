"""Three windows with three roles: each is offered what its role may do, and no more is to be had with a raw socket."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from sessionstore_app import mint_token
from tests.e2e.conftest import Windows
from tests.e2e.crafted import Crafted, crafted
from tests.e2e.window import Window
from tests.support.http import Http
from tests.support.server import Server
from tests.support.wire import Params, refusal_of

pytestmark = pytest.mark.browser

Table = tuple[Window, Window, Window]
PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
# Over HTTP one is somebody in a room by what a token grants.
TOKEN = mint_token("mallory", rooms={"meeting/*": ["guest"]}, expires_in=86_400)


@pytest.fixture(scope="module")
def three_windows(kept_windows: Windows, server: Server) -> Table:
    """Three windows that meet in another room in each test, as other sessions."""
    return kept_windows.open(server), kept_windows.open(server), kept_windows.open(server)


@pytest.fixture
def table(three_windows: Table, kept_windows: Windows, room: str) -> Iterator[Table]:
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


@pytest.fixture
def mallory(server: Server, room: str, table: Table) -> Iterator[Crafted]:
    """A fourth in the room, a guest, whose name nobody knows."""
    with crafted(server, f"meeting/{room}", token=TOKEN) as client:
        for window in table:
            window.expect_people("Ann", "Bo", "Cy", "Guest")
        yield client


# --- what is offered


def test_each_window_offers_what_its_role_may_do(table: Table) -> None:
    ann, bo, cy = table
    roles = {"Host": ann, "Speaker": bo, "Guest": cy}
    for role, window in roles.items():
        window.expect_role(role)
        expect(window.role).to_have_accessible_name(f"Your role: {role}. What each role may do")
        expect(window.page.get_by_test_id("spotlight-button")).to_have_count(3 if window is ann else 0)
        window.expect_pinning(window is not cy)
        expect(window.hand_button).to_be_enabled()
        expect(window.page.get_by_test_id("chat-input")).to_be_enabled()
    for window in (bo, cy):
        window.open_people()
        window.expect_rows(window.name, *sorted({"Ann", "Bo", "Cy"} - {window.name}))
        expect(window.rows.get_by_role("button")).to_have_count(0)
        expect(window.notes).to_be_hidden()
        expect(window.page.get_by_test_id("filter-input")).to_be_hidden()
    expect(ann.notes).to_be_visible()
    expect(ann.rows.get_by_role("button")).to_have_count(2 + 4 + 4)


def test_what_is_offered_works(table: Table) -> None:
    ann, bo, cy = table
    bo.pin("Cy is here")
    cy.hand_button.click()
    ann.spotlight("Cy")
    for window in table:
        window.expect_pins("Cy: Cy is here", "Ann: Ann is here")
        window.expect_hands("Cy")
        window.expect_spotlight("Cy")
    bo.page.get_by_test_id("unpin-button").click()
    cy.expect_pins("Ann: Ann is here")
    for window in table:
        expect(window.alarms).to_have_count(0)


def test_a_guest_made_a_speaker_pins_at_once_and_no_longer_when_that_is_taken(table: Table) -> None:
    ann, _, cy = table
    cy.expect_pinning(False)
    ann.press("speaker", "Cy")
    cy.expect_role("Speaker")
    cy.expect_pinning(True)
    cy.pin("Bo is here")
    ann.expect_pins("Bo: Bo is here", "Ann: Ann is here")
    pin = cy.message("Bo is here").get_by_test_id("pin-button")
    pin.focus()
    ann.press("speaker", "Cy")
    cy.expect_role("Guest")
    cy.expect_pinning(False)
    # The keyboard is in the log, not at the top of the page.
    expect(cy.page.get_by_role("log", name="Messages")).to_be_focused()
    # Nor does a reload bring it back.
    cy.reload()
    cy.expect_role("Guest")
    cy.expect_pinning(False)


def test_the_page_asks_the_server_what_it_may_do(windows: Windows, server: Server, room: str, table: Table) -> None:
    ann, _, _ = table
    sent: list[str] = []
    late = windows.open(server)
    late.page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(str(frame))))
    late.join(room, "Dee")

    def asked() -> int:
        return sum("room.can" in frame for frame in sent)

    assert asked() == 3
    ann.press("speaker", "Dee")
    late.expect_pinning(True)
    assert asked() == 6


def test_what_was_clicked_while_the_right_was_taken_is_refused_in_words(table: Table) -> None:
    ann, bo, _ = table
    bo.page.context.set_offline(True)
    bo.expect_lost()
    bo.pin("Cy is here")
    expect(bo.connection).to_have_attribute("data-pending", "1")
    ann.press("speaker", "Bo")
    expect(ann.row("Bo").get_by_test_id("chip-speaker")).to_have_count(0)
    bo.page.context.set_offline(False)
    bo.expect_connected()
    expect(bo.alarms).to_have_text(
        "You may not write pinned here. It takes role host or role speaker; your roles: guest."
    )
    bo.expect_role("Guest")
    bo.expect_pinning(False)
    ann.expect_pins("Ann: Ann is here")


def test_a_host_lowers_a_hand(table: Table) -> None:
    ann, bo, cy = table
    bo.hand_button.click()
    cy.hand_button.click()
    ann.expect_hands("Bo", "Cy")
    expect(ann.row("Ann").get_by_test_id("row-hand")).to_have_count(0)
    ann.press("hand", "Bo")
    for window in table:
        window.expect_hands("Cy")
    expect(bo.hand_button).to_have_attribute("aria-pressed", "false")
    bo.hand_button.click()
    ann.expect_hands("Cy", "Bo")


def test_the_notes_of_the_host_are_told_to_nobody_else(windows: Windows, server: Server, room: str) -> None:
    ann, bo = windows.join(server, room, "Ann"), windows.open(server)
    frames: list[str] = []
    bo.page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: frames.append(str(frame))))
    bo.join(room, "Bo")
    ann.open_people()
    ann.notes.fill("Ask about the date")
    ann.notes.press("Tab")
    ann.expect_connected()
    ann.say("shall we begin?")
    bo.expect_heard("shall we begin?")
    assert frames
    assert not any("Ask about" in frame for frame in frames)
    ann.reload()
    expect(ann.notes).to_have_value("Ask about the date")


# --- what a raw socket is refused


def _attempts(room: str, me: str, bo: str) -> list[tuple[str, str, dict[str, Any]]]:
    """All that no button of a guest does: method, reason, parameters. Bo has a hand up."""
    pin, person = {"id": "x", "text": "forged"}, {"name": "Forged"}
    denied, no_key, no_value = "ACCESS_DENIED", "INVALID_KEY", "INVALID_VALUE"
    in_room = {"room": room}
    of_bo = {**in_room, "session_id": bo}
    of_me = {**in_room, "session_id": me}
    of_all = {**in_room, "filter": "all"}
    return [
        ("room.set", denied, {**in_room, "key": "spotlight", "value": me}),
        ("room.set", denied, {**in_room, "key": "spotlight", "value": bo}),
        ("room.delete", denied, {**in_room, "key": "spotlight"}),
        ("room.set", denied, {**in_room, "key": "pinned", "value": [pin]}),
        ("room.update", denied, {**in_room, "key": "pinned", "do": "append", "item": pin}),
        ("room.update", denied, {**in_room, "key": "pinned", "do": "remove", "where": {"pinnedBy": "Ann"}}),
        ("room.delete", denied, {**in_room, "key": "pinned"}),
        ("room.write", denied, {**in_room, "ops": [{"key": f"hand/{me}", "value": 1}, {"key": "pinned", "value": []}]}),
        ("room.set", denied, {**in_room, "key": f"hand/{bo}", "value": 1}),
        ("room.delete", denied, {**in_room, "key": f"hand/{bo}"}),
        ("room.update", denied, {**in_room, "key": f"hand/{bo}", "do": "increment"}),
        ("room.set", denied, {**in_room, "key": f"person/{bo}", "value": person}),
        ("room.update", denied, {**in_room, "key": f"person/{bo}", "do": "merge", "patch": person}),
        ("room.delete", denied, {**in_room, "key": f"person/{bo}"}),
        ("room.set", denied, {**in_room, "key": f"removed/{bo}", "value": True}),
        ("room.set", denied, {**in_room, "key": "notes", "value": "forged"}),
        ("room.get", denied, {**in_room, "key": "notes"}),
        ("room.snapshot", denied, {**in_room, "keys": ["notes"]}),
        ("room.observe", denied, {**in_room, "keys": ["notes"]}),
        ("room.set", no_key, {**in_room, "key": "topic", "value": "forged"}),
        ("room.set", no_key, {**in_room, "key": "spotlights", "value": me}),
        ("room.set", no_key, {**in_room, "key": "__proto__", "value": {}}),
        ("room.set", no_value, {**in_room, "key": f"hand/{me}", "value": "up"}),
        ("room.set", no_value, {**in_room, "key": f"person/{me}", "value": []}),
        ("room.set", no_value, {**in_room, "key": f"person/{me}", "value": {"name": 7}}),
        ("room.set", no_value, {**in_room, "key": f"person/{me}", "value": {"name": "x" * 41}}),
        ("room.set", no_value, {**in_room, "key": f"person/{me}", "value": {**person, "role": "host"}}),
        ("room.clear", denied, in_room),
        ("room.watch", denied, in_room),
        ("session.change_roles", denied, {**of_me, "add": ["host"]}),
        ("session.change_roles", denied, {**of_me, "add": ["speaker"]}),
        ("session.change_roles", denied, {"session_id": me, "add": ["host"]}),
        ("session.change_roles", denied, {**of_bo, "remove": ["speaker"]}),
        ("session.terminate", denied, of_bo),
        ("session.terminate", denied, of_all),
        ("session.terminate", denied, {"session_id": bo}),
        ("session.set_properties", denied, {**of_bo, "properties": {"muted": "yes"}}),
        ("session.set_properties_by_filter", denied, {**of_all, "properties": {"name": "Forged"}}),
        ("session.list", denied, of_all),
        ("session.count", denied, of_all),
        ("session.listen", denied, of_all),
        ("session.get_properties", denied, {**of_bo, "properties": ["*F"]}),
        ("session.send", denied, {**of_bo, "event": "chat"}),
        ("session.observe_for", denied, {**of_bo, "keys": ["notes"]}),
        ("lock.acquire", denied, {"name": room}),
    ]


# What needs a socket: over HTTP there is no such method.
_OF_SOCKETS = frozenset({"room.observe", "room.watch", "session.listen", "session.observe_for", "lock.acquire"})


def _shown(window: Window) -> dict[str, Any]:
    """All that a window shows of the meeting, but for the chat."""
    page = window.page
    return {
        "people": sorted(page.get_by_test_id("tile-name").all_inner_texts()),
        "badges": sorted(window.tiles.locator(".tile__badges").all_inner_texts()),
        "stage": window.stage.get_attribute("data-session"),
        "pins": window.pins(),
        "role": window.role.inner_text(),
        "pinning": page.locator("[data-testid=pin-button]:not([hidden])").count(),
        "toasts": window.alarms.count(),
        "ended": window.ended.is_visible(),
    }


def _expect_nothing_of_it(table: Table, before: list[dict[str, Any]]) -> None:
    ann, bo, cy = table
    # Had anything been told, it would have come before this.
    ann.say("all well")
    for window in (bo, cy):
        window.expect_heard("all well")
    expect(ann.notes).to_have_value("")
    after = [_shown(window) for window in table]
    for shown, shown_before in zip(after, before, strict=True):
        new = shown["pinning"] - shown_before["pinning"]
        assert new == (1 if shown["role"] != "Guest" else 0)
        assert {**shown, "pinning": 0} == {**shown_before, "pinning": 0}


def test_p46_a_raw_socket_is_refused_what_no_button_of_a_guest_does(table: Table, room: str, mallory: Crafted) -> None:
    ann, bo, _ = table
    bo.hand_button.click()
    ann.spotlight("Bo")
    for window in table:
        window.expect_hands("Bo")
        window.expect_spotlight("Bo")
    before = [_shown(window) for window in table]
    version = mallory.call("room.snapshot", room=f"meeting/{room}")["version"]
    for method, reason, params in _attempts(f"meeting/{room}", mallory.session_id, bo.session_id):
        error = mallory.refused(method, reason, **params)
        if "key" in params and reason == "ACCESS_DENIED":
            rule = error["data"]["rule"]
            assert (rule["room_type"], rule["key"]) == ("Meeting", params["key"]), params
    ignored = mallory.call("session.set_properties", properties={"muted": "yes", "$Roles": '"host"'})
    assert sorted(ignored["ignored"]) == ["$Roles", "muted"]
    assert mallory.call("room.snapshot", room=f"meeting/{room}")["version"] == version
    _expect_nothing_of_it(table, before)


def test_p46_nor_is_it_to_be_had_over_http(table: Table, room: str, server: Server, mallory: Crafted) -> None:
    ann, bo, _ = table
    bo.hand_button.click()
    ann.expect_hands("Bo")
    before = [_shown(window) for window in table]
    version = mallory.call("room.snapshot", room=f"meeting/{room}")["version"]
    attempts = _attempts(f"meeting/{room}", mallory.session_id, bo.session_id)

    async def attempt(_: object) -> list[tuple[str, Params]]:
        door = Http(server.host, TOKEN)
        return [
            (reason, await door.ask(method, **params))
            for method, reason, params in attempts
            if method not in _OF_SOCKETS
        ]

    answers = mallory.do(attempt)
    assert len(answers) > 30
    for reason, reply in answers:
        refusal_of(reply, reason)
    assert mallory.call("room.snapshot", room=f"meeting/{room}")["version"] == version
    _expect_nothing_of_it(table, before)


def test_p46_what_is_written_in_another_s_name_counts_for_nothing_and_goes(
    table: Table, room: str, mallory: Crafted
) -> None:
    """Where nothing is yet, there is no owner who could be asked."""
    ann, _, cy = table
    key = f"hand/{cy.session_id}"
    mallory.call("room.set", room=f"meeting/{room}", key=key, value=1)
    mallory.do(lambda wire: wire.expect_change(key, None))
    for window in table:
        window.expect_hands()
    cy.hand_button.click()
    for window in table:
        window.expect_hands("Cy")
    expect(ann.alarms).to_have_count(0)


def test_what_a_guest_may_do_a_raw_socket_may_too(table: Table, room: str, mallory: Crafted) -> None:
    """Else the refusals above would say nothing of rights."""
    me = mallory.session_id
    mallory.call("room.set", room=f"meeting/{room}", key=f"person/{me}", value={"name": "Mal", "color": "plum"})
    mallory.call("room.set", room=f"meeting/{room}", key=f"hand/{me}", value=1)
    mallory.call("room.broadcast", room=f"meeting/{room}", event="chat", data={"id": "m1", "text": "hello"})
    for window in table:
        window.expect_hands("Mal")
        window.expect_heard("hello")
    mallory.call("session.close")
    for window in table:
        window.expect_hands()
        window.expect_people("Ann", "Bo", "Cy")


def test_p46_a_second_program_does_not_talk_the_first_host_out_of_its_role(
    table: Table, room: str, mallory: Crafted
) -> None:
    """Who joins again, or opens another session, is a guest again."""
    ann, _, _ = table
    mallory.call("room.leave", room=f"meeting/{room}")
    joined = mallory.call("room.join", room=f"meeting/{room}")
    assert (joined["roles"], joined["type"]) == (["guest"], "Meeting")
    expect(ann.tiles.get_by_test_id("tile-host")).to_have_count(1)


# --- what each role may do, in words


def test_the_page_says_what_each_role_may_do(table: Table) -> None:
    _, _, cy = table
    cy.role.click()
    dialog = cy.page.get_by_role("dialog", name="What each role may do")
    expect(dialog.get_by_role("columnheader")).to_have_text(["What", "Host", "Speaker", "Guest"])

    def cells(what: str) -> list[str]:
        return dialog.locator(f'tr[data-what="{what}"] td').all_inner_texts()

    assert cells("pinned") == ["reads, writes", "reads, writes", "reads"]
    assert cells("spotlight") == ["reads, writes", "reads", "reads"]
    assert cells("hand/*") == ["reads, writes", "reads, writes own", "reads, writes own"]
    assert cells("notes") == ["reads, writes", "–", "–"]
    assert cells("removed/*") == ["reads"] * 3
    assert cells("modify_session") == ["yes", "–", "–"]
    own, others = (
        dialog.locator(f'tr[data-what="pinned"] td[data-of="{role}"]').evaluate(
            "(cell) => getComputedStyle(cell).backgroundColor"
        )
        for role in ("guest", "host")
    )
    assert own != others
    cy.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(cy.role).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_nothing_of_it_is_cut_off(windows: Windows, server: Server, room: str, scheme: str) -> None:
    phone = windows.open(server, **PHONE, color_scheme=scheme)
    phone.page.goto(phone.origin)
    phone.page.get_by_role("link", name="Who may do what").click()
    expect(phone.page.get_by_role("heading", level=1)).to_have_text("What each role may do")
    assert phone.page.evaluate("document.documentElement.scrollWidth") == 360
    phone.join(room, "Ann")
    phone.expect_role("Host")
    expect(phone.page.locator("h1.top__room")).to_have_text(room)
    phone.role.click()
    dialog = phone.page.get_by_test_id("rights-dialog")
    assert dialog.evaluate("(node) => node.scrollWidth <= node.clientWidth")
    assert dialog.evaluate("(node) => node.scrollTop") == 0
    dialog.get_by_role("button", name="Done").click()
    expect(dialog).to_be_hidden()
