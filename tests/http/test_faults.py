"""T22: whatever fails while it is found out who calls, the answer is JSON that tells nothing, and is not kept."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpResponse
from django.test import AsyncClient, Client

from tests.support.http import call_of
from tests.support.wire import refusal_of

RPC = "/sessionstore/rpc/"
KEY = "k" * 32


class SessionStore(SessionBase):
    """A session engine whose server is away."""

    def load(self) -> dict[str, Any]:
        raise ConnectionError("canary")


@pytest.fixture
def away(settings: Any) -> None:
    settings.DEBUG = True
    settings.SESSION_ENGINE = __name__


def _assert_a_fault(response: HttpResponse, log: str) -> None:
    """500 in words of the wire; what it was is in the log alone."""
    assert response.status_code == 500
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    reply = json.loads(response.content)
    assert reply["id"] is None
    refusal_of(reply, "INTERNAL_ERROR")
    assert b"canary" not in response.content
    assert "canary" in log


@pytest.mark.django_db(transaction=True)
def test_wsgi_a_session_engine_that_fails_is_answered_in_json(away: None, caplog: pytest.LogCaptureFixture) -> None:
    client = Client(raise_request_exception=False)
    client.cookies["sessionid"] = KEY
    with caplog.at_level(logging.ERROR, "sessionstore_app"):
        response: Any = client.post(RPC, json.dumps(call_of("lock.list")), content_type="application/json")
    _assert_a_fault(response, caplog.text)


@pytest.mark.django_db(transaction=True)
async def test_asgi_a_session_engine_that_fails_is_answered_in_json(
    away: None, caplog: pytest.LogCaptureFixture
) -> None:
    client = AsyncClient(raise_request_exception=False)
    client.cookies["sessionid"] = KEY
    with caplog.at_level(logging.ERROR, "sessionstore_app"):
        response: Any = await client.post(RPC, json.dumps(call_of("lock.list")), content_type="application/json")
    _assert_a_fault(response, caplog.text)
