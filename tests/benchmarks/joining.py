"""How long it takes until peers that come all at once have joined: opened in a process of its own.

Run as `python -m tests.benchmarks.joining SPEC`, with a `Spec` as JSON; prints the seconds, and the server's CPU
seconds, until every peer has the answer to its join.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from typing import Any

from tests.benchmarks.load import Load, Spec, total_cpu_seconds
from tests.benchmarks.process import allow_sockets

FIRST_ROOMS, FIRST_PEERS = 5, 5


def main(arguments: dict[str, Any]) -> dict[str, float]:
    spec = Spec(**arguments)
    allow_sockets(spec.rooms * spec.peers + FIRST_ROOMS * FIRST_PEERS)
    # Code and caches that the first peers load are not what a join costs.
    first = Load(replace(spec, name=f"{spec.name}-first", rooms=FIRST_ROOMS, peers=FIRST_PEERS))
    counted = Load(spec, first.crowd)
    first.open()
    first.settle()
    counted.crowd.refused = 0
    start, server = time.perf_counter(), total_cpu_seconds(spec.server_pids)
    counted.open(at_once=spec.rooms * spec.peers)
    seconds, server = time.perf_counter() - start, total_cpu_seconds(spec.server_pids) - server
    counted.settle()
    counted.crowd.close()
    return {"seconds": seconds, "server_cpu_seconds": server, "refused": counted.crowd.refused}


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
