"""What a reviewer looks for in each change, looked for by a machine (T8, T19, T24, T26, T27): calls that nobody makes.

It reads the source of what is shipped, so it also holds for code that no other test runs.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.meta.pages import ROOT

APP = ROOT / "sessionstore_app"
MODULES = sorted(APP.rglob("*.py"))
SCRIPTS = sorted((APP / "backends" / "lua").glob("*.lua"))
# Where it is meant: the suite for backends draws plans, a client draws how long it waits.
CHANCE = frozenset({"testing", "client"})


@cache
def _read() -> tuple[tuple[Path, ast.Module], ...]:
    return tuple((path.relative_to(APP), ast.parse(path.read_text())) for path in MODULES)


def _trees(*, without: frozenset[str] = frozenset()) -> Iterator[tuple[str, ast.Module]]:
    return ((str(place), tree) for place, tree in _read() if place.parts[0] not in without)


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _importers(pattern: str, *, without: frozenset[str] = frozenset()) -> list[str]:
    return [
        f"{place}: {name}"
        for place, tree in _trees(without=without)
        for name in _imports(tree)
        if re.match(rf"(?:{pattern})(?:\.|\Z)", name)
    ]


@pytest.mark.parametrize("unpacker", ["pickle", "marshal", "shelve", "dill", "yaml", "django.core.signing.get_cookie"])
def test_t26_nothing_is_unpacked_that_can_run_code(unpacker: str) -> None:
    assert _importers(re.escape(unpacker)) == []


def test_t8_nothing_is_marked_as_safe() -> None:
    assert _importers(r"django\.utils\.safestring\.mark_safe|django\.utils\.html\.html_safe") == []
    templates = {path.name: path.read_text() for path in APP.rglob("*.html")}
    assert templates
    assert [name for name, text in templates.items() if re.search(r"\|\s*safe\b|autoescape off|<script>", text)] == []


def test_t8_no_script_makes_markup_of_text() -> None:
    scripts = {path.name: path.read_text() for path in (APP / "static").rglob("*.js")}
    assert scripts
    markup = re.compile(
        r"\.(inner|outer)HTML\b|insertAdjacentHTML|document\.write|\beval\(|new Function\(|DOMParser|javascript:"
    )
    assert [name for name, text in scripts.items() if markup.search(text)] == []


def test_no_request_is_made_to_anybody() -> None:
    """The server asks nobody by HTTP, so nobody can make it ask; the client's one connection is its purpose."""
    found = _importers(
        r"urllib\.request|http\.client|requests|httpx|aiohttp|urllib3|websockets|ftplib|smtplib|telnetlib"
    )
    assert [each for each in found if not each.startswith("client/")] == []


def test_t19_what_must_not_be_guessed_is_not_drawn_by_a_guessable_generator() -> None:
    assert _importers("random", without=CHANCE) == []


def test_nothing_runs_text_as_code() -> None:
    found = [
        f"{place}:{node.lineno}"
        for place, tree in _trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in {"eval", "exec", "compile"}
    ]
    assert found == []
    assert _importers(r"subprocess|os\.system|os\.popen") == []


_SECRET = re.compile(r"(^|_)(token|secret|password|credential|resume_hash|signature)$")


def _names_a_secret(node: ast.expr) -> bool:
    name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
    return bool(_SECRET.search(name))


def _compared_secrets(tree: ast.AST) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and any(isinstance(operator, ast.Eq | ast.NotEq) for operator in node.ops):
            sides = [node.left, *node.comparators]
            # Whether there is one at all is no secret.
            has_constant = any(isinstance(side, ast.Constant) for side in sides)
            if not has_constant and any(map(_names_a_secret, sides)):
                yield node.lineno


def test_t27_secrets_are_compared_in_constant_time() -> None:
    assert [f"{place}:{line}" for place, tree in _trees() for line in _compared_secrets(tree)] == []
    assert list(_compared_secrets(ast.parse("session.resume_token == token"))) == [1]
    jobs = (APP / "services" / "jobs" / "sessions.py").read_text()
    assert "secrets.compare_digest(" in jobs


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_t24_scripts_take_values_as_arguments_and_search_nothing(script: Path) -> None:
    """Their text is the same for every room; which keys they touch, they are told."""
    text = re.sub(r"--.*", "", script.read_text())
    called = set(re.findall(r"redis\.p?call\(\s*'([A-Z]+)'", text))
    assert called
    assert len(re.findall(r"redis\.p?call\(", text)) == len(re.findall(r"redis\.p?call\(\s*'[A-Z]+'", text))
    assert not called & {"KEYS", "SCAN", "FLUSHALL", "FLUSHDB", "CONFIG", "EVAL", "SCRIPT", "PUBLISH"}
    assert "loadstring" not in text
