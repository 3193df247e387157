"""The documentation names every setting, error and close reason, with the defaults that hold."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from sessionstore_app.conf import Settings
from sessionstore_app.core.close import CloseReason
from sessionstore_app.core.errors import wire_errors

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
NAMES = [spec.name.upper() for spec in fields(Settings)]


@pytest.fixture(scope="module")
def rows() -> dict[str, str]:
    """Settings' names and defaults, as the tables give them."""
    page = (REFERENCE / "settings.md").read_text()
    return dict(re.findall(r"^\| `([A-Z_]+)` \| `?([^|`]*)`? \| .+\|$", page, re.MULTILINE))


@pytest.mark.parametrize("name", NAMES)
def test_a_setting_has_its_row(name: str, rows: dict[str, str]) -> None:
    assert name in rows


def test_no_row_is_of_a_setting_that_is_gone(rows: dict[str, str]) -> None:
    assert sorted(rows.keys() - set(NAMES)) == []


@pytest.mark.parametrize(
    "name", [spec.name.upper() for spec in fields(Settings) if spec.type in ("int", "float", "bool")]
)
def test_a_documented_default_is_the_one_that_holds(name: str, rows: dict[str, str]) -> None:
    default = getattr(Settings(), name.lower())
    assert rows[name].replace(",", "") == str(default)


@pytest.mark.parametrize("word", [*wire_errors(), *(reason.name for reason in CloseReason)])
def test_an_error_or_close_reason_is_explained(word: str) -> None:
    assert re.search(rf"\b{word}\b", (REFERENCE / "protocol.md").read_text())
