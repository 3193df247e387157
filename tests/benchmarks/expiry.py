"""`expire_sessions` on a million site sessions past their life: its memory, and what a server beside it feels."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tests.benchmarks.dialects import DIALECTS
from tests.benchmarks.figures import FailedError, Section, Table, middle, percentile, within
from tests.benchmarks.machine import migrated, project_environment, run_json, served
from tests.benchmarks.peers import Crowd, Peer
from tests.benchmarks.postgres import postgres, programs
from tests.benchmarks.process import memory_bytes
from tests.benchmarks.servers import CHECKOUT
from tests.benchmarks.writes import NO_POSTGRES

ROWS, QUICK_ROWS = 1_000_000, 100_000
IDLE_SECONDS, QUICK_IDLE_SECONDS = 10.0, 3.0
PAUSE_SECONDS = 0.01
TIMES, GROWTH_MIB = 2.0, 8.0
HEADER = (
    *("rows", "seconds", "rows / s", "memory MiB after a fifth / at most"),
    *("set answered p50 / p99 ms, idle", "set answered p50 / p99 ms, beside it", "times"),
)


def measure(folder: Path, *, quick: bool) -> Section:
    binaries = programs()
    if binaries is None:
        return Section(name="expiry", table=Table(header=HEADER, rows=()), notes=(NO_POSTGRES,))
    rows = QUICK_ROWS if quick else ROWS
    with postgres(binaries) as url:
        environment = migrated(project_environment(url))
        run_json("expired_rows", {"rows": rows}, environment)
        with served(environment) as server:
            end_of_idle = time.monotonic() + (QUICK_IDLE_SECONDS if quick else IDLE_SECONDS)
            idle = answers_ms(server.port, lambda: time.monotonic() < end_of_idle)
            seconds, memory, beside = expire(server.port, environment, rows)
    after_a_fifth, most = memory[len(memory) // 5], max(memory)
    times = middle(beside) / middle(idle)
    row = (
        *(f"{rows:,}", f"{seconds:.1f}", f"{rows / seconds:,.0f}", f"{after_a_fifth:.1f} / {most:.1f}"),
        *(f"{percentile(each, 0.5):.1f} / {percentile(each, 0.99):.1f}" for each in (idle, beside)),
        f"{times:.2f}",
    )
    verdicts = (
        within("a server's answer beside expire_sessions", times, TIMES, "times"),
        within("memory growth of expire_sessions over four fifths of its way", most - after_a_fifth, GROWTH_MIB, "MiB"),
    )
    return Section(name="expiry", table=Table(header=HEADER, rows=(row,)), verdicts=verdicts)


def expire(port: int, environment: dict[str, str], rows: int) -> tuple[float, list[float], list[float]]:
    """Seconds it took, its memory in MiB over the time, and what a server's answers took meanwhile in ms."""
    command = [sys.executable, "manage.py", "expire_sessions", "--json"]
    memory: list[float] = []
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=CHECKOUT, env=os.environ | environment, stdout=subprocess.PIPE, text=True)

    def runs() -> bool:
        if process.poll() is not None:
            return False
        with suppress(OSError):  # it ended a moment ago
            memory.append(memory_bytes(process.pid) / 2**20)
        return True

    try:
        beside = answers_ms(port, runs)
        seconds = time.perf_counter() - started
        told, _ = process.communicate()
    finally:
        process.kill()
        process.wait()
    if process.returncode or json.loads(told)["site_sessions"] != rows:
        raise FailedError(f"expire_sessions ended with {process.returncode} and said {told!r}")
    return seconds, memory, beside


def answers_ms(port: int, go_on: Callable[[], bool]) -> list[float]:
    """What sets of one socket took until they were answered, one after another with a pause between."""
    dialect = DIALECTS["sessionstore"]
    crowd, peer = Crowd(dialect), Peer("expiry", 1, port)
    taken: list[float] = []
    answered = 0

    def hear(_: Peer, payload: bytes) -> None:
        nonlocal answered
        answered += dialect.answers(payload)[0]

    crowd.open([peer])
    peer.on_text = hear
    while go_on():
        sent = time.perf_counter()
        peer.send(dialect.set_entry("expiry", "key-0", "value", len(taken) + 10))
        while answered == len(taken):
            crowd.pump(1)
        taken.append((time.perf_counter() - sent) * 1_000)
        time.sleep(PAUSE_SECONDS)
    crowd.close()
    return taken
