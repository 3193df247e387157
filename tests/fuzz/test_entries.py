"""The two entries that strangers write to, fuzzed for some seconds; for longer by `make fuzz` (T17, T18).

In a process of its own, because the fuzzer watches how the code runs, and ends its process when it is done.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from sessionstore_app.protocol import gate
from tests.fuzz.targets import CPU_SECONDS, TARGETS, Broken, frame, timed

ROOT = Path(__file__).resolve().parents[2]
SEEDS = [(entry, seed) for entry in TARGETS for seed in sorted((Path(__file__).parent / "seeds" / entry).iterdir())]
SECONDS = 4
# A tenth of what a busy machine did.
FEWEST_RUNS = 2_000


@pytest.mark.skipif(
    find_spec("atheris") is None, reason="atheris is not installed: there is none for this Python or machine"
)
@pytest.mark.parametrize("entry", TARGETS)
def test_t17_t18_inputs_that_reach_new_code_are_refused_or_answered(entry: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.fuzz", entry, "--seconds", str(SECONDS), "--keep", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace", timeout=120)
    assert done.returncode == 0, f"{done.stdout[-4_000:]}\n{done.stderr[-4_000:]}"
    runs = re.search(r"Done (\d+) runs", done.stderr)
    assert runs is not None, done.stderr[-4_000:]
    assert int(runs[1]) > FEWEST_RUNS


@pytest.mark.parametrize(("entry", "seed"), SEEDS, ids=[f"{entry}/{seed.name}" for entry, seed in SEEDS])
def test_t17_t18_what_was_found_once_is_not_found_again(entry: str, seed: Path) -> None:
    timed(TARGETS[entry])(seed.read_bytes())


# --- what is found, where there is something to find


def _deep(text: str, max_depth: int) -> object:
    raise RecursionError


def _lenient(text: str, max_depth: int) -> object:
    return 1 if text == "[]" else []


@pytest.mark.parametrize(("fault", "error"), [(_deep, RecursionError), (_lenient, Broken)], ids=["raises", "lenient"])
def test_a_gate_that_breaks_a_promise_is_found_out(
    fault: Callable[[str, int], object], error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "parse", fault)
    with pytest.raises(error):
        frame(b"[]")


def test_what_takes_too_long_is_found_out() -> None:
    def busy(data: bytes) -> None:
        until = time.thread_time() + CPU_SECONDS
        while time.thread_time() <= until:
            pass

    with pytest.raises(Broken):
        timed(busy)(b"")
