"""Fences in the database: shared by all who write to it, part of the transaction, and nothing to who has none."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from django.db import connections, transaction

from sessionstore_app.backends.database import DatabaseBackend
from sessionstore_app.core.entries import Fence, WriteResult
from sessionstore_app.core.errors import LockNotHeld
from sessionstore_app.models import Fence as FenceRow
from sessionstore_app.services import bridge
from sessionstore_app.testing.acts import AT_MS, ROOM, assert_counts_right, contents, setting, write

FIRST, SECOND = Fence("stage", 1), Fence("stage", 2)
TABLE = FenceRow._meta.db_table


def set_now(backend: DatabaseBackend, fence: Fence | None) -> WriteResult:
    """Write from synchronous code, on the caller's connection."""
    return bridge.run(write(backend, setting("slide", 1), fence=fence))


@contextmanager
def counted(using: str) -> Iterator[list[str]]:
    """The statements of this thread's connection."""
    seen: list[str] = []

    def note(execute: Any, sql: str, *rest: Any) -> Any:
        seen.append(sql)
        return execute(sql, *rest)

    with connections[using].execute_wrapper(note):
        yield seen


def statements(backend: DatabaseBackend, fence: Fence | None) -> tuple[int, int]:
    """How many statements a write of a known key takes, and how many of those are about fences."""
    with counted(backend.using) as seen:
        set_now(backend, fence)
    return len(seen), sum(TABLE in sql for sql in seen)


def test_a_write_without_a_fence_costs_no_statement_more_and_one_under_a_known_sequence_one(
    backend: DatabaseBackend,
) -> None:
    set_now(backend, None)
    plain, about_fences = statements(backend, None)
    assert about_fences == 0
    assert statements(backend, FIRST) == (plain + 2, 2)
    assert statements(backend, FIRST) == (plain + 1, 1)
    assert statements(backend, None) == (plain, 0)


def test_d78_a_fence_that_is_rolled_back_never_was(backend: DatabaseBackend) -> None:
    set_now(backend, FIRST)
    with suppress(ZeroDivisionError), transaction.atomic(using=backend.using):
        set_now(backend, SECOND)
        with pytest.raises(LockNotHeld):
            set_now(backend, FIRST)
        raise ZeroDivisionError
    assert set_now(backend, FIRST).version == 2


def test_p4_nothing_is_left_of_a_wiped_spaces_fences(backend: DatabaseBackend) -> None:
    set_now(backend, SECOND)
    assert [(row.lock, row.sequence) for row in FenceRow.objects.using(backend.using)] == [("stage", 2)]
    bridge.run(backend.wipe(ROOM))
    assert not FenceRow.objects.using(backend.using).exists()
    bridge.run(backend.forget_wiped(2 * AT_MS))
    assert set_now(backend, FIRST).version == 1


async def test_p4_fences_handed_over_around_a_wipe_are_gone_with_it(backend: DatabaseBackend) -> None:
    await asyncio.gather(
        write(backend, setting("slide", 1), fence=FIRST),
        backend.wipe(ROOM),
        write(backend, setting("slide", 2), fence=SECOND),
        return_exceptions=True,
    )
    await backend.forget_wiped(2 * AT_MS)
    assert (await write(backend, setting("slide", 1), fence=FIRST)).version == 1


async def test_p48_racing_holders_in_several_writers_never_write_after_a_later_one(database: str) -> None:
    # Each has a thread, a connection and transactions of its own, as processes have.
    backends = [DatabaseBackend({"using": database}) for _ in range(3)]

    async def hold(sequence: int) -> tuple[int, int] | None:
        fence = Fence("stage", sequence)
        try:
            return (await write(backends[sequence % 3], setting("slide", sequence), fence=fence)).version, sequence
        except LockNotHeld:
            return None

    try:
        outcomes = await asyncio.gather(*(hold(sequence) for sequence in [*range(1, 60, 2), *range(60, 0, -2)]))
        accepted = sorted(outcome for outcome in outcomes if outcome is not None)
        assert [version for version, _ in accepted] == list(range(1, len(accepted) + 1))
        sequences = [sequence for _, sequence in accepted]
        assert sequences == sorted(sequences)
        assert sequences[-1] == 60
        assert await contents(backends[0]) == {"slide": 60}
        await assert_counts_right(backends[0])
    finally:
        for backend in backends:
            backend.close()
