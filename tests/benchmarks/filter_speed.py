"""How long filters take over 10,000 sessions, in a process of its own.

Run as `python -m tests.benchmarks.filter_speed '{"repeats": 9}'` in the project's environment; prints JSON.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import django

django.setup()

from sessionstore_app.models import Session  # noqa: E402 - Django has to be set up first
from sessionstore_app.services import directory  # noqa: E402
from sessionstore_app.services.reach import EVERYWHERE  # noqa: E402

SESSIONS = 10_000
FILTERS = (
    '$Country is "FR" and not mood is "a" and hasRoles "speaker"',
    '$Country in ["FR", "DE"] or has mood and $Principal ne "p1"',
    '$Country is "FR" and mood matches "[bc]" and hasRoles "speaker"',
    'name matches "n.*" and mood matches "[abc]" and $Environment matches "BROWSER_.*"',
)


def populate() -> None:
    """Sessions as browsers make them."""
    dice = random.Random(1)
    Session.objects.bulk_create(
        Session(
            id=f"session-{number:05}",
            principal=f"p{number % 500}",
            roles=["speaker"] if number % 3 else ["host"],
            node_id="node",
            properties={
                "$ClientType": "JAVASCRIPT_BROWSER",
                "$Transport": "WEBSOCKET",
                "$ClientIP": "192.0.2.1",
                "$Connector": "sessionstore",
                "$Country": dice.choice(("FR", "DE", "US")),
                "$Language": "en",
                "$Latitude": "NaN",
                "$Longitude": "NaN",
                "$Environment": "BROWSER_Chrome_120",
                "mood": dice.choice("abc"),
                "name": f"n{number}",
            },
        )
        for number in range(SESSIONS)
    )


def milliseconds(act: Callable[[], object], repeats: int) -> float:
    """The median of several runs."""
    taken: list[float] = []
    for _ in range(repeats):
        started = time.perf_counter()
        act()
        taken.append((time.perf_counter() - started) * 1_000)
    return statistics.median(taken)


def main(repeats: int) -> dict[str, Any]:
    populate()
    found = []
    for text in FILTERS:
        interest = EVERYWHERE.interest(text, ["*F", "*U"])
        found.append(
            {
                "filter": text,
                "found": len(directory.listing(interest, SESSIONS, "").sessions),
                "plain_ms": milliseconds(lambda: list(directory.open_sessions()), repeats),
                "listed_ms": milliseconds(partial(directory.listing, interest, SESSIONS, ""), repeats),
                "page_ms": milliseconds(partial(directory.listing, interest, 100, ""), repeats),
                "count_ms": milliseconds(partial(directory.counting, interest, ()), repeats),
            }
        )
    return {"filters": found}


if __name__ == "__main__":
    print(json.dumps(main(**json.loads(sys.argv[1]))))
