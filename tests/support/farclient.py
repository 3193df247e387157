"""A client as a process: `python -m tests.support.farclient ADDRESS ROOM` opens a session, joins, prints the session's
id, and answers heartbeats until it is ended.
"""

from __future__ import annotations

import asyncio
import sys

from tests.support.wire import Wire


async def _run(address: str, room: str) -> None:
    wire = await Wire.connect(address)
    opened = await wire.open()
    await wire.call("room.join", room=room)
    print(opened["session_id"], flush=True)
    # For ever: whoever started this ends it.
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_run(*sys.argv[1:3]))
