"""What the fuzzers feed: any bytes as a frame, any bytes as a filter; and what must hold of whatever becomes of them.

Knows the two entries that strangers write to, and the refusals that each may give. `Broken`, or any other exception
that leaves a target, is a finding. Nothing here knows a fuzzer.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from typing import Final

from sessionstore_app.core import filters, jsontext, patterns
from sessionstore_app.core.errors import (
    InvalidFilter,
    InvalidKey,
    InvalidParams,
    InvalidRequest,
    LimitExceeded,
    MethodNotFound,
    ParseError,
    SessionStoreError,
)
from sessionstore_app.core.jsontext import Json
from sessionstore_app.core.properties import format_roles
from sessionstore_app.protocol import gate, jsonrpc, methods
from sessionstore_app.protocol.jsonrpc import Batch, Call, Refused, Request

DEPTH: Final = 32
# What one input may take of the processor; the worst that are known take a twentieth of it.
CPU_SECONDS: Final = 1.0

# Sessions that filters are asked about: empty, plain, and as large as one may be.
SESSIONS: Final[tuple[Mapping[str, str], ...]] = (
    {},
    {"k": "a", "$Country": "CA", "$Roles": format_roles(("host", "guest"))},
    {"k": "ab" * 512, "$Country": "\u00e9" * 512, "$Roles": format_roles(tuple(map(str, range(64))))},
)


class Broken(AssertionError):
    """A promise was broken."""


def timed(target: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """The target, held to CPU_SECONDS for each input."""

    def run(data: bytes) -> None:
        begun = time.thread_time()
        target(data)
        taken = time.thread_time() - begun
        if taken > CPU_SECONDS:
            raise Broken(f"It took {taken:.1f} s of the processor.")

    return run


def frame(data: bytes) -> None:
    """A frame is calls, or it is refused; what passes is the JSON that everybody else reads, and comes back equal."""
    text = data.decode(errors="replace")
    try:
        value = gate.parse(text, DEPTH)
    except ParseError as error:
        _answer(None, error)
        return
    _require(json.loads(text) == value, "The gate reads what nobody else reads.")
    jsontext.check(value, DEPTH)
    _require(gate.parse(jsontext.dumps(value), DEPTH) == value, "What was read does not come back equal.")
    read = jsonrpc.read(value)
    for call in read.calls if isinstance(read, Batch) else (read,):
        _call(call)


def _call(call: Call) -> None:
    if isinstance(call, Refused):
        _require(isinstance(call.error, InvalidRequest | InvalidParams), f"It was refused by {call.error!r}.")
        _answer(call.id, call.error)
        return
    try:
        _parameters(call)
    except (MethodNotFound, InvalidParams, InvalidKey, LimitExceeded) as error:
        _answer(call.id, error)


def _parameters(call: Request) -> None:
    """As far as a call comes without a session: its parameters, the names of its room and key, its operation."""
    params = methods.read_params(call.method, call.params)
    if isinstance(params, methods.RoomUpdate):
        methods.operation(params)
    room, key = getattr(params, "room", None), getattr(params, "key", None)
    if room is not None:
        patterns.check_room_name(room, 128)
    if key is not None:
        patterns.check_key(key, 128)
    for pattern in getattr(params, "keys", None) or ():
        patterns.check_pattern(pattern, 128)


def _answer(request_id: jsonrpc.RequestId, error: SessionStoreError) -> None:
    """What the client is told must pass its own gate, whatever of its frame is quoted."""
    reply: Json = gate.parse(jsonrpc.error_text(request_id, error), DEPTH)
    _require(isinstance(reply, dict) and reply.keys() == {"jsonrpc", "id", "error"}, "The reply is of another shape.")


def filter_text(data: bytes) -> None:
    """A filter is refused at a place in its text, or says yes or no of every session, each time the same."""
    text = data.decode(errors="replace")
    try:
        read = filters.parse(text)
    except InvalidFilter as error:
        _place(text, error)
        return
    for session in SESSIONS:
        found = read.matches(session)
        _require(found in (True, False) and found is read.matches(session), f"It says {found!r}.")
        # What it does not name, it cannot tell.
        seen = {key: value for key, value in session.items() if key in read.names}
        _require(read.matches(seen) is found, "It looks at a property that it does not name.")
        _require(filters.parse(f"not ({text})", max_length=5_000, max_depth=34).matches(session) is not found, "not")


def _place(text: str, error: InvalidFilter) -> None:
    (found,) = error.errors
    lines = re.split("\r\n|\r|\n", text)
    _require(1 <= found.line <= len(lines), "The error is on no line of the filter.")
    _require(1 <= found.column <= len(lines[found.line - 1]) + 1, "The error is beside the filter.")
    _answer(1, error)


def _require(held: bool, promise: str) -> None:
    if not held:
        raise Broken(promise)


TARGETS: Final[Mapping[str, Callable[[bytes], None]]] = {"frames": frame, "filters": filter_text}
