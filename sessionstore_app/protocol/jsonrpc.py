"""JSON-RPC 2.0 envelopes: a frame's JSON into requests, results and errors into text.

Where the specification leaves room: params go by name, ids are strings, integers or null, a batch holds 1 to 50 calls.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from sessionstore_app.core import jsontext
from sessionstore_app.core.errors import InvalidParams, InvalidRequest, SessionStoreError
from sessionstore_app.core.jsontext import Json
from sessionstore_app.protocol import frames

MAX_BATCH = 50

RequestId: TypeAlias = str | int | None
_IDS = (str, int, type(None))


@dataclass(frozen=True, slots=True)
class Request:
    """One call. A notification has no id and is never answered."""

    method: str
    params: dict[str, Json] = field(default_factory=dict)
    id: RequestId = None
    is_notification: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """An element of a frame that is no request; it is answered with its error, unless it is a notification."""

    id: RequestId
    error: SessionStoreError
    is_notification: bool = False


Call: TypeAlias = Request | Refused


@dataclass(frozen=True, slots=True)
class Batch:
    """Calls that are answered together, in one frame."""

    calls: tuple[Call, ...]


def read(payload: Json) -> Call | Batch:
    """Turn a frame's JSON into calls; never raises."""
    if not isinstance(payload, list):
        return _read_call(payload)
    if not payload:
        return Refused(None, InvalidRequest("A batch holds at least one call."))
    if len(payload) > MAX_BATCH:
        return Refused(None, InvalidRequest("The batch is too long.", limit=MAX_BATCH, actual=len(payload)))
    return Batch(tuple(_read_call(item) for item in payload))


def _read_call(payload: Json) -> Call:
    if not isinstance(payload, dict):
        return Refused(None, InvalidRequest())
    request_id = payload.get("id")
    if isinstance(request_id, bool) or not isinstance(request_id, _IDS):
        return Refused(None, InvalidRequest("An id is a string, an integer or null."))
    method = payload.get("method")
    if payload.get("jsonrpc") != "2.0" or not isinstance(method, str):
        return Refused(request_id, InvalidRequest())
    params = payload.get("params", {})
    if isinstance(params, list):
        error = InvalidParams("Params go by name, not by position.")
        return Refused(request_id, error, is_notification="id" not in payload)
    if not isinstance(params, dict):
        return Refused(request_id, InvalidRequest("`params` is an object."))
    return Request(method, params, request_id, "id" not in payload)


def result_text(request_id: RequestId, result: str) -> str:
    """The reply to a call; `result` is JSON text."""
    return f'{{"jsonrpc":"2.0","id":{jsontext.dumps(request_id)},"result":{result}}}'


def error_text(request_id: RequestId, error: SessionStoreError) -> str:
    """The refusal of a call."""
    data = jsontext.dumps(dict(error.data))  # type: ignore[arg-type]  # figures, strings and places, by construction
    if error.current is not None:
        data = f'{data[:-1]},"current":{frames.entry(error.current)}}}'
    message = jsontext.dumps(str(error))
    return (
        f'{{"jsonrpc":"2.0","id":{jsontext.dumps(request_id)},'
        f'"error":{{"code":{error.code},"message":{message},"data":{data}}}}}'
    )
