"""The HTTP door inside Django, under WSGI and ASGI: allowances, transactions, faults, and callers that hang up."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import Permission, User
from django.core.checks import run_checks
from django.core.handlers.asgi import ASGIRequest
from django.db import OperationalError
from django.http import HttpResponse
from django.test import AsyncClient, AsyncRequestFactory, Client
from django.urls import include, path

from sessionstore_app import httpcaller, mint_token, ratelimit, rooms, views
from sessionstore_app.core import clock
from sessionstore_app.handlers import HANDLERS
from sessionstore_app.handlers.socket import Handler
from sessionstore_app.models import Room
from sessionstore_app.services import directory, identity
from tests.support.http import Http, call_of
from tests.support.wire import refusal_of, result_of

RPC = "/sessionstore/rpc/"
CSRF = "abcdefghijklmnopqrstuvwxyz012345"

urlpatterns = [path("deep/store/", include("sessionstore_app.urls", namespace="elsewhere"))]


@pytest.fixture(autouse=True)
def fresh_allowances() -> Iterator[None]:
    yield
    httpcaller._buckets.clear()
    ratelimit.room_buckets.clear()


def _token(principal: str = "ops", **granted: Any) -> str:
    return mint_token(principal, **({"permissions": ["manage_room", "view_session"]} | granted))


def _request(payload: Any) -> ASGIRequest:
    """A request of `ops`, for the view alone."""
    headers = {"Authorization": f"Bearer {_token()}"}
    return AsyncRequestFactory().post(RPC, json.dumps(payload), content_type="application/json", headers=headers)


class Caller:
    """Calls under WSGI: every request runs in a loop of its own."""

    def __init__(self, token: str | None = None) -> None:
        self._client = Client(enforce_csrf_checks=True)
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}

    def send(self, payload: Any) -> HttpResponse:
        """Send JSON."""
        response: Any = self._client.post(
            RPC, json.dumps(payload), content_type="application/json", headers=self._headers
        )
        return response  # type: ignore[no-any-return]  # the test client's response is one

    def ask(self, method: str, **params: Any) -> Any:
        """Call, and return the reply."""
        return json.loads(self.send(call_of(method, **params)).content)


# --- under WSGI


@pytest.mark.django_db(transaction=True)
def test_wsgi_serves_what_asgi_serves() -> None:
    ops = Caller(_token())
    assert result_of(ops.ask("room.set", room="r", key="k", value=1))["by"] == {"session_id": None, "principal": "ops"}
    assert rooms.get("r", "k") == 1
    rooms.update("r", "k", do="increment")
    replies = json.loads(
        ops.send(
            [
                call_of("room.update", 1, room="r", key="k", do="increment"),
                call_of("room.snapshot", 2, room="r"),
                call_of("session.count", 3),
                call_of("lock.list", 4),
            ]
        ).content
    )
    assert replies[0]["result"]["value"] == 3
    assert [entry["value"] for entry in replies[1]["result"]["entries"]] == [3]
    assert replies[2]["result"]["total"] == 0
    notification = {"jsonrpc": "2.0", "method": "room.delete", "params": {"room": "r", "key": "k"}}
    assert ops.send(notification).status_code == 204
    assert rooms.get("r", "k") is None
    assert Caller().send(notification).status_code == 401


@pytest.mark.django_db
def test_wsgi_a_tests_own_transaction_holds_what_is_called_in_it() -> None:
    """`TestCase` works: nothing is committed by somebody else."""
    assert result_of(Caller(_token()).ask("room.set", room="r", key="k", value=1))["version"] == 1
    assert rooms.get("r", "k") == 1


async def test_wsgi_threads_of_a_real_server_lose_nothing(live_server: Any) -> None:
    ops = Http(live_server.url.removeprefix("http://"), _token())
    calls = (ops.call("room.update", room="r", key="n", do="increment") for _ in range(20))
    await asyncio.gather(*calls)
    assert (await ops.call("room.get", room="r", key="n"))["value"] == 20


# --- allowances


@pytest.fixture
def second(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Callable[[float], None]:
    """A caller may write 5 at once and one more a second; the clock goes on when the test says so."""
    settings.SESSIONSTORE = {**settings.SESSIONSTORE, "WRITES_BURST": 5, "WRITES_PER_SECOND": 1}
    now = [1_000.0]
    monkeypatch.setattr(clock, "monotonic", lambda: now[0])

    def passes(seconds: float) -> None:
        now[0] += seconds

    return passes


@pytest.mark.django_db(transaction=True)
def test_t16_writes_of_one_principal_share_an_allowance(second: Callable[[float], None]) -> None:
    """Whichever its token; reads cost nothing, a write of n keys costs n, and others have their own."""
    one, same, other = Caller(_token()), Caller(_token(roles=["x"])), Caller(_token("other"))
    result_of(one.ask("room.write", room="r", ops=[{"key": f"k{n}", "value": n} for n in range(3)]))
    result_of(same.ask("room.set", room="r", key="k", value=1))
    result_of(same.ask("room.delete", room="r", key="k"))
    for caller in (one, same):
        error = refusal_of(caller.ask("room.set", room="r", key="k", value=2), "RATE_LIMITED")
        assert (error["data"]["retry_after_seconds"], error["data"]["limit"]) == (1, 1)
    result_of(one.ask("room.get", room="r", key="k"))
    result_of(other.ask("room.set", room="r", key="k", value=3))
    second(1)
    result_of(one.ask("room.set", room="r", key="k", value=4))
    refusal_of(one.ask("room.set", room="r", key="k", value=5), "RATE_LIMITED")
    assert rooms.get("r", "k") == 4


@pytest.mark.django_db(transaction=True)
def test_t16_one_call_beyond_a_burst_is_a_limit(second: Callable[[float], None]) -> None:
    ops = [{"key": f"k{n}", "value": n} for n in range(6)]
    error = refusal_of(Caller(_token()).ask("room.write", room="r", ops=ops), "LIMIT_EXCEEDED")
    assert (error["data"]["limit"], error["data"]["actual"]) == (5, 6)


@pytest.mark.django_db(transaction=True)
def test_t16_clearing_costs_a_write(second: Callable[[float], None]) -> None:
    """Also of rooms that there are not, which it does not make; who may not clear spends nothing."""
    ops, other = Caller(_token()), Caller(_token(permissions=[]))
    rooms.set("r", "k", 1)
    for _ in range(6):
        refusal_of(other.ask("room.clear", room="r"), "ACCESS_DENIED")
    assert result_of(ops.ask("room.clear", room="r"))["epoch"]
    for number in range(4):
        assert result_of(ops.ask("room.clear", room=f"never/{number}")) == {"epoch": ""}
    refusal_of(ops.ask("room.clear", room="r"), "RATE_LIMITED")
    refusal_of(ops.ask("room.clear", room="never/5"), "RATE_LIMITED")
    assert list(Room.objects.values_list("name", flat=True)) == ["r"]


@pytest.mark.django_db(transaction=True)
def test_t16_the_allowances_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of who called last are, and those of the rooms written to last."""
    monkeypatch.setattr(ratelimit, "BUCKETS_KEPT", 2)
    for principal in ("a", "b", "a", "c"):
        result_of(Caller(_token(principal)).ask("room.set", room=f"of {principal}", key="k", value=1))
    assert list(httpcaller._buckets) == ["a", "c"]
    assert list(ratelimit.room_buckets) == ["of a", "of c"]


@pytest.mark.django_db(transaction=True)
def test_t16_all_principals_share_a_rooms_writes_and_who_waits_as_told_is_let_in(
    second: Callable[[float], None], settings: Any
) -> None:
    """The project's own code is not counted, before or after."""
    settings.SESSIONSTORE = {**settings.SESSIONSTORE, "ROOM_WRITES_BURST": 4, "ROOM_WRITES_PER_SECOND": 0.5}
    one, other = Caller(_token("one")), Caller(_token("other"))
    for number in range(10):
        rooms.set("r", "own", number)
    result_of(one.ask("room.write", room="r", ops=[{"key": f"k{n}", "value": n} for n in range(3)]))
    ops = [{"key": f"k{n}", "value": 0} for n in range(2)]
    for _ in range(10):
        error = refusal_of(other.ask("room.write", room="r", ops=ops), "RATE_LIMITED")
        assert (error["data"]["retry_after_seconds"], error["data"]["limit"]) == (2, 0.5)
        assert "room" in error["data"]["hint"]
    rooms.set("r", "own", "still")
    second(1.9)
    refusal_of(other.ask("room.write", room="r", ops=ops), "RATE_LIMITED")
    second(0.1)
    result_of(other.ask("room.write", room="r", ops=ops))
    # The refusals cost neither of them anything of their own: five at once, of which these were two and three.
    result_of(other.ask("room.write", room="s", ops=[{"key": f"k{n}", "value": 0} for n in range(3)]))
    result_of(one.ask("room.set", room="t", key="k", value=0))
    assert rooms.get("r", "own") == "still"


