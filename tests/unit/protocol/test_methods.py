"""The method table: parameters become types, and what does not fit is named."""

from __future__ import annotations

from typing import Any

import pytest

from sessionstore_app.core.errors import InvalidParams, MethodNotFound
from sessionstore_app.core.jsontext import Json
from sessionstore_app.core.operations import Append, Increment, Merge, Operation, Remove
from sessionstore_app.protocol import methods
from sessionstore_app.protocol.methods import read_params
from sessionstore_app.protocol.params import Params

# The least that each method takes.
LEAST: dict[str, dict[str, Json]] = {
    "session.open": {},
    "session.ack": {"bytes": 0},
    "session.ping": {},
    "session.close": {},
    "room.join": {"room": "r"},
    "room.leave": {"room": "r"},
    "room.set": {"room": "r", "key": "k", "value": 1},
    "room.get": {"room": "r", "key": "k"},
    "room.delete": {"room": "r", "key": "k"},
    "room.update": {"room": "r", "key": "k", "do": "increment"},
    "room.write": {"room": "r", "ops": [{"key": "k", "value": 1}]},
    "room.snapshot": {"room": "r"},
    "room.observe": {"room": "r", "keys": ["k"]},
    "room.unobserve": {"room": "r", "keys": ["k"]},
    "room.watch": {"room": "r"},
    "room.unwatch": {"room": "r"},
    "room.peers": {"room": "r"},
    "room.broadcast": {"room": "r", "event": "e"},
    "room.clear": {"room": "r"},
    "room.can": {"room": "r", "action": "clear"},
    "session.get_properties": {"properties": ["k"]},
    "session.set_properties": {"properties": {"k": "v"}},
    "session.set_properties_by_filter": {"filter": "all", "properties": {"k": "v"}},
    "session.list": {},
    "session.count": {},
    "session.terminate": {},
    "session.change_roles": {},
    "session.send": {"event": "e"},
    "session.observe_for": {"room": "r", "keys": ["k"]},
    "session.listen": {},
    "session.unlisten": {"listener_id": "l"},
    "lock.acquire": {"name": "l"},
    "lock.release": {"name": "l"},
    "lock.get": {"name": "l"},
    "lock.list": {},
    "site.create": {"data": {}},
    "site.load": {"session_keys": "k"},
    "site.update": {"session_key": "k", "data": {}},
    "site.delete": {"session_keys": ["k"]},
    "site.stats": {},
}


def read(method: str, **more: Json) -> Any:
    return read_params(method, {**LEAST[method], **more})


def test_the_least_of_every_method_is_listed() -> None:
    assert LEAST.keys() == methods.METHODS.keys()


@pytest.mark.parametrize("method", LEAST)
def test_every_method_takes_its_least(method: str) -> None:
    assert isinstance(read(method), Params)


@pytest.mark.parametrize("method", LEAST)
def test_a_misspelt_parameter_is_refused_by_name(method: str) -> None:
    with pytest.raises(InvalidParams, match="if_verison"):
        read(method, if_verison=3)


@pytest.mark.parametrize(("method", "missing"), [(m, name) for m, least in LEAST.items() for name in least])
def test_a_missing_parameter_is_refused_by_name(method: str, missing: str) -> None:
    params = {name: value for name, value in LEAST[method].items() if name != missing}
    with pytest.raises(InvalidParams, match=missing):
        read_params(method, params)


@pytest.mark.parametrize("method", ["room.sett", "", "__proto__", "session", "room", "ROOM.SET", "rpc.discover"])
def test_an_unknown_method_is_not_found(method: str) -> None:
    with pytest.raises(MethodNotFound):
        read_params(method, {})


