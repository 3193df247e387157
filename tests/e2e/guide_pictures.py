"""The screenshots of docs/guide/room-types.md: `python -m tests.e2e.guide_pictures`.

What a shell or a browser's console answers is what they answered, in a meeting of the demo; only the paper is ours.
"""

from __future__ import annotations

import html
import json
import os
from pathlib import Path
from typing import Any

import django
from playwright.sync_api import Page, expect

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
django.setup()

from tests.e2e.chromium import launched  # noqa: E402 - Django has to be set up first
from tests.e2e.conftest import Windows  # noqa: E402
from tests.e2e.sdk_page import SdkPage  # noqa: E402
from tests.e2e.staffroom import enter, make_staff, open_room  # noqa: E402
from tests.e2e.window import Window  # noqa: E402
from tests.support.server import Server, manage, running  # noqa: E402

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "images" / "guide"
ROOM = "meeting/weekly"
STAFF = ("view_room", "manage_room", "view_values", "view_session", "modify_session")
DESK: dict[str, Any] = {"viewport": {"width": 1100, "height": 760}}
# Answers each line as a shell would, and goes on after an error.
_SHELL = """
import code, sys
sys.stderr = sys.stdout
shell = code.InteractiveConsole()
for line in {lines!r}:
    print(">>> " + line)
    shell.push(line)
"""
_PAPER = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; background: #fff; }}
pre {{ box-sizing: border-box; width: 900px; margin: 0; padding: 16px 20px; background: #15191e; color: #d7dde4;
       font: 14px/1.5 "DejaVu Sans Mono", monospace; white-space: pre-wrap; overflow-wrap: anywhere; }}
.typed {{ color: #8fd3ff; }}
.wrong {{ color: #ff9c92; }}
</style><pre>{lines}</pre>"""


class Desk:
    """A developer's desk beside a meeting: a shell, a browser's console, the admin, and paper for what they say."""

    def __init__(self, windows: Windows, server: Server) -> None:
        self._windows = windows
        self._server = server
        self._paper = windows.page(viewport={"width": 900, "height": 600})

    def shell(self, name: str, *lines: str) -> None:
        """A picture of what Django's shell says to these lines."""
        code = _SHELL.format(lines=["from sessionstore_app import rooms", *lines])
        said = manage("shell", "--no-imports", "-c", code, database_url=self._server.database_url)
        # Of a traceback the last line: the others are the package's own.
        shown = [line for line in said.splitlines()[1:] if not line.startswith((" ", "Traceback"))]
        self._print(name, shown, typed=">>> ", wrong=("sessionstore_app.",))

    def console(self, name: str, page: SdkPage, *lines: str) -> None:
        """A picture of what a browser's console says to these lines."""
        shown: list[str] = []
        for line in lines:
            given = page.run(
                f"try {{ return JSON.stringify(await ({line})) ?? 'undefined'; }}"
                "catch (error) { return `Uncaught ${error}\\n${error.rule ? JSON.stringify(error.rule) : ''}`; }"
            )
            shown += [f"> await {line}", *(part for part in str(given).split("\n") if part)]
        self._print(name, shown, typed="> ", wrong=("Uncaught",))

    def admin(self) -> Page:
        """A member of staff on the room's live page."""
        page = enter(self._windows, self._server, "kay", **DESK)
        open_room(page, self._server, ROOM)
        return page

    def _print(self, name: str, lines: list[str], *, typed: str, wrong: tuple[str, ...]) -> None:
        kinds = (("typed" if line.startswith(typed) else "wrong" if line.startswith(wrong) else "") for line in lines)
        spans = (f'<span class="{kind}">{html.escape(line)}</span>' for kind, line in zip(kinds, lines, strict=True))
        self._paper.set_content(_PAPER.format(lines="\n".join(spans)))
        self._paper.locator("pre").screenshot(path=FOLDER / f"{name}.png")


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with running() as server, launched() as browser:
        make_staff(server, "kay", *STAFF)
        windows = Windows(browser)
        desk = Desk(windows, server)
        ann = windows.join(server, "weekly", "Ann", **DESK)
        program = SdkPage(windows.page(), f"http://{server.host}")
        program.join(ROOM)
        type_error(desk, program)
        refused_write(desk, program)
        revoked_right(desk, program, ann)
        roles(windows, server)
        windows.close()


def type_error(desk: Desk, program: SdkPage) -> None:
    """Somebody writes what the key does not hold."""
    desk.shell(
        "type-error-python",
        f'rooms.set("{ROOM}", "pinned", "The release is on Thursday")',
        f'rooms.set("{ROOM}", "pinned", [{{"id": 7, "text": "The release is on Thursday"}}])',
    )
    desk.console("type-error-console", program, "store.set(`hand/${session.id}`, 'up')")
    page = desk.admin()
    page.click("#new-key")
    page.fill("#editor-key", "notes")
    page.fill("#editor-text", '{"text": "Ask Bo about the date"}')
    page.click("#editor-save")
    expect(page.locator("#editor-fault")).not_to_be_empty()
    page.locator("#editor").screenshot(path=FOLDER / "type-error-admin.png")


def refused_write(desk: Desk, program: SdkPage) -> None:
    """A guest writes what hosts do, and somebody a key that there is not."""
    guest = program.session_id
    desk.shell(
        "refused-write-python",
        f'guest = "{guest}"',
        f'rooms.set("{ROOM}", "spotlight", guest, as_session=guest)',
        "import sys",
        "sys.last_value.advice",
        "sys.last_value.rule",
    )
    desk.console(
        "refused-write-console",
        program,
        "room.can('write', 'spotlight')",
        "store.set('spotlight', session.id)",
    )
    page = desk.admin()
    page.click("#new-key")
    page.fill("#editor-key", "pined")
    page.fill("#editor-text", "[]")
    page.click("#editor-save")
    expect(page.locator("#editor-fault")).not_to_be_empty()
    page.locator("#editor").screenshot(path=FOLDER / "refused-write-admin.png")


def revoked_right(desk: Desk, program: SdkPage, ann: Window) -> None:
    """A speaker is one no longer."""
    ann.make_speaker("Guest")
    program.wait_until("session.roles.includes('speaker')")
    ann.make_speaker("Guest")
    program.wait_until("!session.roles.includes('speaker')")
    pin = json.dumps({"id": "1", "text": "Thursday"})
    speaker = program.session_id
    desk.shell(
        "revoked-right-python",
        f'rooms.update("{ROOM}", "pinned", do="append", item={pin}, as_session="{speaker}")',
    )
    desk.console(
        "revoked-right-console",
        program,
        "room.can('write', 'pinned')",
        f"store.update('pinned', {{ do: 'append', item: {pin} }})",
    )
    page = desk.admin()
    page.goto(page.url.partition("/room/")[0] + f"/session/{speaker}/change/")
    page.locator("section[aria-labelledby=history-title]").screenshot(path=FOLDER / "revoked-right-admin.png")


def roles(windows: Windows, server: Server) -> None:
    page = windows.page(viewport={"width": 620, "height": 900})
    page.goto(f"http://{server.host}/roles/")
    page.screenshot(path=FOLDER / "roles.png", full_page=True)


if __name__ == "__main__":
    main()
