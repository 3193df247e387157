"""T4 where the users are a project's own: known by an address, with UUIDs, without groups, saved as a proxy."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from sessionstore_app import mint_token
from tests.support.guests import Guests
from tests.support.http import request
from tests.support.server import CHECKOUT, Server, running
from tests.support.wire import Wire

SETTINGS = {"DJANGO_SETTINGS_MODULE": "tests.people.settings"}
REVOKED = 4014


@pytest.fixture(scope="module")
def people_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    url = f"sqlite:///{tmp_path_factory.mktemp('people') / 'people.sqlite3'}"
    migrated = subprocess.run(
        [sys.executable, "manage.py", "migrate", "--run-syncdb", "--verbosity", "0"],
        cwd=CHECKOUT,
        env=os.environ | SETTINGS | {"DATABASE_URL": url},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert migrated.returncode == 0, migrated.stderr
    with running(environment=SETTINGS, database_url=url) as server:
        yield server


@pytest.fixture
async def people(people_server: Server) -> AsyncIterator[Guests]:
    async with Guests(people_server) as opened:
        yield opened


async def _post(guests: Guests, path: str, **arguments: Any) -> Any:
    body = json.dumps(arguments).encode()
    answer = await asyncio.to_thread(request, guests.server.host, "POST", path, body=body)
    assert answer.status == 200, answer.body[:2_000]
    return answer.json


async def _page(guests: Guests, address: str, rank: str = "") -> Wire:
    key = (await _post(guests, "/log_in/", address=address, rank=rank))["key"]
    wire = await guests.connect(origin=f"http://{guests.server.host}", headers=[("Cookie", f"sessionid={key}")])
    assert (await wire.open())["principal"] == address
    return wire


@pytest.mark.parametrize("how", ["deactivated", "deleted"])
async def test_t4_a_person_who_is_no_longer_welcome_is_closed(people: Guests, how: str) -> None:
    address = f"{how}@example.com"
    page, other = await _page(people, address), await _page(people, f"not-{address}")
    token = await people.open(token=mint_token(address))
    if how == "deactivated":
        await _post(people, f"/change/{address}/", is_active=False)
    else:
        await _post(people, f"/delete/{address}/")
    await page.expect_closed(REVOKED)
    await token.expect_closed(REVOKED)
    await other.call("session.ping")


async def test_t4_whatever_a_persons_rights_hang_on_is_felt_when_it_is_saved(people: Guests) -> None:
    boss, other = await _page(people, "boss@example.com", "boss"), await _page(people, "both@example.com", "boss")
    await boss.call("session.list")
    await _post(people, "/change/boss@example.com/", rank="")
    assert (await boss.expect("session.changed"))["permissions"] == []
    await boss.refused("session.list", "ACCESS_DENIED")
    await other.call("session.list")
