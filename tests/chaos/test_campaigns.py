"""A few short campaigns: between them they have each group of faults, on either backend. `make chaos` runs many.

Each is a process of its own, as somebody would start it who replays a seed.
"""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from tests.chaos.driver.faults import KINDS
from tests.chaos.driver.schedule import schedule
from tests.chaos.driver.world import NO_FAKETIME, find_faketime
from tests.support.postgres import find_postgres
from tests.support.server import CHECKOUT

SECONDS = 8.0
_LIMIT_SECONDS = 240

# Seed, backend, and the kinds that its time is for.
CAMPAIGNS = {
    "crashes": (3, "redis", "Kill,Stop,RedisKill,RedisCutSubscribers,RedisScriptFlush,Cut,SlowReader"),
    "deploys": (4, "database", "Terminate,PostgresKill,PostgresCutClients,RedisPause,HalfOpen,ByteByByte"),
    "losses": (5, "redis", "WrongClock,RedisFlush,RedisPartition,PostgresPartition,DeafClient,DeafServer,Delay"),
}


@pytest.fixture
def _programs() -> None:
    if shutil.which("redis-server") is None:
        pytest.skip("REDIS IS NOT TESTED: no redis-server on the path.")
    if find_postgres() is None:
        pytest.skip("PostgreSQL IS NOT TESTED: no pg_ctl and initdb on the path or in /usr/lib/postgresql/*/bin.")


@pytest.mark.redis
@pytest.mark.postgres
@pytest.mark.usefixtures("_programs")
@pytest.mark.parametrize("name", CAMPAIGNS)
def test_what_is_promised_holds_under(name: str) -> None:
    """I1–I16."""
    seed, backend, kinds = CAMPAIGNS[name]
    command = [sys.executable, "-m", "tests.chaos.driver", "--seed", str(seed), "--seconds", f"{SECONDS:g}"]
    command += ["--servers", "2", "--clients", "12", "--backend", backend, "--kinds", kinds]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=_LIMIT_SECONDS)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def test_wrong_clocks_can_be_had() -> None:
    if find_faketime() is None:
        pytest.skip(NO_FAKETIME)


# --- what a seed decides


def test_a_seed_decides_the_schedule() -> None:
    assert schedule(7, 20) == schedule(7, 20)
    assert schedule(7, 20) != schedule(8, 20)


def test_thirty_seeds_have_every_kind() -> None:
    assert {planned.kind for seed in range(1, 31) for planned in schedule(seed, 20)} == set(KINDS)


@pytest.mark.parametrize("seed", range(1, 31))
def test_faults_of_one_track_do_not_meet_and_are_over_in_time(seed: int) -> None:
    until: dict[str, float] = {}
    for planned in schedule(seed, 20):
        track = KINDS[planned.kind].track
        assert planned.at >= until.get(track, 0)
        until[track] = planned.at + planned.seconds
    assert max(until.values()) <= 20
