"""What idle sockets hold of a server's memory: opened in a process of its own, so that nothing of it is counted.

Run as `python -m tests.benchmarks.idle SPEC`, with a `Spec` as JSON; prints a server's memory without and with peers.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import Any

from tests.benchmarks.load import Load, Spec
from tests.benchmarks.process import allow_sockets, memory_bytes

FIRST_ROOMS = 5


def main(arguments: dict[str, Any]) -> dict[str, int]:
    spec = Spec(**arguments)
    allow_sockets((spec.rooms + FIRST_ROOMS) * spec.peers)
    # Code and caches that the first peers load are not what a peer costs. They stay, so that none of their memory is
    # used again by those who are counted.
    first = Load(replace(spec, name=f"{spec.name}-first", rooms=FIRST_ROOMS))
    counted = Load(spec, first.crowd)
    first.open()
    first.settle()
    before = sum(map(memory_bytes, spec.server_pids))
    counted.open()
    counted.settle()
    after = sum(map(memory_bytes, spec.server_pids))
    counted.crowd.close()
    return {"before_bytes": before, "after_bytes": after}


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
