"""How long the admin's lists take to open, beside bare ones of the same rows, in a process of its own.

Run as `python -m tests.benchmarks.admin_speed '{"repeats": 9}'` in the project's environment; prints JSON.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
import uuid
from datetime import timedelta
from typing import Any

import django

django.setup()

from django.contrib import admin  # noqa: E402 - Django has to be set up first
from django.contrib.auth.models import User  # noqa: E402
from django.db import connection  # noqa: E402
from django.db.models import Model  # noqa: E402
from django.test import RequestFactory  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402
from django.utils import timezone  # noqa: E402

from sessionstore_app.core.entries import Epoch  # noqa: E402
from sessionstore_app.models import Membership, Room, Session, SiteSession, Space  # noqa: E402
from sessionstore_app.services.spaces import room_space  # noqa: E402
from tests.benchmarks import filter_speed  # noqa: E402

ROOMS, SITE_SESSIONS = 1_000, 100_000


def populate() -> None:
    """10,000 sessions in 1,000 rooms that hold something, and 100,000 site sessions."""
    filter_speed.populate()
    Room.objects.bulk_create(Room(name=f"room/{number:04}", epoch=f"e{number}") for number in range(ROOMS))
    rooms = list(Room.objects.all())
    Space.objects.bulk_create(
        Space(name=room_space(room.name, Epoch(room.epoch)), version=9, keys=3, size_bytes=300) for room in rooms
    )
    now = timezone.now()
    Membership.objects.bulk_create(
        (
            Membership(room=rooms[number % ROOMS], session=session, joined_at=now)
            for number, session in enumerate(Session.objects.all())
        ),
        batch_size=1_000,
    )
    SiteSession.objects.bulk_create(
        (
            SiteSession(
                id=uuid.uuid4(), data='{"basket":[17,4]}', created_at=now, updated_at=now - timedelta(seconds=number)
            )
            for number in range(SITE_SESSIONS)
        ),
        batch_size=1_000,
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def opened(page: admin.ModelAdmin[Any], user: User) -> tuple[float, int]:
    """Milliseconds until a list is there as HTML, and the questions that it asks the database."""
    request = RequestFactory().get("/")
    request.user = user
    started = time.perf_counter()
    with CaptureQueriesContext(connection) as captured:
        response: Any = page.changelist_view(request)
        response.render()
    return (time.perf_counter() - started) * 1_000, len(captured)


def main(repeats: int) -> dict[str, Any]:
    populate()
    user = User.objects.create_superuser("ops")
    told: list[dict[str, Any]] = []
    kinds: list[type[Model]] = [Session, Room, SiteSession]
    for kind in kinds:
        ours, bare = admin.site._registry[kind], admin.ModelAdmin(kind, admin.site)
        # In turn: a slow moment of the machine hits both.
        times = [(opened(ours, user), opened(bare, user)) for _ in range(repeats + 1)][1:]
        told.append(
            {
                "model": str(kind._meta.verbose_name_plural),
                "rows": kind._default_manager.count(),
                "ours_ms": statistics.median(one[0][0] for one in times),
                "bare_ms": statistics.median(one[1][0] for one in times),
                "ours_queries": times[0][0][1],
                "bare_queries": times[0][1][1],
            }
        )
    return {"lists": told}


if __name__ == "__main__":
    print(json.dumps(main(**json.loads(sys.argv[1]))))
