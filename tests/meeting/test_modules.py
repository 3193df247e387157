"""The meeting page's own modules, tested where they run without a page: under node."""

import re
from pathlib import Path

from tests.support.node import CHECKOUT, assert_tested, assert_typed, needs_node, needs_types

PAGE = CHECKOUT / "static" / "meeting"


@needs_node
def test_the_page_s_modules_do_what_they_promise() -> None:
    assert_tested(*Path(__file__).parent.glob("*.test.mjs"))


@needs_types
def test_the_page_uses_the_sdk_as_it_is_typed() -> None:
    assert_typed(Path(__file__).with_name("tsconfig.json"))


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
    pages = "".join(path.read_text(encoding="utf-8") for path in (CHECKOUT / "templates" / "meeting").glob("*.html"))
    drawn = set(re.findall(r'<symbol id="icon-(\w+)"', pages))
    used = set(re.findall(r'icon\("(\w+)"\)', scripts)) | set(re.findall(r'icon\.html" with name="(\w+)"', pages))
    assert used
    assert used <= drawn
