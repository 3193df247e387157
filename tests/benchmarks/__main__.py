"""The command: measure the chosen scenarios, print the tables and the verdicts, and fail where a target is missed."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Protocol

from tests.benchmarks import (
    adminlists,
    docs,
    expiry,
    fanout,
    filters,
    joins,
    memory,
    onredis,
    restarts,
    rules,
    stalled,
    writes,
)
from tests.benchmarks.figures import FailedError, Section, Table, Verdict
from tests.benchmarks.process import allow_sockets

SOCKETS = 2_200


class Measure(Protocol):
    def __call__(self, folder: Path, *, quick: bool) -> Section: ...


SCENARIOS: dict[str, Measure] = {
    "fanout": fanout.measure,
    "rules": rules.measure,
    "writes": writes.measure,
    "memory": memory.measure,
    "stalled": stalled.measure,
    "filters": filters.measure,
    "expiry": expiry.measure,
    "redis": onredis.measure,
    "joins": joins.measure,
    "restarts": restarts.measure,
    "admin": adminlists.measure,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("scenarios", nargs="*", metavar="scenario", help=f"{', '.join(SCENARIOS)}; none: all of them")
    parser.add_argument("--quick", action="store_true", help="once and shortly, less steady; leaves docs/ as it is")
    options = parser.parse_args()
    unknown = set(options.scenarios) - set(SCENARIOS)
    if unknown:
        parser.error(f"no scenario is called {', '.join(sorted(unknown))}; there are {', '.join(SCENARIOS)}")
    allow_sockets(SOCKETS)
    sections = [run(name, quick=options.quick) for name in options.scenarios or SCENARIOS]
    if not options.quick:
        docs.write([section for section in sections if section.table.rows])
    verdicts = [verdict for section in sections for verdict in section.verdicts]
    print("\n".join(verdict.line() for verdict in verdicts))
    return 0 if all(verdict.met for verdict in verdicts) else 1


def run(name: str, *, quick: bool) -> Section:
    print(f"{name} …", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        try:
            section = SCENARIOS[name](Path(folder), quick=quick)
        except FailedError as error:
            # The other scenarios still have something to say.
            failed = Verdict(promise=f"{name} can be measured", found=str(error), met=False)
            return Section(name=name, table=Table(header=(), rows=()), verdicts=(failed,))
    print(f"\n{section.markdown()}\n", flush=True)
    return section


if __name__ == "__main__":
    sys.exit(main())
