"""Expiry does each thing once, counts what it did itself, and comes to an end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.utils import timezone

from sessionstore_app import rooms
from sessionstore_app.core import clock
from sessionstore_app.core.errors import Unavailable
from sessionstore_app.models import Entry, Room, Session
from sessionstore_app.services import bridge, expiry, jobs, questions, reaping, record, spaces
from sessionstore_app.services.expiry import Expired

pytestmark = pytest.mark.django_db(transaction=True)

LONG_AGO = timezone.now() - timedelta(days=60)


def run() -> Expired:
    return bridge.run(expiry.expire(None, 1_000, lambda part, so_far: None))


def away(number: int) -> None:
    """Sessions that have lapsed."""
    Session.objects.bulk_create(
        Session(id=f"away {each}", state="DISCONNECTED", lapses_at=LONG_AGO) for each in range(number)
    )


def short_lived(number: int) -> None:
    """Entries past their time."""
    for each in range(number):
        rooms.set("lobby", f"k{each}", 1, ttl_seconds=3_600)
    Entry.objects.filter(expires_at_ms__isnull=False).update(expires_at_ms=1)


def test_portions_of_two_kinds_are_all_done_in_one_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that lapsed and those whose credential ended come together, more of them than a portion is of each."""
    monkeypatch.setattr(reaping, "BATCH", 2)
    away(6)
    Session.objects.create(id="expired", state="DISCONNECTED", expires_at=LONG_AGO)
    assert run().sessions == 7
    assert set(Session.objects.values_list("state", flat=True)) == {"CLOSED"}


def test_entries_past_their_time_all_go_in_one_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reaping, "BATCH", 2)
    short_lived(5)
    assert run().entries == 5
    assert rooms.snapshot("lobby") == {}


def test_what_fails_each_time_does_not_keep_a_run_from_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reaping, "BATCH", 2)
    away(2)
    recorded = record.run

    async def fail(job: Any) -> Any:
        if isinstance(job, jobs.Close):
            raise Unavailable
        return await recorded(job)

    monkeypatch.setattr(record, "run", fail)
    assert run().sessions == 0
    monkeypatch.undo()
    assert run().sessions == 2


def another_is_faster(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Once what is overdue was looked up."""
    overdue = questions.overdue

    def look(limit: int) -> questions.Overdue:
        found = overdue(limit)
        act()
        return found

    monkeypatch.setattr(questions, "overdue", look)


def test_g25_of_two_runs_each_counts_what_it_did_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    away(3)
    Room.objects.create(name="left", epoch="e", emptied_at=LONG_AGO, clears_at=LONG_AGO)
    Room.objects.create(name="left too", epoch="e", emptied_at=LONG_AGO, clears_at=LONG_AGO)

    def act() -> None:
        Session.objects.filter(id__in=["away 0", "away 1"]).update(state="CLOSED", closed_at=timezone.now())
        Room.objects.filter(name="left").update(clears_at=None)

    another_is_faster(monkeypatch, act)
    done = run()
    assert (done.sessions, done.rooms_cleared) == (1, 1)


def test_g25_entries_that_another_removed_are_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    short_lived(3)
    backend = spaces.room_backend("lobby")
    due = backend.due

    async def look(now_ms: int, limit: int) -> Any:
        found = await due(now_ms, limit)
        await rooms.adelete("lobby", "k0")
        await rooms.aset("lobby", "k1", "again")
        return found

    monkeypatch.setattr(backend, "due", look)
    assert run().entries == 1
    assert rooms.snapshot("lobby") == {"k1": "again"}


def test_g25_a_store_that_another_wiped_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    rooms.set("lobby", "topic", "retro")
    space = spaces.room_space("lobby", bridge.run(record.ask(partial(questions.epoch_of, "lobby"))))
    Room.objects.update(epoch="another")
    monkeypatch.setattr(clock, "now_ms", partial(lambda real: real() + 2 * expiry.WIPED_KEPT_MS, clock.now_ms))
    old = questions.spaces_of_old_epochs

    def look(*given: Any) -> Any:
        found = old(*given)
        bridge.run(spaces.room_backend("lobby").wipe(space))
        return found

    monkeypatch.setattr(questions, "spaces_of_old_epochs", look)
    assert run().old_stores == 0


def test_a_dry_run_counts_entries_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    short_lived(4)
    assert bridge.run(expiry.count(None)).entries == 4
    monkeypatch.setattr(expiry, "MOST_ENTRIES_COUNTED", 3)
    assert bridge.run(expiry.count(None)).entries == 3
