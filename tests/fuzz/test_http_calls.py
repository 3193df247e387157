"""The HTTP entry, by calls that are drawn from the document that it serves itself (T18, T22)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sessionstore_app import mint_token
from sessionstore_app.services.policy import PERMISSIONS
from tests.fuzz.calls import CANARY, Calls, Drawn
from tests.support.guests import Guests
from tests.support.http import RPC, Answer, Http, request
from tests.support.openrpc import Contract
from tests.support.server import Server, running
from tests.support.wire import Params

EXAMPLES = 40
FEWEST_CALLS, MOST_CALLS = 10, 25


@pytest.fixture(scope="module")
def talkative_server() -> Iterator[Server]:
    """It logs all that it can, and no call is refused for coming too soon."""
    with running(environment={"LOG_LEVEL": "DEBUG"}) as server:
        yield server


def _post(server: Server, calls: list[Params]) -> Answer:
    token = mint_token(CANARY, permissions=PERMISSIONS)
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    return request(server.host, "POST", RPC, body=json.dumps(calls).encode(), headers=headers)


async def test_t18_t22_what_the_document_allows_is_answered_as_it_says(talkative_server: Server) -> None:
    """Each answer fits the document, whatever was asked; none is a fault; and the log holds nothing of anybody's."""
    server = talkative_server
    contract = Contract(request(server.host, "GET", "/sessionstore/openrpc.json").json)
    async with Guests(server) as guests:
        peers = [await guests.join(room, heartbeat=False) for room in ("fuzz/a", "fuzz/b") * 6]
        sessions = st.sampled_from([peer.id for peer in peers])
        ops = Http(server.host, mint_token("ops", permissions=PERMISSIONS))
        sites = st.sampled_from([key for _ in range(3) for key in await ops.call("site.create", data={"a": 1})])
        words = {"session_id": sessions, "after": sessions, "session_key": sites, "session_keys": sites}
        answered = _fuzz(server, contract, words)
    # Where nothing but refusals comes back, nothing was tested.
    given_results = {name for name, outcome in answered if outcome == "result"}
    assert len(given_results) > len(contract.http_methods) / 2, answered
    assert sum(answered.values()) > EXAMPLES * FEWEST_CALLS
    assert CANARY not in server.log
    assert "\x1b[31m" not in server.log
    assert "\nforged: line" not in server.log


def _fuzz(server: Server, contract: Contract, words: Mapping[str, Drawn]) -> Counter[tuple[str, str]]:
    """Draw calls, and hold each answer to the document; what came back of which method."""
    answered: Counter[tuple[str, str]] = Counter()

    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(Calls(contract, words).one(contract.http_methods), min_size=FEWEST_CALLS, max_size=MOST_CALLS))
    def ask(drawn: list[tuple[str, Params]]) -> None:
        calls = [
            {"jsonrpc": "2.0", "id": number, "method": name, "params": params}
            for number, (name, params) in enumerate(drawn)
        ]
        answer = _post(server, calls)
        assert answer.status == 200, (answer.status, answer.body)
        replies = answer.json
        assert [reply["id"] for reply in replies] == list(range(len(drawn)))
        for (name, params), reply in zip(drawn, replies, strict=True):
            contract.assert_reply(name, reply)
            assert "error" in reply or not contract.params_errors(name, params), (name, params)
            answered[name, "result" if "result" in reply else reply["error"]["data"]["reason"]] += 1

    ask()
    return answered
