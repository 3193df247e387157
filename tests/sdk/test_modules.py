"""The SDK's own tests, which run under node with a socket and a clock driven by hand."""

import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TSC = HERE / "node_modules" / ".bin" / "tsc"
SECONDS = 120


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed: the SDK goes untested")
def test_the_sdk_does_what_it_promises() -> None:
    tests = sorted(str(path) for path in HERE.glob("*.test.mjs") if TSC.exists() or path.name != "types.test.mjs")
    run = subprocess.run(["node", "--test", *tests], capture_output=True, text=True, timeout=SECONDS, cwd=HERE)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.skipif(not TSC.exists(), reason="TypeScript is not installed (make sdk): the SDK's types go unchecked")
def test_the_sdk_is_typed() -> None:
    run = subprocess.run([str(TSC), "--project", "."], capture_output=True, text=True, timeout=SECONDS, cwd=HERE)
    assert run.returncode == 0, run.stdout + run.stderr
