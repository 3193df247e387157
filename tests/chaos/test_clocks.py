"""A server whose clock is an hour off does what all others do: the database's clock is everybody's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from datetime import datetime
from typing import Any

import pytest

from sessionstore_app import mint_token
from tests.support.clocks import wrong_clock
from tests.support.guests import Guests
from tests.support.postgres import temporary_postgres
from tests.support.redis import temporary_redis
from tests.support.server import Server, manage, running
from tests.support.wire import Wire, eventually

pytestmark = [pytest.mark.postgres, pytest.mark.redis]

SHORT = {"REAP_SECONDS": 0.2, "NODE_RENEW_SECONDS": 0.5, "NODE_LEASE_SECONDS": 5}
HOUR_SECONDS = 3_600


@pytest.fixture(scope="module", params=["+1h", "-1h"])
def servers(request: pytest.FixtureRequest) -> Iterator[tuple[Server, Server]]:
    """One with the right time and one with a wrong one."""
    with ExitStack() as stack:
        url = stack.enter_context(temporary_postgres())
        manage("migrate", "--verbosity", "0", database_url=url)
        environment = {"REDIS_URL": stack.enter_context(temporary_redis()).url}
        right = stack.enter_context(running(database_url=url, settings=SHORT, environment=environment))
        wrong = {**environment, **wrong_clock(request.param)}
        yield right, stack.enter_context(running(database_url=url, settings=SHORT, environment=wrong))


@pytest.fixture
async def pair(servers: tuple[Server, Server]) -> AsyncIterator[tuple[Guests, Guests]]:
    async with Guests(servers[0]) as right, Guests(servers[1]) as wrong:
        yield right, wrong


def _seconds(entry: dict[str, Any]) -> float:
    return datetime.fromisoformat(entry["at"]).timestamp()


async def test_entries_live_as_long_as_they_should_whoever_wrote_them(pair: tuple[Guests, Guests], room: str) -> None:
    """None goes early because somebody looks with a wrong clock, and none stays because somebody wrote with one."""
    right, wrong = [await guests.join(room) for guests in pair]
    for wire, other in ((right, wrong), (wrong, right)):
        await wire.call("room.set", room=room, key=f"long/{wire.id}", value=1, ttl_seconds=HOUR_SECONDS / 2)
        await other.expect_change(f"long/{wire.id}", 1)
        await wire.call("room.set", room=room, key=f"short/{wire.id}", value=1, ttl_seconds=1)
        # Who hears late of its life hears of its end alone.
        await other.expect_change(f"short/{wire.id}", None)
    for wire in (right, wrong):
        entries = (await wire.call("room.snapshot", room=room, keys=["*"]))["entries"]
        assert {entry["key"] for entry in entries} == {f"long/{right.id}", f"long/{wrong.id}"}
        apart = _seconds(entries[0]) - _seconds(entries[1])
        assert abs(apart) < HOUR_SECONDS / 2


async def test_tokens_are_good_for_their_time(pair: tuple[Guests, Guests]) -> None:
    for guests in pair:
        await guests.open(token=mint_token("ann", expires_in=HOUR_SECONDS / 2))
    spent = mint_token("ann", expires_in=0.001)
    for guests in pair:
        late = await guests.connect()

        async def is_refused(late: Wire = late) -> bool:
            return "error" in await late.ask("session.open", token=spent)

        await eventually(is_refused, "it is refused")
