"""The inspector's modules: what needs no page runs under node; all are typed, none makes markup or inline styles."""

import re
import shutil
from pathlib import Path

from tests.support.node import CHECKOUT, HashedNames, assert_tested, assert_typed, needs_node, needs_types

STATIC = CHECKOUT / "sessionstore_app" / "static" / "sessionstore_app"
INSPECTOR = STATIC / "inspector"
SOURCES = {str(path.relative_to(INSPECTOR)): path.read_text(encoding="utf-8") for path in INSPECTOR.rglob("*.js")}


@needs_node
def test_what_needs_no_page_does_what_it_promises() -> None:
    assert_tested(*Path(__file__).parent.glob("*.test.mjs"))


@needs_types
def test_the_inspector_is_typed() -> None:
    assert_typed(Path(__file__).with_name("tsconfig.json"))


def test_no_module_makes_markup_code_or_inline_styles() -> None:
    assert SOURCES
    forbidden = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|\.style\b|import\("
    )
    assert [name for name, source in SOURCES.items() if forbidden.search(source)] == []


def test_every_label_is_used() -> None:
    labels = re.findall(r"^  (\w+): \"", SOURCES["labels.js"], re.MULTILINE)
    others = "".join(source for name, source in SOURCES.items() if name != "labels.js")
    assert len(labels) > 50
    assert [label for label in labels if not re.search(rf'"{label}"', others)] == []


def test_modules_with_hashed_names_find_each_other(tmp_path: Path) -> None:
    found_in = [path for folder in ("inspector", "sdk") for path in (STATIC / folder).rglob("*.js")]
    names = [str(path.relative_to(STATIC)) for path in found_in]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(STATIC / name, tmp_path / name)
    storage = HashedNames(location=str(tmp_path), base_url="/static/")
    served = {name: str(hashed) for name, hashed, _ in storage.post_process({name: (storage, name) for name in names})}
    for name, hashed in served.items():
        if not name.startswith("inspector/"):
            continue
        imported = re.findall(r'^(?:import|export) .*from "([^"]+)";', (tmp_path / hashed).read_text(), re.MULTILINE)
        found = {str((tmp_path / hashed).parent.joinpath(path).resolve().relative_to(tmp_path)) for path in imported}
        assert found <= set(served.values()), name
