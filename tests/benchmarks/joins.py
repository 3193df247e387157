"""Joins: how long a thousand clients that come at once have to wait for one server process on Redis."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from tests.benchmarks.figures import Section, Table, middle
from tests.benchmarks.machine import run_json
from tests.benchmarks.onredis import project_side
from tests.benchmarks.redisserver import NO_REDIS, program
from tests.benchmarks.sides import Shape, Side

CLIENTS = 1_000
SHAPES = tuple(
    Shape(name=f"{CLIENTS // peers} of {peers}", rooms=CLIENTS // peers, peers=peers, in_flight=1) for peers in (5, 100)
)
HEADER = (
    *("clients at once", "rooms", "seconds until all have joined", "joins / s", "server CPU ms / join"),
    "asked to come again",
)


def measure(folder: Path, *, quick: bool) -> Section:
    binary = program()
    if binary is None:
        return Section(name="joins", table=Table(header=HEADER, rows=()), notes=(NO_REDIS,))
    rows: list[tuple[str, ...]] = []
    with ExitStack() as stack:
        side = project_side(stack, binary, folder, processes=1)
        for shape in SHAPES:
            found = [joined(side, shape, turn) for turn in range(1 if quick else 3)]
            seconds, cpu_seconds, refused = (
                middle([each[name] for each in found]) for name in ("seconds", "server_cpu_seconds", "refused")
            )
            speed, cpu_ms = CLIENTS / seconds, cpu_seconds / CLIENTS * 1_000
            told = (f"{seconds:.1f}", f"{speed:,.0f}", f"{cpu_ms:.2f}", f"{refused:,.0f}")
            rows.append((f"{CLIENTS:,}", shape.name, *told))
    return Section(name="joins", table=Table(header=HEADER, rows=tuple(rows)))


def joined(side: Side, shape: Shape, turn: int) -> dict[str, float]:
    return run_json("joining", asdict(side.spec(shape, turn)), {})
