"""Durable writes: acknowledged sets a second with 64 in flight, against one ORM transaction for each set."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from tests.benchmarks.figures import Bar, Section, Table, Verdict, at_least, middle
from tests.benchmarks.machine import migrated, project_environment, run_json
from tests.benchmarks.postgres import postgres, programs

IN_FLIGHT = 64
TARGETS = {"SQLite": 10.0, "PostgreSQL": 8.0}
NO_POSTGRES = "**PostgreSQL was not measured: no initdb and pg_ctl on PATH or under /usr/lib/postgresql.**"
HEADER = ("database", "one ORM transaction a set, sets / s", "64 in flight, sets / s", "times", "durability of both")


def measure(folder: Path, *, quick: bool) -> Section:
    rows: list[tuple[str, ...]] = []
    verdicts: list[Verdict] = []
    bars: list[Bar] = []
    with ExitStack() as stack:
        urls = {"SQLite": f"sqlite:///{folder / 'writes.sqlite3'}"}
        binaries = programs()
        if binaries:
            urls["PostgreSQL"] = stack.enter_context(postgres(binaries))
        for database, url in urls.items():
            orm, api, durability = compare(url, quick=quick)
            rows.append((database, f"{orm:,.0f}", f"{api:,.0f}", f"{api / orm:.1f}", durability))
            verdicts.append(at_least(f"sets a second on {database}", api, orm, TARGETS[database]))
            group = f"{database}: sets / s"
            bars.append(Bar(group=group, label="one ORM transaction a set", value=orm, shown=f"{orm:,.0f}"))
            bars.append(Bar(group=group, label="64 in flight", value=api, shown=f"{api:,.0f}"))
    notes = () if binaries else (NO_POSTGRES,)
    table = Table(header=HEADER, rows=tuple(rows))
    return Section(name="writes", table=table, notes=notes, verdicts=tuple(verdicts), bars=tuple(bars))


def compare(url: str, *, quick: bool) -> tuple[float, float, str]:
    """Both ways in turn, on one database with the demo project's settings; medians."""
    environment = migrated(project_environment(url))
    repeats, seconds = (1, 1.5) if quick else (3, 3.0)
    found: dict[str, list[float]] = {"orm": [], "api": []}
    durability = ""
    for _ in range(repeats):
        for through, speeds in found.items():
            arguments: dict[str, object] = {"through": through, "seconds": seconds, "in_flight": IN_FLIGHT}
            result = run_json("set_speed", arguments, environment)
            speeds.append(result["sets_a_second"])
            durability = result["durability"]
    return middle(found["orm"]), middle(found["api"]), durability
