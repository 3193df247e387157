"""Room types as Python: what each type becomes, that it can be imported, and that mypy takes it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, get_type_hints, is_typeddict

import pytest

from sessionstore_app import Key, RoomType
from sessionstore_app.core.definitions import define
from sessionstore_app.management.typeddicts import typeddicts
from tests.unit.management import kinds

USE = """
from rooms import Box2, Everything, EverythingHand, Node, RecordAll

node: Node = {"children": [{"children": []}, {}]}
held: Everything = {"node": node, "pair": [1, None], "literal": "a", "odd": {"a-b": 1, "class": 2, "__private": 3,
    "sehr schön": None, "quo'te": {}, "Any": []}, "a-b/c": 1, "union": {"type": "line"}}
hands: EverythingHand = {"hand/ann": 1.5}
records: RecordAll = {"whatever": 1}
reveal_type(held["person"])
bad: Everything = {"literal": "b"}
worse: Everything = {"pined": 1}
missing: Node = {"childs": []}
"""


def module(*types: type[RoomType]) -> ModuleType:
    """The module, imported."""
    found = ModuleType("rooms")
    exec(compile(typeddicts([define(kind)[0] for kind in types]), "rooms.py", "exec", dont_inherit=True), vars(found))
    return found


def made(value_type: Any) -> str:
    """How a key of this type is annotated."""
    kind = type("Place", (RoomType,), {"match": "place", "key": Key(value_type)})
    (line,) = [line for line in typeddicts([define(kind)[0]]).splitlines() if line.startswith("    key: ")]
    return line.removeprefix("    key: ")


@pytest.mark.parametrize(
    ("value_type", "expected"),
    [
        (Any, "Any"),
        (float | int | None, "float | int | None"),
        (list[int | str], "list[int | str]"),
        (dict[str, bool], "dict[str, bool]"),
        (tuple[int, str | None], "list[int | str | None]"),
        (list, "list[Any]"),
        (list[kinds.Custom], "list[Any]"),
        (kinds.CONSTANT, 'Literal["x"]'),
        (kinds.NULLABLE, "str | None"),
        (kinds.ONE_OF, "int | bool"),
        (kinds.UNHEARD_OF, "Any"),
        (kinds.Level, '"Level"'),
        (kinds.Box[list[str]], '"BoxListStr"'),
    ],
)
def test_a_type_becomes_its_like(value_type: Any, expected: str) -> None:
    assert made(value_type) == expected


def test_what_is_made_can_be_imported_and_every_annotation_be_read() -> None:
    rooms = module(kinds.Everything, kinds.Box2, kinds.Record)
    dictionaries = {name: found for name, found in vars(rooms).items() if is_typeddict(found)}
    hints = {name: get_type_hints(found, vars(rooms)) for name, found in dictionaries.items()}
    assert {"Everything", "Box2", "Record", "Node", "Odd", "Line"} <= hints.keys()
    assert hints["Odd"].keys() == {"a-b", "class", "__private", "sehr schön", "quo'te", "Any", "__proto__"}
    assert hints["Everything"]['`"${x}\\'] is int
    assert hints["Record"] == {}
    assert dictionaries["Everything"].__optional_keys__ == hints["Everything"].keys()
    assert dictionaries["Node"].__optional_keys__ == {"children"}
    assert dictionaries["Odd"].__optional_keys__ == {"__proto__"}
    assert dictionaries["Person"].__doc__ == 'Also called "somebody"'
    assert '*/ and """ and a backslash \\.' in (dictionaries["Node"].__doc__ or "")


def test_keys_of_a_pattern_have_a_type_of_their_own() -> None:
    names = {name for name in vars(module(kinds.Everything)) if name.startswith("Everything")}
    assert names == {
        "Everything",
        "EverythingHand",
        "EverythingHand2",
        "EverythingDefault",
        "EverythingSchön",
    }


def test_mypy_takes_types_of_everything_and_refuses_what_does_not_fit(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    definitions = [define(kind)[0] for kind in (kinds.Everything, kinds.Box2, kinds.Record)]
    (tmp_path / "rooms.py").write_text(typeddicts(definitions))
    (tmp_path / "use.py").write_text(USE)
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", f"--cache-dir={tmp_path}", "use.py"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path, check=False)
    told = [line.partition(": ")[2] for line in run.stdout.splitlines() if ": error: " in line or ": note: " in line]
    assert [each for each in told if each.startswith("note: Revealed")] == [told[0]]
    assert "Person" in told[0]
    wrong = [each for each in told if each.startswith("error")]
    assert len(wrong) == 3, run.stdout
    assert 'Literal["b"]' in wrong[0] or "'b'" in wrong[0]
    assert "pined" in wrong[1]
    assert "childs" in wrong[2]
