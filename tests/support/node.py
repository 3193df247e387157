"""Scripts of pages under node: their own tests, and their types as TypeScript sees them. Skipped where it is not."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from django.contrib.staticfiles.storage import ManifestStaticFilesStorage

CHECKOUT = Path(__file__).resolve().parents[2]
TSC = CHECKOUT / "tests" / "sdk" / "node_modules" / ".bin" / "tsc"
SECONDS = 120

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed: scripts go untested")
needs_types = pytest.mark.skipif(
    not TSC.exists(), reason="TypeScript is not installed (make sdk): the types of scripts go unchecked"
)


class HashedNames(ManifestStaticFilesStorage):
    """Names of static files as a project would have them hashed."""

    support_js_module_import_aggregation = True


def node(*arguments: str, told: str = "", folder: Path = CHECKOUT) -> str:
    """What node prints; `told` is what it is given to read."""
    return _run("node", *arguments, told=told, folder=folder)


def assert_tested(*tests: Path, folder: Path = CHECKOUT) -> None:
    """Node's own tests hold."""
    assert tests
    node("--test", *sorted(map(str, tests)), folder=folder)


def assert_typed(project: Path) -> None:
    """All that a tsconfig.json names is typed."""
    _run(str(TSC), "--project", str(project), told="", folder=CHECKOUT)


def _run(*command: str, told: str, folder: Path) -> str:
    run = subprocess.run(command, input=told, capture_output=True, text=True, timeout=SECONDS, cwd=folder)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout
