"""Whatever happens to a session in one transaction or in several: its log is whole, and each change goes on where the
last one ended (I9, D55, P27).
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import pytest
from django.db import transaction

from sessionstore_app.core.close import CloseReason
from sessionstore_app.core.errors import AccessDenied, SessionStoreError
from sessionstore_app.core.observer import Interest
from sessionstore_app.core.sessions import Kind, SessionChange, State
from sessionstore_app.models import Session, SessionEvent
from sessionstore_app.services import history, jobs
from sessionstore_app.services.batch import Batch
from sessionstore_app.services.policy import ANONYMOUS, Identity, Policy
from sessionstore_app.services.record import Job

if TYPE_CHECKING:
    from pytest_django import Settings

pytestmark = pytest.mark.django_db(transaction=True)

ME = "session-1"
EVERYTHING = Interest()
ONLY_ME = {ME: jobs.UNSEEN}


def _join(room: str) -> Job:
    return jobs.Join(session_id=ME, generation=1, room=room, identity=ANONYMOUS, observed=())


MAKERS: dict[str, Callable[[], Job]] = {
    "join": lambda: _join("standup"),
    "join another": lambda: _join("lobby"),
    "leave": lambda: jobs.Leave(session_id=ME, room="standup", grace_seconds=0),
    "name": lambda: jobs.SetProperties(seen=ONLY_ME, interest=EVERYTHING, changes={"name": "Ann"}),
    "rename": lambda: jobs.SetProperties(seen=ONLY_ME, interest=EVERYTHING, changes={"name": None, "x": "1"}),
    "promote": lambda: jobs.ChangeRoles(seen=ONLY_ME, interest=EVERYTHING, add=["boss"], remove=(), most=9),
    "lose": lambda: jobs.Disconnect(
        session_id=ME, generation=1, reason=CloseReason.CONNECTION_LOST, reconnect_seconds=9
    ),
    "reclaim": lambda: jobs.Reclaim(session_id=ME, generation=1, node_id="elsewhere"),
    "resume": lambda: jobs.Resume(session_id=ME, identity=ANONYMOUS, node_id="n1", token="t", new_token="t"),
    "close": lambda: jobs.Close(session_id=ME, reason="CLOSED_BY_CLIENT"),
    "expire": lambda: jobs.Close(session_id=ME, reason="EXPIRED", due=True),
    "terminate": lambda: jobs.Terminate(seen=ONLY_ME, interest=EVERYTHING, reason="CLOSED_BY_CONTROLLER"),
}


def _do(works: Sequence[Job]) -> list[SessionChange]:
    """As the record does them, in one transaction."""
    with transaction.atomic():
        batch = Batch(
            sessions={session_id for job in works for session_id in job.sessions},
            rooms={room for job in works for room in job.rooms},
            ending={session_id for job in works for session_id in job.ending},
        )
        for job in works:
            try:
                job.run(batch)
            except SessionStoreError:
                continue
        batch.save()
        return batch.events.sessions


def _open() -> list[SessionChange]:
    return _do([jobs.Open(session_id=ME, identity=ANONYMOUS, node_id="n1", token="t")])


def _assert_whole(told: Sequence[SessionChange]) -> None:
    log = [history.change_of(row) for row in SessionEvent.objects.select_related("session").order_by("revision")]
    assert log == list(told)
    assert [change.revision for change in log] == list(range(1, len(log) + 1))
    assert [change.is_opening for change in log] == [True, *[False] * (len(log) - 1)]
    assert State.CLOSED not in [change.state for change in log[:-1]]
    for before, after in itertools.pairwise(log):
        assert after.properties_before == before.properties
        assert after.previous_rooms == before.rooms
        assert after.kind is not Kind.PROPERTIES or after.previous
    assert (Session.objects.get().state == "CLOSED") is (log[-1].state is State.CLOSED)


@pytest.mark.parametrize("first", MAKERS)
def test_i9_two_things_that_happen_at_once_are_told_as_two(first: str) -> None:
    for second in MAKERS:
        told = _open() + _do([_join("standup")]) + _do([MAKERS[first](), MAKERS[second]()])
        _assert_whole(told)
        Session.objects.all().delete()


@pytest.mark.parametrize("seed", range(12))
def test_i9_whatever_happens_together_or_apart_the_log_is_whole(seed: int) -> None:
    chance = random.Random(seed)
    told = _open()
    for _ in range(6):
        names = chance.choices(list(MAKERS), weights=[4] * 9 + [1] * 3, k=chance.randint(1, 5))
        told += _do([MAKERS[name]() for name in names])
        _assert_whole(told)


class RaisingPolicy(Policy):
    """Refuses rooms in the wrong way."""

    def may_join(self, identity: Identity, room: str) -> bool:
        if room == "lobby":
            raise AccessDenied
        return True


def test_t19_a_return_that_is_refused_by_raising_burns_no_token(settings: Settings) -> None:
    told = _open() + _do([_join("standup"), _join("lobby"), MAKERS["lose"]()])
    settings.SESSIONSTORE = {"POLICY": f"{__name__}.RaisingPolicy", "ALLOW_ANONYMOUS": True}
    assert _do([MAKERS["resume"]()]) == []
    _assert_whole(told)
    row = Session.objects.get()
    assert (row.state, row.generation) == ("DISCONNECTED", 1)
