"""Protocol §1 and §6: what a request may be, and how each kind of bad one is answered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from sessionstore_app.protocol.catalog import CATALOG
from sessionstore_app.protocol.methods import METHODS
from tests.shell.test_frames import HARMLESS, HOSTILE
from tests.support.http import RPC, Answer, Http, call_of, request
from tests.support.server import Server
from tests.support.wire import refusal_of, result_of

BODY_BYTES = 262_144


async def _plain(server: Server, method: str, path: str = RPC, **headers: str) -> Answer:
    return await asyncio.to_thread(request, server.host, method, path, headers=headers)


# --- HTTP


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_t21_calls_are_posted(any_server: Server, method: str) -> None:
    """405, and no word that would allow another site's page to try."""
    answer = await _plain(any_server, method)
    assert answer.status == 405
    assert answer.headers["allow"] == "POST"
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("page", ["openrpc.json", "methods/", "health/"])
async def test_documents_are_read(any_server: Server, page: str) -> None:
    got = await _plain(any_server, "GET", f"/sessionstore/{page}")
    head = await _plain(any_server, "HEAD", f"/sessionstore/{page}")
    assert (got.status, head.status) == (200, 200)
    assert got.body
    assert not head.body
    for method in ("POST", "OPTIONS", "DELETE"):
        assert (await _plain(any_server, method, f"/sessionstore/{page}")).status == 405


async def test_health_says_how_many_sockets_are_served(any_server: Server) -> None:
    answer = await _plain(any_server, "GET", "/sessionstore/health/")
    assert answer.json["status"] == answer.json["database"] == "ok"
    assert answer.json["sockets"] >= 0
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": ""},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json-rpc"},
        {"Content-Type": "application/json; charset=utf-16"},
        {"Content-Encoding": "gzip"},
    ],
    ids=lambda headers: "".join(headers.values()) or "none",
)
async def test_what_is_not_json_in_utf8_is_415(any_ops: Http, headers: dict[str, str]) -> None:
    answer = await any_ops.send(call_of("lock.list"), headers=headers)
    assert answer.status == 415


