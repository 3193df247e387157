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
# What a burst goes on with once the connection is gone. So it is lost in mid-burst, however slow the machine is.
LATE_PINS = 4
LATE_WRITES = 20

# Presses the pins of one's own messages one after the other, from the page's own timer, as fast as an eager person.
_PIN_ALL = """({ texts, late }) => {
  const connection = document.querySelector("[data-testid=connection]");
  const buttons = texts.map((text) => Array.from(document.querySelectorAll(".message"))
    .find((row) => row.querySelector(".message__text").textContent === text).querySelector(".message__pin"));
  globalThis.pinsToPress = buttons;
  const timer = setInterval(() => {
    if (!buttons.length) clearInterval(timer);
    else if (buttons.length > late || connection.dataset.state !== "open") buttons.shift().click();
  }, 120);
}"""
# Each write is noted when it was acknowledged. Increments show a write that is lost or applied twice. No more wait than
# a slow server takes within the tests' limit once it is back.
_BURST = """
  const { burst } = held;
  for (let late = given; late; late -= session.state !== "open") {
    const number = burst.written++;
    const key = `${session.id}/${number % 20}`;
    for (const write of [store.set(key, number), store.update("count", { do: "increment" })])
      write.then(({ key, value }) => burst.acknowledged.push([key, value]), ({ reason }) => burst.refused.push(reason));
    do await new Promise((resolve) => setTimeout(resolve, 4));
    while (session.state === "open" && session.pendingWrites > 40);
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
    bo.dismiss()
    texts = {window: [f"{window.name} says {number}" for number in range(MESSAGES)] for window in (ann, bo)}
    for window, own in texts.items():
        for text in own:
            window.write(text)
    for window in (ann, bo):
        expect(window.page.locator("[data-testid=chat-message][data-state=sent]")).to_have_count(2 * MESSAGES)
    bo.hand_button.click()
    ann.expect_hands("Bo")
    for window, own in texts.items():
        window.page.evaluate(_PIN_ALL, {"texts": own, "late": LATE_PINS})
    expect(ann.page.get_by_test_id("pin-count")).to_have_text("1/3")
    mortal.kill()
    for window in (ann, bo):
        window.expect_lost()
        window.page.wait_for_function("() => !pinsToPress.length")
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
        page.run("held.burst = { written: 0, acknowledged: [], refused: [], over: false }")
        # Not awaited: the burst goes on while the server dies.
        page.run(f"(async () => {{ {_BURST} }})()", LATE_WRITES)
    for page in pages:
        page.wait_until("held.burst.acknowledged.length >= 20")
    mortal.kill()
    for page in pages:
        page.wait_until("session.state === 'reconnecting' && held.burst.over")
    mortal.start()
    for page in pages:
        # Else it may be long before it dials again.
        page.run("dispatchEvent(new Event('online'))")
    written = {}
    for page in pages:
        page.wait_until("session.state === 'open' && session.pendingWrites === 0")
        written[page.session_id] = page.run("return held.burst.written")
        assert page.run("return held.burst.refused") == []
        assert page.run("return held.burst.acknowledged.length") == 2 * written[page.session_id]
    fresh = SdkPage(windows.page(), origin)
    fresh.join(room)
    stored = dict(fresh.run("return (await store.snapshot()).entries.map(({ key, value }) => [key, value])"))
    # Every increment once, though those that were under way were sent again.
    assert stored.pop("count") == sum(written.values())
    last_of_each_key = ((session, number) for session, count in written.items() for number in range(count - 20, count))
    assert stored == {f"{session}/{number % 20}": number for session, number in last_of_each_key}
    for page in pages:
        expected = {**stored, "count": sum(written.values())}
        page.wait_until("given.every(([key, value]) => values.get(key) === value)", list(expected.items()))
        assert page.run("return values.size") == len(expected)
