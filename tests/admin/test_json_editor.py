"""The text areas for JSON: their parser under node, the same verdict as the server's gate, and words for each fault."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

from django.template.loader import render_to_string

from sessionstore_app.core.errors import ParseError
from sessionstore_app.protocol import gate
from tests.support.node import CHECKOUT, assert_tested, needs_node, node

SCRIPTS = CHECKOUT / "sessionstore_app" / "static" / "sessionstore_app" / "admin"
EDITOR = (SCRIPTS / "json-editor.js", SCRIPTS / "json-strict.js")
DEPTH = 32


@needs_node
def test_the_parser_does_what_it_promises() -> None:
    assert_tested(Path(__file__).with_name("json-strict.test.mjs"))


def mutations(number: int, seed: int) -> list[str]:
    """Texts that are JSON, or nearly."""
    chance = random.Random(seed)
    seeds = [
        '{"a": [1, -0.5, 1e5, true, null], "b": {"c": "x\\n\\u00e9", "a": []}}',
        '[{"k": "\\ud83d\\ude00"}, 9007199254740991, "é😀"]',
        '{"a": 1, "a ": 2, "\\u0061b": 3, "": {}}',
    ]
    signs = [*"{}[]:,\"\\ \n\t01-+.eEutfn/'é\u0001\u00a0", "\\u", "\\ud800", "9007199254740992", '"a": ', "1e400"]
    texts = []
    for _ in range(number):
        text = chance.choice(seeds)
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(text) + 1)
            drop = chance.choice((0, 0, 1, 2))
            text = text[:at] + chance.choice([*signs, ""]) + text[at + drop :]
        texts.append(text)
    return texts


@needs_node
def test_the_editor_and_the_server_agree_on_what_is_strict_json() -> None:
    seed = random.randrange(2**32)
    texts = mutations(3_000, seed)
    script = (
        f"import {{ faultOf }} from {json.dumps(EDITOR[1].as_uri())};"
        "let told = ''; for await (const part of process.stdin) told += part;"
        "console.log(JSON.stringify(JSON.parse(told).map((text) => faultOf(text)?.code ?? null)));"
    )
    said = json.loads(node("--input-type=module", "--eval", script, told=json.dumps(texts)))
    differs = []
    for text, code in zip(texts, said, strict=True):
        try:
            gate.parse(text, DEPTH)
            refused = None
        except ParseError as error:
            refused = str(error)
        if (code is None) != (refused is None):
            differs.append((text, code, refused))
    assert not differs, (seed, differs[:5])
    assert None in said
    assert len(set(said)) > 10


def words() -> dict[str, str]:
    source = EDITOR[0].read_text(encoding="utf-8")
    table = source[source.index("WORDS = {") : source.index("\n};", source.index("WORDS = {"))]
    return {name: json.loads(text) for name, text in re.findall(r'^  (\w+): (".*"),$', table, re.MULTILINE)}


def test_every_fault_has_words_in_the_script_and_in_the_page() -> None:
    known = words()
    faults = set(re.findall(r'(?:fail|unexpected)\("(\w+)"', EDITOR[1].read_text(encoding="utf-8")))
    assert faults
    assert faults <= known.keys()
    page = render_to_string("admin/sessionstore_app/json_words.html")
    said = dict(re.findall(r'data-(\w+)="([^"]*)"', page))
    assert {name: text.replace("&quot;", '"') for name, text in said.items()} == known


def test_no_script_writes_markup_or_style() -> None:
    forbidden = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|\.style\.")
    for script in EDITOR:
        assert not forbidden.search(script.read_text(encoding="utf-8"))
