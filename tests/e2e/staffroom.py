"""Members of staff in the admin: who they are, what they may do, and the windows they have open."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from playwright.sync_api import Page, expect

from tests.e2e.conftest import Windows
from tests.support.server import Server, manage

PASSWORD = "a password of the tests"
_MAKE = """
import json
from django.contrib.auth.models import Permission, User
name, permissions, password = json.loads({given!r})
user, _ = User.objects.get_or_create(username=name, defaults=dict(is_staff=True))
user.set_password(password)
user.save()
user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
"""
_ROOM = "from sessionstore_app.models import Room; print(Room.objects.get(name={name!r}).pk)"


def make_staff(server: Server, name: str, *permissions: str) -> None:
    """Somebody who may enter the admin and holds these permissions."""
    code = _MAKE.format(given=json.dumps([name, permissions, PASSWORD]))
    manage("shell", "--no-imports", "-c", code, database_url=server.database_url)


def enter(windows: Windows, server: Server, name: str, **options: Any) -> Page:
    """A window in which somebody is logged in to the admin."""
    page = windows.page(**options)
    page.goto(f"http://{server.host}/admin/login/?next=/admin/")
    page.fill("[name=username]", name)
    page.fill("[name=password]", PASSWORD)
    page.press("[name=password]", "Enter")
    expect(page.locator("#site-name")).to_be_visible()
    return page


def open_room(page: Page, server: Server, room: str) -> None:
    """The live page of a room, found in the list."""
    page.goto(f"http://{server.host}/admin/sessionstore_app/room/?q={quote(room)}")
    page.locator("#result_list tbody th a", has_text=room).first.click()
    expect(page.locator("#live-state")).to_have_attribute("data-state", "live")
