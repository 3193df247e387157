"""Sides of a comparison, measured in turn: servers that stand side by side, the same load on each, figures for a row.

It knows neither what the servers are nor what was promised of them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from tests.benchmarks.figures import middle, percentile
from tests.benchmarks.load import Result, Spec
from tests.benchmarks.machine import generate
from tests.benchmarks.redisserver import Redis
from tests.benchmarks.servers import Server

BOUND_SHARE = 0.9
SPEED_HEADER = ("set → last peer p50 / p99 ms", "sets / s", "frames / delivery", "generator CPU")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Who is where, and how many sets are under way in each room."""

    name: str
    rooms: int
    peers: int
    in_flight: int


ROOM_OF_100 = Shape(name="1 room of 100", rooms=1, peers=100, in_flight=1)
ROOM_OF_1000 = Shape(name="1 room of 1,000", rooms=1, peers=1_000, in_flight=1)
IN_FLIGHT_16 = Shape(name="1 room of 100, 16 in flight", rooms=1, peers=100, in_flight=16)
ROOMS_OF_5 = Shape(name="200 rooms of 5", rooms=200, peers=5, in_flight=1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Side:
    """Server processes that share rooms, and the Redis behind them if there is one."""

    name: str
    dialect: str
    servers: Sequence[Server]
    redis: Redis | None = None

    def spec(self, shape: Shape, turn: int) -> Spec:
        """A load of this shape on all of the side's servers, in rooms of its own in each turn."""
        return Spec(
            dialect=self.dialect,
            ports=[server.port for server in self.servers],
            server_pids=[server.pid for server in self.servers],
            redis_pids=[self.redis.pid] if self.redis else [],
            name=f"turn-{turn}-{shape.rooms}-{shape.peers}-{shape.in_flight}",
            rooms=shape.rooms,
            peers=shape.peers,
            in_flight=shape.in_flight,
        )


Results: TypeAlias = dict[tuple[Shape, Side], list[Result]]


def measured(sides: Sequence[Side], shapes: Collection[Shape], *, turns: int, quick: bool) -> Results:
    """All sides in turn, so many times, so that a slow minute of the machine hits them all; quickly is once."""
    seconds = 1.5 if quick else 2.5
    results: Results = {}
    for turn in range(1 if quick else turns):
        for shape in shapes:
            for side in sides:
                result = generate(replace(side.spec(shape, turn), seconds=seconds))
                results.setdefault((shape, side), []).append(result)
    return results


def server_cost(results: Sequence[Result]) -> float:
    """Server CPU seconds for each 100,000 deliveries: sets acknowledged, each times the peers of its room."""
    return middle([result.server_cpu_seconds / result.deliveries * 100_000 for result in results])


def redis_cost(results: Sequence[Result]) -> float:
    """The CPU seconds of Redis for as many."""
    return middle([result.redis_cpu_seconds / result.deliveries * 100_000 for result in results])


def part(value: float, reference: float) -> str:
    """How much of the reference it is; 1 is the reference itself."""
    if value == reference:
        return "1"
    return f"1/{reference / value:.1f}" if value < reference else f"{value / reference:.1f}"


def speed(results: Sequence[Result]) -> tuple[str, ...]:
    """The cells below `SPEED_HEADER`."""
    p50 = middle([percentile(result.latencies_ms, 0.50) for result in results])
    p99 = middle([percentile(result.latencies_ms, 0.99) for result in results])
    share = middle([result.generator_cpu_seconds / result.seconds for result in results])
    return (
        f"{p50:.1f} / {p99:.1f}",
        f"{middle([result.sets / result.seconds for result in results]):,.0f}",
        f"{middle([result.frames / result.deliveries for result in results]):.2f}",
        f"{share:.0%}" + (" (generator bound)" if share > BOUND_SHARE else ""),
    )
