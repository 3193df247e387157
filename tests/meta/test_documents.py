"""Documents and code agree on settings, methods, errors and close reasons; examples compile, links lead somewhere."""

from __future__ import annotations

import ast
import re
import textwrap
from dataclasses import fields
from pathlib import Path
from urllib.parse import unquote

import pytest

from sessionstore_app import conf
from sessionstore_app.core.close import CloseReason
from sessionstore_app.core.errors import wire_errors
from sessionstore_app.protocol.methods import METHODS

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
SETTINGS = ROOT / "docs/reference/settings.md"
PROTOCOL = ROOT / "docs/reference/protocol.md"

# A fence of any language at any indentation; its lines up to the closing fence of the same indentation.
_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\n(?P<code>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
_CODE_SPAN = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)|<img[^>]* src=\"([^\"]+)\"")


def _page_id(page: Path) -> str:
    return str(page.relative_to(ROOT))


def _rows(page: Path) -> list[list[str]]:
    """The cells of every row of every table of a page."""
    text = _FENCE.sub("", page.read_text())
    rows = (line.strip("|").split("|") for line in text.splitlines() if line.startswith("|"))
    return [[cell.strip() for cell in row] for row in rows]


def _python_blocks(page: Path) -> list[tuple[int, str]]:
    """Line and text of every Python example of a page."""
    text = page.read_text()
    return [
        (text.count("\n", 0, match.start()) + 1, textwrap.dedent(match["code"]))
        for match in _FENCE.finditer(text)
        if match["language"] == "python"
    ]


def _anchors(page: Path) -> set[str]:
    """What a link may name behind `#`, spelled as code hosts spell the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _links(page: Path) -> list[str]:
    text = _CODE_SPAN.sub("", _FENCE.sub("", page.read_text()))
    targets = (plain or image for plain, image in _LINK.findall(text))
    return [target for target in targets if not re.match(r"[a-z]+:", target)]


def _documented_settings() -> dict[str, object]:
    """Name → default of every row that looks like a setting's."""
    found: dict[str, object] = {}
    for cells in _rows(SETTINGS):
        if len(cells) == 3 and re.fullmatch(r"`[A-Z_]+`", cells[0]) and re.fullmatch(r"`[^`]+`", cells[1]):
            found[cells[0].strip("`")] = ast.literal_eval(cells[1].strip("`"))
    return found


def _default(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def test_the_settings_page_names_every_setting_with_its_default() -> None:
    defaults = conf.Settings()
    expected = {spec.name.upper(): _default(getattr(defaults, spec.name)) for spec in fields(conf.Settings)}

    assert _documented_settings() == expected


def test_the_protocol_page_has_a_row_for_every_method() -> None:
    named = {cells[0].strip("`") for cells in _rows(PROTOCOL)}
    # A method with a table of its own is named in its head: `session.open` takes.
    named |= {cells[0].split("`")[1] for cells in _rows(PROTOCOL) if re.match(r"`[^`]+` takes$", cells[0])}

    assert METHODS.keys() - named == set()


def test_the_protocol_page_lists_exactly_the_errors_and_codes_of_the_wire() -> None:
    listed = {
        cells[1].strip("`"): int(cells[0])
        for cells in _rows(PROTOCOL)
        if len(cells) == 3 and re.fullmatch(r"-\d+", cells[0])
    }

    assert listed == wire_errors()


def test_the_protocol_page_lists_exactly_the_close_codes_and_what_can_be_resumed() -> None:
    listed = {
        (int(cells[0]), cells[1].strip("`"), cells[2])
        for cells in _rows(PROTOCOL)
        if len(cells) == 4 and re.fullmatch(r"\d{4}", cells[0])
    }

    assert listed == {(reason.code, reason.name, "no" if reason.ends_session else "yes") for reason in CloseReason}


@pytest.mark.parametrize("page", PAGES, ids=_page_id)
def test_python_examples_compile(page: Path) -> None:
    for line, code in _python_blocks(page):
        # Examples may await at their top level, as the shell allows it.
        compile(code, f"{_page_id(page)}:{line}", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def test_there_are_examples_to_compile() -> None:
    assert sum(len(_python_blocks(page)) for page in PAGES) > 10


@pytest.mark.parametrize("page", PAGES, ids=_page_id)
def test_links_lead_to_a_file_and_a_heading(page: Path) -> None:
    broken = []
    for target in _links(page):
        name, _, anchor = unquote(target).partition("#")
        file = (page.parent / name).resolve() if name else page
        if not file.exists() or (anchor and anchor not in _anchors(file)):
            broken.append(target)

    assert broken == []
