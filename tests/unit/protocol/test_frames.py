"""The text of what leaves the server is the JSON that the protocol promises."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessionstore_app.core.entries import Author, Entry, SessionId
from sessionstore_app.core.jsontext import Json, dumps
from sessionstore_app.core.observer import Event
from sessionstore_app.core.sessions import Kind, State
from sessionstore_app.protocol import frames
from tests.unit.generated import SOME, json_values, texts

ANN = Author(SessionId("s1"), 'ann "the host"')
AT = 1_700_000_000_007
AT_ISO = "2023-11-14T22:13:20.007Z"
ENTRY = Entry(key="a", text='{"x":[1]}', version=4, by=ANN, at_ms=AT)
ENTRY_JSON = {
    "key": "a",
    "value": {"x": [1]},
    "version": 4,
    "by": {"session_id": "s1", "principal": 'ann "the host"'},
    "at": AT_ISO,
}


def notification(text: str, method: str) -> Any:
    frame = json.loads(text)
    assert frame.keys() == {"jsonrpc", "method", "params"}
    assert (frame["jsonrpc"], frame["method"]) == ("2.0", method)
    return frame["params"]


@pytest.mark.parametrize(
    ("at_ms", "text"),
    [(0, "1970-01-01T00:00:00.000Z"), (AT, AT_ISO), (999, "1970-01-01T00:00:00.999Z")],
)
def test_times_are_iso_8601_in_utc_with_milliseconds(at_ms: int, text: str) -> None:
    assert frames.iso(at_ms) == text


def test_an_entry_says_key_value_version_writer_and_time() -> None:
    assert json.loads(frames.entry(ENTRY)) == ENTRY_JSON


def test_h42_an_absent_entry_is_null_throughout() -> None:
    absent = {"key": "a", "value": None, "version": 0, "by": None, "at": None}
    assert json.loads(frames.entry(Entry(key="a"))) == absent


def test_a_deleted_entry_keeps_version_writer_and_time() -> None:
    gone = Entry(key="a", version=5, by=ANN, at_ms=AT)
    assert json.loads(frames.entry(gone)) == {**ENTRY_JSON, "value": None, "version": 5}


def test_over_http_the_writer_has_no_session() -> None:
    assert json.loads(frames.author(Author(None, "ops"))) == {"session_id": None, "principal": "ops"}


@SOME
@given(texts, json_values.filter(lambda value: value is not None))
def test_p6_any_key_and_value_is_told_as_it_is(key: str, value: Json) -> None:
    told = json.loads(frames.entry(Entry(key=key, text=dumps(value), version=1)))
    assert told["key"] == key
    assert told["value"] == value


@SOME
@given(st.lists(texts, max_size=3))
def test_entries_are_told_in_order(keys: list[str]) -> None:
    assert [entry["key"] for entry in json.loads(frames.entries(Entry(key=key) for key in keys))] == keys


@pytest.mark.parametrize("is_repeat", [False, True])
def test_t20_the_result_of_a_write_says_if_it_was_a_repeat(is_repeat: bool) -> None:
    text = frames.entry(ENTRY)
    told: dict[str, Json] = {"duplicate": True} if is_repeat else {}
    assert json.loads(frames.write_result(text, duplicate=is_repeat)) == {**ENTRY_JSON, **told}
    both = json.loads(frames.writes_result(4, [text], duplicate=is_repeat))
    assert both == {"version": 4, "entries": [ENTRY_JSON], **told}


ROOM = 'a "room" é'


def test_h54_a_change_says_room_epoch_version_and_entries() -> None:
    params = notification(frames.room_changed(ROOM, "e1", 4, [frames.entry(ENTRY)]), "room.changed")
    assert params == {"room": ROOM, "epoch": "e1", "version": 4, "changes": [ENTRY_JSON]}


@pytest.mark.parametrize("count", [0, 2])
def test_p7_a_snapshot_says_room_epoch_version_entries_and_reason(count: int) -> None:
    text = frames.room_snapshot(ROOM, "e1", 4, [frames.entry(ENTRY)] * count, "resync")
    params = notification(text, "room.snapshot")
    assert params == {"room": ROOM, "epoch": "e1", "version": 4, "entries": [ENTRY_JSON] * count, "reason": "resync"}


def test_p8_a_cleared_room_says_its_new_epoch() -> None:
    params = notification(frames.room_cleared(ROOM, "e2", "CLEARED"), "room.cleared")
    assert params == {"room": ROOM, "epoch": "e2", "reason": "CLEARED"}


def test_a_message_says_event_data_sender_and_time() -> None:
    text = frames.room_message(ROOM, 'say "hi"', '{"a":null}', frames.author(ANN), AT)
    assert notification(text, "room.message") == {
        "room": ROOM,
        "event": 'say "hi"',
        "data": {"a": None},
        "from": ENTRY_JSON["by"],
        "at": AT_ISO,
    }


def test_a_peer_has_all_its_members() -> None:
    assert json.loads(frames.peer("s1", "ann", ["host"], "ACTIVE", AT, {"mood": "ü"})) == {
        "session_id": "s1",
        "principal": "ann",
        "roles": ["host"],
        "properties": {"mood": "ü"},
        "state": "ACTIVE",
        "joined_at": AT_ISO,
    }


def test_peers_say_who_joined_left_and_changed() -> None:
    peer = frames.peer("s1", "ann", [], "ACTIVE", AT, {})
    text = frames.room_peers(ROOM, 2, [peer, peer], [frames.left_peer("s2", "LEFT")], [peer])
    params = notification(text, "room.peers")
    assert (params["room"], params["count"]) == (ROOM, 2)
    assert [len(params[name]) for name in ("joined", "left", "updated")] == [2, 1, 1]
    assert params["left"] == [{"session_id": "s2", "reason": "LEFT"}]


def test_a_heartbeat_says_the_servers_time() -> None:
    assert notification(frames.heartbeat(AT), "session.heartbeat") == {"server_time": AT_ISO}


def test_a_listener_is_told_all_of_an_event() -> None:
    event = Event(
        session_id="s1",
        kind=Kind.PROPERTIES,
        state=State.DISCONNECTED,
        revision=7,
        properties={"mood": "ü"},
        changed_properties={"mood": None},
        matches=False,
    )
    assert notification(frames.session_event("l1", event), "session.event") == {
        "listener_id": "l1",
        "session_id": "s1",
        "type": "PROPERTIES",
        "state": "DISCONNECTED",
        "properties": {"mood": "ü"},
        "changed_properties": {"mood": None},
        "close_reason": None,
        "matches": False,
        "revision": 7,
    }


def test_the_beginning_and_the_end_of_a_listener_name_it() -> None:
    assert notification(frames.session_listening("l1", 3), "session.listening") == {"listener_id": "l1", "count": 3}
    closed = notification(frames.listener_closed("l1", "ACCESS_DENIED"), "session.listener_closed")
    assert closed == {"listener_id": "l1", "reason": "ACCESS_DENIED"}


def test_a_session_is_told_what_was_done_to_it() -> None:
    text = frames.session_changed(4, {"mood": "x"}, {"mood": None}, ["host"], ["view_session"])
    assert notification(text, "session.changed") == {
        "revision": 4,
        "properties": {"mood": "x"},
        "changed_properties": {"mood": None},
        "roles": ["host"],
        "permissions": ["view_session"],
    }


def test_a_message_to_a_session_says_who_sent_it() -> None:
    text = frames.session_message("hi", '{"a":1}', "null", AT)
    told = {"event": "hi", "data": {"a": 1}, "from": None, "at": AT_ISO}
    assert notification(text, "session.message") == told


@pytest.mark.parametrize("wait", [2.5, None])
def test_t16_a_warning_says_what_comes_and_how_to_avoid_it(wait: float | None) -> None:
    text = frames.session_warning("RATE_LIMITED", wait, refused=51, closes_after=101, hint="Wait.")
    told = {"reason": "RATE_LIMITED", "retry_after_seconds": wait, "refused": 51, "closes_after": 101, "hint": "Wait."}
    assert notification(text, "session.warning") == told


def test_who_lost_a_lock_is_told_which() -> None:
    assert notification(frames.lock_lost("l", 5), "lock.lost") == {"name": "l", "sequence": 5}
