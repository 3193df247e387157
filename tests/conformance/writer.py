"""A process that writes: `python -m tests.conformance.writer SPACE NAME COUNT`, database from DATABASE_URL.

Each write adds one to the key `count` and sets a key of its own; once acknowledged, its number and version are printed.
COUNT 0 has no end.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys

import django

IN_FLIGHT = 8
# Keys used over and over: the burst may be long, a space is not.
KEYS = 1_000


async def main(space: str, name: str, count: int) -> None:
    from sessionstore_app.backends.database import DatabaseBackend
    from sessionstore_app.core.entries import Space
    from sessionstore_app.core.operations import Increment
    from sessionstore_app.testing.acts import doing, setting, write

    backend = DatabaseBackend()
    numbers = iter(range(count)) if count else itertools.count()

    async def one_after_the_other() -> None:
        for n in numbers:
            changes = (doing("count", Increment()), setting(f"{name}/{n % KEYS}", n))
            result = await write(backend, *changes, space=Space(space))
            # Unbuffered: what the other side has read was acknowledged, whatever becomes of this process.
            os.write(1, f"{n} {result.version}\n".encode())

    await asyncio.gather(*(one_after_the_other() for _ in range(IN_FLIGHT)))
    backend.close()


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "project.settings"
    django.setup()
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
