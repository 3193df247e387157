"""Call the Python API from a command, from worker threads that it starts, or from an event loop that it runs."""

from __future__ import annotations

import asyncio
import json
import queue
import threading
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand
from django.db import connections

from tests.callers import calls

WORKERS = 2


def in_command(rounds: int) -> None:
    """As commands do."""
    calls.make(rounds, "command")


def in_threads(rounds: int) -> None:
    """As workers do that take tasks from a queue; each closes its connections when it ends."""
    tasks: queue.SimpleQueue[bool] = queue.SimpleQueue()
    failed: list[BaseException] = []

    def work(name: str) -> None:
        try:
            while tasks.get():
                calls.make(1, name)
        except BaseException as error:  # told by the command's thread
            failed.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=(f"worker-{number}",)) for number in range(WORKERS)]
    for thread in threads:
        thread.start()
    for more in [*[True] * (rounds * WORKERS), *[False] * WORKERS]:
        tasks.put(more)
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


def in_loop(rounds: int) -> None:
    """As asynchronous programs do."""
    asyncio.run(calls.amake(rounds, "loop"))


FROM: dict[str, Callable[[int], None]] = {"command": in_command, "threads": in_threads, "loop": in_loop}


class Command(BaseCommand):
    """See the module."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        """See `BaseCommand.add_arguments`."""
        parser.add_argument("origin", choices=FROM)
        parser.add_argument("rounds", type=int)

    def handle(self, *args: Any, origin: str, rounds: int, **options: Any) -> None:
        """Print what the process holds after the first calls, and after all."""
        FROM[origin](1)
        before = calls.held()
        FROM[origin](rounds)
        self.stdout.write(json.dumps({"before": before, "after": calls.held()}))
