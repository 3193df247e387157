"""`locks` from server code: acquired for a session, looked at, taken away; in and out of transactions (parity §2.8)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.db import transaction
from django.utils import timezone

from sessionstore_app import errors, locks, sessions
from sessionstore_app.models import Lock, LockRequest, Session, SessionState
from sessionstore_app.services import jobs
from sessionstore_app.services import locks as service
from sessionstore_app.services.locks import LockInfo
from sessionstore_app.services.reaping import forget_history
from tests.support.wire import eventually

if TYPE_CHECKING:
    from pytest_django import Settings

LIMIT_SECONDS = 10.0

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ann() -> str:
    """An open session."""
    return Session.objects.create(id="session-ann", principal="ann", node_id="n1").id


@pytest.fixture
def bo() -> str:
    """Another one, on another node."""
    return Session.objects.create(id="session-bo", principal="bo", node_id="n2").id


async def _wait_in_line(name: str, session_id: str) -> asyncio.Task[int]:
    """Ask for a lock that is held; returns once that is recorded."""
    before = await LockRequest.objects.acount()
    asked = asyncio.create_task(locks.aacquire(name, session_id))

    async def recorded() -> bool:
        return await LockRequest.objects.acount() == before + 1

    await eventually(recorded, "it waits")
    return asked


def test_d77_a_lock_is_acquired_looked_at_and_released(ann: str, bo: str) -> None:
    assert locks.get("desk") is None
    sequence = locks.acquire("desk", ann)
    assert locks.get("desk") == LockInfo(
        name="desk", session_id=ann, principal="ann", server_name="n1", sequence=sequence, scope="session", waiters=0
    )
    other = locks.acquire("chair", bo, scope="connection")
    held = [(lock.name, lock.session_id, lock.scope, lock.sequence) for lock in locks.list()]
    assert held == [("chair", bo, "connection", other), ("desk", ann, "session", sequence)]
    # D74: only if that session has it; without a session, whoever has it.
    assert locks.release("desk", bo) is False
    assert locks.release("desk", ann) is True
    assert locks.release("desk", ann) is False
    assert locks.release("chair") is True
    assert locks.release("chair") is False
    assert locks.list() == []


def test_d73_each_acquisition_has_a_greater_sequence(ann: str, bo: str) -> None:
    sequences = []
    for session_id in (ann, bo, bo, ann) * 3:
        sequences.append(locks.acquire("desk", session_id))
        assert locks.release("desk")
    assert sequences == sorted(set(sequences))


async def test_d73_a_name_that_was_forgotten_goes_on_with_greater_numbers(ann: str) -> None:
    sequence = await locks.aacquire("desk", ann)
    await locks.arelease("desk")
    await Lock.objects.aupdate(changed_at=timezone.now() - timedelta(hours=2))
    await forget_history()
    assert not await Lock.objects.aexists()
    assert await locks.aacquire("desk", ann) > sequence


def test_d71_who_holds_it_is_given_it_again_and_the_weaker_scope_counts(ann: str) -> None:
    sequence = locks.acquire("desk", ann)
    assert locks.acquire("desk", ann, scope="connection", timeout_seconds=0) == sequence
    assert locks.acquire("desk", ann) == sequence
    found = locks.get("desk")
    assert found is not None
    assert found.scope == "connection"


async def test_d70_who_waits_is_granted_it_in_turn(ann: str, bo: str) -> None:
    third = (await Session.objects.acreate(id="session-cy")).id
    sequences = [await locks.aacquire("desk", ann)]
    asked = [await _wait_in_line("desk", bo), await _wait_in_line("desk", third)]
    found = await locks.aget("desk")
    assert found is not None
    assert found.waiters == 2
    async with asyncio.timeout(LIMIT_SECONDS):
        for holder, each in zip((ann, bo), asked, strict=True):
            assert await locks.arelease("desk", holder)
            sequences.append(await each)
    assert sequences == sorted(set(sequences))


async def test_d70_of_many_who_ask_at_once_one_is_granted_it() -> None:
    """And nobody who gave up is left in line."""
    ids = [f"session-{number}" for number in range(20)]
    await Session.objects.abulk_create(Session(id=session_id) for session_id in ids)
    asked = await asyncio.gather(
        *(locks.aacquire("desk", session_id, timeout_seconds=0) for session_id in ids), return_exceptions=True
    )
    found = await locks.aget("desk")
    assert found is not None
    assert [answer for answer in asked if not isinstance(answer, errors.LockTimeout)] == [found.sequence]
    assert asked[ids.index(found.session_id)] == found.sequence
    assert not await LockRequest.objects.aexists()


@pytest.mark.parametrize("seconds", [0, 0.05, 0.3])
def test_d70_waiting_may_be_limited(ann: str, bo: str, seconds: float) -> None:
    sequence = locks.acquire("desk", ann)
    with pytest.raises(errors.LockTimeout):
        locks.acquire("desk", bo, timeout_seconds=seconds)
    assert not LockRequest.objects.exists()
    found = locks.get("desk")
    assert found is not None
    assert (found.session_id, found.sequence, found.waiters) == (ann, sequence, 0)


async def test_d70_who_is_granted_it_at_the_last_moment_has_it(
    ann: str, bo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Granted between the last look and giving up."""
    cancel = service._cancel

    async def cancel_once_granted(job: jobs.Acquire) -> int | None:
        assert await locks.arelease("desk", ann)
        return await cancel(job)

    await locks.aacquire("desk", ann)
    monkeypatch.setattr(service, "_cancel", cancel_once_granted)
    sequence = await locks.aacquire("desk", bo, timeout_seconds=0)
    found = await locks.aget("desk")
    assert found is not None
    assert (found.session_id, found.sequence) == (bo, sequence)


