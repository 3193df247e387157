"""`manage.py expire_sessions`: remove all that is past its time. For cron, or a process of its own (`--every`)."""

from __future__ import annotations

import json
import threading
from argparse import ArgumentParser
from dataclasses import asdict, dataclass
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from sessionstore_app import conf
from sessionstore_app.core.errors import InvalidParams, SessionStoreError
from sessionstore_app.management.progress import ProgressBar
from sessionstore_app.management.stopping import stoppable
from sessionstore_app.services import bridge, expiry
from sessionstore_app.services.expiry import Expired

_PARTS = {
    "site_sessions": "site sessions past their life",
    "sessions": "sessions that lapsed",
    "rooms_cleared": "rooms cleared, for nobody is in them",
    "entries": "entries past their time",
    "history": "closed sessions past their history",
    "rooms": "rooms long unused",
    "old_stores": "stores of rooms that were cleared",
}


class _Stopped(Exception):
    """Between two portions; what is done is done."""


@dataclass
class _Run:
    """What one run found, as far as it came; None if it came to nothing."""

    found: Expired | None = None
    was_cut_short: bool = False
    failure: SessionStoreError | None = None


class Command(BaseCommand):
    """Says what it removed; the services know how."""

    help = (
        "Remove what is past its time: site sessions, lapsed sessions and their locks, empty rooms, old history. "
        "Any number may run at once."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """How much, how often, and how it is told."""
        parser.add_argument("--dry-run", action="store_true", help="count what would go, and remove nothing")
        parser.add_argument("--lifetime", type=float, metavar="SECONDS", help="of site sessions, not the setting's")
        parser.add_argument("--batch-size", type=int, default=1_000, metavar="N", help="rows a transaction (1000)")
        parser.add_argument(
            "--every",
            type=float,
            nargs="?",
            const=0.0,
            metavar="SECONDS",
            help="do it again and again; without a number, as often as EXPIRY_INTERVAL_SECONDS says",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object a run")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run once, or until told to stop."""
        every = options["every"]
        if every is not None and every < 0:
            raise CommandError("--every takes a number of seconds above 0.")
        with stoppable() as stop:
            while not stop.is_set():
                self._run(options, stop)
                if every is None:
                    return
                stop.wait(every or conf.current().expiry_interval_seconds)

    def _run(self, options: dict[str, Any], stop: threading.Event) -> None:
        run = _Run()
        try:
            self._do(run, options, stop)
        except InvalidParams as error:
            raise CommandError(f"{error} {error.advice}") from error
        except SessionStoreError as error:
            run.failure = error
        except _Stopped:
            run.was_cut_short = True
        if run.found is not None:
            self._tell(run.found, options)
        self._tell_failure(run, goes_on=options["every"] is not None)

    def _do(self, run: _Run, options: dict[str, Any], stop: threading.Event) -> None:
        if options["dry_run"]:
            run.found = bridge.run(expiry.count(options["lifetime"]))
            return
        bar = self._progress_bar(options)

        def told(part: str, so_far: Expired) -> None:
            run.found = so_far
            if bar is not None:
                bar.show(so_far.total, f"{_PARTS[part]}: {getattr(so_far, part):,}")
            if stop.is_set():
                raise _Stopped

        run.found = Expired()
        try:
            bridge.run(expiry.expire(options["lifetime"], options["batch_size"], told))
        finally:
            if bar is not None:
                bar.clear()

    def _progress_bar(self, options: dict[str, Any]) -> ProgressBar | None:
        """Only where somebody looks on: what there is has to be counted first."""
        if options["json"] or options["verbosity"] == 0 or not self.stdout.isatty():
            return None
        return ProgressBar(self.stdout, bridge.run(expiry.count(options["lifetime"])).total)

    def _tell(self, found: Expired, options: dict[str, Any]) -> None:
        if options["json"]:
            self.stdout.write(json.dumps({**asdict(found), "dry_run": options["dry_run"]}))
            return
        if options["verbosity"] == 0:
            return
        verb = "would go" if options["dry_run"] else "removed"
        lines = [f"{number:>9,}  {_PARTS[part]}" for part, number in asdict(found).items() if number]
        self.stdout.write("\n".join([f"{found.total:,} {verb}.", *lines]))

    def _tell_failure(self, run: _Run, *, goes_on: bool) -> None:
        if run.failure is not None and goes_on:
            self.stderr.write(f"The database is away, and is asked again: {run.failure}")
        elif run.failure is not None:
            raise CommandError(f"The database is away: {run.failure}") from run.failure
        elif run.was_cut_short and not goes_on:
            raise CommandError("Stopped before the end. The next run goes on from here.")
