"""Reading the documents: tables, examples, headings and links of a page."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
REFERENCE = ROOT / "docs/reference"
SETTINGS = REFERENCE / "settings.md"
PROTOCOL = REFERENCE / "protocol.md"
PYTHON_API = REFERENCE / "python-api.md"
SIGNALS = REFERENCE / "signals.md"
FILTERS = REFERENCE / "filters.md"
GUIDE = ROOT / "docs/guide/sessions.md"
LIMITS = ROOT / "docs/limits.md"
CONTRIBUTING = ROOT / "CONTRIBUTING.md"

# A fence of any language at any indentation; its lines up to the closing fence of the same indentation.
_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\n(?P<code>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
_CODE_SPAN = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)|<img[^>]* src=\"([^\"]+)\"")


@dataclass(frozen=True, slots=True)
class Example:
    """A fenced block: where it begins, and its text without indentation."""

    line: int
    code: str


def page_id(page: Path) -> str:
    """The page's path in the checkout."""
    return str(page.relative_to(ROOT))


def prose(page: Path) -> str:
    """A page without its examples."""
    return _FENCE.sub("", page.read_text())


def rows(page: Path, *, under: str = "") -> list[list[str]]:
    """The cells of every row of every table of a page, or of what stands under one heading of second rank."""
    text = prose(page)
    if under:
        text = text.partition(f"\n## {under}\n")[2].partition("\n## ")[0]
    lines = (line.strip("|").split("|") for line in text.splitlines() if line.startswith("|"))
    return [[cell.strip() for cell in row] for row in lines]


def row_names(page: Path) -> set[str]:
    """What stands as code in the first cells of a page's rows; of a call, the name that is called."""
    spans = [span.strip("`") for cells in rows(page) for span in _CODE_SPAN.findall(cells[0])]
    return {span.partition("(")[0] for span in spans}


def examples(page: Path, language: str) -> list[Example]:
    """All examples of a page in a language."""
    text = page.read_text()
    return [
        Example(text.count("\n", 0, match.start()) + 1, textwrap.dedent(match["code"]))
        for match in _FENCE.finditer(text)
        if match["language"] == language
    ]


def anchors(page: Path) -> set[str]:
    """What a link may name behind `#`, spelled as code hosts spell the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(page: Path) -> list[str]:
    """Where a page's links within the project lead."""
    text = _CODE_SPAN.sub("", prose(page))
    targets = (plain or image for plain, image in _LINK.findall(text))
    return [target for target in targets if not re.match(r"[a-z]+:", target)]
