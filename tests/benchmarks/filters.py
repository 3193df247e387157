"""Filters: 10,000 sessions listed by a filter of three clauses, against ten plain queries for the same rows."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from tests.benchmarks.figures import Section, Table, Verdict
from tests.benchmarks.machine import migrated, project_environment, run_json
from tests.benchmarks.postgres import postgres, programs
from tests.benchmarks.writes import NO_POSTGRES

HEADER = ("database", "filter", "found", "one plain query, ms", "listed, ms", "times", "first page, ms", "count, ms")
PLAIN_QUERIES = 10.0


def measure(folder: Path, *, quick: bool) -> Section:
    rows: list[tuple[str, ...]] = []
    worst: dict[str, float] = {}
    with ExitStack() as stack:
        urls = {"SQLite": f"sqlite:///{folder / 'filters.sqlite3'}"}
        binaries = programs()
        if binaries:
            urls["PostgreSQL"] = stack.enter_context(postgres(binaries))
        for database, url in urls.items():
            environment = migrated(project_environment(url))
            found = run_json("filter_speed", {"repeats": 3 if quick else 9}, environment)
            for one in found["filters"]:
                times = one["listed_ms"] / one["plain_ms"]
                worst[database] = max(times, worst.get(database, 0.0))
                figures = (one["plain_ms"], one["listed_ms"], times, one["page_ms"], one["count_ms"])
                rows.append((database, f"`{one['filter']}`", f"{one['found']:,}", *(f"{each:.1f}" for each in figures)))
    verdicts = tuple(
        Verdict(
            promise=f"10,000 sessions by a three-clause filter on {database}, at most ten plain queries",
            found=f"{times:.1f} plain queries",
            met=times <= PLAIN_QUERIES,
        )
        for database, times in worst.items()
    )
    notes = () if binaries else (NO_POSTGRES,)
    return Section(name="filters", table=Table(header=HEADER, rows=tuple(rows)), notes=notes, verdicts=verdicts)
