"""The admin's lists of many rows, against bare lists of the same rows."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from tests.benchmarks.figures import Section, Table, Verdict
from tests.benchmarks.machine import migrated, project_environment, run_json
from tests.benchmarks.postgres import postgres, programs
from tests.benchmarks.writes import NO_POSTGRES

HEADER = ("database", "list", "rows", "bare list, ms / queries", "ours, ms / queries", "times")
AT_MOST = 3.0


def measure(folder: Path, *, quick: bool) -> Section:
    rows: list[tuple[str, ...]] = []
    verdicts: list[Verdict] = []
    with ExitStack() as stack:
        urls = {"SQLite": f"sqlite:///{folder / 'admin.sqlite3'}"}
        binaries = programs()
        if binaries:
            urls["PostgreSQL"] = stack.enter_context(postgres(binaries))
        for database, url in urls.items():
            found = run_json("admin_speed", {"repeats": 5 if quick else 15}, migrated(project_environment(url)))
            for one in found["lists"]:
                times = one["ours_ms"] / one["bare_ms"]
                bare, ours = (f"{one[f'{side}_ms']:.1f} / {one[f'{side}_queries']}" for side in ("bare", "ours"))
                rows.append((database, one["model"], f"{one['rows']:,}", bare, ours, f"{times:.2f}"))
                verdicts.append(
                    Verdict(
                        promise=f"admin's list of {one['rows']:,} {one['model']} on {database}, bare lists at most 3",
                        found=f"{times:.2f} bare lists",
                        met=times <= AT_MOST,
                    )
                )
    notes = () if binaries else (NO_POSTGRES,)
    return Section(name="admin", table=Table(header=HEADER, rows=tuple(rows)), notes=notes, verdicts=tuple(verdicts))
