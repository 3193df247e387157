"""Beside three windows with three roles, a raw socket: it cannot do what no button of a guest does (P46)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from sessionstore_app import mint_token
from tests.e2e.conftest import Trio
from tests.e2e.crafted import Crafted, crafted
from tests.e2e.window import Window
from tests.support.http import Http
from tests.support.server import Server
from tests.support.wire import Params, refusal_of

pytestmark = pytest.mark.browser

# Over HTTP one is somebody in a room by what a token grants.
TOKEN = mint_token("mallory", rooms={"meeting/*": ["guest"]}, expires_in=86_400)


@pytest.fixture
def mallory(server: Server, room: str, trio: Trio) -> Iterator[Crafted]:
    """A fourth in the room, a guest, whose name nobody knows."""
    with crafted(server, f"meeting/{room}", token=TOKEN) as client:
        for window in trio:
            window.expect_people("Ann", "Bo", "Cy", "Guest")
        yield client


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


def _expect_nothing_of_it(trio: Trio, before: list[dict[str, Any]]) -> None:
    ann, bo, cy = trio
    # Had anything been told, it would have come before this.
    ann.say("all well")
    for window in (bo, cy):
        window.expect_heard("all well")
    expect(ann.notes).to_have_value("")
    after = [_shown(window) for window in trio]
    for shown, shown_before in zip(after, before, strict=True):
        new = shown["pinning"] - shown_before["pinning"]
        assert new == (1 if shown["role"] != "Guest" else 0)
        assert {**shown, "pinning": 0} == {**shown_before, "pinning": 0}


def test_p46_a_raw_socket_is_refused_what_no_button_of_a_guest_does(trio: Trio, room: str, mallory: Crafted) -> None:
    ann, bo, _ = trio
    bo.hand_button.click()
    ann.spotlight("Bo")
    for window in trio:
        window.expect_hands("Bo")
        window.expect_spotlight("Bo")
    before = [_shown(window) for window in trio]
    version = mallory.call("room.snapshot", room=f"meeting/{room}")["version"]
    for method, reason, params in _attempts(f"meeting/{room}", mallory.session_id, bo.session_id):
        error = mallory.refused(method, reason, **params)
        if reason == "INVALID_VALUE":
            assert params["key"] in error["data"]["hint"], params
        if "key" in params and reason == "ACCESS_DENIED":
            rule = error["data"]["rule"]
            assert (rule["room_type"], rule["key"]) == ("Meeting", params["key"]), params
    ignored = mallory.call("session.set_properties", properties={"muted": "yes", "$Roles": '"host"'})
    assert sorted(ignored["ignored"]) == ["$Roles", "muted"]
    assert mallory.call("room.snapshot", room=f"meeting/{room}")["version"] == version
    _expect_nothing_of_it(trio, before)


def test_p46_nor_is_it_to_be_had_over_http(trio: Trio, room: str, server: Server, mallory: Crafted) -> None:
    _, bo, _ = trio
    bo.hand_button.click()
    for window in trio:
        window.expect_hands("Bo")
    before = [_shown(window) for window in trio]
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
    _expect_nothing_of_it(trio, before)


def test_p46_what_is_written_in_another_s_name_counts_for_nothing_and_goes(
    trio: Trio, room: str, mallory: Crafted
) -> None:
    """Where nothing is yet, there is no owner who could be asked."""
    ann, _, cy = trio
    key = f"hand/{cy.session_id}"
    mallory.call("room.set", room=f"meeting/{room}", key=key, value=1)
    mallory.do(lambda wire: wire.expect_change(key, None))
    for window in trio:
        window.expect_hands()
    cy.hand_button.click()
    for window in trio:
        window.expect_hands("Cy")
    expect(ann.alarms).to_have_count(0)


def test_what_a_guest_may_do_a_raw_socket_may_too(trio: Trio, room: str, mallory: Crafted) -> None:
    """Else the refusals above would say nothing of rights."""
    me = mallory.session_id
    mallory.call("room.set", room=f"meeting/{room}", key=f"person/{me}", value={"name": "Mal", "color": "plum"})
    mallory.call("room.set", room=f"meeting/{room}", key=f"hand/{me}", value=1)
    mallory.call("room.broadcast", room=f"meeting/{room}", event="chat", data={"id": "m1", "text": "hello"})
    for window in trio:
        window.expect_hands("Mal")
        window.expect_heard("hello")
    mallory.call("session.close")
    for window in trio:
        window.expect_hands()
        window.expect_people("Ann", "Bo", "Cy")


def test_p46_a_second_program_does_not_talk_the_first_host_out_of_its_role(
    trio: Trio, room: str, mallory: Crafted
) -> None:
    """Who joins again, or opens another session, is a guest again."""
    ann, _, _ = trio
    mallory.call("room.leave", room=f"meeting/{room}")
    joined = mallory.call("room.join", room=f"meeting/{room}")
    assert (joined["roles"], joined["type"]) == (["guest"], "Meeting")
    expect(ann.tiles.get_by_test_id("tile-host")).to_have_count(1)
