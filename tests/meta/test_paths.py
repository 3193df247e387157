"""What the project ships knows nothing of the machine it was written on."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def shipped() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def machine_paths() -> re.Pattern[str]:
    """This checkout, this user's home, this Python; and anybody's home."""
    here = {
        str(place) for place in (ROOT, Path.home(), sys.base_prefix) if str(place) not in ("/", "/usr", "/usr/local")
    }
    own = "|".join(map(re.escape, sorted(here)))
    return re.compile(rf"(?<![\w/.-])(?:(?:{own})(?![\w-])|/(?:home|Users)/[\w.-]+/)")


def test_no_file_names_a_path_of_this_machine() -> None:
    pattern = machine_paths()
    files = shipped()
    assert ROOT / "pyproject.toml" in files
    assert pattern.search(f'open("{ROOT}/manage.py")'), "the search finds what it is looking for"
    found = [str(path.relative_to(ROOT)) for path in files if pattern.search(path.read_text(errors="ignore"))]
    assert found == []
