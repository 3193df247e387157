"""Rows that these tests look at, and what they read from pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from html import unescape
from typing import Any
from uuid import UUID, uuid4

from django.contrib.admin.models import LogEntry
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from sessionstore_app.models import SiteSession
from sessionstore_app.services.site import site_sessions

# What would run, turn text around, or break a page, if it were anything but text.
HOSTILE = "<script>alert(1)</script>'\"&\u202e{{ x }}" + "W" * 150


def address(model: str, view: str, *args: Any) -> str:
    return reverse(f"admin:sessionstore_app_{model}_{view}", args=args)


def made(number: int, *, seconds: float = 0, platform: str = "WEB") -> list[UUID]:
    """So many site sessions at once, last updated so long ago, each a second older than the one before."""
    now = timezone.now() - timedelta(seconds=seconds)
    rows = [
        SiteSession(
            id=uuid4(),
            data='{"step":1}',
            created_at=now - timedelta(hours=1),
            updated_at=now - timedelta(seconds=position),
            platform=platform,
        )
        for position in range(number)
    ]
    return [row.pk for row in SiteSession.objects.bulk_create(rows)]


def stored(uuid: str) -> tuple[str, int] | None:
    """Data and update count as they are in the table."""
    return SiteSession.objects.filter(pk=uuid).values_list("data", "update_count").first()


def created(**data: Any) -> str:
    """A site session by its bare key."""
    return site_sessions.create(data).uuid


def said() -> list[tuple[str, int, str, str]]:
    """The admin's log, oldest first: of what, flag, what it is called, and what was done."""
    found = LogEntry.objects.order_by("pk")
    return [(entry.object_id or "", entry.action_flag, entry.object_repr, entry.change_message) for entry in found]


def text_of(response: Any) -> str:
    """What a page says, without its markup."""
    plain = re.sub(r"<[^>]*>", " ", response.content.decode())
    return re.sub(r"\s+", " ", unescape(plain))


@contextmanager
def counted(using: str = "default") -> Iterator[CaptureQueriesContext]:
    """The queries of a block."""
    with CaptureQueriesContext(connections[using] if using != "default" else connection) as queries:
        yield queries
