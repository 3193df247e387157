"""The demo as one would deploy it: with DEBUG off, on each of the servers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import pytest
from playwright.sync_api import Response, expect

from tests.e2e.conftest import Windows
from tests.support.server import Kind, Server, running

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module", params=["uvicorn", "daphne"])
def deployed(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server without DEBUG."""
    with running(kind=cast("Kind", request.param), environment={"DEBUG": "0"}) as server:
        yield server


def test_the_page_and_its_files_are_served_without_debug(windows: Windows, deployed: Server, room: str) -> None:
    ann = windows.open(deployed)
    answers: list[Response] = []

    def note(answer: Response) -> None:
        answers.append(answer)

    ann.page.on("response", note)
    ann.page.goto(ann.origin)
    ann.join(room, "Ann")
    bo = windows.join(deployed, room, "Bo")
    bo.say("hello")
    ann.pin("hello")
    ann.expect_pins("Bo: hello")
    ann.expect_people("Ann", "Bo")
    assert {answer.status for answer in answers} == {200}
    kinds = {answer.url.rsplit(".", 1)[-1]: answer.headers["content-type"].split(";")[0] for answer in answers}
    assert (kinds["js"], kinds["css"], kinds["svg"]) == ("text/javascript", "text/css", "image/svg+xml")
    pages = [answer for answer in answers if answer.request.resource_type == "document"]
    assert len(pages) == 2
    for page in pages:
        assert "default-src 'self'" in page.headers["content-security-policy"]
        assert "unsafe" not in page.headers["content-security-policy"]
        assert page.headers["x-content-type-options"] == "nosniff"
    # The style sheets are in force, not only delivered.
    assert ann.page.evaluate("document.styleSheets.length") == 7
    assert ann.tile("Ann").evaluate("(tile) => getComputedStyle(tile).display") != "list-item"


def test_a_wrong_address_tells_nothing_about_the_server(windows: Windows, deployed: Server) -> None:
    page = windows.page()
    answer = page.goto(f"http://{deployed.host}/nowhere/")
    assert answer is not None
    assert answer.status == 404
    expect(page.get_by_role("heading")).to_have_text("There is no such page")
    assert "Traceback" not in page.content()
    assert "urlpatterns" not in page.content()
    # The browser notes a page's own 404 as an error; there was nothing else.
    assert windows.complaints == [
        "console: Failed to load resource: the server responded with a status of 404 (Not Found)"
    ]
    windows.complaints.clear()
