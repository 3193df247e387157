"""Fan-out: server CPU for each 100,000 deliveries, and how long the last peer waits, against the reference."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from tests.benchmarks.figures import Bar, Section, Table, Verdict, at_most
from tests.benchmarks.machine import project_server, reference_server
from tests.benchmarks.sides import (
    IN_FLIGHT_16,
    ROOM_OF_100,
    ROOM_OF_1000,
    ROOMS_OF_5,
    SPEED_HEADER,
    Results,
    Side,
    measured,
    part,
    server_cost,
    speed,
)

MEMORY, DATABASE, REFERENCE = "memory backend", "database backend", "reference"
HEADER = ("rooms and peers", "server", "CPU s / 100,000", "of the reference", *SPEED_HEADER)
TARGETS = {ROOM_OF_100: 10.0, ROOM_OF_1000: 20.0, IN_FLIGHT_16: 40.0, ROOMS_OF_5: 15.0}


def measure(folder: Path, *, quick: bool) -> Section:
    with ExitStack() as stack:
        servers = {
            REFERENCE: stack.enter_context(reference_server("asgi")),
            MEMORY: stack.enter_context(project_server(folder, "fanout_memory", in_memory=True)),
            DATABASE: stack.enter_context(project_server(folder, "fanout_database", in_memory=False)),
        }
        sides = {
            name: Side(name=name, dialect="tutorial" if name == REFERENCE else "sessionstore", servers=[server])
            for name, server in servers.items()
        }
        return section(sides, measured(list(sides.values()), TARGETS, turns=3, quick=quick))


def section(sides: dict[str, Side], results: Results) -> Section:
    rows: list[tuple[str, ...]] = []
    verdicts: list[Verdict] = []
    bars: list[Bar] = []
    for shape, target in TARGETS.items():
        costs = {name: server_cost(results[shape, side]) for name, side in sides.items()}
        for name, cost in costs.items():
            told = speed(results[shape, sides[name]])
            rows.append((shape.name, name, f"{cost:.2f}", part(cost, costs[REFERENCE]), *told))
            bars.append(Bar(group=f"{shape.name}: CPU s / 100,000", label=name, value=cost, shown=f"{cost:.2f}"))
        promise = f"fan-out {shape.name}, CPU of the reference's"
        verdicts.append(at_most(promise, costs[MEMORY], costs[REFERENCE], target))
    return Section(
        name="fanout", table=Table(header=HEADER, rows=tuple(rows)), verdicts=tuple(verdicts), bars=tuple(bars)
    )
