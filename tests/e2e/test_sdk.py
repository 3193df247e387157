"""The SDK in a real browser, without the meeting page around it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.conftest import Windows
from tests.e2e.sdk_page import SdkPage
from tests.support.server import Server, running

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def two_pages(kept_windows: Windows, server: Server) -> tuple[SdkPage, SdkPage]:
    """Two pages, each with a session that joins another room in each test."""
    ann, bo = (SdkPage(kept_windows.page(), f"http://{server.host}") for _ in range(2))
    return ann, bo


@pytest.fixture
def ann(two_pages: tuple[SdkPage, SdkPage], kept_windows: Windows, room: str) -> Iterator[SdkPage]:
    """The first in the room, observing everything."""
    ann, _ = two_pages
    ann.join(room, observe=["*"])
    yield ann
    ann.run("await room.leave()")
    assert kept_windows.complaints == []


@pytest.fixture
def bo(two_pages: tuple[SdkPage, SdkPage], room: str, ann: SdkPage) -> Iterator[SdkPage]:
    """The second in the room, observing everything."""
    _, bo = two_pages
    bo.join(room, observe=["*"])
    yield bo
    bo.run("await room.leave()")


def test_prototypes_are_frozen_beforehand(ann: SdkPage) -> None:
    assert ann.run("return [Object, Array, Map].every((type) => Object.isFrozen(type.prototype))")


def test_a_joined_room_tells_who_is_there(ann: SdkPage, bo: SdkPage, room: str) -> None:
    assert ann.run("return [session.state, session.resumed, room.name, room.joined]") == ["open", False, room, True]
    ann.wait_until("room.peers.count === 2")
    ids = ann.run("return room.peers.list.map((peer) => peer.session_id)")
    assert ids == [ann.session_id, bo.session_id]
    assert ann.run("return room.roles") == ["host"]
    assert bo.run("return room.roles") == ["guest"]


def test_h20_set_and_get(ann: SdkPage, bo: SdkPage) -> None:
    value = {"text": "Grüße, 世界 🎈", "list": [0, False, "", [], {}], "number": -1.5}
    entry = ann.run("return store.set('note', given)", value)
    assert (entry["key"], entry["value"], entry["by"]["session_id"]) == ("note", value, ann.session_id)
    assert bo.run("return store.get('note')") == value
    bo.wait_until("store.value('note')?.number === -1.5")


def test_h21_set_without_a_value_deletes(ann: SdkPage, bo: SdkPage) -> None:
    ann.run("await store.set('note', 1); await store.set('note')")
    assert bo.run("return store.get('note')") is None


@pytest.mark.parametrize("value", [0, False, "", [], {}])
def test_p6_a_falsy_value_is_a_value(ann: SdkPage, bo: SdkPage, value: object) -> None:
    ann.run("await store.set('note', given)", value)
    bo.wait_until("values.has('note')")
    assert bo.run("return store.value('note')") == value


def test_p1_updates_are_computed_by_the_server(ann: SdkPage, bo: SdkPage) -> None:
    tenfold = "held.racing = Promise.all(Array.from({ length: 10 }, () => store.update('count', { do: 'increment' })));"
    for page in (ann, bo):
        page.run(tenfold)
    for page in (ann, bo):
        page.run("await held.racing")
    assert bo.run("return store.get('count')") == 20
    append = {"do": "append", "item": {"id": "a"}, "cap": 3, "unique": "id"}
    for page in (ann, bo):
        page.run("await store.update('list', given)", append)
    assert ann.run("return store.get('list')") == [{"id": "a"}]


def test_h43_observers_get_the_present_value_and_then_changes(ann: SdkPage, bo: SdkPage) -> None:
    ann.run("await store.set('hand/1', 'up')")
    bo.wait_until("values.get('hand/1') === 'up'")
    bo.run("""
      held.late = [];
      held.stop = store.observe(['hand/*', 'spotlight'], ({ key, value }, { initial, own }) =>
        held.late.push([key, value, initial, own]));""")
    bo.wait_until("held.late.length === 2")
    ann.run("await store.set('hand/1', 'down')")
    bo.wait_until("held.late.length === 3")
    assert bo.run("return held.late.toSorted((one, other) => other[2] - one[2])") == [
        ["hand/1", "up", True, False],
        ["spotlight", None, True, False],
        ["hand/1", "down", False, False],
    ]
    bo.run("held.stop(); await store.set('hand/1', 'up')")
    # The other observer of the same keys goes on (P3).
    bo.wait_until("values.get('hand/1') === 'up'")
    assert bo.run("return held.late.length") == 3


def test_errors_have_types(ann: SdkPage) -> None:
    too_large = ann.refusal("await store.set('note', 'x'.repeat(1023))")
    assert too_large["isTyped"]
    assert (too_large["isNamed"], too_large["reason"]) == ("ValueTooLarge", "VALUE_TOO_LARGE")
    assert (too_large["limit"], too_large["actual"]) == (1024, 1025)
    ann.run("await store.set('note', 'x'.repeat(1022))")
    conflict = ann.refusal("await store.set('note', 2, { ifVersion: 0 })")
    assert (conflict["isNamed"], conflict["reason"]) == ("VersionConflict", "VERSION_CONFLICT")
    assert conflict["current"]["value"] == "x" * 1022
    assert conflict["code"] < 0
    invalid = ann.refusal("await store.set('a*b', 1)")
    assert invalid["isNamed"] == "InvalidKey"
    assert invalid["hint"]
    departed = ann.refusal("await room.leave(); await store.set('note', 1)")
    assert departed["isNamed"] == "NotJoined"


def test_t9_hostile_members_stay_in_their_value(ann: SdkPage, bo: SdkPage) -> None:
    text = '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}'
    ann.run("await store.set('note', JSON.parse(given))", text)
    bo.wait_until("values.has('note')")
    assert bo.run("return JSON.stringify(store.value('note'))") == text
    assert bo.run("return [{}.polluted, [].polluted, room.polluted]") == [None, None, None]


def test_p4_observers_are_armed_again_after_the_server_was_killed(windows: Windows, room: str) -> None:
    with running() as server:
        origin = f"http://{server.host}"
        ann, bo = (SdkPage(windows.page(), origin) for _ in range(2))
        ann.join(room, observe=["note", "hand/*"])
        bo.join(room)
        ann.run("await store.set('hand/1', 'up')")
        server.kill()
        for page in (ann, bo):
            page.wait_until("session.state === 'reconnecting'")
        bo.run("held.queued = store.set('note', 'written while nobody was there')")
        assert bo.run("return session.pendingWrites") == 1
        server.start()
        ann.wait_until("values.get('note') === 'written while nobody was there'")
        bo.run("await held.queued; await store.set('hand/1', 'down')")
        ann.wait_until("values.get('hand/1') === 'down'")
        assert [ann.run("return session.id"), bo.run("return session.id")] == [ann.session_id, bo.session_id]
        changes = ann.run("return seen.filter(([, , initial]) => !initial).map(([key, value]) => [key, value])")
        assert changes == [["hand/1", "up"], ["note", "written while nobody was there"], ["hand/1", "down"]]
