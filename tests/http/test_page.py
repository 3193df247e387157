"""The page of methods: whole, escaped (T8), without scripts, and readable in light and dark and on a phone."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any, Literal

import pytest
from django.contrib.staticfiles import finders
from django.template.loader import render_to_string
from django.test import Client
from playwright.sync_api import Browser

from sessionstore_app import methodspage
from sessionstore_app.protocol.openrpc import document
from tests.e2e.chromium import launched
from tests.support.network import network_as_it_is
from tests.support.server import Server

HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>{{ 7|add:7 }}&amp;"


class Seen(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def values(self, attribute: str) -> list[str]:
        """All values of an attribute."""
        return [value for _, found in self.tags if (value := found.get(attribute)) is not None]


def _document() -> dict[str, Any]:
    return document(version="1", http_address="http://h/rpc/", socket_address="ws://h/ws/")


def _render(described: Any) -> Seen:
    return Seen(render_to_string("sessionstore_app/methods.html", {"page": methodspage.page(described)}))


def test_every_method_parameter_and_error_is_on_the_page() -> None:
    described = _document()
    seen = Seen(Client().get("/sessionstore/methods/").content.decode())
    ids = seen.values("id")
    assert len(set(ids)) == len(ids)
    for method in described["methods"]:
        assert method["name"] in ids
        assert method["summary"] in seen.text
        assert all(param["name"] in seen.text for param in method["params"])
    assert all(f"error-{reason}" in ids for reason in described["components"]["errors"])


def test_every_link_within_the_page_leads_somewhere() -> None:
    seen = _render(_document())
    inside = {href[1:] for href in seen.values("href") if href.startswith("#")}
    assert inside
    assert inside <= set(seen.values("id"))


def test_t8_nothing_of_a_document_is_markup() -> None:
    """Whatever stands in names, sentences, examples and shapes."""
    hostile = copy.deepcopy(_document())
    hostile["info"].update(title=HOSTILE, description=HOSTILE, version=HOSTILE)
    hostile["servers"][0].update(name=HOSTILE, url=f"javascript:{HOSTILE}", summary=HOSTILE)
    method = hostile["methods"][0]
    method.update(name=HOSTILE, summary=HOSTILE)
    method["x-params"]["examples"] = [{HOSTILE: HOSTILE}]
    method["params"][0].update(name=HOSTILE, schema={"enum": [HOSTILE], "default": HOSTILE})
    hostile["components"]["schemas"]["Entry"].update(description=HOSTILE, properties={HOSTILE: {"type": HOSTILE}})
    hostile["components"]["errors"]["ACCESS_DENIED"].update(message=HOSTILE)
    seen = _render(hostile)
    plain = _render(_document())
    assert {tag for tag, _ in seen.tags} == {tag for tag, _ in plain.tags}
    assert not {name for _, attributes in seen.tags for name in attributes} - {
        name for _, attributes in plain.tags for name in attributes
    }
    assert not [href for href in seen.values("href") if href.startswith("javascript:")]
    assert seen.text.count(HOSTILE) > 5


def test_a_strict_policy_for_content_holds() -> None:
    """No script, no inline style, nothing from elsewhere; the one style sheet is where it is said to be."""
    seen = _render(_document())
    assert not {"script", "style", "iframe", "img", "form"} & {tag for tag, _ in seen.tags}
    assert not seen.values("style")
    assert not [name for _, attributes in seen.tags for name in attributes if name.startswith("on")]
    (sheet,) = [attributes["href"] for tag, attributes in seen.tags if tag == "link"]
    assert sheet == "/static/sessionstore_app/methods.css"
    assert finders.find("sessionstore_app/methods.css")


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({}, "any JSON"),
        ({"type": "string"}, "text"),
        ({"type": "string", "minLength": 1, "maxLength": 128}, "text of at least 1, at most 128 characters"),
        ({"type": "string", "maxLength": 256}, "text of at most 256 characters"),
        ({"type": "string", "format": "date-time"}, "time in ISO 8601"),
        ({"type": "boolean"}, "true or false"),
        ({"type": "integer", "minimum": 0}, "integer of at least 0"),
        ({"type": "number", "exclusiveMinimum": 0, "maximum": 31_536_000}, "number over 0, at most 31,536,000"),
        ({"enum": ["room", "session"]}, '"room" or "session"'),
        ({"type": "array", "items": {"type": "string"}, "minItems": 1}, "list of text, at least 1"),
        ({"type": "array", "items": {"$ref": "#/x/Entry"}}, "list of Entry"),
        ({"type": "object", "additionalProperties": {"$ref": "#/x/Entry"}}, "object of Entry"),
        ({"type": "object"}, "object"),
        ({"anyOf": [{"$ref": "#/x/By"}, {"type": "null"}]}, "By or null"),
    ],
    ids=str,
)
def test_schemas_are_put_into_words(schema: dict[str, Any], said: str) -> None:
    assert "".join(text for text, _ in methodspage.words(schema)) == said


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with network_as_it_is(), launched() as found:
        yield found


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_t8_a_browser_shows_it_without_a_complaint(
    browser: Browser, server: Server, scheme: Literal["light", "dark"]
) -> None:
    """Under the demo's Content-Security-Policy, as wide as a phone, in the scheme that its user prefers."""
    context = browser.new_context(color_scheme=scheme, viewport={"width": 390, "height": 800})
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    response = page.goto(f"http://{server.host}/sessionstore/methods/#room.update")
    assert response is not None
    assert "style-src 'self'" in response.headers["content-security-policy"]
    assert page.locator("section").count() > 30
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    red = page.evaluate("Number(getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0])")
    assert (red > 200) == (scheme == "light")
    assert [text for text in complaints if "favicon" not in text and "404" not in text] == []
    context.close()
