"""`python -m tests.fuzz frames --seconds 60`: inputs that reach new code, until one breaks a promise or time is up.

Needs atheris. A finding is written to `--keep` and named; `--input FILE` does it again. What was found and mended
belongs into the seeds, where each test run feeds it once more.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

SEEDS = Path(__file__).parent / "seeds"
# As long as a frame that a client of ours sends; what is only long, other tests send.
LONGEST = 4_096
# Words that inputs are put together from, beside what the seeds hold.
WORDS = {
    "frames": [
        *('"jsonrpc":"2.0"', '"id":', '"params":', '"room":', '"key":', '"value":', '"op":', '"rooms":', '"do":'),
        *("9007199254740992", "\\u0000", "\\ud800", "1e400", "-0", "null", "__proto__"),
    ],
    "filters": [
        *(" and ", " or ", "not ", "has ", "all", " is ", " eq ", " ne ", " in [", " matches ", "hasRoles "),
        *("hasAnyRole [", "$Roles", "\\p{L}", "(?i)", '"k"'),
    ],
}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Coverage-guided fuzzing of an entry.")
    parser.add_argument("entry", choices=sorted(WORDS))
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--input", type=Path, help="only this input, which was found before")
    parser.add_argument("--keep", type=Path, help="where findings and new inputs go; by default a new folder")
    return parser.parse_args()


def main() -> None:
    """Run what was asked for. Does not return: the fuzzer ends the process, with 0 where all held."""
    import atheris

    # The regular expression engine of our parsers knows nothing of coverage; all else of these packages does.
    with atheris.instrument_imports(include=["sessionstore_app.core", "sessionstore_app.protocol"]):
        from tests.fuzz.targets import TARGETS, timed

    arguments = _arguments()
    target = timed(TARGETS[arguments.entry])
    if arguments.input is not None:
        target(arguments.input.read_bytes())
        return
    keep = arguments.keep or Path(tempfile.mkdtemp(prefix="sessionstore-fuzz-"))
    corpus = keep / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    words = keep / "words"
    words.write_text("".join(f'"{_quoted(word)}"\n' for word in [*WORDS[arguments.entry], *_names(arguments.entry)]))
    print(f"Findings go to {keep}")
    options = [f"-max_total_time={arguments.seconds}", f"-max_len={LONGEST}", f"-dict={words}", "-timeout=10"]
    atheris.Setup(
        [sys.argv[0], *options, f"-artifact_prefix={keep}/", str(corpus), str(SEEDS / arguments.entry)], target
    )
    atheris.Fuzz()


def _names(entry: str) -> list[str]:
    from sessionstore_app.protocol.methods import METHODS

    return [f'"method":"{name}"' for name in METHODS] if entry == "frames" else []


def _quoted(word: str) -> str:
    return word.replace("\\", "\\\\").replace('"', '\\"')


main()
