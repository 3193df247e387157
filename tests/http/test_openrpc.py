"""`openrpc.json`: it is sound, it agrees with the tables that serve, and live answers are what it says."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from jsonschema import Draft202012Validator

from sessionstore_app import mint_token
from sessionstore_app.core.errors import SessionStoreError, wire_errors
from sessionstore_app.handlers import HANDLERS
from sessionstore_app.protocol.catalog import CATALOG, errors_of
from sessionstore_app.protocol.methods import METHODS, read_params
from sessionstore_app.protocol.openrpc import document
from sessionstore_app.services.policy import PERMISSIONS
from tests.support.guests import Guests
from tests.support.http import Http, request
from tests.support.openrpc import CheckedHttp, Contract
from tests.support.server import Server

MADE = document(version="1.2.3", http_address="http://h/rpc/", socket_address="ws://h/ws/")
CONTRACT = Contract(MADE)


# --- the document


def test_it_says_what_openrpc_wants_to_know() -> None:
    assert re.fullmatch(r"1\.\d+\.\d+", MADE["openrpc"])
    assert MADE["info"]["title"]
    assert MADE["info"]["version"] == "1.2.3"
    assert [server["url"] for server in MADE["servers"]] == ["http://h/rpc/", "ws://h/ws/"]
    assert all(server["name"] for server in MADE["servers"])
    assert json.loads(json.dumps(MADE)) == MADE


def test_methods_and_parameters_are_named_once() -> None:
    names = [method["name"] for method in MADE["methods"]]
    assert len(set(names)) == len(names)
    for method in MADE["methods"]:
        assert method["summary"].endswith(".")
        assert method["paramStructure"] == "by-name"
        assert method["result"]["name"]
        params = [param["name"] for param in method["params"]]
        assert len(set(params)) == len(params)
        assert all(isinstance(param["required"], bool) and param["schema"] is not None for param in method["params"])


def _walk(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for member in value.values():
            yield from _walk(member)
    elif isinstance(value, list):
        for item in value:
            yield from _walk(item)


def test_every_reference_leads_somewhere() -> None:
    references = [found["$ref"] for found in _walk(MADE) if isinstance(found.get("$ref"), str)]
    assert references
    for reference in references:
        assert CONTRACT.resolve(reference) is not None
    used = {reference.rpartition("/")[2] for reference in references}
    assert MADE["components"]["schemas"].keys() <= used


def test_shapes_have_names_of_their_own() -> None:
    """Where two would share one, whole paths of modules would be told."""
    assert [name for name in MADE["components"]["schemas"] if not re.fullmatch(r"[A-Z][A-Za-z]+", name)] == []


def test_every_schema_is_one() -> None:
    for method in MADE["methods"]:
        for schema in (method["x-params"], method["result"]["schema"], *(p["schema"] for p in method["params"])):
            Draft202012Validator.check_schema(schema)
    for schema in MADE["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_what_is_served_is_described() -> None:
    """And nothing else is."""
    assert CATALOG.keys() == METHODS.keys() == HANDLERS.keys()
    assert {method["name"] for method in MADE["methods"]} == HANDLERS.keys()


def test_what_http_serves_has_a_result() -> None:
    for method in MADE["methods"]:
        assert bool(method["result"]["schema"]) == method["x-http"], method["name"]


def test_each_documented_error_is_one_of_the_wires() -> None:
    components = MADE["components"]["errors"]
    codes = wire_errors()
    for reason, error in components.items():
        assert error["code"] == codes[reason]
        assert error["data"]["reason"] == reason
        assert error["message"]
        assert error["data"]["hint"]
    given = {reason for method in MADE["methods"] for reason in CONTRACT.reasons(method["name"])}
    assert given | {"METHOD_NOT_FOUND", "PARSE_ERROR"} <= components.keys()


@pytest.mark.parametrize("name", sorted(METHODS))
def test_parameters_are_those_that_are_served(name: str) -> None:
    """What the document allows passes; an unknown member does neither; the list names what the whole holds."""
    method = CONTRACT.method(name)
    for params in CONTRACT.calls(name):
        assert CONTRACT.params_errors(name, params) == []
        read_params(name, params)
        assert params.keys() <= {param["name"] for param in method["params"]}
        assert params.keys() >= {param["name"] for param in method["params"] if param["required"]}
        assert CONTRACT.params_errors(name, {**params, "nonsense": 1})


def test_a_parameter_of_several_shapes_is_needed_where_all_need_it() -> None:
    params = {param["name"]: param for param in CONTRACT.method("room.update")["params"]}
    assert params["do"]["schema"]["enum"] == ["increment", "append", "remove", "merge"]
    assert {name for name, param in params.items() if param["required"]} == {"do", "room", "key"}
    assert params.keys() == {"do", "room", "key", "by", "op", "item", "cap", "unique", "where", "patch"}


@pytest.mark.parametrize("name", CATALOG)
def test_errors_are_listed_once_and_fit_the_transport(name: str) -> None:
    found = errors_of(name)
    assert len(set(found)) == len(found)
    assert all(issubclass(error, SessionStoreError) for error in found)
    assert ("WRONG_TRANSPORT" in {error.reason for error in found}) != CATALOG[name].is_http


# --- what a live server answers


async def _live(server: Server) -> Contract:
    answer = await asyncio.to_thread(request, server.host, "GET", "/sessionstore/openrpc.json")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    return Contract(answer.json)


async def test_a_server_says_where_it_is(any_server: Server) -> None:
    contract = await _live(any_server)
    http, socket = (server["url"] for server in contract.document["servers"])
    assert http == f"http://{any_server.host}/sessionstore/rpc/"
    assert socket == any_server.address


async def test_a_client_made_of_the_document_alone_can_call_everything(any_server: Server) -> None:
    """Whatever it makes up of the schemas is answered as the document says, over the address that it gives."""
    contract = await _live(any_server)
    address = urlsplit(contract.document["servers"][0]["url"])
    client = Http(address.netloc, mint_token("ops", permissions=PERMISSIONS))
    given: set[str] = set()
    for name in contract.http_methods:
        for params in contract.calls(name):
            call = {"jsonrpc": "2.0", "id": name, "method": name, "params": params}
            reply = (await client.send(call, path=address.path)).json
            contract.assert_reply(name, reply)
            given |= {name} if "result" in reply else set()
    assert contract.document["methods"]
    # What names a session or a site session that there is not, is told so.
    nobody = {"session.get_properties", "session.set_properties", "session.terminate", "site.update"}
    assert set(contract.http_methods) - given == nobody


@pytest.fixture
async def each_guests(each_server: Server) -> AsyncIterator[Guests]:
    async with Guests(each_server) as opened:
        yield opened


async def test_every_result_is_of_its_documented_shape(each_guests: Guests, each_server: Server, room: str) -> None:
    """With peers, locks, entries of every kind, and something to find in each list."""
    contract = await _live(each_server)
    caller = CheckedHttp(each_server.host, mint_token("ops", permissions=PERMISSIONS), contract)
    peer, anonymous, away = await each_guests.staff(), await each_guests.join(room), await each_guests.join(room)
    await peer.call("room.join", room=room)
    await peer.call("lock.acquire", name=room, scope="connection")
    await away.drop()
    await _use_rooms(caller, room)
    await _use_sessions(caller, room, peer.id)
    assert await caller.call("lock.get", name=f"{room}/free") is None
    assert (await caller.call("lock.get", name=room))["scope"] == "connection"
    assert (await caller.call("lock.list"))["locks"]
    assert (await caller.call("session.terminate", session_id=anonymous.id)) == {"count": 1}
    await _use_sites(caller)
    assert caller.answered == set(contract.http_methods)


async def _use_rooms(caller: CheckedHttp, room: str) -> None:
    assert await caller.call("room.can", room=room, action="clear") == {"allowed": True}
    values: list[Any] = [None, 0, -1.5, "", "é", [], {}, [1, [2]], {"a": {"b": None}}, True]
    for value in values:
        await caller.call("room.set", room=room, key="k", value=value)
        await caller.call("room.get", room=room, key="k")
    await caller.call("room.get", room=room, key="never")
    await caller.call("room.delete", room=room, key="k")
    for update in (
        {"do": "increment"},
        {"do": "append", "item": {"id": 1}, "unique": "id"},
        {"do": "remove", "where": {"id": 1}},
        {"do": "merge", "patch": {"a": 1}},
    ):
        await caller.call("room.update", room=room, key=update["do"], **update)
    await caller.call("room.write", room=room, ops=[{"key": "x", "value": 1}, {"key": "y", "value": None}])
    assert (await caller.call("room.snapshot", room=room, keys=["*", "never"]))["entries"]
    assert (await caller.call("room.peers", room=room))["peers"]
    assert (await caller.call("room.broadcast", room=room, event="e"))["count"]
    await caller.refused("room.set", "VERSION_CONFLICT", room=room, key="x", value=2, if_version=99)
    await caller.call("room.clear", room=room)


async def _use_sessions(caller: CheckedHttp, room: str, session_id: str) -> None:
    named, matching = {"session_id": session_id}, {"filter": "all", "room": room}
    changes = {"team": "red", "$Roles": "no"}
    await caller.call("session.set_properties", properties=changes, **named)
    assert (await caller.call("session.set_properties", properties=changes, **named))["changed"] is not None
    await caller.call("session.set_properties_by_filter", properties={"team": "blue"}, **matching)
    assert (await caller.call("session.get_properties", properties=["*F", "*U"], **named))["properties"]
    listing = await caller.call("session.list", properties=["*F", "*U"], limit=1, **matching)
    assert listing["more"]
    assert (await caller.call("session.count", by=["team", "$Principal"], **matching))["groups"]
    await caller.call("session.change_roles", add=["speaker"], **named)
    await caller.call("session.send", event="e", data=1, **matching)
    await caller.call("session.observe_for", keys=["*"], **matching)


async def _use_sites(caller: CheckedHttp) -> None:
    (created,) = (await caller.call("site.create", data={"a": 1}, platform="shop", platform_version="2")).values()
    key = created["sessionKey"]
    assert await caller.call("site.load", session_keys=[key, "00000000-0000-4000-8000-000000000000"])
    (updated,) = (await caller.call("site.update", session_key=key, data={"b": 2}, mode="merge")).values()
    assert updated["data"] == {"a": 1, "b": 2}
    assert (await caller.call("site.stats"))["total"]
    assert (await caller.call("site.delete", session_keys=[key]))["deleted"] == 1
