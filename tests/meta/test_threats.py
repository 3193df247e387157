"""The page of threats: each has its row, and each test that a row names is there."""

from __future__ import annotations

import ast
import re
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

import pytest

from sessionstore_app import conf
from tests.meta.pages import ROOT, rows

PAGE = ROOT / "docs/threats.md"
# Number → its cells: threat, what stands against it, tests, what is left to the operator.
THREATS = {cells[0]: cells[1:] for cells in rows(PAGE) if re.fullmatch(r"T\d+", cells[0])}


def _named(text: str) -> list[str]:
    return re.findall(r"`(tests/[^`]+)`", text)


@cache
def _functions(path: Path) -> tuple[str, ...]:
    """Names of the tests of a file, as its source has them."""
    tree = ast.parse(path.read_text())
    return tuple(
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    )


def _is_there(named: str) -> bool:
    file, _, pattern = named.partition("::")
    path = ROOT / file
    if not pattern:
        return path.is_file()
    return path.is_file() and any(fnmatchcase(name, pattern) for name in _functions(path))


def test_all_thirty_threats_have_their_row_once_and_in_order() -> None:
    numbers = re.findall(r"^\| (T\d+) \|", PAGE.read_text(), re.MULTILINE)
    assert numbers == [f"T{number}" for number in range(1, 31)]


@pytest.mark.parametrize("number", THREATS)
def test_a_threat_has_a_control_and_tests_that_there_are(number: str) -> None:
    threat, control, tests, _ = THREATS[number]
    assert threat
    assert control
    assert _named(tests)
    assert [named for named in _named(tests) if not _is_there(named)] == []


def test_whatever_else_the_page_names_is_there() -> None:
    named = _named(PAGE.read_text())
    assert len(named) > 60
    assert [each for each in named if "::" in each and not _is_there(each)] == []
    assert [each for each in named if "::" not in each and not (ROOT / each).exists()] == []


def test_each_test_of_the_threats_is_named_by_a_row() -> None:
    """What is written against a threat is found from the page."""
    named = {each for cells in THREATS.values() for each in _named(cells[2])}
    places = [(file, pattern) for file, _, pattern in (each.partition("::") for each in named)]
    for path in sorted((ROOT / "tests/threats").glob("test_*.py")):
        file = str(path.relative_to(ROOT))
        for name in _functions(path):
            if re.match(r"test_t\d", name):
                assert any(file == place and fnmatchcase(name, pattern) for place, pattern in places), (file, name)


def test_settings_that_the_page_names_are_settings() -> None:
    ours = {name.upper() for name in conf.Settings.__dataclass_fields__}
    named = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)`", PAGE.read_text()))
    djangos = {
        *("ALLOWED_HOSTS", "SESSION_COOKIE_SAMESITE", "SECRET_KEY", "SECRET_KEY_FALLBACKS", "CSRF_TRUSTED_ORIGINS"),
    }
    assert named - ours - djangos == set()
    assert len(named & ours) > 15
