"""Documents and code agree on settings, methods, errors and close reasons; examples compile, links lead somewhere."""

from __future__ import annotations

import ast
import re
from dataclasses import fields
from pathlib import Path
from urllib.parse import unquote

import pytest

from sessionstore_app import conf
from sessionstore_app.core.close import CloseReason
from sessionstore_app.core.errors import wire_errors
from sessionstore_app.protocol.methods import METHODS
from tests.benchmarks import docs
from tests.benchmarks.__main__ import SCENARIOS
from tests.meta.pages import CONTRIBUTING, PAGES, PROTOCOL, ROOT, SETTINGS, anchors, examples, links, page_id, rows


def test_each_benchmark_has_its_place_in_the_page() -> None:
    """`make bench` writes its tables there, after it has measured for minutes."""
    for name in SCENARIOS:
        assert docs.between_markers(docs.PAGE.read_text(), name, "table").count("\ntable\n") == 1


def _documented_settings() -> dict[str, object]:
    """Name → default of every row that looks like a setting's."""
    found: dict[str, object] = {}
    for cells in rows(SETTINGS):
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
    named = {cells[0].strip("`") for cells in rows(PROTOCOL)}
    # A method with a table of its own is named in its head: `session.open` takes.
    named |= {cells[0].split("`")[1] for cells in rows(PROTOCOL) if re.match(r"`[^`]+` takes$", cells[0])}

    assert METHODS.keys() - named == set()


def test_the_protocol_page_lists_exactly_the_errors_and_codes_of_the_wire() -> None:
    listed = {
        cells[1].strip("`"): int(cells[0])
        for cells in rows(PROTOCOL)
        if len(cells) == 3 and re.fullmatch(r"-\d+", cells[0])
    }

    assert listed == wire_errors()


def test_the_protocol_page_lists_exactly_the_close_codes_and_what_can_be_resumed() -> None:
    listed = {
        (int(cells[0]), cells[1].strip("`"), cells[2])
        for cells in rows(PROTOCOL)
        if len(cells) == 4 and re.fullmatch(r"\d{4}", cells[0])
    }

    assert listed == {(reason.code, reason.name, "no" if reason.ends_session else "yes") for reason in CloseReason}


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_python_examples_compile(page: Path) -> None:
    for example in examples(page, "python"):
        # Examples may await at their top level, as the shell allows it.
        where = f"{page_id(page)}:{example.line}"
        compile(example.code, where, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def test_there_are_examples_to_compile() -> None:
    assert sum(len(examples(page, "python")) for page in PAGES) > 10


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_lead_to_a_file_and_a_heading(page: Path) -> None:
    broken = []
    for target in links(page):
        name, _, anchor = unquote(target).partition("#")
        file = (page.parent / name).resolve() if name else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)

    assert broken == []


def test_contributing_names_files_that_there_are() -> None:
    """A path is meant as seen from the checkout or from the app; with `…` in it, it is only a hint."""
    named = re.findall(r"`([\w./-]+/[\w.-]*|[\w-]+\.py)`", CONTRIBUTING.read_text())
    places = (ROOT, ROOT / "sessionstore_app")
    missing = [name for name in named if not any((place / name).exists() for place in places)]

    assert len(named) > 20
    assert missing == []


def test_contributing_names_modules_that_there_are() -> None:
    """Those of the two paths on which a write and a change of a session are followed."""
    named = re.findall(r"`((?:core|protocol|handlers|services)(?:\.[a-z_]+)+)`", CONTRIBUTING.read_text())
    found = (ROOT / "sessionstore_app" / Path(*name.split(".")) for name in named)
    missing = [str(path) for path in found if not _is_module(path)]

    assert len(named) > 15
    assert missing == []


def _is_module(path: Path) -> bool:
    # The last word may be a function of the module before it.
    return path.is_dir() or any(place.with_suffix(".py").exists() for place in (path, path.parent))
