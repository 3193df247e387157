"""The server dies in mid-burst, on either database: windows come back by themselves, and nothing accepted is gone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import Windows
from tests.e2e.sdk_page import SdkPage
from tests.support.postgres import temporary_postgres
from tests.support.server import Server, manage, running

MESSAGES = 12
WRITES = 150

# Presses the pins of one's own messages one after the other, from the page's own timer, as fast as an eager person.
_PIN_ALL = """(texts) => {
  const buttons = texts.map((text) => Array.from(document.querySelectorAll(".message"))
    .find((row) => row.querySelector(".message__text").textContent === text).querySelector(".message__pin"));
  globalThis.pinsToPress = buttons;
  const timer = setInterval(() => buttons.length ? buttons.shift().click() : clearInterval(timer), 120);
}"""
# Each write is noted when it was acknowledged. Increments show a write that is lost or applied twice.
_BURST = """
  const { burst } = held;
  for (let number = 0; number < given; number++) {
    const key = `${session.id}/${number % 20}`;
    for (const write of [store.set(key, number), store.update("count", { do: "increment" })])
      write.then(({ key, value }) => burst.acknowledged.push([key, value]), ({ reason }) => burst.refused.push(reason));
    await new Promise((resolve) => setTimeout(resolve, 4));
  }
  burst.over = true;"""


@pytest.fixture(
    scope="module",
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)],
)
def mortal(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server on each database in turn."""
    if request.param == "sqlite":
        with running() as server:
            yield server
        return
    with temporary_postgres() as url:
        manage("migrate", "--verbosity", "0", database_url=url)
        with running(database_url=url) as server:
            yield server


pytestmark = pytest.mark.browser


def test_windows_survive_a_killed_server(windows: Windows, mortal: Server, room: str) -> None:
    ann, bo = windows.join(mortal, room, "Ann"), windows.join(mortal, room, "Bo")
    sessions = [ann.session_id, bo.session_id]
    ann.make_speaker("Bo")
    expect(bo.toasts).to_contain_text("You are a speaker now")
    bo.toasts.get_by_role("button", name="Dismiss").click()
    texts = {window: [f"{window.name} says {number}" for number in range(MESSAGES)] for window in (ann, bo)}
    for window, own in texts.items():
        for text in own:
            window.write(text)
    for window in (ann, bo):
        expect(window.page.locator("[data-testid=chat-message][data-state=sent]")).to_have_count(2 * MESSAGES)
    bo.hand_button.click()
    ann.expect_hands("Bo")
    for window, own in texts.items():
        window.page.evaluate(_PIN_ALL, own)
    expect(ann.page.get_by_test_id("pin-count")).to_have_text("1/3")
    mortal.kill()
    for window in (ann, bo):
        assert window.page.evaluate("pinsToPress.length"), "it was killed after the burst"
        window.expect_lost()
    mortal.start()
    for window in (ann, bo):
        window.expect_connected()
    # Each window pinned its own messages in their order, so whichever came last of all is the last of one of them.
    third = windows.join(mortal, room, "Cy")
    settled = third.pins()
    assert len(settled) == 3
    assert settled[0] in {f"{window.name}: {own[-1]}" for window, own in texts.items()}
    for window in (ann, bo):
        window.expect_pins(*settled)
        window.expect_hands("Bo")
        window.expect_people("Ann", "Bo", "Cy")
        expect(window.toasts).to_have_count(0)
    assert [ann.session_id, bo.session_id] == sessions


def test_acknowledged_writes_survive_a_killed_server(windows: Windows, mortal: Server, room: str) -> None:
    origin = f"http://{mortal.host}"
    pages = [SdkPage(windows.page(), origin) for _ in range(2)]
    for page in pages:
        page.join(room, observe=["*"])
        page.run("held.burst = { acknowledged: [], refused: [], over: false }")
        # Not awaited: the burst goes on while the server dies.
        page.run(f"(async () => {{ {_BURST} }})()", WRITES)
    pages[0].wait_until("held.burst.acknowledged.length >= 20")
    mortal.kill()
    assert not all(page.run("return held.burst.over") for page in pages), "it was killed after the burst"
    for page in pages:
        page.wait_until("session.state === 'reconnecting'")
    mortal.start()
    for page in pages:
        page.wait_until("held.burst.over && session.state === 'open' && session.pendingWrites === 0")
        assert page.run("return held.burst.refused") == []
        assert page.run("return held.burst.acknowledged.length") == 2 * WRITES
    fresh = SdkPage(windows.page(), origin)
    fresh.join(room)
    stored = dict(fresh.run("return (await store.snapshot()).entries.map(({ key, value }) => [key, value])"))
    # Every increment once, though those that were under way were sent again.
    assert stored.pop("count") == 2 * WRITES
    last_of_each_key = {f"{page.session_id}/{WRITES - 20 + n}": WRITES - 20 + n for page in pages for n in range(20)}
    assert stored == {f"{key.split('/')[0]}/{value % 20}": value for key, value in last_of_each_key.items()}
    for page in pages:
        expected = {**stored, "count": 2 * WRITES}
        page.wait_until("given.every(([key, value]) => values.get(key) === value)", list(expected.items()))
        assert page.run("return values.size") == len(expected)