@pytest.mark.parametrize("is_granted", [False, True])
async def test_d70_whoever_is_cancelled_leaves_nothing(ann: str, bo: str, is_granted: bool) -> None:
    """Nobody would know that the session waits, or was granted the lock."""
    await locks.aacquire("desk", ann)
    asked = await _wait_in_line("desk", bo)
    if is_granted:
        await locks.arelease("desk", ann)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert not await LockRequest.objects.aexists()
    found = await locks.aget("desk")
    assert (None if found is None else found.session_id) == (None if is_granted else ann)


async def test_d70_waiting_ends_with_the_session(ann: str, bo: str) -> None:
    await locks.aacquire("desk", ann)
    asked = await _wait_in_line("desk", bo)
    assert await sessions.aterminate(session_id=bo) == 1
    with pytest.raises(errors.AccessDenied):
        await asked
    assert not await LockRequest.objects.aexists()


async def test_d72_a_terminated_session_loses_its_locks_to_who_waits(ann: str, bo: str) -> None:
    first = await locks.aacquire("desk", ann)
    await locks.aacquire("chair", ann, scope="connection")
    asked = await _wait_in_line("desk", bo)
    assert await sessions.aterminate(session_id=ann) == 1
    assert await asked > first
    assert await locks.aget("chair") is None


@pytest.mark.parametrize("state", [SessionState.DISCONNECTED, SessionState.CLOSED, None])
def test_d70_only_a_session_that_is_there_may_acquire(ann: str, state: str | None) -> None:
    if state is None:
        ann = "nobody"
    else:
        Session.objects.filter(id=ann).update(state=state)
    with pytest.raises(errors.AccessDenied):
        locks.acquire("desk", ann)
    assert locks.get("desk") is None


def test_names_and_scopes_are_checked(ann: str) -> None:
    for name in ("", "a*", "tab\t", "k" * 129):
        for refused in (lambda name=name: locks.acquire(name, ann), lambda name=name: locks.get(name)):
            with pytest.raises(errors.InvalidKey):
                refused()
        with pytest.raises(errors.InvalidKey):
            locks.release(name)
    with pytest.raises(errors.InvalidParams):
        locks.acquire("desk", ann, scope="for ever")
    assert not Lock.objects.exists()


def test_a_session_has_so_many_locks_and_not_one_more(ann: str, bo: str, settings: Settings) -> None:
    settings.SESSIONSTORE = {**settings.SESSIONSTORE, "LOCKS_PER_SESSION": 2}
    for name in ("desk", "chair"):
        locks.acquire(name, ann)
    with pytest.raises(errors.LimitExceeded) as refused:
        locks.acquire("lamp", ann)
    assert (refused.value.limit, refused.value.actual) == (2, 3)
    locks.acquire("desk", ann)
    locks.acquire("lamp", bo)
    locks.release("desk", ann)
    locks.acquire("door", ann)


async def test_a_session_that_asks_for_many_at_once_gets_no_more(ann: str, settings: Settings) -> None:
    settings.SESSIONSTORE = {**settings.SESSIONSTORE, "LOCKS_PER_SESSION": 4}
    asked = await asyncio.gather(*(locks.aacquire(f"l{n}", ann) for n in range(20)), return_exceptions=True)
    refused = [answer for answer in asked if not isinstance(answer, int)]
    assert all(isinstance(answer, errors.LimitExceeded) for answer in refused)
    assert len(refused) == 16
    assert len(await locks.alist()) == 4


def test_p37_what_is_rolled_back_never_happened(ann: str, bo: str) -> None:
    locks.acquire("chair", ann)
    with transaction.atomic():
        locks.acquire("desk", ann)
        locks.release("chair", ann)
        transaction.set_rollback(True)
    assert [lock.name for lock in locks.list()] == ["chair"]
    with transaction.atomic():
        locks.acquire("desk", bo)
        locks.release("chair", ann)
    assert [(lock.name, lock.session_id) for lock in locks.list()] == [("desk", bo)]


def test_d70_inside_a_transaction_nobody_waits_for_a_lock(ann: str, bo: str) -> None:
    """The transaction's own rows would keep the holder from giving it back."""
    locks.acquire("door", ann)
    with transaction.atomic():
        with pytest.raises(errors.LockTimeout):
            locks.acquire("door", bo)
        locks.acquire("chair", bo)
    assert [(lock.name, lock.session_id) for lock in locks.list()] == [("chair", bo), ("door", ann)]
