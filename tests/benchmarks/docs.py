"""Puts what was measured into docs/benchmarks.md, each scenario between its own markers, and the picture beside it."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version

from tests.benchmarks.figures import Section
from tests.benchmarks.picture import svg
from tests.benchmarks.servers import CHECKOUT

PAGE = CHECKOUT / "docs" / "benchmarks.md"
PICTURE = CHECKOUT / "docs" / "images" / "benchmarks.svg"
PACKAGES = ("django", "channels", "uvicorn", "daphne")


def write(sections: Sequence[Section]) -> None:
    """A scenario that was not run keeps what stands there; the picture is drawn when all that it shows were run."""
    page = PAGE.read_text()
    for section in sections:
        page = between_markers(page, section.name, f"{circumstances()}\n\n{section.markdown()}")
    PAGE.write_text(page)
    bars = [bar for section in sections for bar in section.bars]
    if {"fanout", "writes", "memory"} <= {section.name for section in sections}:
        PICTURE.parent.mkdir(exist_ok=True)
        PICTURE.write_text(svg(bars))


def between_markers(page: str, name: str, text: str) -> str:
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    changed, count = re.subn(
        f"{re.escape(begin)}.*?{re.escape(end)}", lambda _: f"{begin}\n{text}\n{end}", page, flags=re.DOTALL
    )
    if count != 1:
        raise RuntimeError(f"{PAGE.name} needs one pair of markers for {name}, it has {count}")
    return changed


def circumstances() -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, {packages}"
    return f"Measured on {datetime.now(UTC):%Y-%m-%d}: {machine}."
