"""One peer that joined and never reads again, in a room that is hammered: what it costs the others, and the server."""

from __future__ import annotations

from pathlib import Path

from tests.benchmarks.figures import Section, Table, Verdict, middle, percentile, within
from tests.benchmarks.load import Result, Spec
from tests.benchmarks.machine import generate, project_server
from tests.benchmarks.servers import Server

PEERS, IN_FLIGHT = 20, 16
# 60 keys of 1,000 bytes: as large as a room's store may be.
KEYS, VALUE_BYTES = 60, 1_000
P99_TIMES, GROWTH_MIB = 2.0, 16.0
HEADER = (
    *("server", "p99 ms, all read: quietest run / median", "p99 ms, one stalled: quietest run / median", "times"),
    *("growth MiB, all read", "growth MiB, one stalled"),
    "sets / s, all read / one stalled",
)


def measure(folder: Path, *, quick: bool) -> Section:
    rows: list[tuple[str, ...]] = []
    verdicts: list[Verdict] = []
    for name, on_daphne in (("uvicorn", False), ("daphne", True)):
        with project_server(folder, f"stalled_{name}", in_memory=True, on_daphne=on_daphne) as server:
            healthy, stalled = compare(server, quick=quick)
        waits = [[percentile(each.latencies_ms, 0.99) for each in runs] for runs in (healthy, stalled)]
        # A time, unlike CPU seconds, grows with whatever else the machine does; the quietest runs compare the servers.
        times = min(waits[1]) / min(waits[0])
        grown = [max(map(growth_mib, runs)) for runs in (healthy, stalled)]
        speeds = " / ".join(f"{middle([run.sets / run.seconds for run in runs]):,.0f}" for runs in (healthy, stalled))
        shown = [f"{min(found):.1f} / {middle(found):.1f}" for found in waits]
        rows.append((name, *shown, f"{times:.2f}", f"{grown[0]:.1f}", f"{grown[1]:.1f}", speeds))
        verdicts.append(within(f"p99 of the other peers with one stalled on {name}", times, P99_TIMES, "times"))
        verdicts.append(within(f"memory growth with one stalled on {name}", grown[1], GROWTH_MIB, "MiB"))
    return Section(name="stalled", table=Table(header=HEADER, rows=tuple(rows)), verdicts=tuple(verdicts))


def compare(server: Server, *, quick: bool) -> tuple[list[Result], list[Result]]:
    """With and without the stalled peer in turn."""
    repeats, seconds = (1, 2.0) if quick else (4, 3.0)
    healthy: list[Result] = []
    stalled: list[Result] = []
    for turn in range(repeats):
        healthy.append(hammer(server, f"healthy-{turn}", seconds, deaf_peers=0))
        stalled.append(hammer(server, f"stalled-{turn}", seconds, deaf_peers=1))
    return healthy, stalled


def hammer(server: Server, name: str, seconds: float, *, deaf_peers: int) -> Result:
    spec = Spec(
        dialect="sessionstore",
        ports=[server.port],
        server_pids=[server.pid],
        name=name,
        rooms=1,
        peers=PEERS,
        in_flight=IN_FLIGHT,
        seconds=seconds,
        sets=100_000,
        keys=KEYS,
        value_bytes=VALUE_BYTES,
        deaf_peers=deaf_peers,
    )
    return generate(spec)


def growth_mib(result: Result) -> float:
    return (result.memory_after_bytes - result.memory_before_bytes) / 2**20
