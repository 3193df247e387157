"""What is forgotten in the end: sessions that closed long ago with all that hangs on them, and locks nobody wants."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from sessionstore_app.models import (
    Lock,
    LockRequest,
    Membership,
    Room,
    Session,
    SessionEvent,
    SessionState,
)
from sessionstore_app.services import bridge, jobs, reaping
from sessionstore_app.services.batch import Batch
from sessionstore_app.services.jobs import nodes
from sessionstore_app.services.reaping import forget_history

if TYPE_CHECKING:
    from pytest_django import Settings

DAY = timedelta(days=1)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def room() -> Room:
    return Room.objects.create(name="standup", epoch="e1")


def _session(room: Room, number: int, *, ago: timedelta | None = None, **columns: Any) -> str:
    """A session with events and a membership; `ago` is when it closed."""
    now = timezone.now()
    if ago is not None:
        columns = {"state": SessionState.CLOSED, "closed_at": now - ago, **columns}
    session = Session.objects.create(id=f"s{number}", opened_at=now - 400 * DAY, **columns)
    for revision in range(1, 4):
        SessionEvent.objects.create(
            session=session, revision=revision, type="STATE", state="ACTIVE", at=now - 400 * DAY
        )
    left_at = None if ago is None else now - ago
    Membership.objects.create(room=room, session=session, joined_at=now - 400 * DAY, left_at=left_at)
    return session.id


def _kept() -> set[str]:
    """The sessions there are; what hangs on others must be gone."""
    kept = set(Session.objects.values_list("id", flat=True))
    assert set(SessionEvent.objects.values_list("session_id", flat=True)) == kept
    assert set(Membership.objects.values_list("session_id", flat=True)) == kept
    return kept


def _keep(settings: Settings, **changes: Any) -> None:
    settings.SESSIONSTORE = {**settings.SESSIONSTORE, **changes}


def _forget() -> int:
    return bridge.run(forget_history())


def test_history_sessions_that_closed_long_ago_go_with_all_that_hangs_on_them(room: Room, settings: Settings) -> None:
    _keep(settings, HISTORY_DAYS=30)
    old = [_session(room, number, ago=30 * DAY + timedelta(minutes=number + 1)) for number in range(3)]
    kept = {_session(room, number, ago=30 * DAY - timedelta(minutes=number)) for number in range(5, 8)}
    lock = Lock.objects.create(name="desk", session_id=min(kept))
    LockRequest.objects.create(lock=lock, session_id=old[0])
    assert _forget() == 3
    assert _kept() == kept
    assert not LockRequest.objects.exists()
    assert Lock.objects.get().session_id is not None
    assert Room.objects.count() == 1
    assert _forget() == 0


@pytest.mark.parametrize("state", [SessionState.ACTIVE, SessionState.DISCONNECTED])
def test_history_is_made_of_those_that_have_ended(room: Room, settings: Settings, state: SessionState) -> None:
    """However old they are, and whatever a row may say beside that."""
    _keep(settings, HISTORY_DAYS=0)
    long_ago = timezone.now() - 300 * DAY
    kept = {
        _session(room, 1, state=state),
        _session(room, 2, state=state, lapses_at=long_ago, expires_at=long_ago),
        _session(room, 3, state=state, closed_at=long_ago),
    }
    assert _forget() == 0
    assert _kept() == kept


def test_history_of_no_days_keeps_the_last_moments(room: Room, settings: Settings) -> None:
    """Listeners elsewhere may still have to be told: four renewals of their lease long."""
    _keep(settings, HISTORY_DAYS=0, NODE_RENEW_SECONDS=60, NODE_LEASE_SECONDS=120)
    kept = {_session(room, 1, ago=timedelta(0)), _session(room, 2, ago=timedelta(seconds=180))}
    _session(room, 3, ago=timedelta(seconds=241))
    assert _forget() == 1
    assert _kept() == kept


def test_history_may_be_a_fraction_of_a_day(room: Room, settings: Settings) -> None:
    _keep(settings, HISTORY_DAYS=0.5)
    kept = {_session(room, 1, ago=DAY / 2 - timedelta(minutes=1))}
    _session(room, 2, ago=DAY / 2 + timedelta(minutes=1))
    assert _forget() == 1
    assert _kept() == kept


@pytest.mark.parametrize("number", [0, 2, 4, 5])
def test_history_goes_in_portions(room: Room, settings: Settings, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """No transaction deletes more than its portion, and all is gone in the end."""
    _keep(settings, HISTORY_DAYS=1)
    monkeypatch.setattr(reaping, "BATCH", 2)
    portions: list[int] = []
    run = jobs.Forget.run

    def counted(job: jobs.Forget, batch: Batch) -> list[str]:
        before = Session.objects.count()
        forgotten = run(job, batch)
        portions.append(before - Session.objects.count())
        assert portions[-1] == len(forgotten)
        return forgotten

    monkeypatch.setattr(jobs.Forget, "run", counted)
    for each in range(number):
        _session(room, each, ago=2 * DAY)
    kept = {_session(room, 10, ago=timedelta(0))}
    assert _forget() == number
    assert _kept() == kept
    assert portions == [*[2] * (number // 2), number % 2]


# --- locks


def _lock(name: str, *, free_for: timedelta, session_id: str | None = None) -> Lock:
    return Lock.objects.create(name=name, session_id=session_id, sequence=7, changed_at=timezone.now() - free_for)


def test_history_locks_that_are_free_for_an_hour_are_forgotten(room: Room) -> None:
    holder, waiter = _session(room, 1), _session(room, 2)
    _lock("forgotten", free_for=timedelta(minutes=61))
    _lock("free", free_for=timedelta(minutes=59))
    _lock("held", free_for=DAY, session_id=holder)
    awaited = _lock("awaited", free_for=DAY, session_id=holder)
    LockRequest.objects.create(lock=awaited, session_id=waiter)
    about_to_be_given = _lock("about to be given", free_for=DAY)
    LockRequest.objects.create(lock=about_to_be_given, session_id=waiter)
    _forget()
    assert set(Lock.objects.values_list("name", flat=True)) == {"free", "held", "awaited", "about to be given"}
    assert LockRequest.objects.count() == 2


def test_history_free_locks_go_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "_LOCKS", 2)
    for number in range(5):
        _lock(f"l{number}", free_for=DAY)
    left = []
    for _ in range(3):
        _forget()
        left.append(Lock.objects.count())
    assert left == [3, 1, 0]
