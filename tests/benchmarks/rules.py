"""Read rules: fan-out to a hundred peers of three roles, beside a room of the same server that has no type.

All rooms have the same peers, and the same peer sets values of the same size as fast as it may.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.figures import Section, Table, Verdict, middle
from tests.benchmarks.load import Result, Spec
from tests.benchmarks.machine import generate, migrated, project_environment, run_json, served
from tests.benchmarks.rulesroomtypes import GUEST, HOST, SPEAKER
from tests.benchmarks.servers import Server
from tests.benchmarks.sides import IN_FLIGHT_16, ROOM_OF_100, SPEED_HEADER, Shape, server_cost, speed

POLICY = "tests.benchmarks.rulesroomtypes.OpenDoors"
HOSTS, SPEAKERS, GUESTS = 5, 15, 80
# A multiple of the part that is hidden, so that of the sets too every third is; and one for each set in flight.
KEYS, HIDDEN_EVERY = 18, 3
TIMES = 1.3
HEADER = (
    *("sets under way", "room", "every third set is told to", "CPU s / 100,000", "times, a delivery", "times, a set"),
    *SPEED_HEADER,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One kind of room, and who reads what is set there. `is_promised`: it has to stay within the target."""

    name: str
    rooms: str
    hidden_every: int = 0
    is_promised: bool = False


PLAIN = Case(name="without a type", rooms="plain")
ALL_READ = Case(name="read rules, 3 roles", rooms="ruled", is_promised=True)
HOSTS_READ = Case(name="read rules, 3 roles", rooms="ruled", hidden_every=HIDDEN_EVERY, is_promised=True)
OWN = Case(name="a key that its writer alone reads", rooms="personal")
CASES = (PLAIN, ALL_READ, HOSTS_READ, OWN)
SHAPES = {"1": ROOM_OF_100, "16": IN_FLIGHT_16}


def measure(folder: Path, *, quick: bool) -> Section:
    environment = project_environment(f"sqlite:///{folder / 'rules'}.sqlite3", in_memory=True, policy=POLICY)
    with served(migrated(environment)) as server:
        roles = [HOST] * HOSTS + [SPEAKER] * SPEAKERS + [GUEST] * GUESTS
        tokens = run_json("rulestokens", {"roles": roles}, environment)["tokens"]
        results = {name: compare(server, shape, tokens, quick=quick) for name, shape in SHAPES.items()}
    return section(results)


def compare(server: Server, shape: Shape, tokens: Sequence[str], *, quick: bool) -> dict[Case, list[Result]]:
    """All cases in turn, every second time backwards, so that no case always comes after the same other."""
    turns, seconds = (1, 1.5) if quick else (7, 2.5)
    results: dict[Case, list[Result]] = {case: [] for case in CASES}
    for turn in range(turns):
        for case in reversed(CASES) if turn % 2 else CASES:
            spec = Spec(
                dialect="sessionstore",
                ports=[server.port],
                server_pids=[server.pid],
                name=f"{case.rooms}/{turn}-{shape.in_flight}-{case.hidden_every}",
                rooms=shape.rooms,
                peers=shape.peers,
                in_flight=shape.in_flight,
                seconds=seconds,
                sets=50_000,
                keys=KEYS,
                tokens=tokens,
                hidden_every=case.hidden_every,
                insiders=HOSTS,
            )
            results[case].append(generate(spec))
    return results


def section(results: dict[str, dict[Case, list[Result]]]) -> Section:
    rows: list[tuple[str, ...]] = []
    verdicts: list[Verdict] = []
    for under_way, found in results.items():
        for case, runs in found.items():
            delivery, sets = of_plain(found, case, a_delivery), of_plain(found, case, a_set)
            told = f"the {HOSTS} hosts" if case.hidden_every else "all"
            shown = ("1", "1") if case is PLAIN else (f"{delivery:.2f}", f"{sets:.2f}")
            rows.append((under_way, case.name, told, f"{server_cost(runs):.2f}", *shown, *speed(runs)))
            if case.is_promised:
                # The same sets are the same work; that they have fewer deliveries to fall on is no cost of rules.
                promise = f"fan-out to 3 roles, {under_way} under way, every third set told to {told}"
                verdicts.append(
                    Verdict(
                        promise=f"{promise}: CPU of the same sets without a type at most {TIMES} times",
                        found=f"{sets:.2f} times; {delivery:.2f} times a delivery",
                        met=sets <= TIMES,
                    )
                )
    return Section(name="rules", table=Table(header=HEADER, rows=tuple(rows)), verdicts=tuple(verdicts))


def a_delivery(result: Result) -> float:
    return result.server_cpu_seconds / result.deliveries


def a_set(result: Result) -> float:
    return result.server_cpu_seconds / result.sets


def of_plain(found: dict[Case, list[Result]], case: Case, cost: Callable[[Result], float]) -> float:
    """How many times the cost of the room without a type: each turn by itself, and of these the middle."""
    return middle([cost(run) / cost(plain) for run, plain in zip(found[case], found[PLAIN], strict=True)])
