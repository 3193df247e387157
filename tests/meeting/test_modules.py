"""The meeting page's own modules, tested where they run without a page: under node."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "static" / "meeting"
TSC = ROOT / "tests" / "sdk" / "node_modules" / ".bin" / "tsc"
SECONDS = 60


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed: the page's modules go untested")
def test_the_page_s_modules_do_what_they_promise() -> None:
    tests = sorted(str(path) for path in Path(__file__).parent.glob("*.test.mjs"))
    run = subprocess.run(["node", "--test", *tests], capture_output=True, text=True, timeout=SECONDS, cwd=ROOT)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.skipif(not TSC.exists(), reason="TypeScript is not installed in tests/sdk: the page's types go unchecked")
def test_the_page_uses_the_sdk_as_it_is_typed() -> None:
    project = str(Path(__file__).with_name("tsconfig.json"))
    run = subprocess.run([str(TSC), "--project", project], capture_output=True, text=True, timeout=SECONDS, cwd=ROOT)
    assert run.returncode == 0, run.stdout + run.stderr


def test_no_module_writes_markup() -> None:
    sources = {path.name: path.read_text(encoding="utf-8") for path in PAGE.glob("*.js")}
    assert sources
    forbidden = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|\.style\b")
    assert [name for name, source in sources.items() if forbidden.search(source)] == []


def test_every_tone_has_its_colour() -> None:
    names = re.search(r"TONES = \[(.*?)\]", (PAGE / "palette.js").read_text(encoding="utf-8"))
    assert names is not None
    styled = re.findall(r"\.tone-(\w+)", (PAGE / "css" / "tokens.css").read_text(encoding="utf-8"))
    assert sorted(re.findall(r'"(\w+)"', names[1])) == sorted(styled)


def test_every_icon_that_is_used_is_drawn() -> None:
    scripts = "".join(path.read_text(encoding="utf-8") for path in PAGE.glob("*.js"))
    pages = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "templates" / "meeting").glob("*.html"))
    drawn = set(re.findall(r'<symbol id="icon-(\w+)"', pages))
    used = set(re.findall(r'icon\("(\w+)"\)', scripts)) | set(re.findall(r'icon\.html" with name="(\w+)"', pages))
    assert used
    assert used <= drawn
