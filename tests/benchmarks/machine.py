"""Runs the parts of the measurement: prepares the project, starts its servers and the generator, reads results."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.benchmarks.figures import FailedError
from tests.benchmarks.load import Result, Spec
from tests.benchmarks.servers import CHECKOUT, LIFTED_LIMITS, MEMORY_BACKEND, Server, daphne, free_port, uvicorn

RUN_SECONDS = 180


def project_environment(
    database_url: str, *, in_memory: bool = False, redis_url: str = "", policy: str = ""
) -> dict[str, str]:
    """The demo project's environment: no rate limits, and entries in memory, in the database or in Redis."""
    settings: dict[str, object] = dict(LIFTED_LIMITS)
    if in_memory:
        settings["BACKENDS"] = MEMORY_BACKEND
    if policy:
        settings["POLICY"] = policy
    return {
        "DJANGO_SETTINGS_MODULE": "project.settings",
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "DEBUG": "0",
        "SECRET_KEY": "a benchmark's secret, as long as the demo's checks would like it to be",
        "ALLOWED_HOSTS": "127.0.0.1",
        "SESSIONSTORE_JSON": json.dumps(settings),
    }


def migrated(environment: dict[str, str]) -> dict[str, str]:
    command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    subprocess.run(command, cwd=CHECKOUT, env=os.environ | environment, check=True)
    return environment


def project_server(folder: Path, name: str, *, in_memory: bool, on_daphne: bool = False) -> Server:
    """The project on a fresh SQLite file."""
    environment = project_environment(f"sqlite:///{folder / name}.sqlite3", in_memory=in_memory)
    return served(migrated(environment), on_daphne=on_daphne)


def served(environment: dict[str, str], *, on_daphne: bool = False) -> Server:
    """The project in an environment that was prepared for it."""
    port = free_port()
    command = daphne if on_daphne else uvicorn
    return Server(command("project.asgi:application", port), port, environment)


def reference_server(application: str, layer: Mapping[str, object] | None = None) -> Server:
    """The reference on the in-memory layer, or on another, as Django's settings describe it."""
    port = free_port()
    environment = {"CHANNEL_LAYER_JSON": json.dumps(layer)} if layer else {}
    return Server(uvicorn(f"tests.benchmarks.reference.{application}:application", port), port, environment)


def generate(spec: Spec, module: str = "load") -> Result:
    """Run the generator in a process of its own."""
    return Result(**run_json(module, asdict(spec), {}))


def run_json(module: str, arguments: dict[str, object], environment: dict[str, str]) -> dict[str, Any]:
    """Run one of this package's modules as a process: JSON as its only argument, JSON on its last line."""
    command = [sys.executable, "-m", f"tests.benchmarks.{module}", json.dumps(arguments)]
    try:
        done = subprocess.run(
            command, cwd=CHECKOUT, env=os.environ | environment, capture_output=True, timeout=RUN_SECONDS, text=True
        )
    except subprocess.TimeoutExpired:
        raise FailedError(f"No end after {RUN_SECONDS} s (tests.benchmarks.{module})") from None
    if done.returncode:
        print(done.stderr, file=sys.stderr)
        raise FailedError(f"{done.stderr.splitlines()[-1]} (tests.benchmarks.{module} with {json.dumps(arguments)})")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result
