"""The inspector's modules: what needs no page runs under node; all are typed, none makes markup or inline styles."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from django.contrib.staticfiles.storage import ManifestStaticFilesStorage

ROOT = Path(__file__).resolve().parents[2]
STATIC = ROOT / "sessionstore_app" / "static" / "sessionstore_app"
SOURCES = {path.name: path.read_text(encoding="utf-8") for path in (STATIC / "inspector").glob("*.js")}
TSC = ROOT / "tests" / "sdk" / "node_modules" / ".bin" / "tsc"
SECONDS = 60


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed: the inspector's modules go untested")
def test_what_needs_no_page_does_what_it_promises() -> None:
    tests = sorted(str(path) for path in Path(__file__).parent.glob("*.test.mjs"))
    run = subprocess.run(["node", "--test", *tests], capture_output=True, text=True, timeout=SECONDS, cwd=ROOT)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.skipif(
    not TSC.exists(), reason="TypeScript is not installed (make sdk): the inspector's types go unchecked"
)
def test_the_inspector_is_typed() -> None:
    project = str(Path(__file__).with_name("tsconfig.json"))
    run = subprocess.run([str(TSC), "--project", project], capture_output=True, text=True, timeout=SECONDS, cwd=ROOT)
    assert run.returncode == 0, run.stdout + run.stderr


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


class HashedNames(ManifestStaticFilesStorage):
    """As a project would configure it."""

    support_js_module_import_aggregation = True


def test_modules_with_hashed_names_find_each_other(tmp_path: Path) -> None:
    names = [
        f"{path.parent.name}/{path.name}" for folder in ("inspector", "sdk") for path in (STATIC / folder).glob("*.js")
    ]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(STATIC / name, tmp_path / name)
    storage = HashedNames(location=str(tmp_path), base_url="/static/")
    served = {name: str(hashed) for name, hashed, _ in storage.post_process({name: (storage, name) for name in names})}
    for name, hashed in served.items():
        if not name.startswith("inspector/"):
            continue
        imported = re.findall(r'^(?:import|export) .*from "([^"]+)";', (tmp_path / hashed).read_text(), re.MULTILINE)
        found = {str((tmp_path / hashed).parent.joinpath(path).resolve().relative_to(tmp_path)) for path in imported}
        assert found <= set(served.values()), name
