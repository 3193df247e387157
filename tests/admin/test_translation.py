"""The German translation: whole, compiled, and what the admin shows to whoever asks for German."""

from __future__ import annotations

import ast
import gettext
import json
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation.template import templatize

import sessionstore_app
from sessionstore_app import locks, rooms, site_sessions
from sessionstore_app.models import Node, Session
from tests.admin.conftest import Staff
from tests.admin.rows import address, text_of
from tests.admin.scenes import confirm, told

PACKAGE: Final = Path(sessionstore_app.__file__).parent
CATALOG: Final = PACKAGE / "locale" / "de" / "LC_MESSAGES"
SOURCES: Final = sorted(
    path for path in (*PACKAGE.rglob("*.py"), *PACKAGE.glob("templates/**/*.html")) if "migrations" not in path.parts
)
# What marks a text for translation: with one form, and with two.
ONE: Final = {"_", "gettext", "gettext_lazy"}
TWO: Final = {"ngettext", "ngettext_lazy"}
PLACEHOLDER: Final = re.compile(r"%\(\w+\)[sd]|%[sd]|\{\w+\}")
SESSION: Final = "session-ann"
PERMISSIONS: Final = ("view_session", "view_room", "view_sitesession", "change_sitesession", "view_node", "view_lock")


# --- what is read


def calls(code: str) -> Iterator[tuple[str, ...]]:
    """The texts that a module marks: one, or singular and plural."""
    for node in ast.walk(ast.parse(code)):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        texts = node.args[: 1 if name in ONE else 2 if name in TWO else 0]
        found = tuple(text.value for text in texts if isinstance(text, ast.Constant) and isinstance(text.value, str))
        if found:
            yield found


def marked(path: Path) -> set[tuple[str, ...]]:
    """The same of a file; of a template, what Django makes of it for extraction."""
    text = path.read_text("utf-8")
    if path.suffix == ".py":
        return set(calls(text))
    code = templatize(text)
    starts = [*(match.start() for match in re.finditer(r"\bn?gettext\(", code)), len(code)]
    return {found for start, end in pairwise(starts) for found in calls(call(code[start:end]))}


def call(code: str) -> str:
    """The call that code begins with: up to the first parenthesis that makes it whole."""
    for end in re.finditer(r"\)", code):
        try:
            ast.parse(code[: end.end()])
        except SyntaxError:
            continue
        return code[: end.end()]
    raise AssertionError(code)


def entries() -> dict[tuple[str, ...], list[str]]:
    """The catalog: the texts of each entry, and what they are in German."""
    found: dict[tuple[str, ...], list[str]] = {}
    for block in (CATALOG / "django.po").read_text("utf-8").split("\n\n"):
        fields: list[tuple[str, str]] = []
        for line in block.splitlines():
            if match := re.match(r'(msg\w+(?:\[\d\])?) (".*")$', line):
                fields.append((match[1], ast.literal_eval(match[2])))
            elif line.startswith('"'):
                name, text = fields[-1]
                fields[-1] = name, text + ast.literal_eval(line)
        texts = tuple(text for name, text in fields if name.startswith("msgid"))
        assert texts not in found
        found[texts] = [text for name, text in fields if name.startswith("msgstr")]
    found.pop(("",))
    return found


# --- the catalog


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_text_of_the_sources_is_in_the_catalog(path: Path) -> None:
    known = entries()
    # An entry with two forms serves a text that is its first.
    assert not marked(path) - known.keys() - {texts[:1] for texts in known}


def test_every_entry_is_translated_and_none_is_a_guess() -> None:
    for texts, translated in entries().items():
        assert len(translated) == len(texts)
        assert all(translated), texts
    text = (CATALOG / "django.po").read_text("utf-8")
    assert not re.search(r"^#.*\bfuzzy\b|^#~", text, re.MULTILINE)


def test_placeholders_agree() -> None:
    for texts, translated in entries().items():
        for original, german in zip(texts, translated, strict=True):
            assert sorted(PLACEHOLDER.findall(german)) == sorted(PLACEHOLDER.findall(original)), original


