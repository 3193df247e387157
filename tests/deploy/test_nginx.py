"""The documented nginx, really run, in front of two servers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http.client import HTTPConnection

import pytest

from sessionstore_app import mint_token
from sessionstore_app.client import connect
from tests.support.http import Http, request
from tests.support.nginx import Nginx, documented_nginx
from tests.support.redis import temporary_redis
from tests.support.server import CHECKOUT, Server, running
from tests.support.wire import Wire, eventually, refused_handshake

pytestmark = pytest.mark.redis

STATICS = CHECKOUT / "sessionstore_app" / "static"
# One address of the loopback network each, so that no test uses up what another may.
HOME, FLOOD = "127.0.0.9", "127.0.0.10"


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Server, Server]]:
    with ExitStack() as stack:
        environment = {"REDIS_URL": stack.enter_context(temporary_redis()).url}
        settings = {"TRUSTED_PROXIES": ["127.0.0.1"]}
        one = stack.enter_context(running(environment=environment, settings=settings))
        two = running(environment=environment, settings=settings, database_url=one.database_url)
        yield one, stack.enter_context(two)


@pytest.fixture(scope="module")
def nginx(servers: tuple[Server, Server]) -> Iterator[Nginx]:
    with documented_nginx(servers, STATICS) as started:
        yield started


async def _get(nginx: Nginx, path: str) -> tuple[int, str, bytes]:
    answer = await asyncio.to_thread(request, nginx.host, "GET", path)
    return answer.status, answer.headers.get("cache-control", ""), answer.body


async def test_pages_and_modules_are_served_and_health_is_nobodys_business(nginx: Nginx) -> None:
    assert (await _get(nginx, "/"))[0] == 200
    status, cached, body = await _get(nginx, "/static/sessionstore_app/sdk/index.js")
    assert (status, cached) == (200, "no-cache")
    assert body == (STATICS / "sessionstore_app" / "sdk" / "index.js").read_bytes()
    for page in ("health", "metrics"):
        assert (await _get(nginx, f"/sessionstore/{page}/"))[0] == 404


async def test_t1_the_own_page_may_open_a_socket_and_no_other(nginx: Nginx) -> None:
    async with await Wire.connect(nginx.address, origin=f"http://{nginx.host}") as wire:
        await wire.open()
    assert await refused_handshake(nginx.address, origin="http://evil.example") == 403


async def test_t29_the_clients_address_is_its_own(nginx: Nginx) -> None:
    """Not nginx's, and not what the client says."""
    lie = {"X-Forwarded-For": "203.0.113.7"}
    options = {"local_addr": (HOME, 0)}
    async with connect(nginx.address, headers=lie, websocket_options=options) as session:
        assert session.properties["$ClientIP"] == HOME


async def test_both_serve_one_room(nginx: Nginx) -> None:
    """No sticky sessions: whoever is wherever, all are in one room."""
    async with connect(nginx.address) as ann, connect(nginx.address) as bo:
        assert ann.properties["$ServerName"] != bo.properties["$ServerName"]
        rooms = [await session.join("standup", observe=["*"]) for session in (ann, bo)]
        await rooms[0].set("topic", "Retro")
        async for entry in rooms[1].observe("topic"):
            if entry.value == "Retro":
                break
        token = mint_token("ops", permissions=["view_session"])
        assert (await Http(nginx.host, token).call("session.count", filter="$Principal is ''"))["total"] >= 2


async def test_one_that_is_gone_is_passed_over_at_once(nginx: Nginx, servers: tuple[Server, Server]) -> None:
    """Handshakes and requests, none of which is refused."""
    servers[0].kill()
    try:
        for _ in range(4):
            assert (await _get(nginx, "/"))[0] == 200
            async with await Wire.connect(nginx.address) as wire:
                await wire.open()
    finally:
        await asyncio.to_thread(servers[0].start)


async def test_t3_what_is_in_the_query_is_in_no_log(nginx: Nginx) -> None:
    async with await Wire.connect(f"{nginx.address}?token=canary-secret") as wire:
        await wire.open()

    async def logged() -> bool:
        return "/ws/sessionstore/" in nginx.log

    await eventually(logged, "the socket is in the log")
    assert "canary-secret" not in nginx.log + nginx.errors


async def test_t14_a_flood_of_handshakes_is_stopped_before_it_reaches_a_server(nginx: Nginx) -> None:
    let_in = await asyncio.to_thread(_flood, nginx, 10_000)
    # As many as may come at once, and those that may come in the meantime.
    assert 200 <= let_in < 10_000
    # Nobody else is kept out by it.
    async with await Wire.connect(nginx.address) as wire:
        await wire.open()


def _flood(nginx: Nginx, most: int) -> int:
    """How many handshakes of one address are let in until one is not."""
    with ThreadPoolExecutor(8) as crowd:
        for portion in range(0, most, 200):
            statuses = list(crowd.map(lambda _: _handshake(nginx), range(200)))
            if 429 in statuses:
                return portion + statuses.index(429)
    return most


def _handshake(nginx: Nginx) -> int:
    connection = HTTPConnection(nginx.host, timeout=10, source_address=(FLOOD, 0))
    try:
        connection.request("GET", "/ws/sessionstore/")
        return connection.getresponse().status
    finally:
        connection.close()
