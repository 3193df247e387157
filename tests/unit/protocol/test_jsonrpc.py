"""JSON-RPC 2.0 envelopes, read and written."""

from __future__ import annotations

import json

import pytest
from hypothesis import given

from sessionstore_app.core import errors
from sessionstore_app.core.entries import Entry
from sessionstore_app.core.errors import InvalidParams, InvalidRequest, SessionStoreError
from sessionstore_app.core.jsontext import Json
from sessionstore_app.protocol import jsonrpc
from sessionstore_app.protocol.jsonrpc import Batch, Refused, Request
from tests.unit.generated import SOME, json_values


def call(**members: Json) -> dict[str, Json]:
    return {"jsonrpc": "2.0", "id": 1, "method": "room.get", **members}


def refused(payload: Json) -> Refused:
    found = jsonrpc.read(payload)
    assert isinstance(found, Refused)
    return found


# --- requests


def test_a_call_is_read_with_its_params() -> None:
    assert jsonrpc.read(call(params={"room": "a"})) == Request("room.get", {"room": "a"}, 1)


def test_params_may_be_left_out() -> None:
    assert jsonrpc.read(call()) == Request("room.get", {}, 1)


@pytest.mark.parametrize("id_", ["", "a", 0, -1, 2**53 - 1, None])
def test_p6_an_id_is_a_string_an_integer_or_null(id_: Json) -> None:
    found = jsonrpc.read(call(id=id_))
    assert isinstance(found, Request)
    assert found.id == id_
    assert not found.is_notification


@pytest.mark.parametrize("id_", [True, False, 1.5, 1.0, [], {}, [1]])
def test_any_other_id_is_refused_without_one(id_: Json) -> None:
    found = refused(call(id=id_))
    assert found.id is None
    assert isinstance(found.error, InvalidRequest)


def test_a_call_without_an_id_is_a_notification() -> None:
    payload = call()
    del payload["id"]
    found = jsonrpc.read(payload)
    assert isinstance(found, Request)
    assert found.is_notification


def test_positional_params_are_refused_with_the_id() -> None:
    found = refused(call(params=["a", "b"]))
    assert found.id == 1
    assert isinstance(found.error, InvalidParams)


def test_a_notification_with_positional_params_is_not_answered() -> None:
    # JSON-RPC 2.0, section 4.1: not even errors such as "Invalid params" are told of a notification.
    payload = call(params=["a"])
    del payload["id"]
    found = jsonrpc.read(payload)
    assert isinstance(found, Refused)
    assert found.is_notification


@pytest.mark.parametrize("params", [None, 1, "a", True])
def test_params_of_another_type_are_no_request(params: Json) -> None:
    found = refused(call(params=params))
    assert found.id == 1
    assert isinstance(found.error, InvalidRequest)


@pytest.mark.parametrize("version", ["1.0", "2", 2, 2.0, None, True])
def test_another_version_is_refused_with_the_id(version: Json) -> None:
    found = refused(call(jsonrpc=version))
    assert (found.id, type(found.error)) == (1, InvalidRequest)


@pytest.mark.parametrize("missing", ["jsonrpc", "method"])
def test_version_and_method_are_required(missing: str) -> None:
    payload = call()
    del payload[missing]
    assert isinstance(refused(payload).error, InvalidRequest)


@pytest.mark.parametrize("method", [1, None, [], {}])
def test_a_method_is_a_string(method: Json) -> None:
    assert isinstance(refused(call(method=method)).error, InvalidRequest)


def test_further_members_are_ignored() -> None:
    assert jsonrpc.read(call(trace="x")) == jsonrpc.read(call())


@pytest.mark.parametrize("payload", [None, 1, "a", True, 1.5])
def test_a_frame_that_is_no_object_is_refused_without_an_id(payload: Json) -> None:
    found = refused(payload)
    assert (found.id, type(found.error)) == (None, InvalidRequest)


@SOME
@given(json_values)
def test_t18_reading_never_raises(payload: Json) -> None:
    assert isinstance(jsonrpc.read(payload), Request | Refused | Batch)


# --- batches


def test_an_empty_batch_is_refused_as_a_whole() -> None:
    assert isinstance(refused([]).error, InvalidRequest)


@pytest.mark.parametrize("length", [1, 50])
def test_a_batch_holds_up_to_50_calls_in_order(length: int) -> None:
    found = jsonrpc.read([call(id=number) for number in range(length)])
    assert isinstance(found, Batch)
    assert [item.id for item in found.calls] == list(range(length))


def test_a_batch_of_51_is_refused_as_a_whole() -> None:
    found = refused([call(id=number) for number in range(51)])
    assert found.id is None
    assert isinstance(found.error, InvalidRequest)
    assert (found.error.limit, found.error.actual) == (50, 51)


def test_what_is_no_call_in_a_batch_is_refused_in_its_place() -> None:
    found = jsonrpc.read([call(id=1), 5, [call(id=2)], call(id=3, params=[])])
    assert isinstance(found, Batch)
    assert [(type(item), item.id) for item in found.calls] == [
        (Request, 1),
        (Refused, None),
        (Refused, None),
        (Refused, 3),
    ]


# --- replies


@pytest.mark.parametrize("id_", ['a"b', "é", "", 7, None])
def test_a_reply_carries_the_id_and_the_result_as_it_is(id_: str | int | None) -> None:
    assert json.loads(jsonrpc.result_text(id_, '{"a":1}')) == {"jsonrpc": "2.0", "id": id_, "result": {"a": 1}}


def test_a_refusal_says_code_message_reason_and_hint() -> None:
    reply = json.loads(jsonrpc.error_text(1, errors.NotJoined()))
    assert reply == {
        "jsonrpc": "2.0",
        "id": 1,
        "error": {
            "code": -32004,
            "message": "This session has not joined the room.",
            "data": {"reason": "NOT_JOINED", "hint": "Send room.join first."},
        },
    }


def test_a_conflict_carries_the_current_entry() -> None:
    conflict = errors.VersionConflict(current=Entry(key="a", text='{"x":1}', version=4))
    data = json.loads(jsonrpc.error_text(1, conflict))["error"]["data"]
    assert data["current"] == {"key": "a", "value": {"x": 1}, "version": 4, "by": None, "at": None}
    assert data["reason"] == "VERSION_CONFLICT"


@pytest.mark.parametrize("error", [errors.RateLimited(retry_after_seconds=0.5, limit=20), errors.Unavailable()])
def test_a_refusal_that_may_pass_says_when(error: SessionStoreError) -> None:
    data = json.loads(jsonrpc.error_text(None, error))["error"]["data"]
    assert data["retry_after_seconds"] == error.retry_after_seconds


def test_t23_a_message_is_quoted() -> None:
    reply = json.loads(jsonrpc.error_text(None, InvalidParams('a "quoted"\n\x1b[31m line')))
    assert reply["error"]["message"] == 'a "quoted"\n\x1b[31m line'