def test_quotation_marks_are_german_ones_and_break_no_markup() -> None:
    for texts, translated in entries().items():
        for original, german in zip(texts, translated, strict=True):
            assert german.count('"') == original.count('"')
            assert german.count("„") == german.count("“") == original.count("“")
            assert "”" not in german


def test_what_is_compiled_is_what_is_written() -> None:
    compiled = (CATALOG / "django.mo").read_bytes()
    with (CATALOG / "django.mo").open("rb") as file:
        catalog = gettext.GNUTranslations(file)
    known = entries()
    for texts, translated in known.items():
        one, many = texts[0], texts[-1]
        if len(texts) == 1:
            assert catalog.gettext(one) == translated[0]
        else:
            assert [catalog.ngettext(one, many, number) for number in (1, 2, 0)] == [*translated, translated[1]]
    # The header is an entry as well.
    assert int.from_bytes(compiled[8:12], "little") == len(known) + 1


# --- what is shown


@pytest.fixture
def german(staff: Staff, settings: Any) -> Iterator[Client]:
    """The browser of a member of staff who prefers German, where a project lets browsers choose."""
    before = settings.MIDDLEWARE
    at = before.index("django.contrib.sessions.middleware.SessionMiddleware") + 1
    settings.MIDDLEWARE = [*before[:at], "django.middleware.locale.LocaleMiddleware", *before[at:]]
    client = staff(*PERMISSIONS, "modify_session")
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = "de"
    # The middleware leaves the thread in the language of the last request.
    with translation.override("en", deactivate=True):
        yield client


@pytest.fixture
def busy(transactional_db: None) -> None:
    """Something of everything."""
    Session.objects.create(id=SESSION, principal="ann", node_id="n1")
    Node.objects.create(id="n1", lease_until=timezone.now())
    rooms.set("standup", "topic", "news")
    site_sessions.create({"step": 1})
    assert locks.acquire("door", session_id=SESSION)


@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("room", ("Räume", "Teilnehmer", "Größe", "Alter", "Mit Teilnehmern")),
        ("session", ("Sitzungen", "Zustand", "Knoten", "Eigenschaften anzeigen", "Schließen")),
        ("sitesession", ("Website-Sitzungen", "Läuft ab", r"noch \d", "Abgelaufene entfernen", "Gültigkeit")),
        ("node", ("Knoten", "Lease gültig bis", "abgelaufen", "Schreibvorgänge pro Sekunde")),
        ("lock", ("Sperren", "Inhaber", "Wartende", "Laufnummer", "Gehalten", "Sitzung")),
    ],
)
def test_a_list_is_german(german: Client, model: str, words: tuple[str, ...]) -> None:
    page = german.get(address(model, "changelist"))
    assert page.headers["Content-Language"] == "de"
    assert [word for word in words if not re.search(word, text_of(page))] == []


@pytest.mark.usefixtures("busy")
def test_the_dashboard_is_german_with_what_its_script_says(german: Client) -> None:
    page = german.get(reverse("admin:app_list", args=["sessionstore_app"]))
    shown = text_of(page)
    for word in ("Sitzungsspeicher", "Sitzungen", "Räume", "Datenverkehr", "Sitzungen nach Eigenschaft", "Zählen"):
        assert word in shown
    data = re.search(r'<script id="dashboard" type="application/json">(.*?)</script>', page.content.decode())
    assert data is not None
    labels = json.loads(data[1])["labels"]
    assert labels["peopled"] == "mit Teilnehmern"
    assert labels["chart"] == "%s in den letzten Minuten"


@pytest.mark.usefixtures("busy")
def test_what_is_asked_and_told_is_german(german: Client) -> None:
    asked = german.post(address("session", "changelist"), {"action": "set_property", "_selected_action": [SESSION]})
    assert "Eigenschaft von 1 Sitzung setzen?" in text_of(asked)
    done = confirm(german, "set_property", SESSION, key="team", value="red")
    assert told(done) == ["„team“ von 1 Sitzung gesetzt."]


@pytest.mark.usefixtures("busy")
def test_who_prefers_another_language_reads_english(german: Client) -> None:
    page = german.get(address("room", "changelist"), headers={"accept-language": "en"})
    assert "peers" in text_of(page).lower()
    assert "Teilnehmer" not in text_of(page)