async def test_a_form_is_415(ops: Http) -> None:
    """The one kind of body, beside plain text, that any page may send anywhere. (Daphne reads forms itself.)"""
    answer = await ops.send(call_of("lock.list"), headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert answer.status == 415


@pytest.mark.parametrize("spelled", ["application/json", "application/json; charset=UTF-8", "Application/JSON"])
async def test_json_may_be_spelled_as_one_likes(any_ops: Http, spelled: str) -> None:
    assert (await any_ops.send(call_of("lock.list"), headers={"Content-Type": spelled})).status == 200


def _padded(size: int) -> bytes:
    return json.dumps(call_of("lock.list")).encode().ljust(size)


def _in_chunks(body: bytes) -> Iterator[bytes]:
    """Sent without a length."""
    for start in range(0, len(body), 10_000):
        yield body[start : start + 10_000]


async def test_t10_a_body_may_be_as_large_as_the_limit(any_ops: Http) -> None:
    assert (await any_ops.post(_padded(BODY_BYTES))).status == 200
    assert (await any_ops.post(_in_chunks(_padded(BODY_BYTES)))).status == 200


async def test_t10_one_byte_more_is_413_with_or_without_a_declared_length(any_ops: Http) -> None:
    declared = await any_ops.post(_padded(BODY_BYTES + 1))
    chunked = await any_ops.post(_in_chunks(_padded(BODY_BYTES + 1)))
    many = await any_ops.post(_in_chunks(_padded(40 * BODY_BYTES)))
    assert [answer.status for answer in (declared, chunked, many)] == [413, 413, 413]
    assert str(BODY_BYTES) in declared.body.decode()


async def test_answers_are_kept_by_no_cache(any_ops: Http) -> None:
    answer = await any_ops.send(call_of("lock.list"))
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"


# --- JSON-RPC


async def test_a_body_that_is_not_json_is_a_parse_error(any_ops: Http) -> None:
    hopeless = [b"", b" ", b"{", b"nonsense", b"{} {}", b"\xef\xbb\xbf{}", b"\xff\xfe{}", b'"\xed\xa0\x80"', b"\x00"]
    for body in hopeless:
        answer = await any_ops.post(body)
        assert answer.status == 200, body
        assert answer.json["id"] is None
        refusal_of(answer.json, "PARSE_ERROR")


@pytest.mark.parametrize("name", HOSTILE)
async def test_t2_4_strict_json_holds_as_on_the_socket(ops: Http, room: str, name: str) -> None:
    text = f'{{"room":"{room}","key":"k","value":{HOSTILE[name]}}}'
    answer = await ops.post(f'{{"jsonrpc":"2.0","id":1,"method":"room.set","params":{text}}}'.encode())
    assert answer.status == 200
    refusal_of(answer.json, "PARSE_ERROR")
    assert (await ops.call("room.get", room=room, key="k"))["version"] == 0


@pytest.mark.parametrize("name", HARMLESS)
async def test_what_passes_comes_back_equal(ops: Http, room: str, name: str) -> None:
    text = HARMLESS[name]
    params = f'{{"room":"{room}","key":"k","value":{text}}}'
    answer = await ops.post(f'{{"jsonrpc":"2.0","id":1,"method":"room.set","params":{params}}}'.encode())
    assert result_of(answer.json)["value"] == json.loads(text)
    assert (await ops.call("room.get", room=room, key="k"))["value"] == json.loads(text)


async def test_what_is_no_request_is_refused(any_ops: Http) -> None:
    for payload in (1, "x", None, {}, {"jsonrpc": "2.0", "id": 1}, {"jsonrpc": "1.0", "id": 1, "method": "lock.list"}):
        refusal_of((await any_ops.send(payload)).json, "INVALID_REQUEST")
    by_position = {**call_of("lock.get"), "params": ["stage"]}
    refusal_of((await any_ops.send(by_position)).json, "INVALID_PARAMS")
    refusal_of((await any_ops.send(call_of("lock.list", 1.5))).json, "INVALID_REQUEST")


async def test_ids_come_back_as_they_were(any_ops: Http) -> None:
    for request_id in (0, -7, "", "é\u2028", None, 2**53 - 1):
        assert (await any_ops.send(call_of("lock.list", request_id))).json["id"] == request_id


async def test_a_batch_is_answered_in_its_order(any_ops: Http, room: str) -> None:
    """Its calls are done one after the other; each is answered for itself."""
    calls = [
        call_of("room.set", "a", room=room, key="k", value=1),
        call_of("room.update", "b", room=room, key="k", do="increment"),
        call_of("room.set", "c", room=room, key="k", value=9, if_version=7),
        {"jsonrpc": "2.0", "method": "room.set", "params": {"room": room, "key": "n", "value": "told to nobody"}},
        17,
        call_of("room.join", "d", room=room),
        call_of("no.such", "e"),
        call_of("room.snapshot", "f", room=room),
    ]
    replies = (await any_ops.send(calls)).json
    assert [reply["id"] for reply in replies] == ["a", "b", "c", None, "d", "e", "f"]
    assert replies[1]["result"]["value"] == 2
    refusal_of(replies[2], "VERSION_CONFLICT")
    refusal_of(replies[3], "INVALID_REQUEST")
    refusal_of(replies[4], "WRONG_TRANSPORT")
    refusal_of(replies[5], "METHOD_NOT_FOUND")
    assert {entry["key"]: entry["value"] for entry in replies[6]["result"]["entries"]} == {
        "k": 2,
        "n": "told to nobody",
    }


async def test_a_batch_holds_1_to_50_calls(any_ops: Http, room: str) -> None:
    most = [call_of("room.update", number, room=room, key="k", do="increment") for number in range(50)]
    assert len((await any_ops.send(most)).json) == 50
    error = refusal_of((await any_ops.send([*most, most[0]])).json, "INVALID_REQUEST")
    assert (error["data"]["limit"], error["data"]["actual"]) == (50, 51)
    refusal_of((await any_ops.send([])).json, "INVALID_REQUEST")
    assert (await any_ops.call("room.get", room=room, key="k"))["value"] == 50


async def test_notifications_are_done_and_not_answered(any_ops: Http, room: str) -> None:
    """204 without a body, whatever came of them; in a batch, the others are answered."""
    done = {"jsonrpc": "2.0", "method": "room.update", "params": {"room": room, "key": "k", "do": "increment"}}
    refused = {"jsonrpc": "2.0", "method": "room.join", "params": {"room": room}}
    unknown = {"jsonrpc": "2.0", "method": "no.such"}
    for payload in (done, refused, unknown, [done, refused, unknown]):
        answer = await any_ops.send(payload)
        assert (answer.status, answer.body) == (204, b"")
    replies = (await any_ops.send([done, call_of("room.get", 1, room=room, key="k")])).json
    assert [reply["result"]["value"] for reply in replies] == [3]


# --- methods


@pytest.mark.parametrize("method", [name for name, row in CATALOG.items() if not row.is_http])
async def test_what_needs_a_socket_says_so(ops: Http, method: str) -> None:
    """Before it looks at the parameters."""
    await ops.refused(method, "WRONG_TRANSPORT")
    await ops.refused(method, "WRONG_TRANSPORT", nonsense=1)


async def test_a_method_that_there_is_not_is_not_found(ops: Http) -> None:
    for method in ("no.such", "", "room.SET", "__class__", "rpc.discover"):
        await ops.refused(method, "METHOD_NOT_FOUND")


@pytest.mark.parametrize("method", [name for name, row in CATALOG.items() if row.is_http and name in METHODS])
async def test_unknown_parameters_are_refused(ops: Http, method: str) -> None:
    await ops.refused(method, "INVALID_PARAMS", nonsense=1)


async def test_t22_a_refusal_holds_no_trace_of_the_code(any_ops: Http) -> None:
    """Nor of paths, modules or statements."""
    payloads: list[Any] = [
        call_of("room.get", 1, room="\0", key="k"),
        call_of("session.list", 1, filter="((("),
        call_of("lock.get", 1, name=""),
        call_of("room.peers", 1, room="r", limit="many"),
        {"jsonrpc": "2.0", "id": {"a": 1}, "method": "lock.list"},
    ]
    for payload in payloads:
        text = (await any_ops.send(payload)).body.decode()
        for trace in ("Traceback", "sessionstore_app", ".py", "SELECT", "0x"):
            assert trace not in text
