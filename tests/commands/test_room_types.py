"""`manage.py sessionstore_room --types`: room types written down for clients."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from sessionstore_app.services.roomtypes import declaring
from tests.support.node import CHECKOUT
from tests.support.server import manage
from tests.support.typed import Backstage, Stage

EXAMPLES = {"tests/sdk/stage.ts": ("--types", "Stage"), "tests/client/stage.py": ("--types", "Stage", "--python")}


@pytest.fixture(autouse=True)
def _types() -> Iterator[None]:
    with declaring(Stage, Backstage):
        yield


def written(*arguments: str) -> str:
    """What it writes."""
    out = StringIO()
    call_command("sessionstore_room", *arguments, stdout=out)
    return out.getvalue()


def refused(*arguments: str) -> tuple[int, str]:
    """The code it would exit with, and why."""
    with pytest.raises(CommandError) as error:
        written(*arguments)
    return error.value.returncode, str(error.value)


@pytest.mark.parametrize("path", EXAMPLES)
def test_the_examples_are_what_it_writes(path: str) -> None:
    """To make one anew: the command of its first line, on a server with those types."""
    assert Path(CHECKOUT, path).read_text() == written(*EXAMPLES[path])


def test_a_type_is_named_by_itself_or_by_a_room() -> None:
    assert written("--types", "Stage") == written("--types", "stage/of the day")
    assert "interface Stage" in written("--types", "Stage")
    assert "interface Backstage" not in written("--types", "Stage")


def test_without_a_name_all_types_are_written() -> None:
    shown = written("--types")
    assert "interface Stage" in shown
    assert "interface Backstage" in shown
    assert shown.count("interface Pin") == 1
    assert "class Backstage(TypedDict, total=False):" in written("--types", "--python")


def test_an_unknown_name_is_refused_with_the_one_that_was_meant() -> None:
    code, why = refused("--types", "Stagge")
    assert code == 1
    assert "Did you mean Stage?" in why
    assert refused("--types", "stag/1")[1].startswith("No room type is named stag/1, and no room of that name has one.")
    assert "There are Stage, Backstage." in refused("--types", "xyz")[1]
    assert "\\u001b" in refused("--types", "\x1b[2J")[1]


def test_where_no_types_are_declared_it_says_so() -> None:
    with declaring():
        assert refused("--types") == (1, "There are no room types: no app declares any in its rooms.py.")
        assert refused("--types", "Stage") == refused("--types")


@pytest.mark.parametrize("arguments", [(), ("--python",), ("--types", "Stage", "list"), ("--python", "list")])
def test_it_is_an_act_or_types(arguments: tuple[str, ...]) -> None:
    assert refused(*arguments)[1] == "Error: an act is required, or --types, which takes --python"


def test_help_shows_types_beside_the_acts() -> None:
    shown = manage("sessionstore_room", "--help", database_url="sqlite://:memory:")
    assert "--types [TYPE]" in shown
    assert "--python" in shown
    assert "ACT" in shown