# --- transactions


@pytest.mark.django_db(transaction=True)
def test_the_views_stay_outside_of_atomic_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Django refuses async views there; and each call of a batch commits by itself."""
    monkeypatch.setitem(django_settings.DATABASES["default"], "ATOMIC_REQUESTS", True)
    ops = Caller(_token())
    result_of(ops.ask("room.set", room="r", key="k", value=1))
    for page in ("openrpc.json", "methods/", "health/"):
        assert Client().get(f"/sessionstore/{page}").status_code == 200
    told = [message for message in run_checks(tags=["sessionstore"]) if message.id == "sessionstore.I001"]
    assert len(told) == 1
    assert "'default'" in told[0].msg


def test_without_atomic_requests_there_is_nothing_to_say() -> None:
    assert [message for message in run_checks(tags=["sessionstore"]) if message.id == "sessionstore.I001"] == []


# --- faults


@pytest.mark.django_db(transaction=True)
def test_t22_a_fault_is_logged_and_tells_the_caller_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(caller: object, params: object) -> str:
        raise RuntimeError("canary")

    monkeypatch.setitem(HANDLERS, "room.get", fail)
    with caplog.at_level(logging.ERROR, "sessionstore_app"):
        response = Caller(_token()).send([call_of("room.get", 1, room="r", key="k"), call_of("lock.list", 2)])
    failed, next_one = json.loads(response.content)
    assert failed["error"]["code"] == -32603
    refusal_of(failed, "INTERNAL_ERROR")
    assert b"canary" not in response.content
    assert next_one["result"] == {"locks": []}
    assert "canary" in caplog.text


async def test_a_body_that_breaks_off_is_no_fault_of_the_server() -> None:
    request = _request(call_of("lock.list"))

    class Broken(BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError("the connection was reset")

    request._stream = Broken()
    assert (await views.rpc(request)).status_code == 400


@pytest.mark.django_db(transaction=True)
async def test_t10_a_length_that_is_no_number_does_not_hide_a_long_body() -> None:
    for length in ("x", "-1", "²", "9" * 5_000):
        fits, too_long = _request(call_of("lock.list")), _request(call_of("x" * 262_144))
        fits.META["CONTENT_LENGTH"] = too_long.META["CONTENT_LENGTH"] = length
        assert (await views.rpc(fits)).status_code == 200
        assert (await views.rpc(too_long)).status_code == 413


@pytest.mark.django_db(transaction=True)
def test_where_it_cannot_be_known_who_asks_the_answer_is_503(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(key: str) -> None:
        raise OperationalError("the database is away")

    monkeypatch.setattr(identity, "by_session_key", away)
    client = Client(headers={"Cookie": "sessionid=x"})
    response = client.post(RPC, json.dumps(call_of("lock.list")), content_type="application/json")
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "1"
    refusal_of(response.json(), "UNAVAILABLE")


@pytest.mark.django_db(transaction=True)
def test_health_is_503_where_the_database_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise OperationalError("the database is away")

    assert Client().get("/sessionstore/health/").json()["node"] is None
    monkeypatch.setattr(directory, "open_sessions", away)
    response = Client().get("/sessionstore/health/")
    assert response.status_code == 503
    assert (response.json()["status"], response.json()["database"]) == ("degraded", "away")
    assert b"the database is away" not in response.content


@pytest.mark.django_db(transaction=True)
async def test_who_hangs_up_leaves_nothing_half_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """Django cancels the view then; the calls of the request are done and told, to the last."""
    begun, may_go_on, done = asyncio.Event(), asyncio.Event(), asyncio.Event()
    write, read = HANDLERS["room.set"], HANDLERS["room.get"]

    async def slow_write(caller: Any, params: Any) -> Any:
        begun.set()
        await may_go_on.wait()
        return await write(caller, params)

    async def last_read(caller: Any, params: Any) -> Any:
        done.set()
        return await read(caller, params)

    replaced: dict[str, Handler] = {"room.set": slow_write, "room.get": last_read}
    for method, handler in replaced.items():
        monkeypatch.setitem(HANDLERS, method, handler)
    calls = [call_of("room.set", 1, room="r", key="k", value=1), call_of("room.get", 2, room="r", key="k")]
    request = _request(calls)
    async with asyncio.timeout(10):
        calling = asyncio.ensure_future(views.rpc(request))
        await begun.wait()
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        may_go_on.set()
        await done.wait()
        assert await rooms.aget("r", "k") == 1


# --- projects of other shapes


@pytest.mark.django_db(transaction=True)
async def test_t21_csrf_tokens_may_live_in_sessions(settings: Any) -> None:
    """CSRF_USE_SESSIONS: the session is read in a thread, as Django demands."""
    settings.CSRF_USE_SESSIONS = True
    user = await User.objects.acreate_user("ann", password="x")
    ours = Permission.objects.filter(content_type__app_label="sessionstore_app")
    await user.user_permissions.aadd(await ours.aget(codename="view_session"))
    client = AsyncClient(enforce_csrf_checks=True)
    await client.aforce_login(user)
    session = await client.asession()
    await session.aset("_csrftoken", CSRF)
    await session.asave()
    statuses = []
    for token in (CSRF, "z" * 32, ""):
        response = await client.post(
            RPC, json.dumps(call_of("lock.list")), content_type="application/json", headers={"X-CSRFToken": token}
        )
        statuses.append(response.status_code)
    assert statuses == [200, 403, 403]


@pytest.mark.django_db(transaction=True)
def test_a_user_who_was_deactivated_is_nobody(settings: Any) -> None:
    user = User.objects.create_user("ann", password="x", is_active=True)
    client = Client()
    client.force_login(user)
    post = call_of("lock.list")
    refused = client.post(RPC, json.dumps(post), content_type="application/json")
    refusal_of(refused.json(), "ACCESS_DENIED")
    assert refused.status_code == 200
    user.is_active = False
    user.save()
    assert client.post(RPC, json.dumps(post), content_type="application/json").status_code == 401


def test_documents_name_the_addresses_of_the_project_that_serves_them(settings: Any) -> None:
    settings.ROOT_URLCONF = __name__
    settings.ALLOWED_HOSTS = ["store.example"]
    client = Client(headers={"Host": "store.example"})
    servers = client.get("/deep/store/openrpc.json", secure=True).json()["servers"]
    assert [server["url"] for server in servers] == [
        "https://store.example/deep/store/rpc/",
        "wss://store.example/ws/sessionstore/",
    ]
    assert 'href="/deep/store/openrpc.json"' in client.get("/deep/store/methods/").content.decode()
    assert Client(headers={"Host": "evil.example"}).get("/deep/store/openrpc.json").status_code == 400
