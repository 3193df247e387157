"""Fan-out where one or two server processes share a Redis, against plain Channels on both of its Redis layers."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from tests.benchmarks.figures import Section, Table, Verdict, at_most
from tests.benchmarks.machine import migrated, project_environment, reference_server, served
from tests.benchmarks.postgres import postgres, programs
from tests.benchmarks.redisserver import NO_REDIS, program, redis
from tests.benchmarks.sides import (
    IN_FLIGHT_16,
    ROOM_OF_100,
    ROOMS_OF_5,
    SPEED_HEADER,
    Results,
    Side,
    measured,
    part,
    redis_cost,
    server_cost,
    speed,
)

PROCESSES = (1, 2)
SHAPES = (ROOM_OF_100, IN_FLIGHT_16, ROOMS_OF_5)
CORE, PUBSUB, OURS = "reference, core layer", "reference, pub/sub layer", "Redis backend"
TARGETS = {CORE: ("core's", 10.0), PUBSUB: ("pub/sub's", 2.0)}
# By default the core layer drops what is beyond 100 messages for all sockets of a process.
LAYERS: dict[str, tuple[str, dict[str, object]]] = {
    CORE: ("channels_redis.core.RedisChannelLayer", {"capacity": 10_000}),
    PUBSUB: ("channels_redis.pubsub.RedisPubSubChannelLayer", {}),
}
# By default redis-py, from 8 on, refuses more than 100 connections of a process, and ends a wait for a message after
# the five seconds that the core layer is willing to wait: sockets would be closed.
PATIENT: dict[str, object] = {"socket_timeout": None, "max_connections": 10_000}
HEADER = (
    *("rooms and peers", "processes", "server", "CPU s / 100,000", "of core's", "of pub/sub's"),
    *("Redis' CPU s / 100,000", *SPEED_HEADER),
)


def measure(folder: Path, *, quick: bool) -> Section:
    binary = program()
    if binary is None:
        return Section(name="redis", table=Table(header=HEADER, rows=()), notes=(NO_REDIS,))
    with ExitStack() as stack:
        fleets: list[dict[str, Side]] = []
        for processes in PROCESSES:
            fleet = {name: reference_side(stack, binary, folder, name, processes) for name in LAYERS}
            fleets.append(fleet | {OURS: project_side(stack, binary, folder, processes)})
        sides = [side for fleet in fleets for side in fleet.values()]
        return section(fleets, measured(sides, SHAPES, turns=3, quick=quick))


def reference_side(stack: ExitStack, binary: str, folder: Path, name: str, processes: int) -> Side:
    """Each side has a Redis of its own, so that none pays for another's messages."""
    backend, options = LAYERS[name]
    shared = stack.enter_context(redis(binary, folder / f"{backend}-{processes}"))
    layer = {"BACKEND": backend, "CONFIG": {"hosts": [{"address": shared.url, **PATIENT}], **options}}
    servers = [stack.enter_context(reference_server("asgi", layer)) for _ in range(processes)]
    return Side(name=name, dialect="tutorial", servers=servers, redis=shared)


def project_side(stack: ExitStack, binary: str, folder: Path, processes: int) -> Side:
    """Entries, channel layer and cache in Redis; who is where in PostgreSQL, or in SQLite where there is none."""
    shared = stack.enter_context(redis(binary, folder / f"project-{processes}"))
    binaries = programs()
    url = stack.enter_context(postgres(binaries)) if binaries else f"sqlite:///{folder / f'{processes}.sqlite3'}"
    environment = migrated(project_environment(url, redis_url=shared.url))
    servers = [stack.enter_context(served(environment)) for _ in range(processes)]
    return Side(name=OURS, dialect="sessionstore", servers=servers, redis=shared)


def section(fleets: list[dict[str, Side]], results: Results) -> Section:
    rows: list[tuple[str, ...]] = []
    verdicts: list[Verdict] = []
    for shape in SHAPES:
        for fleet in fleets:
            processes = len(fleet[OURS].servers)
            costs = {name: server_cost(results[shape, side]) for name, side in fleet.items()}
            for name, cost in costs.items():
                found = results[shape, fleet[name]]
                parts = (part(cost, costs[reference]) for reference in TARGETS)
                rows.append(
                    (shape.name, f"{processes}", name, f"{cost:.2f}", *parts, f"{redis_cost(found):.2f}", *speed(found))
                )
            for reference, (whose, target) in TARGETS.items():
                promise = f"{shape.name}, processes: {processes}, CPU of {whose}"
                verdicts.append(at_most(promise, costs[OURS], costs[reference], target))
    notes = tuple({side.redis.about for fleet in fleets for side in fleet.values() if side.redis})
    return Section(name="redis", table=Table(header=HEADER, rows=tuple(rows)), notes=notes, verdicts=tuple(verdicts))
