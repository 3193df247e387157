"""Fan-out: server CPU for each 100,000 deliveries, and how long the last peer waits, against the reference."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.figures import Bar, Section, Table, Verdict, at_most, middle, percentile
from tests.benchmarks.load import Result, Spec
from tests.benchmarks.machine import generate, project_server, reference_server
from tests.benchmarks.servers import Server

BOUND_SHARE = 0.9
MEMORY, DATABASE, REFERENCE = "memory backend", "database backend", "reference"
HEADER = (
    *("rooms and peers", "server", "CPU s / 100,000", "of the reference", "set → last peer p50 / p99 ms"),
    *("sets / s", "frames / delivery", "generator CPU"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    name: str
    rooms: int
    peers: int
    in_flight: int
    target: float


SHAPES = (
    Shape(name="1 room of 100", rooms=1, peers=100, in_flight=1, target=10),
    Shape(name="1 room of 1,000", rooms=1, peers=1_000, in_flight=1, target=20),
    Shape(name="1 room of 100, 16 in flight", rooms=1, peers=100, in_flight=16, target=40),
    Shape(name="200 rooms of 5", rooms=200, peers=5, in_flight=1, target=15),
)


def measure(folder: Path, *, quick: bool) -> Section:
    """All servers stand side by side and are measured in turn, so that a slow minute of the machine hits them all."""
    with ExitStack() as stack:
        servers = {
            REFERENCE: stack.enter_context(reference_server("asgi")),
            MEMORY: stack.enter_context(project_server(folder, "fanout_memory", in_memory=True)),
            DATABASE: stack.enter_context(project_server(folder, "fanout_database", in_memory=False)),
        }
        repeats, seconds = (1, 1.5) if quick else (3, 2.5)
        results: dict[tuple[Shape, str], list[Result]] = {}
        for turn in range(repeats):
            for shape in SHAPES:
                for name, server in servers.items():
                    result = run(shape, name, server, f"turn-{turn}", seconds)
                    results.setdefault((shape, name), []).append(result)
    return section(results)


def run(shape: Shape, name: str, server: Server, turn: str, seconds: float) -> Result:
    spec = Spec(
        dialect="tutorial" if name == REFERENCE else "sessionstore",
        port=server.port,
        server_pid=server.pid,
        name=f"{turn}-{shape.rooms}-{shape.peers}-{shape.in_flight}",
        rooms=shape.rooms,
        peers=shape.peers,
        in_flight=shape.in_flight,
        seconds=seconds,
    )
    return generate(spec)


def section(results: dict[tuple[Shape, str], list[Result]]) -> Section:
    rows: list[tuple[str, ...]] = []
    verdicts: list[Verdict] = []
    bars: list[Bar] = []
    for shape in SHAPES:
        costs = {
            name: middle([cost(result) for result in results[shape, name]]) for name in (REFERENCE, MEMORY, DATABASE)
        }
        for name, value in costs.items():
            rows.append(row(shape.name, name, value, costs[REFERENCE], results[shape, name]))
            bars.append(Bar(group=f"{shape.name}: CPU s / 100,000", label=name, value=value, shown=f"{value:.2f}"))
        promise = f"fan-out {shape.name}, CPU of the reference's"
        verdicts.append(at_most(promise, costs[MEMORY], costs[REFERENCE], shape.target))
    return Section(
        name="fanout", table=Table(header=HEADER, rows=tuple(rows)), verdicts=tuple(verdicts), bars=tuple(bars)
    )


def cost(result: Result) -> float:
    """Server CPU seconds for each 100,000 deliveries: sets acknowledged, each times the peers of its room."""
    return result.server_cpu_seconds / result.deliveries * 100_000


def row(shape: str, name: str, value: float, reference: float, results: list[Result]) -> tuple[str, ...]:
    p50 = middle([percentile(result.latencies_ms, 0.50) for result in results])
    p99 = middle([percentile(result.latencies_ms, 0.99) for result in results])
    share = middle([result.generator_cpu_seconds / result.seconds for result in results])
    return (
        shape,
        name,
        f"{value:.2f}",
        "1" if name == REFERENCE else f"1/{reference / value:.1f}",
        f"{p50:.1f} / {p99:.1f}",
        f"{middle([result.sets / result.seconds for result in results]):,.0f}",
        f"{middle([result.frames / result.deliveries for result in results]):.2f}",
        f"{share:.0%}" + (" (generator bound)" if share > BOUND_SHARE else ""),
    )
