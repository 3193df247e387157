"""What Prometheus is told: figures of this process, by name, and none of anybody's names (T22)."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import fields

import pytest
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from sessionstore_app import ratelimit
from sessionstore_app.metrics import COUNTED
from sessionstore_app.services.line import Counters
from tests.support.guests import Guests
from tests.support.http import Answer, request
from tests.support.server import Server

PATH = "/sessionstore/metrics/"


def test_every_counter_has_a_name_and_a_sentence() -> None:
    assert list(COUNTED) == [field.name for field in fields(Counters)]


async def test_t22_sockets_and_rooms_are_counted_and_nobody_is_named(server: Server, room: str) -> None:
    async with Guests(server) as guests:
        await asyncio.gather(*(guests.join(room) for _ in range(3)))
        answer = await asyncio.to_thread(request, server.host, "GET", PATH)
        told = _figures(answer)
        assert told["sessionstore_sockets"] >= 3
        assert told["sessionstore_rooms"] >= 1
        assert {f"sessionstore_{name}" for name in COUNTED} < set(told)
        assert room.encode() not in answer.body
        assert answer.headers["cache-control"] == "no-store"


def _figures(answer: Answer) -> dict[str, float]:
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = list(text_string_to_metric_families(answer.body.decode()))
    samples = [sample for family in families for sample in family.samples]
    # Labels are words of the app's own, never names.
    assert {label for sample in samples for label in sample.labels.items()} == {
        ("state", "ACTIVE"),
        ("state", "DISCONNECTED"),
        *(("kind", kind) for kind in ratelimit.KINDS),
    }
    return {family.name: family.samples[0].value for family in families}


def test_without_prometheus_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "sessionstore_app.metrics", raising=False)
    monkeypatch.delattr("sessionstore_app.metrics", raising=False)
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    answer = Client().get(PATH)
    assert answer.status_code == 404
    assert b"django-sessionstore-app[metrics]" in answer.content
