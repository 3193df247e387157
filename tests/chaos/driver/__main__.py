"""`python -m tests.chaos.driver --seed 7`: one campaign; `--campaigns 30`: many. Ends with 1 if a promise broke."""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import shutil
import sys
import tempfile
import traceback
from pathlib import Path

import pytest


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.driver", description="Campaigns of seeded faults.")
    parser.add_argument("--seed", type=int, default=1, help="of a single campaign")
    parser.add_argument("--campaigns", type=int, help="so many, one line each")
    parser.add_argument("--from", dest="first", type=int, default=1, help="their first seed")
    parser.add_argument("--seconds", type=float, default=20, help="how long faults come")
    parser.add_argument("--servers", type=int, help="by default 2 or 3, as the seed says")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument(
        "--backend", choices=("redis", "database"), help="where entries are; by default as the seed says"
    )
    parser.add_argument("--daphne", action="store_true", default=None, help="the last server is daphne")
    parser.add_argument("--kinds", default="", help="only these kinds of faults, with commas")
    parser.add_argument("--keep", type=Path, help="a folder for logs and history, also where all held")
    return parser.parse_args()


def main() -> int:
    """Run what was asked for; the exit status."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    import django

    django.setup()
    arguments = _arguments()
    if arguments.campaigns is None:
        return _one(arguments, arguments.seed, is_alone=True)
    seeds = range(arguments.first, arguments.first + arguments.campaigns)
    failed = [seed for seed in seeds if _one(arguments, seed, is_alone=False)]
    print(f"{len(seeds)} campaigns, {len(failed)} with violations{': seeds ' if failed else ''}{failed or ''}")
    return 1 if failed else 0


def _one(arguments: argparse.Namespace, seed: int, *, is_alone: bool) -> int:
    # Only now: these know Django's models.
    from tests.chaos.driver import report
    from tests.chaos.driver.campaign import Campaign
    from tests.chaos.driver.world import Plan

    chance = random.Random(f"{seed}/plan")
    servers, backend, has_daphne = (
        chance.choice((2, 2, 3)),
        chance.choice(("redis", "redis", "database")),
        chance.random() < 0.25,
    )
    is_named = arguments.servers is not None
    plan = Plan(
        seed=seed,
        seconds=arguments.seconds,
        servers=arguments.servers or servers,
        clients=arguments.clients,
        backend=arguments.backend or backend,
        has_daphne=bool(arguments.daphne) if arguments.daphne is not None or is_named else has_daphne,
        kinds=tuple(arguments.kinds.split(",")) if arguments.kinds else (),
    )
    folder = arguments.keep or Path(tempfile.mkdtemp(prefix="campaign-"))
    folder.mkdir(parents=True, exist_ok=True)
    campaign = Campaign(plan, folder)
    if is_alone:
        print(*report.schedule_lines(plan, campaign.planned), sep="\n", flush=True)
    try:
        outcome = asyncio.run(campaign.run())
    except pytest.skip.Exception as missing:
        print(missing)
        return 1
    except Exception:  # what cannot go on has failed; the next seed may go better
        print(f"seed {seed:>3}  it could not go on:", traceback.format_exc(), sep="\n")
        print(f"  logs and history: {folder}", f"  again: {report.command(plan)}", sep="\n", flush=True)
        return 1
    print(*(report.summary_lines(outcome) if is_alone else [report.line(outcome)]), sep="\n", flush=True)
    if outcome.violations:
        print(*report.violation_lines(outcome), sep="\n", flush=True)
    elif arguments.keep is None:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if outcome.violations else 0


if __name__ == "__main__":
    sys.exit(main())
