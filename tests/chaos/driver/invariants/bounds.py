"""I8, I15, I16: limits, what is left behind, and what the logs say."""

from __future__ import annotations

import re

from tests.chaos.driver.final import Final
from tests.chaos.driver.history import History
from tests.chaos.driver.invariants.violation import Violation
from tests.support.server import REPORTS_OF_OTHERS, TRACEBACK

# What a process makes once, with its first clients, and keeps: four connections of PostgreSQL, five of Redis (entries,
# cache, and the layer's), and threads with their pipes. No figure grows with the number of clients.
FILES_SLACK = 14
THREADS_SLACK = 8


def i8_limits_hold_at_any_instant(history: History, final: Final) -> list[Violation]:
    """No store was ever larger than it may be: not as it was measured, nor as anybody was told all of it."""
    keys, size_bytes = final.limits["keys"], final.limits["bytes"]
    found = [
        Violation("I8", f"{each.room} held {each.keys} keys, {each.size_bytes} bytes", (each,))
        for each in history.measured
        if each.keys > keys or each.size_bytes > size_bytes
    ]
    for told in history.told:
        count = sum(entry.value is not None for entry in told.entries)
        if told.whole and count > keys:
            found.append(Violation("I8", f"{told.client} was told {count} keys of {told.room}", (told,)))
    return found


def i15_nothing_is_left_open(history: History, final: Final) -> list[Violation]:
    """Once everybody has left, each process holds as few files, connections and threads as before."""
    found: list[Violation] = []
    for name, after in final.after.items():
        before = final.before[name]
        if after.files > before.files + FILES_SLACK:
            found.append(
                Violation("I15", f"{name} had {before.files} files open, and has {after.files}", (before, after))
            )
        if after.threads > before.threads + THREADS_SLACK:
            found.append(
                Violation("I15", f"{name} had {before.threads} threads, and has {after.threads}", (before, after))
            )
    return found


def i16_logs_are_clean(history: History, final: Final) -> list[Violation]:
    """No traceback, and nothing of what clients wrote or hold, in any server's log."""
    found: list[Violation] = []
    for name, log in final.logs.items():
        own = REPORTS_OF_OTHERS.sub("", log)
        if (at := own.find(TRACEBACK)) >= 0:
            found.append(Violation("I16", f"{name}'s log holds a traceback", (own[max(0, at - 300) : at + 3_000],)))
        if final.canary and (shown := re.search(rf".*{re.escape(final.canary)}.*", log)):
            found.append(Violation("I16", f"{name}'s log shows a value", (shown.group()[:300],)))
    return found