WRONG: list[tuple[str, dict[str, Json]]] = [
    ("session.ack", {"bytes": -1}),
    ("session.ack", {"bytes": 1.5}),
    ("session.ack", {"bytes": True}),
    ("session.open", {"token": 5}),
    ("session.set_properties", {"properties": {"k": 1}}),
    ("session.list", {"limit": 0}),
    ("session.listen", {"after": 1.5}),
    ("lock.acquire", {"scope": "room"}),
    ("lock.acquire", {"timeout_seconds": -1}),
    ("session.open", {"heartbeat": 1}),
    ("session.open", {"resume": {"session_id": "s"}}),
    ("session.open", {"resume": {"session_id": "s", "resume_token": "t", "rooms": {"r": {"epoch": "e"}}}}),
    ("session.open", {"client": {"name": "x" * 257}}),
    ("room.join", {"room": None}),
    ("room.join", {"observe": "a"}),
    ("room.join", {"observe": [1]}),
    ("room.join", {"since": {"epoch": "e", "version": -1}}),
    ("room.join", {"since": {"epoch": "e", "version": 1e30}}),
    ("room.set", {"key": 1}),
    ("room.set", {"key": None}),
    ("room.set", {"if_version": -1}),
    ("room.set", {"if_version": "1"}),
    ("room.set", {"if_version": True}),
    ("room.set", {"ttl_seconds": 0}),
    ("room.set", {"ttl_seconds": -1}),
    ("room.set", {"ttl_seconds": 1e9}),
    ("room.set", {"ttl_seconds": "1"}),
    ("room.set", {"lifetime": "forever"}),
    ("room.set", {"op": -1}),
    ("room.set", {"op": 1e30}),
    ("room.update", {"do": "divide"}),
    ("room.update", {"do": 1}),
    ("room.update", {"by": "1"}),
    ("room.update", {"by": True}),
    ("room.update", {"item": 1}),
    ("room.update", {"do": "append", "item": 1, "cap": 0}),
    ("room.update", {"do": "append", "item": 1, "unique": 1}),
    ("room.update", {"do": "append"}),
    ("room.update", {"do": "remove", "where": []}),
    ("room.update", {"do": "merge"}),
    ("room.write", {"ops": []}),
    ("room.write", {"ops": {}}),
    ("room.write", {"ops": [{"key": "k"}]}),
    ("room.write", {"ops": [{"key": "k", "value": 1, "op": 1}]}),
    ("room.snapshot", {"keys": "a"}),
    ("room.observe", {"keys": []}),
    ("room.unobserve", {"keys": []}),
    ("room.peers", {"limit": 0}),
    ("room.broadcast", {"event": ""}),
    ("room.broadcast", {"event": "x" * 129}),
]


@pytest.mark.parametrize(("method", "params"), WRONG, ids=[f"{method} {params}" for method, params in WRONG])
def test_a_wrong_type_or_bound_is_refused(method: str, params: dict[str, Json]) -> None:
    with pytest.raises(InvalidParams):
        read(method, **params)


def test_the_message_names_where_the_fault_is() -> None:
    with pytest.raises(InvalidParams, match=r"\$\.ops\[1\]\.if_version"):
        read("room.write", ops=[{"key": "a", "value": 1}, {"key": "b", "value": 1, "if_version": "x"}])


@pytest.mark.parametrize("value", [None, 0, False, "", [], {}, {"a": [None]}, 1.5])
def test_p6_any_value_can_be_set(value: Json) -> None:
    assert repr(read("room.set", value=value).value) == repr(value)


def test_h42_null_is_a_value_that_was_given() -> None:
    assert read("room.set", value=None).value is None
    with pytest.raises(InvalidParams):
        read_params("room.set", {"room": "r", "key": "k"})


def test_defaults_are_those_of_the_protocol() -> None:
    opened = read("session.open")
    assert (opened.heartbeat, opened.batch, opened.resume, opened.token) == (True, False, None, None)
    written = read("room.set")
    assert (written.if_version, written.ttl_seconds, written.lifetime, written.op) == (None, None, "room", None)
    assert read("room.snapshot").keys == ["*"]
    assert read("room.join").observe == []
    assert read("room.broadcast").data is None


def test_a_client_may_tell_more_of_itself_than_we_know() -> None:
    assert read("session.open", client={"name": "bot", "version": "1", "os": "x"}).client.name == "bot"


def test_a_resumed_room_may_come_without_a_position() -> None:
    resume: Json = {"session_id": "s", "resume_token": "t", "rooms": {"r": None, "q": {"epoch": "e", "version": 2}}}
    rooms = read("session.open", resume=resume).resume.rooms
    assert rooms["r"] is None
    assert rooms["q"].version == 2


def test_bounds_are_allowed_at_the_bound() -> None:
    assert read("room.set", ttl_seconds=31_536_000).ttl_seconds == 31_536_000
    assert read("room.broadcast", event="x" * 128).event == "x" * 128
    assert read("room.update", do="append", item=1, cap=1).cap == 1


@pytest.mark.parametrize(
    ("params", "operation"),
    [
        ({"do": "increment"}, Increment(1)),
        ({"do": "increment", "by": -2.5}, Increment(-2.5)),
        ({"do": "append", "item": {"id": 1}, "cap": 3, "unique": "id"}, Append({"id": 1}, 3, "id")),
        ({"do": "append", "item": None}, Append(None)),
        ({"do": "remove", "where": {"id": 1}}, Remove({"id": 1})),
        ({"do": "merge", "patch": {"a": None}}, Merge({"a": None})),
        ({"do": "merge", "patch": None}, Merge(None)),
    ],
)
def test_p1_an_update_becomes_its_operation(params: dict[str, Json], operation: Operation) -> None:
    assert methods.operation(read("room.update", **params)) == operation
